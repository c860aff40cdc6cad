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

{{/* bridge.yaml: the chart's own settings, and over them what the user set. */}}
{{- define "maesn-bridge.config" -}}
{{- $own := dict
  "ingress" (dict "listen" "0.0.0.0:8080")
  "admin" (dict "listen" "0.0.0.0:9090")
  "reconciler" (dict "admin_listen" "0.0.0.0:9091")
  "routes_dir" "routes.d" "accounts_dir" "accounts.d"
  "shutdown" (dict "delay_ms" (mul 1000 (int .Values.ingress.shutdownDelaySeconds)) "hard_stop_ms" (mul 1000 (int .Values.ingress.shutdownHardStopSeconds)))
-}}
{{- if .Values.ingress.spool.enabled -}}
{{- $_ := set $own "spool" (dict "directory" "/var/lib/maesn-bridge") -}}
{{- end -}}
{{- if and .Values.reconciler.enabled .Values.secrets -}}
{{- $_ := set $own "route_key_file" "/etc/maesn-bridge/secrets/route-key" -}}
{{- $_ := set $own "keyring_file" "/etc/maesn-bridge/secrets/keyring" -}}
{{- $_ := set $own "maesn" (dict "api_key_file" "/etc/maesn-bridge/secrets/maesn-api-key") -}}
{{- end -}}
{{- $_ := mergeOverwrite $own (include "maesn-bridge.kafkaUserSettings" . | fromYaml) -}}
{{- mergeOverwrite $own (deepCopy .Values.config) | toYaml -}}
{{- end -}}

{{/* What needs a restart: routes, accounts, secrets and the log level are read again by the process itself. */}}
{{- define "maesn-bridge.restartChecksum" -}}
{{- omit (include "maesn-bridge.config" . | fromYaml) "log" | toJson | sha256sum -}}
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
      sources: {{ if not (or $.Values.secrets $.Values.strimzi.users.enabled) }}[]{{ end }}
        {{- with include "maesn-bridge.kafkaUserSecrets" . }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- range $.Values.secrets }}
        - secret: {{ toYaml . | nindent 12 }}
        {{- end }}
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
readinessProbe:
  httpGet: {path: /readyz, port: admin}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 1
{{- end -}}
