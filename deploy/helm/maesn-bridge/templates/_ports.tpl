{{/* TCP ports as a NetworkPolicy has them, none twice: (list number...). */}}
{{- define "maesn-bridge.tcpPorts" -}}
{{- $ports := list -}}
{{- range uniq . -}}
{{- $ports = append $ports (dict "protocol" "TCP" "port" .) -}}
{{- end -}}
{{- toYaml $ports -}}
{{- end -}}

{{/* Those of the brokers: the ones that config.kafka.brokers names, and networkPolicy.kafkaPorts. */}}
{{- define "maesn-bridge.kafkaPorts" -}}
{{- $ports := list -}}
{{- range regexFindAll ":[0-9]+(,|$)" (nospace .Values.config.kafka.brokers) -1 -}}
{{- $ports = append $ports (trimAll ":," . | atoi) -}}
{{- end -}}
{{- range .Values.networkPolicy.kafkaPorts -}}{{- $ports = append $ports (int .) -}}{{- end -}}
{{- include "maesn-bridge.tcpPorts" $ports -}}
{{- end -}}

{{/* Those of http and https URLs: (list text...), of which some may be empty. */}}
{{- define "maesn-bridge.urlPorts" -}}
{{- $ports := list -}}
{{- range compact . -}}
{{- $url := urlParse . -}}
{{- $given := regexFind ":[0-9]+$" $url.host | trimPrefix ":" | atoi -}}
{{- $ports = append $ports (default (ternary 443 80 (eq $url.scheme "https")) $given) -}}
{{- end -}}
{{- include "maesn-bridge.tcpPorts" $ports -}}
{{- end -}}

{{/* Those of the providers' APIs. */}}
{{- define "maesn-bridge.providerPorts" -}}
{{- $urls := list "https://" -}}
{{- range list "maesn" "moneybird" -}}
{{- $urls = append $urls (get (default dict (get $.Values.config .)) "base_url") -}}
{{- end -}}
{{- include "maesn-bridge.urlPorts" $urls -}}
{{- end -}}
