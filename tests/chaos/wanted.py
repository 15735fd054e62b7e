"""What the users have asked for so far, as they would remember it: the run's own book, kept beside the cluster.

Written by the users' threads when the API server has taken a deed, read by the checker. It knows nothing of children.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedApp:
    """An app as its users left it. `images` are all that it has asked for since it was created."""

    namespace: str
    name: str
    uid: str
    spec: dict[str, Any]
    images: tuple[str, ...]

    @property
    def image_is_missing(self) -> bool:
        """Whether the registry has no such image."""
        return ":missing" in self.spec["image"]

    @property
    def pods_fail(self) -> bool:
        """Whether its Pods never become ready."""
        return bool(self.spec.get("podAnnotations"))

    @property
    def pods(self) -> int:
        """How many Pods it wants."""
        return 0 if self.spec.get("suspend") else int(self.spec["replicas"])


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
    foreign: dict[tuple[str, str], Foreign] = field(default_factory=dict)

    def created(self, namespace: str, name: str, uid: str, spec: dict[str, Any]) -> None:
        """Note a new app."""
        self.apps[namespace, name] = WantedApp(
            namespace=namespace, name=name, uid=uid, spec=spec, images=(spec["image"],)
        )

    def changed(self, namespace: str, name: str, spec: dict[str, Any]) -> None:
        """Note another spec of an app."""
        old = self.apps[namespace, name]
        self.apps[namespace, name] = WantedApp(
            namespace=namespace, name=name, uid=old.uid, spec=spec, images=(*old.images, spec["image"])
        )

    def deleted(self, namespace: str, name: str) -> None:
        """Note that an app is gone."""
        self.apps.pop((namespace, name), None)

    def razed(self, namespace: str) -> None:
        """Note that a namespace is gone with all that was in it."""
        for book in (self.apps, self.foreign):
            for key in [key for key in book if key[0] == namespace]:
                del book[key]
