"""The condition VolumesReady: whether the claims of the app have their volumes, and are as the spec asks. Pure.

Listed in the CONCERNS of the status. A claim that waits for its volume is no obstacle: it mostly waits for the first
Pod to have a node, and the rollout says so.
"""

from __future__ import annotations

from collections.abc import Iterator

from containerapp.controllers.pods.volumes import claim_name
from containerapp.controllers.workloads.children import persistent_volume_claim
from containerapp.controllers.workloads.concerns import Concern, PodFacts
from containerapp.core.conditions import Condition
from containerapp.core.model import Manifest
from containerapp.errors import InvalidSpec

_TYPE = "VolumesReady"


def volumes_ready(facts: PodFacts) -> Iterator[Concern]:
    """Yield the condition for an app that has claims of its own."""
    volumes = [volume for volume in facts.app.spec.volumes if volume.claim is not None]
    if not volumes:
        return
    resource, live = persistent_volume_claim.CHILD.resource, facts.view.live
    claims = [(volume, live.get(resource.ref(claim_name(facts.app, volume)))) for volume in volumes]
    mismatches = [
        text
        for volume, claim in claims
        if claim is not None
        for text in persistent_volume_claim.mismatches(volume, claim)
    ]
    waiting = [claim_name(facts.app, volume) for volume, claim in claims if not _is_bound(claim)]
    if mismatches:
        error = InvalidSpec("ClaimCannotChange", " ".join(mismatches))
        condition = Condition(type=_TYPE, status="False", reason="ClaimCannotChange", message=error.message)
        yield Concern(condition=condition, obstacle=error)
    elif waiting:
        message = (
            f"Waiting for the volume of {', '.join(waiting)}. Most classes make it when a Pod has a node; what else "
            f"stands in the way: kubectl describe persistentvolumeclaim {waiting[0]} -n {facts.app.metadata.namespace}"
        )
        yield Concern(condition=Condition(type=_TYPE, status="False", reason="ClaimPending", message=message))
    else:
        message = "Every claim has its volume."
        yield Concern(condition=Condition(type=_TYPE, status="True", reason="ClaimsBound", message=message))


def _is_bound(claim: Manifest | None) -> bool:
    return claim is not None and claim.get("status", {}).get("phase") == "Bound"
