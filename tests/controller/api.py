"""Plain requests to the API server, for tests that look and disturb: what kubectl would do, at a fraction of the cost.

Used by every controller test through `World`; acts as the cluster's administrator under a field manager of its own.
Nothing here waits or judges.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kubernetes import config

Manifest = dict[str, Any]

PLURALS = {
    "ConfigMap": "configmaps",
    "ContainerApp": "containerapps",
    "ControllerRevision": "controllerrevisions",
    "ContainerJob": "containerjobs",
    "CronJob": "cronjobs",
    "Ingress": "ingresses",
    "Job": "jobs",
    "Deployment": "deployments",
    "Event": "events",
    "HorizontalPodAutoscaler": "horizontalpodautoscalers",
    "ClusterSecretStore": "clustersecretstores",
    "EndpointSlice": "endpointslices",
    "ExternalSecret": "externalsecrets",
    "Lease": "leases",
    "Namespace": "namespaces",
    "Node": "nodes",
    "NetworkPolicy": "networkpolicies",
    "PersistentVolume": "persistentvolumes",
    "PersistentVolumeClaim": "persistentvolumeclaims",
    "Pod": "pods",
    "PodDisruptionBudget": "poddisruptionbudgets",
    "PodMonitor": "podmonitors",
    "ReplicaSet": "replicasets",
    "ScaledObject": "scaledobjects",
    "Secret": "secrets",
    "ClusterQueue": "clusterqueues",
    "LocalQueue": "localqueues",
    "ResourceFlavor": "resourceflavors",
    "SecretProviderClass": "secretproviderclasses",
    "Workload": "workloads",
    "WorkloadPriorityClass": "workloadpriorityclasses",
    "Service": "services",
    "StorageClass": "storageclasses",
    "ServiceAccount": "serviceaccounts",
    "ClusterRole": "clusterroles",
    "ClusterRoleBinding": "clusterrolebindings",
    "Role": "roles",
    "RoleBinding": "rolebindings",
    "CustomResourceDefinition": "customresourcedefinitions",
    "TriggerAuthentication": "triggerauthentications",
}
_VERSIONS = {
    "ContainerApp": "containerapp.dev/v1alpha1",
    "ControllerRevision": "apps/v1",
    "ContainerJob": "containerapp.dev/v1alpha1",
    "CronJob": "batch/v1",
    "Ingress": "networking.k8s.io/v1",
    "Job": "batch/v1",
    "Deployment": "apps/v1",
    "NetworkPolicy": "networking.k8s.io/v1",
    "ReplicaSet": "apps/v1",
    "HorizontalPodAutoscaler": "autoscaling/v2",
    "PodDisruptionBudget": "policy/v1",
    "PodMonitor": "monitoring.coreos.com/v1",
    "ClusterSecretStore": "external-secrets.io/v1",
    "ExternalSecret": "external-secrets.io/v1",
    "ScaledObject": "keda.sh/v1alpha1",
    "ClusterQueue": "kueue.x-k8s.io/v1beta2",
    "LocalQueue": "kueue.x-k8s.io/v1beta2",
    "ResourceFlavor": "kueue.x-k8s.io/v1beta2",
    "SecretProviderClass": "secrets-store.csi.x-k8s.io/v1",
    "Workload": "kueue.x-k8s.io/v1beta2",
    "WorkloadPriorityClass": "kueue.x-k8s.io/v1beta2",
    "TriggerAuthentication": "keda.sh/v1alpha1",
    "EndpointSlice": "discovery.k8s.io/v1",
    "StorageClass": "storage.k8s.io/v1",
    "Lease": "coordination.k8s.io/v1",
    "ClusterRole": "rbac.authorization.k8s.io/v1",
    "ClusterRoleBinding": "rbac.authorization.k8s.io/v1",
    "Role": "rbac.authorization.k8s.io/v1",
    "CustomResourceDefinition": "apiextensions.k8s.io/v1",
}
_SECONDS = 30


class ApiError(Exception):
    """The API server refused."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status


class Api:
    """The few requests that tests make."""

    def __init__(self, kubeconfig: Path) -> None:
        self._client: Any = config.new_client_from_config(str(kubeconfig), persist_config=False)  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Give back the connections."""
        self._client.rest_client.pool_manager.clear()

    def find(self, kind: str, namespace: str | None, name: str) -> Manifest | None:
        """Return an object, or None where there is none."""
        try:
            return self._request("GET", url(kind, namespace, name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def get(self, kind: str, namespace: str | None, name: str) -> Manifest:
        """Return an object that must be there."""
        return self._request("GET", url(kind, namespace, name))

    def list(self, kind: str, namespace: str | None, selector: str = "") -> list[Manifest]:
        """Return the objects of a kind."""
        query = {"labelSelector": selector} if selector else {}
        items: list[Manifest] = self._request("GET", url(kind, namespace), query=query)["items"]
        return items

    def apply(self, manifest: Manifest, *, manager: str = "test-user", force: bool = True) -> Manifest:
        """Server-side apply."""
        metadata = manifest["metadata"]
        target = url(manifest["kind"], metadata.get("namespace"), metadata["name"], manifest["apiVersion"])
        query = {"fieldManager": manager, "force": str(force).lower(), "fieldValidation": "Strict"}
        return self._request("PATCH", target, manifest, "application/apply-patch+yaml", query)

    def create(self, manifest: Manifest) -> Manifest:
        """Create an object."""
        target = url(manifest["kind"], manifest["metadata"].get("namespace"), None, manifest["apiVersion"])
        return self._request("POST", target, manifest)

    def patch(self, kind: str, namespace: str | None, name: str, change: Any, sub: str = "") -> Manifest:
        """Change an object behind its owner's back: by a merge patch, or a JSON patch where `change` is a list."""
        media = "application/json-patch+json" if isinstance(change, list) else "application/merge-patch+json"
        target = url(kind, namespace, name) + (f"/{sub}" if sub else "")
        return self._request("PATCH", target, change, media, {"fieldManager": "meddler"})

    def merge(self, kind: str, namespace: str, name: str, change: Manifest) -> Manifest:
        """Change an object by a strategic merge patch, as `kubectl patch` and webhooks do."""
        media = "application/strategic-merge-patch+json"
        return self._request("PATCH", url(kind, namespace, name), change, media, {"fieldManager": "meddler"})

    def delete(self, kind: str, namespace: str | None, name: str) -> None:
        """Delete an object, and its dependents in the background."""
        self._request("DELETE", url(kind, namespace, name), {"propagationPolicy": "Background"})

    def is_allowed(self, user: str, attributes: dict[str, str]) -> bool:
        """Ask the API server whether a user may do something."""
        version = "authorization.k8s.io/v1"
        review = {
            "apiVersion": version,
            "kind": "SubjectAccessReview",
            "spec": {"user": user, "resourceAttributes": attributes},
        }
        answer = self._request("POST", f"/apis/{version}/subjectaccessreviews", review)
        return bool(answer["status"]["allowed"])

    def _request(
        self,
        method: str,
        target: str,
        body: Any = None,
        media_type: str = "application/json",
        query: dict[str, str] | None = None,
    ) -> Manifest:
        request = self._client.param_serialize(
            method,
            target,
            query_params=list((query or {}).items()),
            header_params={"Accept": "application/json", "Content-Type": media_type},
            body=body,
            auth_settings=["BearerToken"],
        )
        response = self._client.call_api(*request, _request_timeout=_SECONDS)
        text = response.read().decode()
        if response.status >= 400:
            raise ApiError(response.status, text)
        answer: Manifest = json.loads(text)
        return answer


def url(kind: str, namespace: str | None, name: str | None = None, api_version: str | None = None) -> str:
    """Return the path of an object or a collection."""
    version = api_version or _VERSIONS.get(kind, "v1")
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    scope = f"/namespaces/{namespace}" if namespace else ""
    return f"{root}{scope}/{PLURALS[kind]}" + (f"/{name}" if name else "")
