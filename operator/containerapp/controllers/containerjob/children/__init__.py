"""The child kinds of a ContainerJob, one file each; no renderer sees another's output."""
