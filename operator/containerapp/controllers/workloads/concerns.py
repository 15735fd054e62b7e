"""A group of fields that has a condition of its own in the status. Pure.

The `status` of each kind asks the functions that it lists in CONCERNS, each in the module of its group. A concern that
stands in the way of Ready says so by an obstacle: `InvalidSpec` and `Blocked` are Stalled, `Transient` is Reconciling.
"""

from __future__ import annotations

from dataclasses import dataclass

from containerapp.controllers.pods.workload import Workload
from containerapp.controllers.workloads.image import Image
from containerapp.core.conditions import Condition
from containerapp.core.model import Outcome, View
from containerapp.errors import ContainerAppError


@dataclass(frozen=True, slots=True, kw_only=True)
class PodFacts:
    """What the checks look at that all kinds share which run Pods."""

    app: Workload
    image: Image
    outcome: Outcome
    view: View

    @property
    def all_started(self) -> bool:
        """Whether all Pods run what the spec asks for; of a kind whose Pods come and go nobody can say."""
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """What the status says of a group, and what keeps Ready from being True, if anything does.

    An obstacle explains a rollout that goes on, unless it comes `after_rollout`: Pods start without it.
    """

    condition: Condition
    obstacle: ContainerAppError | None = None
    after_rollout: bool = False
