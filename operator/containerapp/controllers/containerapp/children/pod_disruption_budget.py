"""PodDisruptionBudget: keeps drains of nodes from taking more of the app's Pods than it can spare.

There is one from two Pods on. It must never block a drain: a single Pod has a budget only where a second one starts
before it goes, Pods that are not ready may always be evicted, and the API refuses counts that leave nothing to evict.
"""

from __future__ import annotations

from collections.abc import Iterator

from containerapp.api.containerapp import ContainerApp
from containerapp.api.workload import Disruption
from containerapp.controllers.containerapp.inputs import Inputs
from containerapp.controllers.containerapp.moving import keeps_the_only_pod
from containerapp.controllers.pods.metadata import metadata, track_selector
from containerapp.core.model import Child, Manifest, Prune, Resource

_DEFAULT = Disruption(max_unavailable=1)


def render(app: ContainerApp, inputs: Inputs) -> Iterator[Manifest]:
    """Yield the app's PodDisruptionBudget, if it has Pods to spare, or is about to have one."""
    protected, late = (inputs.move.protected, inputs.move.late) if inputs.move else (False, False)
    if late or not (protected or _is_wanted(app)):
        return
    yield {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(app),
        "spec": {
            **({"minAvailable": 1} if protected else _count(app.spec.disruption or _DEFAULT)),
            # Without it a Pod that never gets ready keeps its node from being drained.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": track_selector(app)},
        },
    }


def _is_wanted(app: ContainerApp) -> bool:
    """Two Pods at all times; or where the user asks for a budget, two at some times, or one that is to stay."""
    spec = app.spec
    pods = spec.most_pods() if spec.disruption is not None and spec.disruption.counts else spec.fewest_pods()
    return (pods >= 2 or keeps_the_only_pod(app)) and not spec.suspend


def _count(disruption: Disruption) -> Manifest:
    if disruption.min_available is not None:
        return {"minAvailable": disruption.min_available}
    return {"maxUnavailable": 1 if disruption.max_unavailable is None else disruption.max_unavailable}


CHILD = Child(
    resource=Resource(api_version="policy/v1", kind="PodDisruptionBudget", plural="poddisruptionbudgets"),
    render=render,
    overridable=True,
    # A budget for more Pods than are left would block every drain for as long as a rollout hangs.
    prune=Prune.NOW,
)
