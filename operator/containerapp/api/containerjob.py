"""ContainerJob, version v1alpha1: a container that runs to completion, once, on demand or on a schedule.

The docstring below each field is what `kubectl explain` shows. It shares its groups with ContainerApp; what is a job's
alone is here and in `batch` and `schedule`. What the operator accepts and the API server refuses, or the other way
round, is a bug in this file.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, Strict, ValidationError

from containerapp.api.batch import Array, Dependency, Retry
from containerapp.api.containerjob_status import UNSEEN, ContainerJobStatus
from containerapp.api.files import Files
from containerapp.api.identity import IDENTITY_RULES, Identity
from containerapp.api.placement import FARGATE_RULES, Placement
from containerapp.api.pod import POD_RULES, PodSettings
from containerapp.api.ports import Port
from containerapp.api.process import Process
from containerapp.api.schedule import Schedule, TimeZone
from containerapp.api.schema.fields import (
    Boolean,
    ChildLabels,
    GraceSeconds,
    ObjectName,
    PodAnnotations,
    PodLabels,
    Text,
)
from containerapp.api.schema.kubernetes import LocalObjectReference, ObjectMeta
from containerapp.api.schema.problems import describe
from containerapp.api.schema.rules import ApiModel, ListMap, Rule, matches
from containerapp.api.security import Security
from containerapp.api.sidecars import JOB_CONTAINER_RULES, InitContainers, Sidecars
from containerapp.api.volumes import VOLUME_RULES, Volumes
from containerapp.errors import InvalidSpec

JOB_NAME = r"[a-z]([-a-z0-9]{0,50}[a-z0-9])?"
REFERENCE = re.compile(r"Ref::([A-Za-z0-9_-]{1,64})")
PARAMETER = r"[A-Za-z0-9_-]{1,64}"

QueueName = Annotated[
    str,
    Field(max_length=63),
    matches(
        r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?",
        "must be an object's name: lower-case letters, digits, '-' and '.', as in team-a",
    ),
]
Seconds = Annotated[int, Strict(), Field(ge=1, le=31536000)]
History = Annotated[int, Strict(), Field(ge=0, le=100)]
Parameters = Annotated[
    dict[str, Text],
    Field(max_length=64),
    Rule(
        cel=f"self.all(key, key.matches(r'^{PARAMETER}$'))",
        holds=lambda pairs: all(re.fullmatch(PARAMETER, key) for key in pairs),
        message="a parameter's name has at most 64 letters, digits, '-' and '_', as in inputfile",
    ),
]


def _needs_schedule(field: str, name: str) -> Rule:
    return Rule(
        cel=f"!has(self.{field}) || has(self.schedule)",
        holds=lambda spec: getattr(spec, name) is None or spec.schedule is not None,
        message=f"{field} goes with a schedule: add schedule, or remove {field}",
        path=f".{field}",
    )


class ContainerJobSpec(PodSettings, Process):
    """The job as it should run.

    `image` is all that is needed: it runs once, and again with each change of the spec.
    """

    image_pull_secrets: Annotated[
        tuple[LocalObjectReference, ...], Field(max_length=16), ListMap("name")
    ] = ()
    """Secrets of type `kubernetes.io/dockerconfigjson` for registries that ask for a password. Amazon ECR needs none:
    the nodes' own role pulls from it."""

    sidecars: Sidecars = ()
    """Containers that run beside the program in each Pod, for example a proxy: they start before it, in the order of
    this list, and are ended once it has ended."""
    init_containers: InitContainers = ()
    """Containers that run to completion before the program starts, in the order of this list."""

    files: Files = ()
    """Files and folders of the container: text of this manifest, ConfigMaps and Secrets."""
    volumes: Volumes = ()
    """Storage and where it is mounted: folders of the Pod's own, claims that outlive it, file systems that Pods
    share."""

    placement: Placement | None = None
    """Where the Pods run: Spot or on-demand capacity, Fargate, architectures, and Kubernetes' own scheduling fields.
    Default: any node."""

    parameters: Parameters = Field(default_factory=dict)
    """Values for the words `Ref::<name>` of `command`, `args` and `env`, as in AWS Batch. A run on demand may set
    others."""
    schedule: Schedule | None = None
    """When the job runs: cron as in `30 9 * * MON-FRI`, or `rate(5 minutes)` and `cron(30 9 * * ? *)` as in Amazon
    EventBridge. Default: none, see `onChange`."""
    time_zone: TimeZone | None = None
    """Time zone of the schedule, for example `Europe/Berlin`. Default: that of the cluster's controllers, which is UTC
    on Amazon EKS."""
    starting_deadline_seconds: Seconds | None = None
    """Seconds that a run of the schedule may be late, after which it is left out. Default: as late as it takes."""
    suspend: Boolean = False
    """Whether no further run starts. One that runs already goes on to its end."""
    on_change: Literal["Run", "Wait"] = "Run"
    """What a new or changed spec or image does where there is no schedule. `Run`: it makes a run, the first one when
    the job is created. `Wait`: the job runs on demand alone, as a registered job definition of AWS Batch does."""
    concurrency_policy: Literal["Queue", "Allow", "Replace", "Forbid"] = "Queue"
    """What a run does that is due while another one is running. `Queue`: it waits. `Allow`: both run. `Replace`: the
    running one is ended. `Forbid`: it is left out. A schedule leaves out what would have to wait."""
    successful_jobs_history_limit: History = 3
    """How many runs are kept that have succeeded, with their Pods and logs."""
    failed_jobs_history_limit: History = 3
    """How many runs are kept that have failed."""
    ttl_seconds_after_finished: Annotated[int, Strict(), Field(ge=0, le=31536000)] | None = None
    """Seconds after which a run that has ended is deleted, with its Pods. On Fargate a Pod that has ended costs as much
    as one that runs: set it there. Default: the history limits alone decide."""

    depends_on: Annotated[tuple[Dependency, ...], Field(max_length=20), ListMap("job")] = ()
    """Jobs of the namespace that come first. The job runs once they have succeeded, and again with each run of theirs
    that succeeds, unless `onChange` is `Wait`."""

    queue: QueueName | None = None
    """LocalQueue of Kueue, in this namespace, whose quota the runs wait for. Default: they start at once."""
    queue_priority_class: QueueName | None = None
    """WorkloadPriorityClass of Kueue: which of the waiting runs comes first. Default: the priority of the Pods."""

    array: Array | None = None
    """Runs many Pods, each with an index of its own. Default: one Pod."""
    retry: Retry = Retry()
    """How often a failed attempt is made again. Default: never."""
    attempt_timeout_seconds: Seconds | None = None
    """Seconds that one attempt may take. Default: as long as it takes."""
    deadline_seconds: Seconds | None = None
    """Seconds that a run may take in all, with all of its attempts. Default: as long as it takes."""
    ready_when: Literal["Completed", "Started"] = "Completed"
    """When the condition `Ready` becomes true for a job without a schedule, which GitOps tools wait for: `Completed`,
    once its run has succeeded, or `Started`."""
    termination_grace_period_seconds: GraceSeconds = 30
    """Seconds that the program has to end after SIGTERM, from 0 to 7200, before it is killed."""

    security: Security = Security()
    """What the container may do on its node. The defaults pass Pod Security `restricted`; every relaxation is spelled
    out here."""
    service_account_name: ObjectName | None = None
    """Existing ServiceAccount to run as, for example one with an IAM role. Default: the operator makes one named like
    the job. Its token is not mounted in either case."""
    identity: Identity | None = None
    """IAM role that the Pods act as, by EKS Pod Identity or IRSA. Default: none, and the SDKs find the node's role."""
    labels: ChildLabels = Field(default_factory=dict)
    """Further labels of everything that is made for the job but its Pods."""
    pod_labels: PodLabels = Field(default_factory=dict)
    """Further labels of the Pods, for example `team: checkout` for cost allocation."""
    pod_annotations: PodAnnotations = Field(default_factory=dict)
    """Annotations of the Pods."""

    rules = (
        *Process.rules,
        *IDENTITY_RULES,
        *JOB_CONTAINER_RULES,
        *VOLUME_RULES[-1:],
        *POD_RULES,
        *FARGATE_RULES,
        Rule(
            cel="!has(self.dependsOn) || size(self.dependsOn) == 0 || !has(self.schedule)",
            holds=lambda spec: not spec.depends_on or spec.schedule is None,
            message="dependsOn and schedule exclude each other: the job runs after those that it depends on; remove"
            " one of both",
            path=".dependsOn",
        ),
        Rule(
            cel="!has(self.dependsOn) || has(self.array)"
            " || self.dependsOn.all(each, !has(each.type) || each.type != 'NToN')",
            holds=lambda spec: spec.array is not None or all(each.type != "NToN" for each in spec.depends_on),
            message="dependsOn of type NToN is between arrays: add array, or leave type out",
            path=".dependsOn",
        ),
        Rule(
            cel="!has(self.queuePriorityClass) || has(self.queue)",
            holds=lambda spec: spec.queue_priority_class is None or spec.queue is not None,
            message="queuePriorityClass goes with a queue: add queue, or remove queuePriorityClass",
            path=".queuePriorityClass",
        ),
        _needs_schedule("timeZone", "time_zone"),
        _needs_schedule("startingDeadlineSeconds", "starting_deadline_seconds"),
    )

    def unknown_parameter(self) -> str | None:
        """The first parameter that a word of `command` or `args` names, and that `parameters` lacks.

        No rule of the definition says so: the API server would count its cost by the longest lists there can be.
        """
        asked = (REFERENCE.fullmatch(word) for word in (*self.command, *self.args))
        return next((found[1] for found in asked if found and found[1] not in self.parameters), None)

    def container_ports(self) -> tuple[Port, ...]:
        """The ports of the job's own container: none."""
        return ()

    def sidecar_ports(self) -> tuple[Port, ...]:
        """Ports of the sidecars."""
        return tuple(port for sidecar in self.sidecars for port in sidecar.ports)


class ContainerJob(ApiModel):
    """A container image that runs to completion on the cluster: once, on demand, or on a schedule."""

    api_version: Literal["containerapp.dev/v1alpha1"]
    """Version of the schema that this object is written in."""
    kind: Literal["ContainerJob"]
    """Kind of this object."""
    metadata: ObjectMeta
    """Name, namespace, labels and annotations."""
    spec: ContainerJobSpec
    """The job as it should run."""
    status: ContainerJobStatus = UNSEEN
    """The job as it was last seen; written by the operator alone."""

    rules = (
        Rule(
            cel=f"self.metadata.name.matches(r'^{JOB_NAME}$')",
            holds=lambda job: re.fullmatch(JOB_NAME, job.metadata.name) is not None,
            message="metadata.name must have at most 52 lower-case letters, digits and '-', beginning with a letter, as"
            " the names of its runs begin with it; rename the job, as in nightly-report",
            path=".metadata.name",
        ),
    )

    @classmethod
    def parse(cls, obj: dict[str, Any]) -> Self:
        """Read an object as the API server holds it; `InvalidSpec` says what to edit where it is wrong."""
        try:
            return cls.model_validate(obj, by_alias=True, by_name=False)
        except ValidationError as error:
            raise InvalidSpec("InvalidSpec", describe(error)) from None
