"""Children that live outside Kubernetes, in an API such as Amazon EKS: what is wanted, what is found, what to do. Pure.

A controller declares them as `External`; the engine writes the finalizer, keeps the answers of the API, and asks
`next_step`. Nothing here knows a particular API or a custom kind. An object of others is never changed or deleted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple, TypeAlias

from containerapp.errors import ContainerAppError, Transient


class Gone(Transient):
    """The API does not have the object (any more)."""


class Taken(Transient):
    """The place has an object already."""


class Place(NamedTuple):
    """Where an object is in its API: there is at most one for a place."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The custom object that an object outside belongs to; the API keeps it beside the object, as tags.

    The `uid` says which object of the name; it is no part of the comparison: what an earlier object of the name has
    left behind belongs to its successor.
    """

    kind: str
    namespace: str
    name: str
    uid: str = ""

    def is_same(self, other: Owner | None) -> bool:
        """Whether both are custom objects of one name."""
        mine = (self.kind, self.namespace, self.name)
        return other is not None and mine == (other.kind, other.namespace, other.name)

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """An object outside as it should be; `content` is what its API lets us change."""

    place: Place
    content: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """A short text that is another one for each content."""
        return digest_of(self.content)

    def record(self, id_: str) -> Record:
        """Return what the status is to keep of the object, once it is as it should be."""
        return Record(id=id_, place=self.place, digest=self.digest)

    def is_recorded(self, record: Record) -> bool:
        """Whether `record` is of an object like this."""
        return record == self.record(record.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What the status of a custom object has on record: which object it has, where, and with which content."""

    id: str
    place: Place
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An object as its API shows it. A list has no contents: `content` is None until the object was read.

    `owner` is None for an object of others, and `described` says whose it is.
    """

    id: str
    place: Place
    content: Mapping[str, Any] | None = None
    owner: Owner | None = None
    described: str = ""
    created: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited:
    """The object is not as it should be yet, and `message` says what is waited for; the engine asks again by itself."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The object is as it should be."""

    record: Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The object cannot be made or deleted, and `error` is why; the engine tries again by itself."""

    error: ContainerAppError


State: TypeAlias = Awaited | Standing | Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class External:
    """A kind of child that lives outside Kubernetes, at most one for a custom object.

    Attributes:
        kind: name of the kind, in messages and in the view.
        finalizer: written to the custom object before the child is created, removed when it is gone.
        wanted: from the parsed object and the platform to the child that is wanted, if one is.
        record: from the object as JSON to what its status has on record of the child.
        remedy: from the id to what a person does to delete what was left behind.
    """

    kind: str
    finalizer: str
    wanted: Callable[[Any, Any], Want | None]
    record: Callable[[dict[str, Any]], Record | None]
    remedy: Callable[[str], str]


class Step(Enum):
    """What brings an object outside closer to what is wanted."""

    NONE = "it is as it should be"
    READ = "read it"
    CREATE = "create it"
    UPDATE = "update it"
    REFUSE = "it belongs to others"


def next_step(want: Want, record: Record | None, found: Found | None, owner: Owner) -> Step:
    """Compare what is wanted with what is found.

    What the status has on record of an object spares reading it: the status is written by the operator alone.
    """
    if found is None:
        return Step.CREATE
    if found.content is None:
        return Step.NONE if record == want.record(found.id) else Step.READ
    if not owner.is_same(found.owner):
        return Step.REFUSE
    return Step.NONE if digest_of(found.content) == want.digest else Step.UPDATE


def digest_of(content: Mapping[str, Any]) -> str:
    """Return a short text that is another one for each content."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def normal_json(text: str) -> str:
    """Return JSON in one form, however it is laid out; what is no JSON stays as it is."""
    try:
        return json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))
    except ValueError:
        return text


def token(owner: Owner, want: Want, record: Record | None) -> str:
    """Return what makes a create idempotent: the same after a crash, another one after the object was deleted."""
    parts = (owner.uid, str(want.place), want.digest, record.id if record else "")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:40]
