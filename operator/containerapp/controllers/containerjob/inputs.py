"""What rendering needs besides the job itself. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from containerapp.controllers.containerjob.choice import Choice
from containerapp.controllers.containerjob.runs import Run
from containerapp.controllers.workloads.image import Pinned
from containerapp.controllers.workloads.inputs import PodInputs
from containerapp.core.model import Manifest, PinnedImage
from containerapp.errors import Blocked


@dataclass(frozen=True, slots=True, kw_only=True)
class JobInputs(PodInputs):
    """The runs that live, and which start; `jobs` are those that belong to no CronJob, as they live."""

    jobs: Mapping[str, Manifest] = field(default_factory=dict)
    runs: tuple[Run, ...] = ()
    choice: Choice = field(default_factory=Choice)
    hindrance: Blocked | None = None
    """Why no run may be queued."""

    @property
    def ready_pin(self) -> PinnedImage | None:
        """The image of a run that starts now; None while a digest, a secret or the role is missing."""
        return self.pin if isinstance(self.image, Pinned) and self.secrets.ready else None
