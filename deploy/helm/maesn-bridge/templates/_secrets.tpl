{{/* What stands in `secrets` for a component, as JSON: (list $ "ingress"). The probe reads what the ingress reads. */}}
{{- define "maesn-bridge.secretsOf" -}}
{{- $component := ternary "ingress" (index . 1) (eq (index . 1) "probe") -}}
{{- $found := list -}}
{{- range $index, $secret := (index . 0).Values.secrets -}}
{{- if not $secret.for -}}
{{- fail (printf "secrets[%d].for: missing, expected [ingress], [reconciler] or [ingress, reconciler]: whose pods have the files of %s" $index $secret.name) -}}
{{- end -}}
{{- if has $component $secret.for -}}{{- $found = append $found $secret -}}{{- end -}}
{{- end -}}
{{- dict "secrets" $found | toJson -}}
{{- end -}}

{{/* The sources of the projected volume of a component's secrets: (list $ "ingress"). */}}
{{- define "maesn-bridge.secretSources" -}}
{{- $sources := include "maesn-bridge.kafkaUserSecrets" . | fromYamlArray -}}
{{- range (include "maesn-bridge.secretsOf" . | fromJson).secrets -}}
{{- $sources = append $sources (dict "secret" (omit . "for")) -}}
{{- end -}}
{{- toYaml $sources -}}
{{- end -}}

{{/* The files that a process does not start without, as JSON, {setting: path}: (list $ "ingress"). config/REFERENCE.md says whose they
are; a route's former secret may be gone. */}}
{{- define "maesn-bridge.filesOf" -}}
{{- $ := index . 0 -}}
{{- $component := index . 1 -}}
{{- $config := include "maesn-bridge.config" $ | fromYaml -}}
{{- $paths := list "route_key_file" "keyring_file" "kafka.sasl_password_file" "kafka.key_password_file" -}}
{{- $declared := dict "routes" $.Values.routes -}}
{{- if eq $component "ingress" -}}
{{- $paths = concat $paths (list "ingress.tls.certificate_file" "ingress.tls.key_file" "ingress.tls.client_ca_file") -}}
{{- else -}}
{{- $paths = concat $paths (list "maesn.api_key_file" "http.ca_file") -}}
{{- $declared = dict "accounts" $.Values.accounts -}}
{{- end -}}
{{- $files := dict -}}
{{- range $paths -}}
{{- $value := $config -}}
{{- range splitList "." . -}}
{{- $value = ternary (get (default dict $value) .) "" (kindIs "map" $value) -}}
{{- end -}}
{{- if $value -}}{{- $_ := set $files (printf "config.%s" .) $value -}}{{- end -}}
{{- end -}}
{{- range $kind, $list := $declared -}}
{{- range $index, $fields := $list -}}
{{- range $field, $value := $fields -}}
{{- if and (hasSuffix "_file" $field) (ne $field "previous_secret_file") -}}{{- $_ := set $files (printf "%s[%d].%s" $kind $index $field) $value -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $files -}}
{{- end -}}
