"""What AWS Fargate makes of a Pod: the size that it bills, and whether it has one that is big enough. Pure.

Called with a rendered or a live Pod spec, so that sidecars and overrides count.
https://docs.aws.amazon.com/eks/latest/userguide/fargate-pod-configuration.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from containerapp.api.schema.quantity import quantity
from containerapp.controllers.pods.workload import Workload
from containerapp.core.model import Manifest
from containerapp.core.unchecked import as_map, as_maps
from containerapp.errors import InvalidSpec

_GIB = 2**30
_OVERHEAD = 256 * 2**20
"""Memory that Fargate adds for kubelet, kube-proxy and containerd."""

_MEMORY_OF: dict[Fraction, tuple[Fraction, ...]] = {
    Fraction("0.25"): (Fraction("0.5"), Fraction(1), Fraction(2)),
    Fraction("0.5"): tuple(map(Fraction, range(1, 5))),
    Fraction(1): tuple(map(Fraction, range(2, 9))),
    Fraction(2): tuple(map(Fraction, range(4, 17))),
    Fraction(4): tuple(map(Fraction, range(8, 31))),
    Fraction(8): tuple(map(Fraction, range(16, 61, 4))),
    Fraction(16): tuple(map(Fraction, range(32, 121, 8))),
}
"""By number of vCPUs: the sizes of memory in GB."""

_NO_VOLUMES = {
    "hostPath": "folders of a node",
    "csi": "CSI drivers for inline volumes, such as that for secrets; External Secrets Operator works there",
    "ephemeral": "EBS volumes",
}
"""By the source of a volume: what Fargate does not have."""

_CONTAINERS = ("initContainers", "containers")

MOST_STORAGE = 175
"""GiB of ephemeral storage that a Pod may ask for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FargateSize:
    """What one Pod is billed as: vCPUs, and memory in GB (of 1024 MiB)."""

    cpu: Fraction
    memory: Fraction

    def __str__(self) -> str:
        return f"{float(self.cpu):g} vCPU and {float(self.memory):g} GB"


def fargate_size(pod: Manifest) -> FargateSize | None:
    """Return the smallest size that holds the requests of the Pod's containers; None where there is none."""
    cpu, memory = requested(pod, "cpu"), (requested(pod, "memory") + _OVERHEAD) / _GIB
    sizes = (
        FargateSize(cpu=cpus, memory=amount)
        for cpus, amounts in _MEMORY_OF.items()
        for amount in amounts
        if cpus >= cpu and amount >= memory
    )
    return next(sizes, None)


def fargate_error(pod: Manifest) -> str | None:
    """Return why Fargate cannot run the Pod, if so: for what it has, or for its size."""
    if (found := next(_unsupported(pod), None)) is not None:
        return f"Fargate has no {found}: remove it, or remove spec.placement.fargate"
    if fargate_size(pod) is None:
        cpu, memory = requested(pod, "cpu"), ceil((requested(pod, "memory") + _OVERHEAD) / _GIB)
        return (
            f"The Pod asks for {float(cpu):g} vCPU and, with the 256 MiB that Fargate adds, {memory} GB of memory. "
            "Fargate has at most 16 vCPU and 120 GB: lower spec.resources, or remove spec.placement.fargate"
        )
    if (storage := requested(pod, "ephemeral-storage") / _GIB) > MOST_STORAGE:
        return (
            f"The Pod asks for {ceil(storage)} GiB of ephemeral-storage, and Fargate has at most {MOST_STORAGE}: lower "
            "spec.resources.requests.ephemeral-storage, or use an EFS volume"
        )
    return None


def _unsupported(pod: Manifest) -> Iterator[str]:
    """Yield what the Pod has and Fargate does not, whichever field has asked for it.

    https://docs.aws.amazon.com/eks/latest/userguide/fargate.html
    """
    if pod.get("hostNetwork"):
        yield "host network"
    for volume in as_maps(pod.get("volumes")):
        yield from (
            f"{kind} (volume {volume.get('name')})"
            for source, kind in _NO_VOLUMES.items()
            if source in volume
        )
    for container in (each for name in _CONTAINERS for each in as_maps(pod.get(name))):
        if as_map(container.get("securityContext")).get("privileged"):
            yield f"privileged containers (container {container.get('name')})"
        if any(port.get("hostPort") for port in as_maps(container.get("ports"))):
            yield f"host ports (container {container.get('name')})"
        for resource in as_map(as_map(container.get("resources")).get("limits")):
            if "/" in resource:
                yield f"{resource} (container {container.get('name')})"


def guaranteed(pod: Manifest) -> Manifest:
    """Return the Pod's spec with every limit promised in full: Fargate reserves what is requested, and no more."""
    lists = {name: [_promised(each) for each in pod[name]] for name in _CONTAINERS if name in pod}
    return {**pod, **lists}


def _promised(container: Manifest) -> Manifest:
    resources = container["resources"]
    return {
        **container,
        "resources": {**resources, "requests": {**resources["requests"], **resources["limits"]}},
    }


def requested(pod: Manifest, resource: str) -> Fraction:
    """Return what a Pod's spec asks for, in vCPUs or bytes: what Fargate reserves.

    That of all containers that run together, or of the biggest init container.
    """
    init = pod.get("initContainers", [])
    together = [*pod["containers"], *(each for each in init if each.get("restartPolicy") == "Always")]
    first = (each for each in init if each.get("restartPolicy") != "Always")
    return max(sum(_requests(together, resource), Fraction(0)), *_requests(first, resource), Fraction(0))


def _requests(containers: Iterable[Manifest], resource: str) -> list[Fraction]:
    return [
        quantity(str(each.get("resources", {}).get("requests", {}).get(resource, "0"))) for each in containers
    ]


def runnable(app: Workload, template: Manifest) -> Manifest:
    """Return the template, unless Fargate is to run what it cannot."""
    if app.spec.placement is not None and app.spec.placement.fargate:
        error = fargate_error(template["spec"])
        if error is not None:
            raise InvalidSpec("NotOnFargate", error)
    return template
