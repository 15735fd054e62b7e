"""What the users have asked for so far, as they would remember it: the run's own book, kept beside the cluster.

Written by the users' threads when the API server has taken a deed, read by the checker. It knows nothing of children.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Any

_FRESH_FOR = 12.0
"""Seconds for which the operator may take an answer of the registry's for new, by its documentation, and some more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedApp:
    """An app as its users left it. `images` and `specs` are all that it has asked for since it was created."""

    namespace: str
    name: str
    uid: str
    spec: dict[str, Any]
    images: tuple[str, ...]
    specs: tuple[dict[str, Any], ...] = ()
    digests: frozenset[str] = frozenset()
    """Where its tag moves about: the digests that it may run."""
    refresh: str | None = None
    """The word by which its user has asked for the tag's newest digest."""

    @property
    def tag(self) -> str:
        """The tag that it asks for."""
        return str(self.spec["image"]).partition(":")[2]

    @property
    def image_is_missing(self) -> bool:
        """Whether the registry has no such image."""
        return ":missing" in self.spec["image"]

    @property
    def pods_fail(self) -> bool:
        """Whether its Pods never become ready."""
        return bool(self.spec.get("podAnnotations"))

    @property
    def may_run(self) -> tuple[dict[str, Any], ...]:
        """The specs whose Pods may run: the newest; where it fails also those that were asked for before."""
        return self.specs if self.pods_fail else (self.spec,)

    @property
    def pods(self) -> int:
        """How many Pods it wants."""
        return 0 if self.spec.get("suspend") else int(self.spec["replicas"])


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedJob:
    """A job as its users left it: it runs once for its spec, and once for each run that was asked for."""

    namespace: str
    name: str
    uid: str
    asked: frozenset[str] = frozenset()

    @property
    def triggers(self) -> list[str]:
        """What its runs answer."""
        return sorted(["Spec", *(f"run/{each}" for each in self.asked)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """An object of somebody else's under the name of an app."""

    kind: str
    namespace: str
    name: str
    uid: str


@dataclass(kw_only=True)
class Wanted:
    """The book. Each namespace is written by one thread alone."""

    apps: dict[tuple[str, str], WantedApp] = field(default_factory=dict)
    jobs: dict[tuple[str, str], WantedJob] = field(default_factory=dict)
    foreign: dict[tuple[str, str], Foreign] = field(default_factory=dict)
    moves: dict[str, list[tuple[float, str]]] = field(default_factory=dict)
    """Of each tag that moves about: when it came to point to which digest."""

    def created(self, namespace: str, name: str, uid: str, spec: dict[str, Any]) -> None:
        """Note a new app."""
        app = WantedApp(
            namespace=namespace, name=name, uid=uid, spec=spec, images=(spec["image"],), specs=(spec,)
        )
        moves = self.moves.get(app.tag, [])
        recent = time.monotonic() - _FRESH_FOR
        digests = {
            digest
            for number, (_, digest) in enumerate(moves)
            if number + 1 == len(moves) or moves[number + 1][0] > recent
        }
        self.apps[namespace, name] = replace(app, digests=frozenset(digests))

    def changed(self, namespace: str, name: str, spec: dict[str, Any]) -> None:
        """Note another spec of an app."""
        old = self.apps[namespace, name]
        self.apps[namespace, name] = replace(
            old, spec=spec, images=(*old.images, spec["image"]), specs=(*old.specs, spec)
        )

    def moved(self, tag: str, digest: str) -> None:
        """Note that a tag points to another digest."""
        self.moves.setdefault(tag, []).append((time.monotonic(), digest))

    def pushed(self, namespace: str, name: str, digest: str, *, pinned: str | None) -> None:
        """Note that an app's tag moves; `pinned` is the digest that its status names already: it has to stay."""
        app = self.apps[namespace, name]
        self.moved(app.tag, digest)
        digests = app.digests & {pinned} if pinned else app.digests | {digest}
        self.apps[namespace, name] = replace(app, digests=digests)

    def refreshed(self, namespace: str, name: str, word: str) -> None:
        """Note that an app is to take what its tag points to now."""
        app = self.apps[namespace, name]
        newest = self.newest(app.tag)
        self.apps[namespace, name] = replace(app, digests=frozenset({newest}), refresh=word)

    def newest(self, tag: str) -> str:
        """Return where a tag that moves about points now."""
        return self.moves[tag][-1][1]

    def deleted(self, namespace: str, name: str) -> None:
        """Note that an app is gone."""
        self.apps.pop((namespace, name), None)

    def created_job(self, namespace: str, name: str, uid: str) -> None:
        """Note a new job."""
        self.jobs[namespace, name] = WantedJob(namespace=namespace, name=name, uid=uid)

    def asked(self, namespace: str, name: str, word: str) -> None:
        """Note that a run of a job was asked for."""
        job = self.jobs[namespace, name]
        self.jobs[namespace, name] = replace(job, asked=job.asked | {word})

    def deleted_job(self, namespace: str, name: str) -> None:
        """Note that a job is gone."""
        self.jobs.pop((namespace, name), None)

    def razed(self, namespace: str) -> None:
        """Note that a namespace is gone with all that was in it."""
        for book in (self.apps, self.jobs, self.foreign):
            for key in [key for key in book if key[0] == namespace]:
                del book[key]
