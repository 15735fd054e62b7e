{{/* What values.schema.json cannot say: values that are right each by itself, and wrong together. */}}

{{- define "containerapp-operator.checks" -}}
{{- $election := .Values.leaderElection -}}
{{- if and (not $election.enabled) (gt (int .Values.replicaCount) 1) -}}
{{- fail "leaderElection.enabled=false lets every replica act at once: set replicaCount=1 or leave it on" -}}
{{- end -}}
{{- $retry := mulf 1.2 $election.retryPeriod -}}
{{- if not (and (lt $retry (float64 $election.renewDeadline)) (lt (float64 $election.renewDeadline) (float64 $election.leaseDuration))) -}}
{{- fail "leaderElection.leaseDuration must be longer than leaderElection.renewDeadline, and that longer than 1.2 times leaderElection.retryPeriod (the defaults are 15, 10 and 2)" -}}
{{- end -}}
{{- if and .Values.serviceMonitor.enabled (not .Values.service.enabled) -}}
{{- fail "serviceMonitor.enabled=true scrapes through the metrics Service: set service.enabled=true" -}}
{{- end -}}
{{- if and .Values.aws.roleArn (not .Values.serviceAccount.create) -}}
{{- fail "aws.roleArn is written to the chart's ServiceAccount: set serviceAccount.create=true, or annotate your own with eks.amazonaws.com/role-arn" -}}
{{- end -}}
{{- if and .Values.caBundle.configMap .Values.caBundle.secret -}}
{{- fail "caBundle.configMap and caBundle.secret are both set: keep one of them" -}}
{{- end -}}
{{- if and .Values.platform.admissionPolicy.enabled (not (values .Values.platform.forbid | compact)) -}}
{{- fail "platform.admissionPolicy.enabled=true has nothing to refuse: set platform.forbid.security or another list of platform.forbid" -}}
{{- end -}}
{{- end -}}
