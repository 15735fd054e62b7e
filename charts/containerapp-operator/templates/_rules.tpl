{{/*
What the operator may do in a namespace that it serves, and nothing beyond it: made by `containerapp rules`. Without
watchSecrets there is no rule for Secrets, and only with expose.awaitTargets one for TargetGroupBindings.
*/}}

{{- define "containerapp-operator.rules" -}}
{{- $rules := list }}
{{- range .Files.Get "files/rules.yaml" | fromYamlArray }}
{{- if or $.Values.watchSecrets (not (has "secrets" .resources)) }}
{{- $rules = append $rules . }}
{{- end }}
{{- end }}
{{- if .Values.expose.awaitTargets }}
{{- $group := ternary "eks.amazonaws.com" "elbv2.k8s.aws" (eq .Values.expose.albController "auto-mode") }}
{{- $rules = append $rules (dict "apiGroups" (list $group) "resources" (list "targetgroupbindings") "verbs" (list "list")) }}
{{- end }}
{{- toYaml $rules }}
{{- end -}}
