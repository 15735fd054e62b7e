"""Values passed between the phases of a reconcile: frozen, plain, and free of behaviour worth a test double.

Written by the pure phases and by the engine; imported by everything above the API models. Nothing here performs I/O,
reads a clock or knows a custom kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple, Protocol, TypeAlias

from containerapp.api.crd import Definition
from containerapp.api.images import ImageReference
from containerapp.api.schema import API_VERSION
from containerapp.core.policy import Platform
from containerapp.errors import ContainerAppError, InvalidSpec

Manifest: TypeAlias = dict[str, Any]
"""A Kubernetes object as plain JSON."""

MANAGER = "containerapp-operator"
"""Field manager of every write, and value of the managed-by label."""

APP_LABEL = "containerapp.dev/app"
"""On every child and on the app's Pods: the name of the app."""
TRACK_LABEL = "containerapp.dev/track"
"""On Pods: which of the app's Deployments runs them."""
STABLE = "stable"
"""The one track there is so far."""
NAME_LABEL = "app.kubernetes.io/name"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
VERSION_LABEL = "app.kubernetes.io/version"
IMAGE_ANNOTATION = "containerapp.dev/image"
DIGEST_ANNOTATION = "containerapp.dev/image-digest"
REFRESH_ANNOTATION = "containerapp.dev/refresh-image"
HASH_ANNOTATION = "containerapp.dev/manifest-hash"
ADOPT_ANNOTATION = "containerapp.dev/adopt"
ADOPTED_ANNOTATION = "containerapp.dev/adopted-by"
"""On an adopted object: uid of its adopter. It has no owner reference, so it outlives the adopter."""

INITIAL_REPLICAS_ANNOTATION = "containerapp.dev/initial-replicas"
"""On a workload whose `spec.replicas` an autoscaler owns: the count that it starts with."""


class Key(NamedTuple):
    """A custom object: what the work queue carries."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ObjectRef:
    """A child by kind and name; its namespace is its owner's."""

    api_version: str
    kind: str
    name: str

    @classmethod
    def of(cls, manifest: Manifest) -> ObjectRef:
        """Return the reference of `manifest`."""
        return cls(
            api_version=manifest["apiVersion"],
            kind=manifest["kind"],
            name=manifest["metadata"]["name"],
        )

    @classmethod
    def from_status(cls, item: Mapping[str, str]) -> ObjectRef:
        """Return the reference that an entry of `status.resources` stands for."""
        return cls(api_version=item["apiVersion"], kind=item["kind"], name=item["name"])

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A kind as the API server serves it.

    The definition of an `optional` one may be absent, come and go; `install` says in one sentence how to get it.
    """

    api_version: str
    kind: str
    plural: str
    optional: bool = False
    install: str = ""

    @property
    def group(self) -> str:
        """API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    def ref(self, name: str) -> ObjectRef:
        """Return the reference of an object of this kind."""
        return ObjectRef(api_version=self.api_version, kind=self.kind, name=name)


class Prune(Enum):
    """When a child that is no longer wanted is deleted."""

    AFTER_ROLLOUT = "after the rollout"
    """Once all Pods run the newest template: Pods of the old version may still need it."""
    NOW = "now"
    """Before anything else is written."""
    NEVER = "never"
    """Never: it outlives the field that asked for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A kind of child: how it is addressed, how it is made from its owner, and when it is deleted.

    `render` takes the parsed owner and the inputs and yields zero, one or many manifests. `condition` is the type of
    the condition that says whether an optional kind is there, `purpose` what is missing without it.
    """

    resource: Resource
    render: Callable[[Any, Any], Iterator[Manifest]]
    prune: Prune = Prune.AFTER_ROLLOUT
    condition: str = ""
    purpose: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedImage:
    """An image reference together with the digest that it stood for when it was asked for.

    `reference` is fully qualified and readable (with its tag); `image` is what the container runs
    (`repository@sha256:…`); `refresh` is the value of the refresh annotation that the digest answers. Where no
    registry is asked, `digest` is empty and `image` has the tag.
    """

    reference: str
    tag: str | None
    digest: str
    image: str
    refresh: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """No answer yet; the resolver asks, and calls back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """The tag points to `digest`, as was asked at `resolved_at` (on the resolver's clock).

    `stale_error` says why every attempt to ask again since then has failed; `running_gone` that the registry does not
    have the digest any more that the app has named as the one it runs.
    """

    digest: str
    resolved_at: float
    stale_error: ContainerAppError | None = None
    running_gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """There is no answer that would do, and `error` is why; `running_gone` as in `Resolved`."""

    error: ContainerAppError
    running_gone: bool = False


Lookup: TypeAlias = Pending | Resolved | Failed


class Digests(Protocol):
    """Answers where tags point, at once, from what is known."""

    def lookup(
        self, reference: ImageReference, app: Key, *, request: str | None = None, known: str | None = None
    ) -> Lookup:
        """Return what is known of `reference`; see the resolver."""

    def runs_by_tag(self, reference: ImageReference) -> bool:
        """Whether the tags of this registry are left as they are."""

    def forget(self, app: Key) -> None:
        """Let go of what `app` asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a controller sees of the world.

    `obj` is the parsed custom object, `live` its own children: those that it owns and that are not being deleted.
    `absent` are optional kinds whose definitions are not installed.
    """

    key: Key
    obj: Any
    live: Mapping[ObjectRef, Manifest]
    now: datetime
    platform: Platform = field(default_factory=Platform)
    absent: frozenset[Resource] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What `gather` found: the inputs of rendering, and what is missing.

    While it is not `complete`, something that is wanted cannot be rendered: nothing that lives is changed or deleted.
    `waits` says that an answer is on its way, `error` why there is none; whatever brings the answer also asks for the
    next reconcile. `error_shown`: the status of this generation says already why there was no answer.
    """

    inputs: Any
    complete: bool = True
    waits: bool = False
    error: ContainerAppError | None = None
    error_shown: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a reconcile went, up to the status.

    `terminating` are children that are wanted and must wait until a former object of the name is gone; `optional` are
    the optional child kinds that are wanted, installed or not.
    """

    gathered: Gathered
    error: ContainerAppError | None = None
    resources: tuple[ObjectRef, ...] = ()
    terminating: tuple[ObjectRef, ...] = ()
    optional: tuple[Child, ...] = ()
    pod_problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line under `kubectl describe`."""

    type: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Controller:
    """A custom kind: what it is, what it owns, and the pure functions that decide about it.

    Attributes:
        definition: the custom kind.
        label: key of the label by which a child names its owner.
        parse: from the object's JSON to its model; raises `InvalidSpec`.
        forbidden: what to edit where the object asks for something that the platform forbids.
        owns: child kinds, in the order in which they are written.
        gather: from the view and the digests to the inputs of rendering.
        settled: whether the rollout has ended well, so that children of the old version can be deleted.
        watched_pods: label selector of the Pods of a rollout that goes on, or None where none does.
        explain: from these Pods to one sentence that says what they wait for.
        retained: children that are not deleted although they are no longer wanted.
        status: from the view, the outcome and the time (RFC 3339) to the whole status.
        events: from the old status and the new one to the events that the change deserves.
    """

    definition: Definition
    label: str
    parse: Callable[[Manifest], Any]
    forbidden: Callable[[Any, Platform], InvalidSpec | None]
    owns: tuple[Child, ...]
    gather: Callable[[View, Digests], Gathered]
    settled: Callable[[View], bool]
    watched_pods: Callable[[View], str | None]
    explain: Callable[[list[Manifest]], str | None]
    retained: Callable[[Any], frozenset[ObjectRef]]
    status: Callable[[View, Outcome, str], Manifest]
    events: Callable[[Manifest, Manifest], Iterator[Event]]

    @property
    def resource(self) -> Resource:
        """The custom kind as the API server serves it."""
        return Resource(api_version=API_VERSION, kind=self.definition.kind, plural=self.definition.plural)

    def render(self, obj: Any, inputs: Any) -> Iterator[tuple[Child, Manifest]]:
        """Yield the manifest of each child that the object wants, with its kind, in the order of writing."""
        for child in self.owns:
            for manifest in child.render(obj, inputs):
                yield child, manifest
