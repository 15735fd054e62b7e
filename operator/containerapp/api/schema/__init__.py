"""The types that the custom resources are made of: rules, scalars, quantities and Kubernetes' own types."""
