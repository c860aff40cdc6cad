{{- define "maesn-bridge.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Room for "-reconciler" and what a StatefulSet adds within 63 characters. */}}
{{- define "maesn-bridge.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "maesn-bridge.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "maesn-bridge.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "maesn-bridge.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* Of the component: (list $ "ingress"). */}}
{{- define "maesn-bridge.selector" -}}
{{- $ := index . 0 -}}
app.kubernetes.io/name: {{ include "maesn-bridge.name" $ }}
app.kubernetes.io/instance: {{ $.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "maesn-bridge.labels" -}}
{{- $ := index . 0 -}}
{{ include "maesn-bridge.selector" . }}
app.kubernetes.io/version: {{ $.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: maesn-bridge
app.kubernetes.io/managed-by: {{ $.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $.Chart.Name $.Chart.Version }}
{{- with $.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "maesn-bridge.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "maesn-bridge.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* The spool's share of its volume, in bytes: its files may be twice as large as what is in them. */}}
{{- define "maesn-bridge.spoolBytes" -}}
{{- $size := .Values.ingress.spool.size -}}
{{- $units := dict "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 "Pi" 1125899906842624.0 -}}
{{- mulf (float64 (regexFind "^[0-9.]+" $size)) (index $units (regexFind "[A-Za-z]+$" $size)) 0.45 | int64 -}}
{{- end -}}

{{/* bridge.yaml: what the user set, and what follows from the other values. */}}
{{- define "maesn-bridge.config" -}}
{{- $defaults := dict -}}
{{- if .Values.ingress.spool.enabled -}}
{{- $_ := set $defaults "spool" (dict "max_bytes" (include "maesn-bridge.spoolBytes" . | int64)) -}}
{{- end -}}
{{- if and .Values.secrets (include "maesn-bridge.topics" . | fromYaml).names.registry -}}
{{- $_ := set $defaults "route_key_file" "/etc/maesn-bridge/secrets/route-key" -}}
{{- $_ := set $defaults "keyring_file" "/etc/maesn-bridge/secrets/keyring" -}}
{{- end -}}
{{- if and .Values.secrets .Values.reconciler.enabled -}}
{{- $_ := set $defaults "maesn" (dict "api_key_file" "/etc/maesn-bridge/secrets/maesn-api-key") -}}
{{- end -}}
{{- $follows := dict
  "ingress" (dict "listen" "0.0.0.0:8080")
  "admin" (dict "listen" "0.0.0.0:9090")
  "reconciler" (dict "admin_listen" "0.0.0.0:9091")
  "routes_dir" "routes.d" "accounts_dir" "accounts.d"
  "shutdown" (dict "delay_ms" (mul 1000 (int .Values.ingress.shutdownDelaySeconds)) "hard_stop_ms" (mul 1000 (int .Values.ingress.shutdownHardStopSeconds)))
  "spool" (dict "directory" (ternary "/var/lib/maesn-bridge" "" .Values.ingress.spool.enabled))
-}}
{{- range $section, $settings := $follows -}}
{{- if kindIs "map" $settings -}}
{{- range $setting := keys $settings -}}
{{- if hasKey (default dict (get $.Values.config $section)) $setting -}}
{{- fail (printf "config.%s.%s: the chart sets it; expected it to be left out" $section $setting) -}}
{{- end -}}
{{- end -}}
{{- else if hasKey $.Values.config $section -}}
{{- fail (printf "config.%s: the chart sets it; expected it to be left out" $section) -}}
{{- end -}}
{{- end -}}
{{- $_ := mergeOverwrite $defaults (include "maesn-bridge.kafkaUserSettings" . | fromYaml) -}}
{{- mergeOverwrite $defaults (deepCopy .Values.config) $follows | toYaml -}}
{{- end -}}

{{/* What a process needs a restart for: (list $ "ingress"). Left out are the settings that it reads again by itself and those
of the other process; config/REFERENCE.md says of each which they are. */}}
{{- define "maesn-bridge.restartChecksum" -}}
{{- $reloaded := list "log" "ingress.limits" "ingress.replay_window_s" "moneybird.requests_per_5_min" -}}
{{- $others := list "admin" "format" "ingress" "kafka.linger_ms" "moneybird.entity" "moneybird.signature_tolerance_s" "routes_dir" "spool" "topics.key" -}}
{{- if eq (index . 1) "ingress" -}}
{{- $others = list "accounts_dir" "http" "maesn" "moneybird.base_url" "previous_public_base_urls" "public_base_url" "reconciler" -}}
{{- end -}}
{{- $config := include "maesn-bridge.config" (index . 0) | fromYaml -}}
{{- range concat $reloaded $others -}}
{{- $path := splitList "." . -}}
{{- $section := get $config (first $path) -}}
{{- if eq (len $path) 1 -}}
{{- $_ := unset $config . -}}
{{- else if kindIs "map" $section -}}
{{- $_ := unset $section (last $path) -}}
{{- if not $section -}}{{- $_ := unset $config (first $path) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $config | sha256sum -}}
{{- end -}}

{{/* What the pods of both processes have in common: (list $ "ingress"). */}}
{{- define "maesn-bridge.podSpec" -}}
{{- $ := index . 0 -}}
{{- $component := index . 1 -}}
{{- $values := index $.Values $component -}}
serviceAccountName: {{ include "maesn-bridge.serviceAccount" $ }}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: {{ add 5 (int $.Values.ingress.shutdownHardStopSeconds) }}
{{- with $.Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
topologySpreadConstraints:
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{ include "maesn-bridge.selector" (list $ $component) | nindent 8 }}
  {{- end }}
{{- with $values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
volumes:
  - name: config
    configMap:
      name: {{ include "maesn-bridge.fullname" $ }}
      items:
        - {key: bridge.yaml, path: bridge.yaml}
        - {key: routes.yaml, path: routes.d/routes.yaml}
        - {key: accounts.yaml, path: accounts.d/accounts.yaml}
  - name: secrets
    projected:
      defaultMode: 0440
      sources: {{- include "maesn-bridge.secretSources" . | nindent 8 }}
{{- end -}}

{{/* The container: (list $ component admin-port). */}}
{{- define "maesn-bridge.container" -}}
{{- $ := index . 0 -}}
{{- $component := index . 1 -}}
name: {{ $component }}
image: {{ include "maesn-bridge.image" $ }}
imagePullPolicy: {{ $.Values.image.pullPolicy }}
args: [{{ $component }}, --config, /etc/maesn-bridge/config/bridge.yaml]
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
resources: {{ toYaml (index $.Values $component).resources | nindent 2 }}
startupProbe:
  httpGet: {path: /livez, port: admin}
  periodSeconds: 1
  failureThreshold: 30
livenessProbe:
  httpGet: {path: /livez, port: admin}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
  # What hangs does not drain; the other loops' callbacks have this long.
  terminationGracePeriodSeconds: {{ add 5 (int $.Values.ingress.shutdownDelaySeconds) }}
readinessProbe:
  httpGet: {path: /readyz, port: admin}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 3
{{- end -}}
