"""What an app costs in a month, by what it requests: an estimate from its children, never a bill.

Called by `cost` and `plan`. On Fargate a Pod costs its billed size, elsewhere its share of an instance. Requests,
traffic and logs are not known before they happen, and not counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from containerapp.api.schema.quantity import quantity
from containerapp.cli.prices import Prices
from containerapp.controllers.pods.fargate import fargate_size, requested
from containerapp.core.model import Manifest
from containerapp.core.unchecked import as_map

HOURS = 730
"""Hours of a month, as AWS counts them."""

_GIB = 2**30
_FREE_STORAGE = 20
_ALB = "alb.ingress.kubernetes.io/"
"""Prefix of what the AWS Load Balancer Controller and EKS Auto Mode read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that costs: how much of it at least and at most, and dollars a month."""

    what: str
    least: float
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """All that an app costs."""

    lines: tuple[Line, ...] = ()

    @property
    def least(self) -> float:
        """Dollars a month with the fewest Pods that its autoscaler keeps."""
        return sum(line.least for line in self.lines)

    @property
    def most(self) -> float:
        """Dollars a month with the most Pods."""
        return sum(line.most for line in self.lines)

    def __str__(self) -> str:
        """Say the sum, or the two."""
        return dollars(self.least, self.most)


def dollars(least: float, most: float) -> str:
    """Return an amount, or a range."""
    low, high = (f"${amount:,.2f}" for amount in (least, most))
    return low if low == high else f"{low} to {high}"


def estimate(obj: Manifest, children: Iterable[Manifest], prices: Prices) -> Estimate:
    """Return what a custom object with these children costs while it runs."""
    listed = list(children)
    return Estimate(lines=tuple(line for child in listed for line in _lines(obj, child, listed, prices)))


def _lines(obj: Manifest, child: Manifest, children: list[Manifest], prices: Prices) -> Iterator[Line]:
    match child["kind"]:
        case "Deployment":
            yield _pods(obj, child, children, prices)
        case "PersistentVolumeClaim":
            size = float(quantity(child["spec"]["resources"]["requests"]["storage"]) / _GIB)
            yield _steady(
                f"{size:g} GiB of gp3 for the claim {child['metadata']['name']}", size * prices.disk
            )
        case "Ingress" if any(key.startswith(_ALB) for key in _annotations(child)):
            shared = f"{_ALB}group.name" in _annotations(child)
            who = (
                "an Application Load Balancer that its group shares"
                if shared
                else "an Application Load Balancer"
            )
            yield _steady(f"{who}, without its traffic", prices.alb * HOURS)
        case "Service" if child["spec"].get("type") == "LoadBalancer":
            yield _steady("a Network Load Balancer, without its traffic", prices.nlb * HOURS)
        case _:
            return


def _annotations(child: Manifest) -> Manifest:
    return as_map(child["metadata"].get("annotations"))


def _steady(what: str, month: float) -> Line:
    return Line(what=what, least=month, most=month)


def _pods(obj: Manifest, deployment: Manifest, children: list[Manifest], prices: Prices) -> Line:
    placement = as_map(obj["spec"].get("placement"))
    pod = deployment["spec"]["template"]["spec"]
    least, most = _counts(deployment, children)
    what, hour = _on_fargate(pod, prices) if placement.get("fargate") else _on_a_node(pod, placement, prices)
    number = f"{least}" if least == most else f"{least} to {most}"
    return Line(what=f"{number} of {what}", least=least * hour * HOURS, most=most * hour * HOURS)


def _counts(deployment: Manifest, children: list[Manifest]) -> tuple[int, int]:
    """Return the fewest and the most Pods."""
    replicas = int(deployment["spec"].get("replicas", 1))
    return (autoscaled(children) if replicas else None) or (replicas, replicas)


def autoscaled(children: Iterable[Manifest]) -> tuple[int, int] | None:
    """Return the fewest and the most Pods that the autoscaler among the children keeps; None where there is none."""
    for child in children:
        if child["kind"] == "HorizontalPodAutoscaler":
            return int(child["spec"].get("minReplicas", 1)), int(child["spec"]["maxReplicas"])
        if child["kind"] == "ScaledObject":
            return int(child["spec"].get("minReplicaCount", 0)), int(child["spec"]["maxReplicaCount"])
    return None


def _on_fargate(pod: Manifest, prices: Prices) -> tuple[str, float]:
    size = fargate_size(pod)
    assert size is not None, "refused before"  # noqa: S101 - for the type checker
    extra = max(requested(pod, "ephemeral-storage") / _GIB - _FREE_STORAGE, Fraction(0))
    hour = float(size.cpu) * prices.fargate_cpu + float(size.memory) * prices.fargate_memory
    return f"{size} on Fargate", hour + float(extra) * prices.fargate_storage


def _on_a_node(pod: Manifest, placement: Manifest, prices: Prices) -> tuple[str, float]:
    """Return the share of an instance: the greater of the Pod's parts of its CPU and of its memory."""
    cpu, memory = float(requested(pod, "cpu")), float(requested(pod, "memory") / _GIB)
    share = max(cpu / prices.node_cpus, memory / prices.node_memory)
    spot = placement.get("capacity") == "Spot"
    price = prices.node_hour * (prices.spot if spot else 1)
    where = f"{share:.1%} of {prices.node}{' on Spot' if spot else ''}"
    return f"{cpu:g} vCPU and {memory:g} GiB, {where}", share * price
