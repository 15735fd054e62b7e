{{/* Names, labels and the operator's image: computed here and nowhere else. */}}

{{- define "containerapp-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "containerapp-operator.fullname" -}}
{{- $name := include "containerapp-operator.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "containerapp-operator.serviceAccountName" -}}
{{- $own := .Values.serviceAccount.create | ternary (include "containerapp-operator.fullname" .) "default" -}}
{{- default $own .Values.serviceAccount.name -}}
{{- end -}}

{{- define "containerapp-operator.leaseName" -}}
{{- default (include "containerapp-operator.fullname" .) .Values.leaderElection.leaseName -}}
{{- end -}}

{{- define "containerapp-operator.image" -}}
{{- $remedy := "image.repository is not set: say where the operator's image is kept, e.g. --set image.repository=<account>.dkr.ecr.<region>.amazonaws.com/containerapp-operator" -}}
{{- $repository := required $remedy .Values.image.repository -}}
{{- with .Values.image.digest -}}
{{- printf "%s@%s" $repository . -}}
{{- else -}}
{{- printf "%s:%s" $repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "containerapp-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "containerapp-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "containerapp-operator.labels" -}}
{{ include "containerapp-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}
