{{/*
What the operator may do in a namespace that it serves, and nothing beyond it: made by `containerapp rules`.
*/}}

{{- define "containerapp-operator.rules" -}}
{{ .Files.Get "files/rules.yaml" | trim }}
{{- end -}}
