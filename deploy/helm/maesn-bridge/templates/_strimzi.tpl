{{/* The topics, as YAML: `names` as the settings have them, `topics` with their kind in files/topics.yaml, `events` those of a
known resource, `probe` that of the test events, if a route is declared for them. Where the template has a place for more than
the resource nobody knows its topics: `prefix` is what they begin with. */}}
{{- define "maesn-bridge.topics" -}}
{{- $file := .Files.Get "files/topics.yaml" | fromYaml -}}
{{- $names := mergeOverwrite $file.names (deepCopy (default dict .Values.config.topics)) -}}
{{- $isOpen := contains "{" (replace "{resource}" "" $names.template) -}}
{{- $events := list -}}
{{- $topics := list -}}
{{- if not $isOpen -}}
{{- range $file.resources -}}
{{- $name := replace "{resource}" . $names.template -}}
{{- $events = append $events $name | uniq -}}
{{- end -}}
{{- end -}}
{{- $probe := "" -}}
{{- range .Values.routes -}}
{{- if eq (default "" .resource | upper) "PROBE" -}}
{{- $probe = replace "{resource}" "probe" $names.template | replace "{provider}" .provider | replace "{account}" .account | replace "{system}" (default "" .system) -}}
{{- end -}}
{{- end -}}
{{- range concat $events (list $names.other $names.token) (ternary (list $probe) list (ne $probe "")) | uniq -}}
{{- $topics = append $topics (dict "name" . "kind" "events") -}}
{{- end -}}
{{- $topics = append $topics (dict "name" $names.dead_letter "kind" "deadLetters") -}}
{{- $topics = append $topics (dict "name" (printf "%s.replayed" $names.dead_letter) "kind" "replayed") -}}
{{- if $names.registry -}}
{{- range list $names.registry $names.accounts $names.activity -}}
{{- $topics = append $topics (dict "name" . "kind" "tables") -}}
{{- end -}}
{{- end -}}
{{- $prefix := ternary (regexFind "^[^{]*" $names.template) "" $isOpen -}}
{{- dict "names" $names "events" $events "probe" $probe "topics" $topics "isOpen" $isOpen "prefix" $prefix | toYaml -}}
{{- end -}}

{{/* A rule of a KafkaUser: (list type name patternType operation...). Read and Write imply Describe. */}}
{{- define "maesn-bridge.acl" -}}
- resource: {type: {{ index . 0 }}, name: {{ index . 1 | quote }}, patternType: {{ index . 2 }}}
  operations: [{{ slice . 3 | join ", " }}]
  host: "*"
{{ end -}}

{{/* What the ingress may do: write events, and read the registry. */}}
{{- define "maesn-bridge.acls.ingress" -}}
{{- $topics := include "maesn-bridge.topics" . | fromYaml -}}
{{- $names := $topics.names -}}
{{- if $topics.isOpen -}}
{{- range list $names.registry $names.accounts -}}
{{- if and . (hasPrefix $topics.prefix .) -}}
{{- fail (printf "strimzi.users: topics.template: the ingress would have to write to every topic that begins with %q, %s too; expected another beginning" $topics.prefix .) -}}
{{- end -}}
{{- end -}}
{{- include "maesn-bridge.acl" (list "topic" $topics.prefix "prefix" "Write") -}}
{{- end -}}
{{- range concat $topics.events (list $names.other $names.token $names.dead_letter $topics.probe) | uniq | compact -}}
{{- include "maesn-bridge.acl" (list "topic" . "literal" "Write") -}}
{{- end -}}
{{- if $names.registry -}}
{{- include "maesn-bridge.acl" (list "topic" $names.registry "literal" "Read" "DescribeConfigs") -}}
{{- include "maesn-bridge.acl" (list "topic" $names.activity "literal" "Write") -}}
{{- end -}}
{{- end -}}

{{/* What the reconciler may do: keep the registry, read who is declared, revoked and heard, and share the accounts. */}}
{{- define "maesn-bridge.acls.reconciler" -}}
{{- $names := (include "maesn-bridge.topics" . | fromYaml).names -}}
{{- include "maesn-bridge.acl" (list "topic" $names.registry "literal" "Read" "Write" "DescribeConfigs") -}}
{{- include "maesn-bridge.acl" (list "topic" $names.accounts "literal" "Read" "DescribeConfigs") -}}
{{- include "maesn-bridge.acl" (list "topic" $names.activity "literal" "Read" "DescribeConfigs") -}}
{{- include "maesn-bridge.acl" (list "topic" $names.token "literal" "Read") -}}
{{- include "maesn-bridge.acl" (list "group" (printf "%s-reconciler" $names.registry) "literal" "Read") -}}
{{- include "maesn-bridge.acl" (list "transactionalId" (printf "%s-" $names.registry) "prefix" "Write") -}}
{{- end -}}

{{/* What `maesn-bridge probe` may do: read its own event. */}}
{{- define "maesn-bridge.acls.probe" -}}
{{- with (include "maesn-bridge.topics" . | fromYaml).probe -}}
{{- include "maesn-bridge.acl" (list "topic" . "literal" "Read") -}}
{{- end -}}
{{- end -}}

{{/* Where the processes find what Strimzi makes for their users: (list $ "ingress") */}}
{{- define "maesn-bridge.kafkaUserSecrets" -}}
{{- $ := index . 0 -}}
{{- if $.Values.strimzi.users.enabled -}}
- secret:
    name: {{ include "maesn-bridge.fullname" $ }}-{{ index . 1 }}
    items: [{key: user.crt, path: kafka/user.crt}, {key: user.key, path: kafka/user.key}]
- secret:
    name: {{ $.Values.strimzi.cluster }}-cluster-ca-cert
    items: [{key: ca.crt, path: kafka/ca.crt}]
{{- end -}}
{{- end -}}

{{/* How they use it: the files are read again when they change. */}}
{{- define "maesn-bridge.kafkaUserSettings" -}}
{{- if .Values.strimzi.users.enabled -}}
kafka:
  raw:
    security.protocol: SSL
    ssl.ca.location: /etc/maesn-bridge/secrets/kafka/ca.crt
    ssl.certificate.location: /etc/maesn-bridge/secrets/kafka/user.crt
    ssl.key.location: /etc/maesn-bridge/secrets/kafka/user.key
{{- end -}}
{{- end -}}
