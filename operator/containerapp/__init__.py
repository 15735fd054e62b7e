"""ContainerApp operator."""
