"""Values passed between the phases of a reconcile: frozen, plain, and free of behaviour worth a test double.

Written by the pure phases and by the shell; imported by everything above the API models. Nothing here
performs I/O, reads a clock or knows how a manifest is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeAlias

from containerapp.errors import ContainerAppError

AppKey: TypeAlias = tuple[str, str]
"""(namespace, name) of a ContainerApp: what the work queue carries."""

Manifest: TypeAlias = dict[str, Any]
"""A Kubernetes object as plain JSON."""

MANAGER = "containerapp-operator"
"""Field manager of every write, and value of the managed-by label."""

APP_LABEL = "app.kubernetes.io/name"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
VERSION_LABEL = "app.kubernetes.io/version"
IMAGE_ANNOTATION = "containerapp.dev/image"
DIGEST_ANNOTATION = "containerapp.dev/image-digest"
REFRESH_ANNOTATION = "containerapp.dev/refresh-image"
HASH_ANNOTATION = "containerapp.dev/manifest-hash"
ADOPT_ANNOTATION = "containerapp.dev/adopt"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ObjectRef:
    """A child by kind and name; its namespace is its app's."""

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

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedImage:
    """An image reference together with the digest that it stood for when it was asked for.

    `reference` is fully qualified and readable (with its tag); `image` is what the container runs
    (`repository@sha256:…`); `refresh` is the value of the refresh annotation that the digest answers.
    """

    reference: str
    tag: str | None
    digest: str
    image: str
    refresh: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What rendering needs besides the app itself. `image` is None until a digest is known."""

    image: PinnedImage | None


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
class ImageState:
    """What is known of the app's image: what runs or may run, what went wrong, where the tag points now.

    `error` says why the image that was asked for has no digest; `pending` that the answer is on its way;
    `latest_digest` is set when the tag has moved since the digest was pinned; `news_error` says why nobody can
    tell at present whether it has; `unasked` that nobody has been asked yet, so that what the status says stands.
    """

    pin: PinnedImage | None = None
    error: ContainerAppError | None = None
    pending: bool = False
    latest_digest: str | None = None
    news_error: ContainerAppError | None = None
    unasked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a reconcile went, up to the writing of the status."""

    image: ImageState = field(default_factory=ImageState)
    error: ContainerAppError | None = None
    resources: tuple[ObjectRef, ...] = ()
    pod_problem: str | None = None
