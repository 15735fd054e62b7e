"""The group `autoscaling.triggers`: what load is measured by outside Kubernetes' own metrics.

Imported by `workload`. Each trigger becomes one of KEDA's. The docstring below each field is what `kubectl explain`
shows. Whether KEDA is there is for the controller to judge.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from containerapp.api.schedule import CRON, TimeZone
from containerapp.api.schema.fields import Boolean, PositiveQuantity, Replicas
from containerapp.api.schema.rules import ApiModel, Rule, matches

_KINDS = {"sqs": "sqs", "albRequests": "alb_requests", "prometheus": "prometheus", "schedule": "schedule"}

_QueueUrl = Annotated[
    str,
    Field(min_length=20, max_length=200),
    matches(
        r"https://sqs[.][a-z0-9-]+[.]amazonaws[.]com([.]cn)?/[0-9]{12}/[A-Za-z0-9_-]{1,80}([.]fifo)?",
        "must be the URL of a queue, as in https://sqs.eu-west-1.amazonaws.com/123456789012/orders",
    ),
]
_ResourceLabel = Annotated[
    str,
    Field(min_length=20, max_length=200),
    matches(
        r"app/[A-Za-z0-9-]{1,32}/[0-9a-f]{16}/targetgroup/[A-Za-z0-9-]{1,32}/[0-9a-f]{16}",
        "must be the ends of the load balancer's and the target group's ARN, as Application Auto Scaling has them:"
        " app/<name>/<id>/targetgroup/<name>/<id>",
    ),
]
_Region = Annotated[
    str,
    Field(min_length=8, max_length=32),
    matches(r"[a-z]{2,4}(-[a-z]+)+-[0-9]", "must be a Region of AWS, as in eu-west-1"),
]
_Address = Annotated[
    str,
    Field(min_length=10, max_length=253),
    matches(
        r"https?://[A-Za-z0-9.:/_-]+",
        "must be the URL of a Prometheus, as in http://prometheus-server.monitoring.svc:9090",
    ),
]
_Cron = Annotated[
    str,
    Field(min_length=9, max_length=160),
    matches(CRON, "must be five fields of cron, as in 0 8 * * MON-FRI"),
]
_PerPod = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]


class QueueTrigger(ApiModel):
    """The length of a queue of Amazon SQS."""

    queue_url: _QueueUrl
    """URL of the queue, for example `https://sqs.eu-west-1.amazonaws.com/123456789012/orders`."""
    messages_per_pod: _PerPod = 5
    """Messages that one Pod is to have before it: as many Pods run as divide the queue so. Default: 5."""
    count_in_flight: Boolean = True
    """Whether messages count that were received and not deleted yet. Default: true, so that no Pod is removed over the
    message that it works on."""


class RequestTrigger(ApiModel):
    """The requests that an Application Load Balancer sends to the app, as Amazon CloudWatch counts them."""

    resource_label: _ResourceLabel
    """Load balancer and target group, written as for `ALBRequestCountPerTarget` of ECS:
    `app/<name>/<id>/targetgroup/<name>/<id>`, the ends of their ARNs."""
    region: _Region
    """Region of the load balancer, for example `eu-west-1`."""
    requests_per_pod: _PerPod
    """Requests a minute that one Pod is to serve."""


class PrometheusTrigger(ApiModel):
    """The result of a query to Prometheus."""

    server_address: _Address
    """URL of the Prometheus, as KEDA reaches it."""
    query: Annotated[str, Field(min_length=1, max_length=2048)]
    """Query with one number as its result, for example `sum(rate(http_requests_total{app="shop"}[2m]))`."""
    per_pod: PositiveQuantity
    """How much of the result one Pod is to take: as many Pods run as divide it so."""


class ScheduleTrigger(ApiModel):
    """A number of Pods at certain hours."""

    time_zone: TimeZone = "Etc/UTC"
    """Time zone of `start` and `end`, for example `Europe/Berlin`. Default: `Etc/UTC`."""
    start: _Cron
    """When it begins, as five fields of cron: `0 8 * * MON-FRI`."""
    end: _Cron
    """When it ends, likewise."""
    replicas: Replicas
    """Pods that run in between at least; other triggers and metrics may ask for more."""

    rules = (
        Rule(
            cel="self.start != self.end",
            holds=lambda schedule: schedule.start != schedule.end,
            message="schedule.start and end are the same: set the end to a later time",
            path=".end",
        ),
    )


class Trigger(ApiModel):
    """One thing to scale by, from exactly one source. What asks for most Pods wins."""

    sqs: QueueTrigger | None = None
    """Messages of a queue of Amazon SQS."""
    alb_requests: RequestTrigger | None = None
    """Requests of an Application Load Balancer."""
    prometheus: PrometheusTrigger | None = None
    """Result of a query to Prometheus, such as requests a second."""
    schedule: ScheduleTrigger | None = None
    """Hours of the day or the week."""

    rules = (
        Rule(
            cel=f"[{', '.join(f'has(self.{name})' for name in _KINDS)}].filter(given, given).size() == 1",
            holds=lambda trigger: sum(getattr(trigger, name) is not None for name in _KINDS.values()) == 1,
            message=f"a trigger needs exactly one of {', '.join(_KINDS)}: keep one, and make a trigger of each other",
        ),
    )

    def asks_aws(self) -> bool:
        """Whether AWS is asked for the number."""
        return self.sqs is not None or self.alb_requests is not None

    @property
    def source(self) -> str:
        """Name of the source that is given."""
        return next(outside for outside, name in _KINDS.items() if getattr(self, name) is not None)

    @property
    def given(self) -> QueueTrigger | RequestTrigger | PrometheusTrigger | ScheduleTrigger:
        """The source that is given."""
        found: QueueTrigger | RequestTrigger | PrometheusTrigger | ScheduleTrigger
        found = getattr(self, _KINDS[self.source])
        return found


Triggers = Annotated[tuple[Trigger, ...], Field(max_length=16)]
