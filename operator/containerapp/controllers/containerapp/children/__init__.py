"""The child kinds of a ContainerApp, one file each; no renderer sees another's output."""
