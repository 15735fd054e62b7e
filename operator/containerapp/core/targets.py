"""How the Pods of a rollout stand at their load balancers: what a controller asks, and what the engine answers. Pure.

A target group says of each address whether it is healthy; which Pods have these addresses, Kubernetes says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from containerapp.errors import ContainerAppError


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which Pods, by a label selector, and the target groups behind which Service.

    `bindings` is the API version of the TargetGroupBindings, `label` the one that distinguishes Pods.
    """

    service: str
    selector: str
    bindings: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PodAt:
    """A Pod that is not ending: its address, the value of the label, and since when it is ready, if it is."""

    address: str
    label: str
    ready_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The Pods, and of each target group the state of each address, in the words of Elastic Load Balancing."""

    pods: tuple[PodAt, ...] = ()
    groups: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """There is no answer, for so many seconds, and `error` is why, where something went wrong."""

    seconds: float
    error: ContainerAppError | None = None


Targets: TypeAlias = Answer | Silence
