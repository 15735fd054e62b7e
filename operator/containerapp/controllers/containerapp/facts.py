"""What the checks of the status of an app look at. Pure.

Made by `status` once at the end of every reconcile, and read by the checks of each group of fields.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from containerapp.api.containerapp import ContainerApp
from containerapp.controllers.containerapp.rollout import Rollout
from containerapp.controllers.workloads.concerns import PodFacts
from containerapp.core.model import Manifest

if TYPE_CHECKING:
    from containerapp.controllers.containerapp.choice import Choice


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts(PodFacts):
    """What the checks of the status of an app look at."""

    app: ContainerApp
    choice: Choice
    rollout: Rollout
    service: Manifest | None

    @property
    def all_started(self) -> bool:
        """Whether all Pods run what the spec asks for."""
        return self.rollout.complete
