"""Which definitions of kinds come, so that an optional kind which is absent need not be asked for again and again.

Fed by an informer of the metadata of CustomResourceDefinitions, where the operator serves the whole cluster; awaited
by the informers of optional kinds. It keeps names and times.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import ClassVar

from containerapp.core.model import Key, Manifest, Resource
from containerapp.kube.store import Listed, Packed

DEFINITION = Resource(
    api_version="apiextensions.k8s.io/v1",
    kind="CustomResourceDefinition",
    plural="customresourcedefinitions",
    metadata_only=True,
)

_QUIET = 5.0
"""Seconds after the last change of a definition before its kind is looked at: by then each API server serves it."""

_SETTLES = 30.0
"""Seconds for which a kind that is not served after a change of its definition is looked at again and again."""

_LONGEST = 600.0
"""Seconds after which a kind is looked at whatever its definition does."""


@dataclass(kw_only=True)
class Definitions:
    """The definitions of a cluster; `clock` is monotonic."""

    reads_managed_fields: ClassVar[bool] = False
    resource: ClassVar[Resource] = DEFINITION

    clock: Callable[[], float] = time.monotonic
    listed: bool = False
    """Whether they are known; before that, and where they may not be listed, `changed` returns soon."""
    _changed: defaultdict[str, asyncio.Event] = field(default_factory=lambda: defaultdict(asyncio.Event))
    _changed_at: dict[str, float] = field(default_factory=dict)

    async def changed(self, resource: Resource, *, unknown: float) -> None:
        """Wait until a kind may have become served: `unknown` seconds where the definitions are not known."""
        name = f"{resource.plural}.{resource.group}"
        recent = self.clock() - self._changed_at.get(name, float("-inf")) < _SETTLES
        seconds = (_QUIET if recent else _LONGEST) if self.listed else unknown
        event = self._changed[name]
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()
        while event.is_set():
            event.clear()
            await asyncio.sleep(_QUIET)

    def put(self, manifest: Manifest) -> set[Key]:
        """Take a definition that has come or changed."""
        self._note(manifest["metadata"]["name"])
        return set()

    def drop(self, manifest: Manifest) -> set[Key]:
        """Take the end of a definition: the watch of its kind ends, too."""
        self._note(manifest["metadata"]["name"])
        return set()

    def replace(self, namespace: str | None, listed: Listed) -> set[Key]:  # noqa: ARG002 - a store's signature
        """Take a list: each of them may have come meanwhile."""
        self.listed = True
        for _, name in listed.items:
            self._note(name)
        return set()

    def clear(self, namespace: str | None) -> set[Key]:
        """Forget nothing: there are definitions on every cluster that has ours."""
        return self.replace(namespace, Listed(store=self))

    def pack(self, manifest: Manifest) -> Packed:
        """Return a definition as it is kept while its list comes in: by its version."""
        return Packed(int(manifest["metadata"]["resourceVersion"]), b"", None)

    def __len__(self) -> int:
        return len(self._changed_at)

    def _note(self, name: str) -> None:
        self._changed_at[name] = self.clock()
        self._changed[name].set()
