"""Where image tags point: the resolver, and the registries that it asks."""
