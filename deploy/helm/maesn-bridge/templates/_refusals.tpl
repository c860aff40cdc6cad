{{/* What the processes would refuse when they start, and what contradicts itself, is refused here. */}}
{{- define "maesn-bridge.refusals" -}}
{{- include "maesn-bridge.refusals.registry" . -}}
{{- include "maesn-bridge.refusals.tls" . -}}
{{- range list "ingress" "reconciler" -}}
{{- if or (eq . "ingress") $.Values.reconciler.enabled -}}
{{- include "maesn-bridge.refusals.files" (list $ .) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.exposure.ingress.enabled .Values.exposure.httpRoute.enabled -}}
{{- fail "exposure: ingress and httpRoute, expected one of the two" -}}
{{- end -}}
{{- end -}}

{{/* What the registry and the reconciler cannot do without. */}}
{{- define "maesn-bridge.refusals.registry" -}}
{{- $config := include "maesn-bridge.config" . | fromYaml -}}
{{- $registry := (include "maesn-bridge.topics" . | fromYaml).names.registry -}}
{{- if and .Values.reconciler.enabled (not $registry) -}}
{{- fail "config.topics.registry: \"\", expected a topic: the reconciler keeps its subscriptions there; or reconciler.enabled: false" -}}
{{- end -}}
{{- if $registry -}}
{{- range list "route_key_file" "keyring_file" -}}
{{- if not (get $config .) -}}
{{- fail (printf "config.%s: missing, expected a Secret in `secrets` that holds it: config.topics.registry is not \"\"" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.reconciler.enabled (not $config.public_base_url) -}}
{{- fail "config.public_base_url: missing, expected the https URL at which providers reach the ingress: the reconciler makes callback URLs of it; or reconciler.enabled: false" -}}
{{- end -}}
{{- end -}}

{{/* Half a certificate; and a probe that speaks another protocol than the listener. */}}
{{- define "maesn-bridge.refusals.tls" -}}
{{- $tls := default dict (default dict .Values.config.ingress).tls -}}
{{- if ne (empty $tls.certificate_file) (empty $tls.key_file) -}}
{{- fail "config.ingress.tls: expected certificate_file and key_file, or neither" -}}
{{- end -}}
{{- if and $tls.certificate_file (hasPrefix "http:" .Values.probe.url) -}}
{{- fail (printf "probe.url: %s, expected https: the ingress has a certificate (config.ingress.tls)" .Values.probe.url) -}}
{{- end -}}
{{- end -}}

{{/* A file among the mounted secrets that no Secret of this process puts there: (list $ "ingress"). A Secret without `items` may
hold anything. */}}
{{- define "maesn-bridge.refusals.files" -}}
{{- $component := index . 1 -}}
{{- $mounted := list -}}
{{- $isKnown := true -}}
{{- range (include "maesn-bridge.secretsOf" . | fromJson).secrets -}}
{{- if not .items -}}{{- $isKnown = false -}}{{- end -}}
{{- range .items -}}{{- $mounted = append $mounted .path -}}{{- end -}}
{{- end -}}
{{- if $isKnown -}}
{{- range $setting, $path := include "maesn-bridge.filesOf" . | fromJson -}}
{{- $name := trimPrefix "/etc/maesn-bridge/secrets/" $path -}}
{{- if and (hasPrefix "/etc/maesn-bridge/secrets/" $path) (not (hasPrefix "kafka/" $name)) (not (has $name $mounted)) -}}
{{- fail (printf "%s: %s, expected a Secret in `secrets` that is for the %s and holds it" $setting $path $component) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
