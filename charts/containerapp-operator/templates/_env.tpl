{{/* The operator's environment: its settings from the values, then what the user adds. */}}

{{- define "containerapp-operator.env" -}}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: POD_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
- name: MEMORY_LIMIT
  valueFrom:
    resourceFieldRef:
      containerName: operator
      resource: limits.memory
{{- /* From this size on glibc gives memory back when it is freed: connections' buffers, lists. In bytes. */}}
- name: MALLOC_MMAP_THRESHOLD_
  value: "65536"
{{- $settings := dict
  "NAMESPACES" (join "," .Values.watchNamespaces)
  "DEFAULT_REGISTRY" .Values.defaultRegistry
  "ADOPTION_NAMESPACES" (join "," .Values.adoptionNamespaces)
  "IMAGE_REFRESH_INTERVAL" .Values.imageRefreshInterval
  "WORKERS" .Values.workers
  "SHUTDOWN_TIMEOUT" .Values.shutdownTimeout
  "LOG_FORMAT" .Values.log.format
  "LOG_LEVEL" .Values.log.level
  "LEADER_ELECTION" .Values.leaderElection.enabled
  "LEASE_NAME" (include "containerapp-operator.leaseName" .)
  "LEASE_NAMESPACE" .Release.Namespace
  "LEASE_DURATION" .Values.leaderElection.leaseDuration
  "LEASE_RENEW_DEADLINE" .Values.leaderElection.renewDeadline
  "LEASE_RETRY_PERIOD" .Values.leaderElection.retryPeriod
  "HTTP_HOST" .Values.http.host
  "HTTP_PORT" .Values.http.port
}}
{{- range $name, $value := $settings }}
- name: CONTAINERAPP_{{ $name }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- with .Values.aws.region }}
- name: AWS_REGION
  value: {{ . | quote }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}
