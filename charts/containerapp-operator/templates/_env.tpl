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
  "ALLOWED_REGISTRIES" (join "," .Values.allowedRegistries)
  "PRIVATE_REGISTRIES" (join "," .Values.privateRegistries)
  "INSECURE_REGISTRIES" (join "," .Values.insecureRegistries)
  "SKIP_TAG_RESOLVING" (join "," .Values.skipTagResolving)
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
  "FORBIDDEN_SECURITY" (join "," .Values.platform.forbid.security)
  "FORBIDDEN_SERVICE_TYPES" (join "," .Values.platform.forbid.serviceTypes)
  "FORBIDDEN_SERVICE_ANNOTATIONS" (join "," .Values.platform.forbid.serviceAnnotations)
  "FORBIDDEN_POD_ANNOTATIONS" (join "," .Values.platform.forbid.podAnnotations)
  "FORBIDDEN_SERVICE_ACCOUNTS" (join "," .Values.platform.forbid.serviceAccounts)
}}
{{- range $name, $value := $settings }}
- name: CONTAINERAPP_{{ $name }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- with .Values.aws.region }}
- name: AWS_REGION
  value: {{ . | quote }}
{{- end }}
{{- if or .Values.caBundle.configMap .Values.caBundle.secret }}
{{- range .Values.caBundle.aws | ternary (list "SSL_CERT_FILE" "AWS_CA_BUNDLE") (list "SSL_CERT_FILE") }}
- name: {{ . }}
  value: {{ printf "/etc/containerapp/ca/%s" $.Values.caBundle.key }}
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}
