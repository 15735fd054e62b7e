"""Values passed between the phases of a reconcile: frozen, plain, and free of behaviour worth a test double.

Written by the pure phases and by the engine; imported by everything above the API models. Nothing here performs I/O,
reads a clock or knows a custom kind.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple, Protocol, TypeAlias

from containerapp.api.crd import Definition
from containerapp.api.images import ImageReference
from containerapp.api.schema import API_VERSION
from containerapp.core.account import Account
from containerapp.core.external import External, State
from containerapp.core.policy import Platform
from containerapp.core.targets import Question, Targets
from containerapp.errors import ContainerAppError, InvalidSpec

Manifest: TypeAlias = dict[str, Any]
"""A Kubernetes object as plain JSON."""

MANAGER = "containerapp-operator"
"""Field manager of every write, and value of the managed-by label."""

APP_LABEL = "containerapp.dev/app"
"""On every child and on the app's Pods: the name of the app."""
JOB_LABEL = "containerapp.dev/job"
"""On every child and on the Pods of a ContainerJob: its name."""
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
ABANDON_ANNOTATION = "containerapp.dev/abandon-aws"
"""On a custom object: `true` gives up what cannot be deleted outside Kubernetes."""
ADOPTED_ANNOTATION = "containerapp.dev/adopted-by"
"""On an adopted object: uid of its adopter. It has no owner reference, so it outlives the adopter."""
RETAINED_ANNOTATION = "containerapp.dev/retained"
"""On a child that outlives its owner: it has no owner reference, and belongs to the one that its label names."""

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

    The definition of an `optional` one may be absent, come and go; `install` says in one sentence how to get it. Of a
    `metadata_only` one the watches keep the metadata, and updates change nothing else.
    """

    api_version: str
    kind: str
    plural: str
    optional: bool = False
    install: str = ""
    metadata_only: bool = False

    @property
    def group(self) -> str:
        """API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    def ref(self, name: str) -> ObjectRef:
        """Return the reference of an object of this kind."""
        return ObjectRef(api_version=self.api_version, kind=self.kind, name=name)


def is_built_in(api_version: str) -> bool:
    """Whether Kubernetes itself defines the kinds of a group: strategic merge patches are for those only.

    Groups below its own, such as gateway.networking.k8s.io, are those of CustomResourceDefinitions.
    """
    return "." not in api_version.rpartition("/")[0].removesuffix(".k8s.io")


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
    the condition that says whether an optional kind is there, empty where the controller's own conditions say so;
    `purpose` is what is missing without it. Only an `overridable` one can be changed by the overrides of its owner. An
    `eager` one is updated even while something that is wanted cannot be rendered, since that waits for what comes of
    it. Of one that `writes_status`, `render` may yield a manifest whose `status` alone is written. An `internal` one is
    what the operator keeps for itself: `plan` and `render` do not show it.
    """

    resource: Resource
    render: Callable[[Any, Any], Iterator[Manifest]]
    prune: Prune = Prune.AFTER_ROLLOUT
    condition: str = ""
    purpose: str = ""
    overridable: bool = False
    eager: bool = False
    writes_status: bool = False
    internal: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedImage:
    """An image reference together with the digest that it stood for when it was asked for.

    `reference` is fully qualified and readable (with its tag); `image` is what the container runs
    (`repository@sha256:…`); `refresh` is the value of the refresh annotation that the digest answers. Where no
    registry is asked, `digest` is empty and `image` has the tag. `others` are those of the further containers, by name.
    """

    reference: str
    tag: str | None
    digest: str
    image: str
    refresh: str | None = None
    others: tuple[tuple[str, PinnedImage], ...] = ()

    def of(self, container: str) -> str:
        """Return what a further container runs."""
        return dict(self.others)[container].image


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """No answer yet; the resolver asks, and calls back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """The tag points to `digest`, as was asked at `resolved_at` (on the resolver's clock).

    `stale_error` says why every attempt to ask again since then has failed; `running_gone` that the registry does not
    have the digest any more that the app has named as the one it runs. `built_for` are the architectures that the image
    is built for, empty where the registry does not say, None until it has been asked.
    """

    digest: str
    resolved_at: float
    stale_error: ContainerAppError | None = None
    running_gone: bool = False
    built_for: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """There is no answer that would do, and `error` is why; `running_gone` as in `Resolved`."""

    error: ContainerAppError
    running_gone: bool = False


Lookup: TypeAlias = Pending | Resolved | Failed


class Digests(Protocol):
    """Answers where tags point, at once, from what is known."""

    def lookup(
        self,
        reference: ImageReference,
        app: Key,
        *,
        request: str | None = None,
        known: str | None = None,
        architectures: bool = False,
    ) -> Lookup:
        """Return what is known of `reference`; see the resolver."""

    def runs_by_tag(self, reference: ImageReference) -> bool:
        """Whether the tags of this registry are left as they are."""

    def forget(self, app: Key, *, but: Collection[ImageReference] = ()) -> None:
        """Let go of what `app` asked for, except for some."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is read of the API server on demand: what stands at a path; of a list, what a label selector takes."""

    path: str
    selector: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """A strategic merge patch of an object that is no child, by its path; the body names its uid."""

    path: str
    body: Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What a controller may do with a kind, or a subresource, that is none of its children."""

    group: str
    plural: str
    verbs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a controller sees of the world.

    `obj` is the parsed custom object, `live` its own children: those that it owns and that are not being deleted.
    `absent` are optional kinds whose definitions are not installed. `watched` has the versions of what the object names
    and others own, empty where there is none, and nothing of what is not watched; `peers` other custom objects that
    share a claim with this one or that it follows, `warnings` the newest Warning event of children that the controller
    asks about. `loaded` are the whole manifests that `gather` has asked for, None where there is none; `finding` is
    what its listing has found last; `answers` are those to the queries of `gather`, None where the API server refuses
    them, and `refused` is what it said to the last patch, empty where it took it. `may_render`: the platform lets this
    object have at once what the newer operator renders otherwise. For a `preview` nothing is waited for that other
    controllers make.
    """

    key: Key
    obj: Any
    live: Mapping[ObjectRef, Manifest]
    now: datetime
    platform: Platform = field(default_factory=Platform)
    absent: frozenset[Resource] = frozenset()
    peers: tuple[Manifest, ...] = ()
    leaving: frozenset[str] = frozenset()
    """Nodes that are to go and have, or had a moment ago, Pods of the object."""
    watched: Mapping[ObjectRef, str] = field(default_factory=dict)
    warnings: Mapping[ObjectRef, str] = field(default_factory=dict)
    preview: bool = False
    external: Mapping[str, State] = field(default_factory=dict)
    """How its children outside Kubernetes stand, by kind; none where nothing is wanted and nothing is left."""
    loaded: Mapping[ObjectRef, Manifest | None] = field(default_factory=dict)
    finding: Any = None
    may_render: bool = False
    targets: Targets | None = None
    """What load balancers say of its Pods, where the controller asks; None where nobody does."""
    account: Account | None = None
    """What the AWS account has, where the controller asks; None where nobody does."""
    dependents: Mapping[ObjectRef, Manifest] = field(default_factory=dict)
    """What carries its label and others own, such as the Jobs of its CronJob."""
    answers: Mapping[Query, Manifest | None] = field(default_factory=dict)
    refused: str = ""
    rehearses: bool = False
    """Whether what is written is only tried: what comes of it step by step is taken for done."""

    def named(self, resource: Resource) -> dict[str, Manifest]:
        """Return the live children of one kind by their names."""
        return {ref.name: child for ref, child in self.live.items() if ref.kind == resource.kind}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What `gather` found: the inputs of rendering, and what is missing.

    While it is not `complete`, something that is wanted cannot be rendered: nothing that lives is changed or deleted.
    `waits` says that an answer is on its way, `error` why there is none; whatever brings the answer also asks for the
    next reconcile. `error_shown`: the status of this generation says already why there was no answer. `load` are
    children whose whole manifests are needed and not in the view, `queries` what else has to be read; `patches` are
    written before any child. `outdated`: this operator would render otherwise what
    an earlier version has rendered, and leaves it as it is. `again_after`: seconds after which time alone may change
    what was found.
    """

    inputs: Any
    complete: bool = True
    waits: bool = False
    error: ContainerAppError | None = None
    error_shown: bool = False
    load: tuple[ObjectRef, ...] = ()
    queries: tuple[Query, ...] = ()
    patches: tuple[Patch, ...] = ()
    outdated: bool = False
    again_after: float | None = None


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line under `kubectl describe`."""

    type: str
    reason: str
    message: str


def _as_rendered(_obj: Any, _inputs: Any, manifest: Manifest) -> Manifest:
    return manifest


def _no_kind(_obj: Any) -> frozenset[str]:
    return frozenset()


def _always(_: Platform) -> bool:
    return True


PODS = Resource(api_version="v1", kind="Pod", plural="pods")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Objects that are listed now and then, by their labels; `examine` takes them to what they show, for the view."""

    selector: str
    examine: Callable[[list[Manifest]], Any]
    resource: Resource = PODS


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """A kind that custom objects depend on and others own: a change of its data reconciles those that name it.

    Its metadata alone is watched. `refs` takes the parsed object and yields names in its namespace; `allowed` says
    whether the platform lets the kind be watched. `data_hash` is an annotation by which the writer of an object says
    what it holds.
    """

    resource: Resource
    refs: Callable[[Any], Iterable[str]]
    allowed: Callable[[Platform], bool] = _always
    data_hash: str = ""


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
        settled: from the view and the inputs to whether the rollout has ended well, so that children of the old
            version can be deleted.
        listing: what to list while a rollout or a run goes on, such as its Pods; None where none does.
        retained: from the object and the inputs to the children that are not deleted although they are no longer
            wanted.
        status: from the view, the outcome and the time (RFC 3339) to the whole status.
        events: from the old status and the new one to the events that the change deserves.
        external: kinds of children outside Kubernetes.
        adapt: from the object, the inputs and the manifest of a child to that manifest as the object has it changed;
            raises `InvalidSpec`.
        overridden: the kinds of children that the object has changed so: they are rehearsed before anything is written.
        asks: from the view and the inputs to the children whose newest Warning event the status needs.
        targets: from the view to the Pods whose load balancers' targets the view needs, or None.
        account: from the view to what it needs to know of the AWS account; see `containerapp.core.account`.
        claims: from the object's JSON to what it asks for that another object could ask for, too, such as a host.
        follows: from the object's JSON to the claims of other objects that it depends on, directly or by way of
            others; None where it follows who shares a claim with it.
        state: from the object's JSON to a text whose change is news to those who follow it.
        watches: kinds that the object depends on and others own.
        lists: kinds besides Pods that its listings are about.
        reaches: what its queries and patches need beyond its children.
        leaves: whether it does something before a node goes that its Pods are on.
    """

    definition: Definition
    label: str
    parse: Callable[[Manifest], Any]
    forbidden: Callable[[Any, Platform], InvalidSpec | None]
    owns: tuple[Child, ...]
    gather: Callable[[View, Digests], Gathered]
    settled: Callable[[View, Any], bool]
    listing: Callable[[View], Listing | None]
    retained: Callable[[Any, Any], frozenset[ObjectRef]]
    status: Callable[[View, Outcome, str], Manifest]
    events: Callable[[Manifest, Manifest], Iterator[Event]]
    external: tuple[External, ...] = ()
    adapt: Callable[[Any, Any, Manifest], Manifest] = _as_rendered
    overridden: Callable[[Any], frozenset[str]] = _no_kind
    asks: Callable[[View, Any], tuple[ObjectRef, ...]] = lambda _view, _inputs: ()
    targets: Callable[[View], Question | None] = lambda _view: None
    account: Callable[[View], frozenset[str]] = lambda _view: frozenset()
    claims: Callable[[Manifest], frozenset[str]] = lambda _manifest: frozenset()
    follows: Callable[[Manifest], frozenset[str]] | None = None
    state: Callable[[Manifest], str] = lambda _manifest: ""
    watches: tuple[Watch, ...] = ()
    lists: tuple[Resource, ...] = ()
    reaches: tuple[Access, ...] = ()
    leaves: bool = False

    @property
    def resource(self) -> Resource:
        """The custom kind as the API server serves it."""
        return Resource(api_version=API_VERSION, kind=self.definition.kind, plural=self.definition.plural)

    def render(self, obj: Any, inputs: Any) -> Iterator[tuple[Child, Manifest]]:
        """Yield the manifest of each child that the object wants, with its kind, in the order of writing."""
        for child in self.owns:
            for manifest in child.render(obj, inputs):
                yield child, self.adapt(obj, inputs, manifest)
