"""The status of a ContainerJob: what the operator reports, as `kubectl explain` describes it.

Written by the controller of ContainerJob and read back for what must survive a restart: which triggers were answered,
and the image's digest. Unknown fields are ignored, so that an older operator can read what a newer one wrote.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from containerapp.api.schema.kubernetes import Condition, ConditionList
from containerapp.api.schema.rules import StatusModel
from containerapp.api.status import IdentityStatus, ImageStatus, ResourceReference


class FailureStatus(StatusModel):
    """How a run has failed."""

    run: str
    """Name of the run's Job."""
    exit_code: int | None = None
    """Exit code of the Pod that failed last."""
    message: str | None = None
    """Why it failed, and what to do."""
    output: str | None = None
    """The end of what it wrote."""


class RunStatus(StatusModel):
    """One run: a Job, and how it went."""

    name: str
    """Name of the Job."""
    trigger: str | None = None
    """What it answers: `Spec`, `Schedule`, or `run/<name>` for the annotation `run.containerapp.dev/<name>`."""
    phase: str | None = None
    """`Pending`, `Running`, `Succeeded` or `Failed`."""
    start_time: str | None = None
    """When it began."""
    completion_time: str | None = None
    """When it ended."""


class ContainerJobStatus(StatusModel):
    """The job as it was last seen; written by the operator alone."""

    observed_generation: int = -1
    """`metadata.generation` that this status speaks of; -1 until the operator has observed the job."""
    conditions: Annotated[ConditionList, Field(max_length=32)] = ()
    """What holds of the job: `Ready` sums up; `Reconciling` and `Stalled` are there only while they are true;
    `Complete` and `Failed` speak of the newest run. Wait with `kubectl wait --for=condition=Complete cjob/<name>`."""
    phase: str | None = None
    """`Pending`, `Waiting`, `Running`, `Succeeded`, `Failed`, `Scheduled`, `OnDemand` (it never ran) or `Suspended`."""
    run: str | None = None
    """Name of the newest run's Job; `kubectl logs job/<run>` shows what it writes."""
    start_time: str | None = None
    """When the newest run began."""
    completion_time: str | None = None
    """When the newest run ended."""
    duration: str | None = None
    """How long the newest run took, once it has ended."""
    active: int | None = None
    """Pods of the newest run that run or wait to."""
    succeeded: int | None = None
    """Pods of the newest run that have succeeded; of an array, its indexes."""
    failed: int | None = None
    """Attempts of the newest run that have failed."""
    failed_indexes: str | None = None
    """Indexes of the newest run that have failed, as in `3,7-9`."""
    continues: str | None = None
    """The run of which the newest run repeats indexes, or has followed on from."""
    last_failure: FailureStatus | None = None
    """How the last run that failed has failed."""
    last_schedule_time: str | None = None
    """When the schedule last made a run."""
    runs: Annotated[tuple[RunStatus, ...], Field(max_length=10)] = ()
    """The last runs, the newest first."""
    spec_run: str | None = None
    """Number of the last run that answers the spec, and a short text that stands for the spec and its image."""
    answered: Annotated[tuple[str, ...], Field(max_length=256)] = ()
    """Names of the annotations `run.containerapp.dev/<name>` that were answered."""
    image: ImageStatus | None = None
    """The image that runs, by tag and digest."""
    identity: IdentityStatus | None = None
    """The EKS Pod Identity association that the operator keeps for the job."""
    resources: tuple[ResourceReference, ...] = ()
    """The objects made for the job. What disappears from this list is removed from the cluster."""


UNSEEN = ContainerJobStatus(
    conditions=(
        Condition(
            type="Ready",
            status="Unknown",
            last_transition_time="1970-01-01T00:00:00Z",
            reason="Pending",
            message="The operator has not observed this ContainerJob yet. "
            "If this lasts, check that it runs and serves this namespace.",
        ),
    )
)
"""What the API server itself says of a job that is new; see ContainerApp's."""
