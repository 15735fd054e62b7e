"""The condition Placed: what is known of where the app's Pods run. Pure.

Asked by the status. For Fargate it says which size is billed, by the containers that the Deployment has.
"""

from __future__ import annotations

from collections.abc import Iterator

from containerapp.controllers.containerapp.children import deployment
from containerapp.controllers.containerapp.facts import Facts
from containerapp.controllers.pods.fargate import fargate_size
from containerapp.controllers.workloads.concerns import Concern
from containerapp.core.conditions import Condition


def placed(facts: Facts) -> Iterator[Concern]:
    """Yield the condition for an app on Fargate."""
    placement, live = facts.app.spec.placement, facts.view.live.get(deployment.ref(facts.app.metadata.name))
    if placement is None or not placement.fargate or live is None:
        return
    if (size := fargate_size(live["spec"]["template"]["spec"])) is not None:
        message = f"Fargate bills each Pod as {size}: its requests and 256 MiB, rounded up."
        yield Concern(condition=Condition(type="Placed", status="True", reason="Fargate", message=message))
