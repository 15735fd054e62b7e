{{/*
What the operator may do in a namespace that it serves, and nothing beyond it.
The tests compare these rules with those that follow from the table of child kinds.
*/}}

{{- define "containerapp-operator.rules" -}}
- apiGroups: [containerapp.dev]
  resources: [containerapps]
  verbs: [get, list, watch]
- apiGroups: [containerapp.dev]
  resources: [containerapps/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [serviceaccounts, services]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [list]
- apiGroups: [""]
  resources: [events]
  verbs: [create]
{{- end -}}
