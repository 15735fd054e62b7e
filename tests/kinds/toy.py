"""A custom kind with one child, as a developer would add it: one folder's worth of code, and one line of registration.

Registered in the operator's process by the tests, before it starts. It makes a Lease from a greeting.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, ValidationError

from containerapp import controllers
from containerapp.api.crd import Column, Definition
from containerapp.api.schema import API_VERSION
from containerapp.api.schema.kubernetes import ConditionList, ObjectMeta
from containerapp.api.schema.problems import describe
from containerapp.api.schema.rules import ApiModel
from containerapp.api.status import ResourceReference
from containerapp.controllers.containerapp.controller import CONTAINER_APP
from containerapp.controllers.pods.metadata import metadata
from containerapp.core.conditions import Condition, dated
from containerapp.core.model import (
    MANAGED_BY_LABEL,
    MANAGER,
    Child,
    Controller,
    Digests,
    Event,
    Gathered,
    Manifest,
    ObjectRef,
    Outcome,
    Resource,
    View,
)
from containerapp.errors import InvalidSpec

_LABEL = "containerapp.dev/greeting"


class GreetingSpec(ApiModel):
    """What to say."""

    text: str = Field(max_length=100)
    """The words."""


class GreetingStatus(ApiModel):
    """What was said."""

    model_config = ConfigDict(extra="ignore")

    observed_generation: int = -1
    """Generation that this status speaks of."""
    conditions: Annotated[ConditionList, Field(max_length=8)] = ()
    """Whether it was said."""
    resources: tuple[ResourceReference, ...] = ()
    """The objects made for it."""


class Greeting(ApiModel):
    """A greeting, kept in a Lease."""

    api_version: str
    """Version of the schema."""
    kind: str
    """Kind of this object."""
    metadata: ObjectMeta
    """Name and namespace."""
    spec: GreetingSpec
    """The greeting as it should be."""
    status: GreetingStatus = GreetingStatus()
    """The greeting as it is."""

    @classmethod
    def parse(cls, obj: Manifest) -> Self:
        """Read an object as the API server holds it."""
        try:
            return cls.model_validate(obj, by_alias=True, by_name=False)
        except ValidationError as error:
            raise InvalidSpec("InvalidSpec", describe(error)) from None


def _lease(greeting: Greeting, _inputs: None) -> Iterator[Manifest]:
    meta = greeting.metadata
    owner = {
        "apiVersion": API_VERSION,
        "kind": "Greeting",
        "name": meta.name,
        "uid": meta.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
    yield {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": meta.name,
            "namespace": meta.namespace,
            "labels": {MANAGED_BY_LABEL: MANAGER, _LABEL: meta.name},
            "ownerReferences": [owner],
        },
        "spec": {"holderIdentity": greeting.spec.text},
    }


LEASES = Resource(api_version="coordination.k8s.io/v1", kind="Lease", plural="leases")


def _gather(_view: View, _digests: Digests) -> Gathered:
    return Gathered(inputs=None)


def _status(view: View, outcome: Outcome, now: str) -> Manifest:
    generation = view.obj.metadata.generation
    ready = Condition(type="Ready", status="True", reason="Said", message="The greeting is there.")
    if outcome.error is not None:
        ready = Condition(
            type="Ready", status="False", reason=outcome.error.reason, message=str(outcome.error)
        )
    return {
        "observedGeneration": generation,
        "conditions": dated([ready], view.obj.status.model_dump(by_alias=True), generation, now),
        "resources": [
            {"apiVersion": ref.api_version, "kind": ref.kind, "name": ref.name} for ref in outcome.resources
        ],
    }


def _events(_old: Manifest, _new: Manifest) -> Iterator[Event]:
    return iter(())


def _retained(_greeting: Greeting, _inputs: None) -> frozenset[ObjectRef]:
    return frozenset()


GREETING = Controller(
    definition=Definition(
        kind="Greeting",
        plural="greetings",
        short_name="hi",
        model=Greeting,
        columns=(Column(name="Text", type="string", path=".spec.text", description="The words."),),
    ),
    label=_LABEL,
    parse=Greeting.parse,
    forbidden=lambda _greeting, _platform: None,
    owns=(Child(resource=LEASES, render=_lease),),
    gather=_gather,
    settled=lambda _view, _inputs: True,
    listing=lambda _view: None,
    retained=_retained,
    status=_status,
    events=_events,
)


def register() -> None:
    """Add the kind to those of the operator."""
    controllers.CONTROLLERS = (*controllers.CONTROLLERS, GREETING)


def _note(app: Any, _inputs: Any) -> Iterator[Manifest]:
    yield {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": metadata(app),
        "spec": {"holderIdentity": app.spec.image},
    }


def register_child() -> None:
    """Add a child kind to ContainerApp."""
    child = Child(resource=LEASES, render=_note)
    controllers.CONTROLLERS = (replace(CONTAINER_APP, owns=(*CONTAINER_APP.owns, child)),)
