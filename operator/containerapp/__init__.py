"""ContainerApp operator: runs containers on Amazon EKS from a short manifest."""
