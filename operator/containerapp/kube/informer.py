"""A reflector: one kind of children, listed once and then watched for ever, into the cache and onto the queue.

Started by main for every kind in CHILDREN and every served namespace. Survives everything: a watch that ends, breaks
or falls silent is begun again where it stopped, a version too old is listed anew. Never reconciles anything itself.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from containerapp.core.model import MANAGED_BY_LABEL, MANAGER, AppKey, Manifest, Resource
from containerapp.errors import ContainerAppError
from containerapp.kube.client import PAGE, Client, Expired, path, translate
from containerapp.kube.store import Cache, Listed, without_managed_fields
from containerapp.tasks import cancelled

_logger = logging.getLogger(__name__)

_IDLE_SECONDS = 90.0
"""Bookmarks come about every minute; a stream silent for longer is dead."""

_PAUSE = 0.1
"""Before a connection that ended by itself is made again, lest a server that ends all at once be flooded."""

_BACKOFF = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_SELECTOR = f"{MANAGED_BY_LABEL}={MANAGER}"


@dataclass(kw_only=True)
class Reflector:
    """Mirrors one kind of children in one namespace (None: all) into `cache`.

    Names the apps of changed children to `notify`, and those that a list may have changed to `look_over`.
    """

    client: Client
    kind: Resource
    namespace: str | None
    cache: Cache
    notify: Callable[[AppKey], None]
    look_over: Callable[[AppKey], None]
    listed: asyncio.Event = field(default_factory=asyncio.Event)
    _version: str = ""

    async def run(self) -> None:
        """List and watch until cancelled."""
        failures = 0
        while True:
            try:
                version = await self._list()
                failures = 0
                await self._watch(version)
            except Exception as error:  # noqa: BLE001 - whatever an odd answer breaks, the watch must go on
                self._complain(error)
            except asyncio.CancelledError:
                if cancelled():
                    raise
                _logger.debug("A request for %s was cancelled by somebody else", self.kind.plural)
            delay = _BACKOFF[min(failures, len(_BACKOFF) - 1)] * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
            failures += 1
            await asyncio.sleep(delay)

    def _complain(self, error: Exception) -> None:
        """Log; and where access is denied, go on without: one lost namespace must not stop the others."""
        where = f"of {self.namespace}" if self.namespace else "of the cluster"
        _logger.warning("The %s %s cannot be followed: %s", self.kind.plural, where, error)
        if (
            self.namespace is not None
            and isinstance(error, ContainerAppError)
            and error.reason == "Forbidden"
        ):
            self.listed.set()

    @property
    def _url(self) -> str:
        return path(self.kind.api_version, self.kind.plural, self.namespace)

    async def _list(self) -> str:
        """Take the whole list, page by page; return the version to watch from."""
        listed = Listed(self.cache)
        query = {"labelSelector": _SELECTOR, "limit": str(PAGE)}
        while True:
            page = await self.client.get(self._url, **query)
            version = str(page["metadata"]["resourceVersion"])
            listed.add(map(self._completed, page["items"]), int(version))
            token = page["metadata"].get("continue")
            if not token:
                break
            query["continue"] = token
        for key in self.cache.replace_children(self.kind, self.namespace, listed):
            self.look_over(key)
        self.listed.set()
        return version

    async def _watch(self, version: str) -> None:
        """Follow the changes from `version`; return when a new list is needed."""
        self._version = version
        failures = 0
        while failures < len(_BACKOFF):
            try:
                await self._stream()
                failures = 0
            except Expired:
                return
            except ContainerAppError as error:
                _logger.debug("The watch of %s goes on from where it broke: %s", self.kind.plural, error)
                failures += 1
            await asyncio.sleep(_BACKOFF[failures] * random.uniform(0.2, 1.0) if failures else _PAUSE)  # noqa: S311

    async def _stream(self) -> None:
        """Follow one connection to its end."""
        events = self.client.watch(
            self._url, idle_timeout=_IDLE_SECONDS, labelSelector=_SELECTOR, resourceVersion=self._version
        )
        async for event in events:
            if event["type"] == "ERROR":
                raise translate(int(event["object"].get("code", 0)), str(event["object"].get("message")))
            self._version = event["object"]["metadata"]["resourceVersion"]
            if event["type"] != "BOOKMARK":
                self._take(event["type"], self._completed(event["object"]))

    def _take(self, what: str, manifest: Manifest) -> None:
        for key in (self.cache.drop_child if what == "DELETED" else self.cache.put_child)(manifest):
            self.notify(key)

    def _completed(self, item: Manifest) -> Manifest:
        """Items of a list carry no kind of their own."""
        return without_managed_fields({"apiVersion": self.kind.api_version, "kind": self.kind.kind, **item})
