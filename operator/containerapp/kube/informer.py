"""An informer: one kind of objects, listed once and then watched, into its store and onto the queue.

Started by the manager for every child kind and every served namespace, for nodes and for definitions. It survives
everything: a watch that ends, breaks or falls silent continues where it stopped, a version too old is listed again. An
optional kind may be absent, and is asked for when its definition comes. It never reconciles anything.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from containerapp.core.model import MANAGED_BY_LABEL, MANAGER, Key, Manifest, Resource
from containerapp.errors import ContainerAppError
from containerapp.kube.client import PAGE, Client, Expired, NotFound, path, translate
from containerapp.kube.definitions import Definitions
from containerapp.kube.nodes import Nodes
from containerapp.kube.references import Versions
from containerapp.kube.store import Listed, Store, without_managed_fields
from containerapp.tasks import cancelled

_logger = logging.getLogger(__name__)

_IDLE_SECONDS = 90.0
"""Bookmarks come about every minute; a stream silent for longer is dead."""

_PAUSE = 0.1
"""Before a connection that the server has ended is made again: a server that ends all at once must not be flooded."""

_BACKOFF = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_ABSENT_RETRY = 20.0
"""Seconds after which a kind whose definition is absent is listed again, where the definitions are not watched."""

OURS = f"{MANAGED_BY_LABEL}={MANAGER}"

"""Selects the children of custom objects."""


@dataclass(kw_only=True)
class Informer:
    """Mirrors one kind of objects in one namespace (None: all) into `store`: those of `selector`.

    Calls `notify` for each owner of a changed child, `notify_later` for each owner that a list may have changed, and
    `installed` when the definition of an optional kind comes (True) or goes (False).
    """

    client: Client
    store: Store | Versions | Nodes | Definitions
    namespace: str | None
    notify: Callable[[Key], None]
    notify_later: Callable[[Key], None]
    installed: Callable[[Resource, bool], None]
    definitions: Definitions = field(default_factory=Definitions)
    """Says when an optional kind may have come."""
    selector: str = OURS
    synced: asyncio.Event = field(default_factory=asyncio.Event)
    _version: str = ""

    @property
    def resource(self) -> Resource:
        """The kind of the children."""
        return self.store.resource

    async def run(self) -> None:
        """List and watch until cancelled."""
        failures = 0
        while True:
            try:
                version = await self._list()
                failures = 0
                await self._watch(version)
            except NotFound as error:
                if await self._is_absent(error):
                    continue
            except Exception as error:  # noqa: BLE001 - whatever an odd answer breaks, the watch must go on
                self._complain(error)
            except asyncio.CancelledError:
                if cancelled():
                    raise
                _logger.debug("A request for %s was cancelled elsewhere", self.resource.plural)
            delay = _BACKOFF[min(failures, len(_BACKOFF) - 1)] * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
            failures += 1
            await asyncio.sleep(delay)

    async def _is_absent(self, error: NotFound) -> bool:
        """Wait for a while where an optional kind has no definition; False where the kind has to be there."""
        if not self.resource.optional:
            self._complain(error)
            return False
        self.installed(self.resource, False)
        for key in self.store.clear(self.namespace):
            self.notify_later(key)
        self.synced.set()
        jitter = random.uniform(0.8, 1.2)  # noqa: S311
        await self.definitions.changed(self.resource, unknown=_ABSENT_RETRY * jitter)
        return True

    def _complain(self, error: Exception) -> None:
        """Log; and where access is denied, go on without: one lost namespace must not stop the others."""
        where = f"of {self.namespace}" if self.namespace else "of the cluster"
        _logger.warning("The %s %s cannot be watched: %s", self.resource.plural, where, error)
        refused = isinstance(error, ContainerAppError) and error.reason == "Forbidden"
        dispensable = self.resource.optional or not isinstance(self.store, Store)
        if refused and (self.namespace is not None or dispensable):
            self.synced.set()

    @property
    def _query(self) -> dict[str, str]:
        return {"labelSelector": self.selector} if self.selector else {}

    @property
    def _url(self) -> str:
        return path(self.resource.api_version, self.resource.plural, self.namespace)

    async def _list(self) -> str:
        """Take the whole list, page by page; return the version to watch from."""
        listed = Listed(store=self.store)
        query = {**self._query, "limit": str(PAGE)}
        while True:
            page = await self.client.get(self._url, metadata_only=self.resource.metadata_only, **query)
            version = str(page["metadata"]["resourceVersion"])
            items = page["items"] or ()  # null in an empty list of metadata
            listed.add(map(self._completed, items), int(version))
            token = page["metadata"].get("continue")
            if not token:
                break
            query["continue"] = token
        for key in self.store.replace(self.namespace, listed):
            self.notify_later(key)
        self.installed(self.resource, True)
        self.synced.set()
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
            except NotFound:
                raise
            except ContainerAppError as error:
                _logger.debug("The watch of %s continues where it broke: %s", self.resource.plural, error)
                failures += 1
            await asyncio.sleep(_BACKOFF[failures] * random.uniform(0.2, 1.0) if failures else _PAUSE)  # noqa: S311

    async def _stream(self) -> None:
        """Follow one connection to its end."""
        events = self.client.watch(
            self._url,
            idle_timeout=_IDLE_SECONDS,
            metadata_only=self.resource.metadata_only,
            resourceVersion=self._version,
            **self._query,
        )
        async for event in events:
            if event["type"] == "ERROR":
                raise translate(int(event["object"].get("code", 0)), str(event["object"].get("message")))
            self._version = event["object"]["metadata"]["resourceVersion"]
            if event["type"] != "BOOKMARK":
                self._take(event["type"], self._completed(event["object"]))

    def _take(self, what: str, manifest: Manifest) -> None:
        for key in (self.store.drop if what == "DELETED" else self.store.put)(manifest):
            self.notify(key)

    def _completed(self, item: Manifest) -> Manifest:
        """Name the kind: items of a list carry none of their own, and metadata alone has a kind for all."""
        kind = {"apiVersion": self.resource.api_version, "kind": self.resource.kind}
        manifest = {**item, **kind}
        return manifest if self.store.reads_managed_fields else without_managed_fields(manifest)
