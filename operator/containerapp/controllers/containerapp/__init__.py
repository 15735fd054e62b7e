"""ContainerApp: a container image kept running on the cluster."""
