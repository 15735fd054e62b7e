"""Groups of fields of jobs: what comes first, arrays of many Pods, and what happens after an attempt that failed.

The ideas are those of AWS Batch, the names Kubernetes' own where it has one. Rules between groups are the kind's.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Strict

from containerapp.api.schema.fields import Boolean, ObjectName
from containerapp.api.schema.rules import ApiModel, Rule, matches

Count = Annotated[int, Strict(), Field(ge=1, le=10000)]
INDEXES = r"[0-9]{1,5}(-[0-9]{1,5})?(,[0-9]{1,5}(-[0-9]{1,5})?)*"
Indexes = Annotated[
    str, Field(min_length=1, max_length=256), matches(INDEXES, "must be indexes in order, as in 0,3-5,9")
]
ExitCode = Annotated[
    str,
    Field(min_length=1, max_length=4),
    matches(
        r"[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5]|[1-9]?\*|1[0-9]\*|2[0-5]\*",
        "must be an exit code from 1 to 255 in quotes, or its first digits and *, as in 137, 12* or *",
    ),
]


class Dependency(ApiModel):
    """A job that comes first."""

    job: ObjectName
    """Name of a ContainerJob in the same namespace."""
    type: Literal["Complete", "NToN"] = "Complete"
    """`Complete`: its newest run has succeeded. `NToN`, between two arrays of one size: its newest run has ended, and
    each index runs that has succeeded there; those that have failed there fail here, too."""


class SuccessPolicy(ApiModel):
    """When an array has succeeded before all of its indexes have."""

    succeeded_indexes: Indexes | None = None
    """Indexes of which all (or `succeededCount`) have to succeed, for example `0` for a leader. Default: any."""
    succeeded_count: Count | None = None
    """How many indexes have to succeed. Default: all of `succeededIndexes`."""

    rules = (
        Rule(
            cel="has(self.succeededIndexes) || has(self.succeededCount)",
            holds=lambda policy: policy.succeeded_indexes is not None or policy.succeeded_count is not None,
            message="array.successPolicy says nothing: give succeededIndexes, succeededCount or both",
        ),
    )


class Array(ApiModel):
    """Many Pods of one job, each with an index of its own, as an array job of AWS Batch."""

    size: Annotated[int, Strict(), Field(ge=1, le=10000)]
    """Number of Pods that have to succeed. Each finds its index, from 0 on, in `AWS_BATCH_JOB_ARRAY_INDEX` and
    `JOB_COMPLETION_INDEX`."""
    parallelism: Count | None = None
    """How many run at a time. Default: all, and 100 at most."""
    max_failed_indexes: Annotated[int, Strict(), Field(ge=0, le=10000)] | None = None
    """How many indexes may fail before the rest is ended. Default: all indexes run, as in AWS Batch, and the job fails
    at the end if one has failed."""
    success_policy: SuccessPolicy | None = None
    """When the array has succeeded although not all of its indexes have. Default: never."""

    rules = (
        Rule(
            cel="!has(self.maxFailedIndexes) || self.maxFailedIndexes < self.size",
            holds=lambda array: array.max_failed_indexes is None or array.max_failed_indexes < array.size,
            message="array.maxFailedIndexes must be below array.size: lower it, or leave it out to let all indexes run",
            path=".maxFailedIndexes",
        ),
        Rule(
            cel="!has(self.successPolicy) || !has(self.successPolicy.succeededCount)"
            " || self.successPolicy.succeededCount <= self.size",
            holds=lambda array: (
                array.success_policy is None or (array.success_policy.succeeded_count or 0) <= array.size
            ),
            message="array.successPolicy.succeededCount must be at most array.size: lower it",
            path=".successPolicy.succeededCount",
        ),
    )

    def at_a_time(self) -> int:
        """How many Pods run at a time."""
        return min(self.size, self.parallelism or 100)


class OnExit(ApiModel):
    """What to do after an attempt that ended in this way. The first that fits counts."""

    action: Literal["Retry", "Exit"]
    """`Retry`: another attempt, if one is left. `Exit`: the job has failed (of an array: this index)."""
    exit_code: ExitCode | None = None
    """Exit code of the program, for example `"137"`, or its first digits and a star, as in `"12*"`; `"*"` is any but
    0."""
    disruption: Boolean = False
    """Whether the Pod was lost with its node: a Spot interruption, a drain, an eviction. A `Retry` of these is not
    counted as an attempt."""

    rules = (
        Rule(
            cel="has(self.exitCode) != (has(self.disruption) && self.disruption)",
            holds=lambda rule: (rule.exit_code is not None) != rule.disruption,
            message="retry.onExit takes one cause an entry: give either exitCode or disruption: true",
            path=".exitCode",
        ),
    )

    def exit_codes(self) -> tuple[int, ...]:
        """The exit codes that are meant; none where any is."""
        text = self.exit_code or ""
        if not text.endswith("*"):
            return (int(text),) if text else ()
        prefix = text.removesuffix("*")
        return tuple(code for code in range(1, 256) if str(code).startswith(prefix)) if prefix else ()


class Retry(ApiModel):
    """How often a failed attempt is made again, and after which ends."""

    attempts: Annotated[int, Strict(), Field(ge=1, le=100)] = 1
    """How often each Pod is tried at most; of an array, each index."""
    on_exit: Annotated[tuple[OnExit, ...], Field(max_length=19)] = ()
    """What to do after which end, in the order of the list, as `evaluateOnExit` of AWS Batch. What fits none is tried
    again."""
