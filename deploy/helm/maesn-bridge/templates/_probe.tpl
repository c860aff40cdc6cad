{{/* What the public port speaks: https with a certificate of its own. */}}
{{- define "maesn-bridge.scheme" -}}
{{- ternary "https" "http" (not (empty (default dict (default dict .Values.config.ingress).tls).certificate_file)) -}}
{{- end -}}

{{/* Where the test event goes. */}}
{{- define "maesn-bridge.probeUrl" -}}
{{- $scheme := include "maesn-bridge.scheme" . -}}
{{- $service := printf "%s://%s-ingress.%s.svc:%d" $scheme (include "maesn-bridge.fullname" .) .Release.Namespace (int .Values.ingress.service.port) -}}
{{- default (default $service .Values.config.public_base_url) .Values.probe.url -}}
{{- end -}}

{{/* A pod that probes once: it has the ingress's configuration and secrets, as files. */}}
{{- define "maesn-bridge.probePod" -}}
{{- include "maesn-bridge.podSpec" (list . "probe") }}
restartPolicy: Never
containers:
  - name: probe
    image: {{ include "maesn-bridge.image" . }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    args:
      - probe
      - --config
      - /etc/maesn-bridge/config/bridge.yaml
      - --account
      - {{ .Values.probe.account | quote }}
      - --url
      - {{ include "maesn-bridge.probeUrl" . | quote }}
      - --timeout
      - {{ .Values.probe.timeoutSeconds | quote }}
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities: {drop: [ALL]}
    resources: {{ toYaml .Values.probe.resources | nindent 6 }}
    volumeMounts:
      - {name: config, mountPath: /etc/maesn-bridge/config, readOnly: true}
      - {name: secrets, mountPath: /etc/maesn-bridge/secrets, readOnly: true}
{{- end -}}
