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
  "STORAGE_CLASS" .Values.storageClass
  "WATCH_SECRETS" .Values.watchSecrets
  "WATCH_NODES" .Values.watchNodes
  "IMAGE_REFRESH_INTERVAL" .Values.imageRefreshInterval
  "SECRETS_BACKEND" .Values.secrets.backend
  "SECRETS_STORE_SECRETS_MANAGER" .Values.secrets.stores.secretsManager
  "SECRETS_STORE_PARAMETER_STORE" .Values.secrets.stores.parameterStore
  "SECRETS_STORE_KIND" .Values.secrets.stores.kind
  "SECRETS_REFRESH_INTERVAL" .Values.secrets.refreshInterval
  "SECRETS_CSI_POD_IDENTITY" .Values.secrets.csi.podIdentity
  "MIN_READY_SECONDS" .Values.rollout.minReadySeconds
  "RENDER_BUDGET" .Values.rollout.renderBudget
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
  "EXPOSE_VIA" .Values.expose.via
  "EXPOSE_CLASS_NAME" .Values.expose.className
  "EXPOSE_GATEWAY" .Values.expose.gateway
  "EXPOSE_GATEWAY_CONTROLLER" .Values.expose.gatewayController
  "EXPOSE_ALB_CONTROLLER" .Values.expose.albController
  "EXPOSE_PREFLIGHT" .Values.expose.preflight
  "EXPOSE_AWAIT_TARGETS" .Values.expose.awaitTargets
  "FARGATE_CHECK_PROFILES" .Values.fargate.checkProfiles
  "NETWORK_DEFAULT" .Values.network.default
  "NETWORK_ALLOWED_NAMESPACES" (join "," .Values.network.allowedNamespaces)
  "NETWORK_LOAD_BALANCER_CIDRS" (join "," .Values.network.loadBalancerCidrs)
  "IDENTITY_METHOD" .Values.identity.method
  "IDENTITY_CLUSTER_NAME" .Values.identity.clusterName
  "IDENTITY_ALLOWED_ROLES" (join "," .Values.identity.allowedRoles)
  "IDENTITY_CHECK_INTERVAL" .Values.identity.checkInterval
  "FORBIDDEN_SECURITY" (join "," .Values.platform.forbid.security)
  "FORBIDDEN_SERVICE_TYPES" (join "," .Values.platform.forbid.serviceTypes)
  "FORBIDDEN_SERVICE_ANNOTATIONS" (join "," .Values.platform.forbid.serviceAnnotations)
  "FORBIDDEN_POD_ANNOTATIONS" (join "," .Values.platform.forbid.podAnnotations)
  "FORBIDDEN_SERVICE_ACCOUNTS" (join "," .Values.platform.forbid.serviceAccounts)
  "ALLOWED_HOST_PATHS" (join "," .Values.platform.allow.hostPaths)
  "FORBIDDEN_OVERRIDES" (join "," .Values.platform.forbid.overrides)
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
