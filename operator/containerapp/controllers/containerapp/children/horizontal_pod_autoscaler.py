"""HorizontalPodAutoscaler: sets the number of Pods by load, for an app with `autoscaling`.

It scales the Deployment and not the app: nothing but a person or a GitOps tool then writes the app's spec. It stays
while the app is suspended, since Kubernetes leaves a Deployment with no replicas alone. It is deleted before the
Deployment gets a count again, so that no two writers own that field.
"""

from __future__ import annotations

from collections.abc import Iterator

from containerapp.api.containerapp import ContainerApp
from containerapp.api.workload import Autoscaling
from containerapp.controllers.containerapp.inputs import Inputs
from containerapp.controllers.containerapp.scaling import by_keda
from containerapp.controllers.pods.metadata import metadata
from containerapp.controllers.pods.template import CONTAINER
from containerapp.core.model import Child, Manifest, Prune, Resource

_DEFAULT_CPU = 70
"""Leaves room for the time that a new Pod takes to start."""


def render(app: ContainerApp, inputs: Inputs) -> Iterator[Manifest]:
    """Yield the app's HorizontalPodAutoscaler, if load decides how many Pods run, and KEDA makes none."""
    autoscaling = app.spec.autoscaling
    if autoscaling is None or by_keda(app) is not None:
        return
    yield {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata(app),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": app.metadata.name},
            "minReplicas": _fewest(app, autoscaling, inputs),
            "maxReplicas": autoscaling.max_replicas,
            "metrics": _metrics(autoscaling),
            "behavior": autoscaling.behavior.model_dump(by_alias=True, mode="json"),
        },
    }


def _fewest(app: ContainerApp, autoscaling: Autoscaling, inputs: Inputs) -> int:
    """Kubernetes starts Pods of a Deployment without any where 0 is the least: a suspended app may not have that."""
    fewest = max(autoscaling.min_replicas, inputs.fewest_pods)
    return max(1, fewest) if app.spec.suspend else fewest


def _metrics(autoscaling: Autoscaling) -> list[Manifest]:
    simple = {"cpu": autoscaling.cpu, "memory": autoscaling.memory}
    given = [_of_the_container(name, percent) for name, percent in simple.items() if percent is not None]
    given += [
        metric.model_dump(by_alias=True, exclude_none=True, mode="json") for metric in autoscaling.metrics
    ]
    return given or [_of_the_container("cpu", _DEFAULT_CPU)]


def _of_the_container(name: str, percent: int) -> Manifest:
    """Measure the app's own container: an average over the Pod hides its load behind idle sidecars.

    A sidecar without a request would even stop the autoscaler.
    """
    return {
        "type": "ContainerResource",
        "containerResource": {
            "name": name,
            "container": CONTAINER,
            "target": {"type": "Utilization", "averageUtilization": percent},
        },
    }


CHILD = Child(
    resource=Resource(
        api_version="autoscaling/v2", kind="HorizontalPodAutoscaler", plural="horizontalpodautoscalers"
    ),
    render=render,
    overridable=True,
    prune=Prune.NOW,
)
