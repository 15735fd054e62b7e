"""How the operator gets into the cluster: by Helm, from this repository's chart, with values a user would set.

Besides, the way round where no container can run: the same release without Pods, and the operator as a process of this
machine that acts as the chart's ServiceAccount, with its rights and no others.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import yaml

from devcluster import Cluster, ecr, registry
from devcluster.supervision import Component
from examples.demo import commands, load_balancer, operator_image, proof
from examples.demo.console import Console

_CHART = commands.ROOT / "charts" / "containerapp-operator"
_RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
PROCESS = "operator"


def install(cluster: Cluster, console: Console, reference: str) -> None:
    """Install the chart with an image of the cluster's ECR, and wait until its Pods are ready."""
    repository, _, digest = reference.partition("@")
    _install(cluster, console, {"image": {"repository": repository, "digest": digest}})


def install_without_pods(cluster: Cluster, console: Console) -> None:
    """Install the chart with no Pod, and run the operator here, as the chart's ServiceAccount."""
    repository = f"{ecr.ECR_HOST}/{operator_image.REPOSITORY}"
    _install(cluster, console, {"image": {"repository": repository}, "replicaCount": 0})
    account = cluster.kubeconfig_for_service_account(proof.OPERATOR_NAMESPACE, proof.RELEASE)
    environment = {
        **_aws(cluster),
        "KUBECONFIG": str(account),
        "CONTAINERAPP_DEFAULT_REGISTRY": ecr.ECR_HOST,
        "CONTAINERAPP_LEADER_ELECTION": "false",
        "CONTAINERAPP_LOG_FORMAT": "text",
        "CONTAINERAPP_HTTP_HOST": cluster.address,
    }
    ready = f"http://{cluster.address}:8080/readyz"
    argv = [sys.executable, "-m", "containerapp", "operator"]
    cluster.run_component(Component(name=PROCESS, argv=argv, env=environment, ready_url=ready))


def _install(cluster: Cluster, console: Console, chosen: dict[str, Any]) -> None:
    for namespace in (proof.OPERATOR_NAMESPACE, "default"):
        _enforce_restricted(cluster, namespace)
    values = cluster.run_dir / "values.yaml"
    values.write_text(yaml.safe_dump(_values(cluster) | chosen))
    chart = str(_CHART.relative_to(commands.ROOT))
    console.note(f"$ helm install {proof.RELEASE} {chart} --namespace {proof.OPERATOR_NAMESPACE} --values …")
    cluster.helm(
        *("install", proof.RELEASE, str(_CHART), f"--namespace={proof.OPERATOR_NAMESPACE}"),
        *(f"--values={values}", "--wait", "--timeout=4m"),
    )


def _enforce_restricted(cluster: Cluster, namespace: str) -> None:
    """Have the cluster refuse any Pod that does not meet the restricted Pod Security standard."""
    manifest = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": namespace, "labels": _RESTRICTED},
    }
    cluster.kubectl("apply", "--server-side", "--filename=-", stdin=json.dumps(manifest))


def _values(cluster: Cluster) -> dict[str, Any]:
    return {
        "defaultRegistry": ecr.ECR_HOST,
        "expose": {"via": "ingress", "className": load_balancer.NAME},
        "log": {"format": "text"},
        "rollout": {"minReadySeconds": 3},
        "extraEnv": [{"name": name, "value": value} for name, value in _aws(cluster).items()],
    }


def _aws(cluster: Cluster) -> dict[str, str]:
    """Return what leads the operator's AWS calls to moto. On EKS none of this is set."""
    return registry.aws_environment(cluster.aws_endpoint or "")
