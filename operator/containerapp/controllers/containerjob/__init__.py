"""ContainerJob: a container image that runs to completion on the cluster."""
