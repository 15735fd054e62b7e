"""A client whose writes are tried by the API server and not made (dry run), and whose later reads show them.

Used by the preview of a reconcile: what the API server would store, with its defaults, its admission and its refusals,
is answered and remembered. It must never send a write without `dryRun=All`.
"""

from __future__ import annotations

from itertools import count
from typing import Any
from urllib.parse import urlencode

import aiohttp

from containerapp.core.model import Manifest
from containerapp.errors import Blocked
from containerapp.kube.client import Answer, Client, Invalid, NotFound

_FIRST_VERSION = 10**17
"""Versions of what a rehearsal stores: newer than all that a cluster has stored."""

_ABSENT_VERSION = "1"
_FORBIDDEN = 403


class Rehearsal(Client):
    """Remembers what each write would have stored, by URL."""

    def __init__(self, *connection: Any) -> None:
        super().__init__(*connection)
        self.writes = 0
        """How many writes have been tried; of status alone is none."""
        self.assumed: set[str] = set()
        """Objects whose writes the user may not even try."""
        self._stored: dict[str, Manifest | None] = {}
        self._created: set[str] = set()
        self._given: set[str] = set()
        self._shared: dict[str, int] = {}
        self._versions = count(_FIRST_VERSION)

    def give(self, url: str, stored: Manifest) -> Manifest:
        """Take an object for stored that the cluster may have otherwise, or not at all."""
        self._given.add(url)
        return self.remember(url, stored)

    def remember(self, url: str, stored: Manifest) -> Manifest:
        """Answer `url` with an object from now on, as the newest version of it."""
        metadata = {**stored["metadata"], "resourceVersion": str(next(self._versions))}
        self._stored[url] = {**stored, "metadata": metadata}
        return {**stored, "metadata": dict(metadata)}

    async def get(self, url: str, *, metadata_only: bool = False, **query: str) -> Manifest:
        """Read what was written here, or what the cluster has."""
        if url not in self._stored:
            return await super().get(url, metadata_only=metadata_only, **query)
        if (stored := self._stored[url]) is None:
            raise NotFound("NotFound", f"{url} would be gone.")
        return {**stored, "metadata": dict(stored["metadata"])}

    async def apply(self, url: str, manifest: Manifest, **options: Any) -> Manifest:
        """Try a server-side apply; a status is taken as it is."""
        parent = url.removesuffix("/status")
        if parent != url:
            return self.remember(
                parent, {**(self._stored.get(parent) or manifest), "status": manifest["status"]}
            )
        self.writes += 1
        creates = url in self._created or manifest["metadata"].get("resourceVersion") == _ABSENT_VERSION
        body = _meant_for_nothing(manifest) if creates else manifest
        try:
            stored = await super().apply(url, body, **options)
        except Invalid:
            if (repaired := self._stored.get(url)) is None:
                raise
            return repaired  # the patch that made it valid was not made
        except Blocked as error:
            if not _is_missing_right(error):
                raise
            stored = await self._assume(url, manifest, creates=creates)
        if creates:
            self._created.add(url)
        if url in self._shared and "replicas" not in manifest.get("spec", {}):
            stored = {**stored, "spec": {**stored["spec"], "replicas": self._shared[url]}}
        return self.remember(url, stored)

    async def share(self, url: str, manifest: Manifest, *, manager: str, force: bool) -> Manifest:
        """Note the replicas that another field manager would keep."""
        self._shared[url] = manifest["spec"]["replicas"]
        if url in self._created:
            return manifest
        try:
            return await self._share(url, manifest, manager=manager, force=force)
        except Exception:
            del self._shared[url]
            raise

    async def patch(self, url: str, change: Manifest, **options: Any) -> Manifest:
        """Try a patch; to what the cluster does not have in this form, it is made here."""
        self.writes += 1
        if url in self._created or url in self._given:
            return self.remember(url, _merged(await self.get(url), change))
        try:
            stored = await super().patch(url, change, **options)
        except Blocked as error:
            if not _is_missing_right(error):
                raise
            self.assumed.add(url)
            stored = _merged(await self.get(url), change)
        return self.remember(url, stored)

    async def delete(self, url: str, **preconditions: str) -> None:  # noqa: ARG002 - the client's signature
        """Note a deletion: it is not sent, for the API server ignores `dryRun` beside the body that one has."""
        self.writes += 1
        self._created.discard(url)
        self._stored[url] = None

    async def _assume(self, url: str, manifest: Manifest, *, creates: bool) -> Manifest:
        """Return what would be stored, by our own reckoning: the user may not try it, the operator may do it."""
        self.assumed.add(url)
        return manifest if creates else _merged(await self.get(url), manifest)

    async def _share(self, url: str, manifest: Manifest, *, manager: str, force: bool) -> Manifest:
        query = {"fieldManager": manager, "fieldValidation": "Strict", "force": str(force).lower()}
        return await super().apply(url, manifest, query=urlencode(query))

    async def _send(self, method: str, url: str, **options: Any) -> aiohttp.ClientResponse:
        if method not in {"GET", "PATCH", "POST"}:
            raise AssertionError(f"a rehearsal sends no {method}")
        if method != "GET":
            options["query"] = "&".join(filter(None, (options.get("query", ""), "dryRun=All")))
        return await super()._send(method, url, **options)


def _meant_for_nothing(manifest: Manifest) -> Manifest:
    """Return what creates an object: what was created here is no object of the cluster's."""
    metadata = {key: value for key, value in manifest["metadata"].items() if key != "uid"}
    return {**manifest, "metadata": {**metadata, "resourceVersion": _ABSENT_VERSION}}


def _is_missing_right(error: Blocked) -> bool:
    answer = error.__cause__
    return isinstance(answer, Answer) and answer.status == _FORBIDDEN and " cannot " in answer.message


def _merged(stored: Any, written: Any) -> Any:
    if not (isinstance(stored, dict) and isinstance(written, dict)):
        return written
    return stored | {key: _merged(stored.get(key), value) for key, value in written.items()}
