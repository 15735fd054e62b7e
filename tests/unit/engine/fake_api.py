"""An API server for the tests of the engine: it stores what it is sent, and refuses what a test lets it refuse.

It checks what the engine relies on: resourceVersion and uid in a write, and preconditions of a delete. It merges
nothing: an object is what was applied last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from containerapp.core.model import Manifest
from containerapp.kube.client import Conflict, NotFound
from tests.builders import as_stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request: `verb` is the name of the client's method."""

    verb: str
    url: str
    body: Any = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        what = self.body["kind"] if self.verb in {"apply", "rehearse", "share"} else self.url.split("/")[-2]
        return f"{self.verb} {what}{'/status' if self.url.endswith('/status') else ''}"


@dataclass(kw_only=True)
class FakeApi:
    """Stands in for `Client`. `refuse` raises for a request that fails; `change` alters what an apply stores."""

    objects: dict[str, Manifest] = field(default_factory=dict)
    lists: dict[str, list[Manifest]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    refuse: Callable[[Request], None] = lambda _request: None
    change: Callable[[Manifest], Manifest] = lambda stored: stored
    version: int = 200

    @property
    def log(self) -> list[str]:
        """Verb and kind of each request, in order."""
        return [str(request) for request in self.requests]

    def find(self, verb: str) -> list[Request]:
        """Return the requests of one verb."""
        return [request for request in self.requests if request.verb == verb]

    def next_version(self) -> str:
        """Return a resourceVersion that is newer than all others."""
        self.version += 1
        return str(self.version)

    def store(self, url: str, manifest: Manifest) -> Manifest:
        """Put an object there as another client would; return it at its new version."""
        metadata = {**manifest["metadata"], "resourceVersion": self.next_version()}
        self.objects[url] = {**manifest, "metadata": metadata}
        return self._copy(url)

    async def get(self, url: str, **query: str) -> Manifest:
        """Read an object or a list."""
        self._receive(Request(verb="get", url=url, options=query))
        if url in self.lists:
            return {"items": self.lists[url]}
        return self._copy(url)

    async def apply(self, url: str, manifest: Manifest) -> Manifest:
        """Create or overwrite an object, or its status."""
        self._receive(Request(verb="apply", url=url, body=manifest))
        if url.endswith("/status"):
            return self._apply_status(url.removesuffix("/status"), manifest)
        known, metadata = self.objects.get(url), dict(manifest["metadata"])
        if metadata.pop("resourceVersion", None) is not None and known:
            raise Conflict("Conflict", "The object exists.")
        if "uid" in metadata and (known is None or known["metadata"]["uid"] != metadata["uid"]):
            raise Conflict("Conflict", "The object has another uid.")
        stored = self.change(as_stored({**manifest, "metadata": metadata}))
        if known:
            stored["metadata"] |= {"uid": known["metadata"]["uid"], "generation": _generation(known, stored)}
            stored |= {"status": known["status"]} if "status" in known else {}
        return self.store(url, stored)

    async def rehearse(self, url: str, manifest: Manifest) -> None:
        """Check an apply."""
        self._receive(Request(verb="rehearse", url=url, body=manifest))

    async def share(self, url: str, manifest: Manifest, *, manager: str, force: bool) -> Manifest:
        """Apply a few fields as another manager."""
        options = {"manager": manager, "force": force}
        self._receive(Request(verb="share", url=url, body=manifest, options=options))
        known = self._copy(url)
        return self.store(url, {**known, "spec": {**known["spec"], **manifest["spec"]}})

    async def patch(self, url: str, change: Manifest, *, strategic: bool) -> Manifest:
        """Patch an object; the answer is what it was."""
        self._receive(Request(verb="patch", url=url, body=change, options={"strategic": strategic}))
        return self._copy(url)

    async def delete(self, url: str, **preconditions: str) -> None:
        """Delete an object, if it is the one that is meant."""
        self._receive(Request(verb="delete", url=url, options=preconditions))
        metadata = self._copy(url)["metadata"]
        if any(metadata[name] != value for name, value in preconditions.items()):
            raise Conflict("Conflict", "The object is another one.")
        del self.objects[url]

    def _receive(self, request: Request) -> None:
        self.requests.append(request)
        self.refuse(request)

    def _apply_status(self, url: str, manifest: Manifest) -> Manifest:
        known = self._copy(url)
        if known["metadata"]["resourceVersion"] != manifest["metadata"]["resourceVersion"]:
            raise Conflict("Conflict", "The object has changed.")
        return self.store(url, {**known, "status": manifest["status"]})

    def _copy(self, url: str) -> Manifest:
        if url not in self.objects:
            raise NotFound("NotFound", f"There is no {url}.")
        manifest = self.objects[url]
        return {**manifest, "metadata": dict(manifest["metadata"])}


def _generation(known: Manifest, stored: Manifest) -> int:
    """Count the changes of the spec."""
    return int(known["metadata"]["generation"]) + (known.get("spec") != stored.get("spec"))
