"""The only importers of kopf and the Kubernetes client: requests, watches, the store, the queue and the Lease."""
