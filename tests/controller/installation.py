"""The chart without its Pods: definitions, ServiceAccount and roles on the cluster, the settings for a process of ours.

Called by fixtures. What the chart renders is taken as it is; only what would run Pods or serve them is left out.
"""

from __future__ import annotations

from devcluster import Cluster
from tests.chart.rendering import of_kind, plain_environment
from tests.controller.api import Api, Manifest
from tests.controller.operators import Identity
from tests.definitions import await_served

NAMESPACE = "ops"
_KINDS = (
    "CustomResourceDefinition",
    "ServiceAccount",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
)


def install(cluster: Cluster, api: Api, manifests: list[Manifest]) -> Identity:
    """Apply what the operator needs, and return who it is."""
    api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    for kind in _KINDS:
        for manifest in of_kind(manifests, kind):
            api.apply(manifest, manager="helm")
    for definition in of_kind(manifests, "CustomResourceDefinition"):
        await_served(cluster, definition["metadata"]["name"])
    (deployment,) = of_kind(manifests, "Deployment")
    account = deployment["spec"]["template"]["spec"]["serviceAccountName"]
    return Identity(
        service_account=account,
        namespace=NAMESPACE,
        kubeconfig=cluster.kubeconfig_for_service_account(NAMESPACE, account),
        environment=plain_environment(deployment),
    )
