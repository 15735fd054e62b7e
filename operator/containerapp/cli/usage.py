"""What an app's Pods use, by the metrics API, beside what they request."""

from __future__ import annotations

from containerapp.api.schema.quantity import quantity
from containerapp.cli.exits import NOT_FOUND, Failure
from containerapp.cli.looks import RESOURCE, items
from containerapp.cli.options import Target
from containerapp.cli.session import connected
from containerapp.cli.tables import table
from containerapp.core.model import APP_LABEL, Manifest
from containerapp.kube.client import NotFound, path

_VERSION = "metrics.k8s.io/v1beta1"


async def usage(target: Target, name: str) -> str:
    """Return a row for each Pod."""
    async with connected(target) as cluster:
        await cluster.app(RESOURCE, name)
        selector = f"{APP_LABEL}={name}"
        pods = await items(cluster, path("v1", "pods", cluster.namespace), selector)
        try:
            await cluster.client.get(f"/apis/{_VERSION}")
        except NotFound:
            raise Failure(
                "The cluster has no metrics of Pods: install metrics-server, for example as the EKS add-on.",
                NOT_FOUND,
            ) from None
        metrics = await items(cluster, path(_VERSION, "pods", cluster.namespace), selector)
    requests = {pod["metadata"]["name"]: _sum(pod["spec"]["containers"], "requests") for pod in pods}
    rows = []
    for item in metrics:
        pod = item["metadata"]["name"]
        cpu, memory = _sum(item["containers"], None)
        asked_cpu, asked_memory = requests.get(pod, (0.0, 0.0))
        rows.append(
            (pod, _millicores(cpu), _millicores(asked_cpu), _mebibytes(memory), _mebibytes(asked_memory))
        )
    return table(("POD", "CPU", "REQUESTED", "MEMORY", "REQUESTED"), rows)


def _sum(containers: list[Manifest], part: str | None) -> tuple[float, float]:
    """Return cpu in cores and memory in bytes over all containers."""
    amounts = [
        each.get("usage", {}) if part is None else each.get("resources", {}).get(part, {})
        for each in containers
    ]
    cpu, memory = (
        sum(float(quantity(str(amount.get(name, "0")))) for amount in amounts) for name in ("cpu", "memory")
    )
    return cpu, memory


def _millicores(cores: float) -> str:
    return f"{round(cores * 1000)}m"


def _mebibytes(size: float) -> str:
    return f"{round(size / 2**20)}Mi"
