"""The finalizer of a custom object that has children outside Kubernetes: before the first of them, until the last.

Called by the reconcile. It is written to an object that wants such a child, and to no other. Kubernetes keeps an object
with a finalizer until it is removed, and its namespace too: what cannot be deleted is given up after `_GIVEN_UP`, or
where the object's annotation says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from containerapp.core.events import left_behind
from containerapp.core.external import External, Owner, Refused, State, Want
from containerapp.core.model import ABANDON_ANNOTATION, Controller, Event, Key, Manifest
from containerapp.core.policy import Platform
from containerapp.engine.external import Externals
from containerapp.errors import ContainerAppError
from containerapp.kube.client import Client, path
from containerapp.kube.store import Stores, without_managed_fields

_GIVEN_UP = timedelta(hours=1)
"""How long the deletion of an object waits for what cannot be deleted outside Kubernetes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """A custom object with the finalizers that it needs, and how its children outside Kubernetes stand, by kind."""

    manifest: Manifest
    states: Mapping[str, State]


@dataclass(kw_only=True)
class Finalizers:
    """Keeps finalizers; `announce` records an event about an object."""

    client: Client
    stores: Stores
    externals: Mapping[str, Externals]
    now: Callable[[], datetime]
    announce: Callable[[Controller, Manifest, Event], None]

    async def keep(self, controller: Controller, manifest: Manifest, obj: Any, platform: Platform) -> Outside:
        """Bring the children outside of a living object closer to what it wants."""
        states: dict[str, State] = {}
        for external in self._known(controller):
            want = external.wanted(obj, platform)
            manifest, state = await self._keep(controller, external, manifest, want)
            states |= {} if state is None else {external.kind: state}
        return Outside(manifest=manifest, states=states)

    async def release(self, controller: Controller, manifest: Manifest) -> ContainerAppError | None:
        """Delete the children outside of an object that is being deleted; return why that fails, if it does."""
        errors: list[ContainerAppError] = []
        for external in self._known(controller):
            manifest, state = await self._keep(controller, external, manifest, None)
            errors += [state.error] if isinstance(state, Refused) else []
        return errors[0] if errors else None

    def forget(self, key: Key) -> None:
        """Let go of an object that is gone."""
        for externals in self.externals.values():
            externals.forget(key)

    def _known(self, controller: Controller) -> Iterator[External]:
        return (external for external in controller.external if external.kind in self.externals)

    async def _keep(
        self, controller: Controller, external: External, manifest: Manifest, want: Want | None
    ) -> tuple[Manifest, State | None]:
        """Return the object with the finalizer that it needs, and how its child stands, if there is or will be one."""
        held = external.finalizer in _finalizers(manifest)
        if want is None and not held:
            return manifest, None
        if not held:
            # A crash from here on leaves a finalizer without a child, and never a child without a finalizer.
            manifest = await self._write(controller, manifest, [*_finalizers(manifest), external.finalizer])
        owner = _owner(manifest)
        state = self.externals[external.kind].state(owner, want, external.record(manifest))
        if want is None and isinstance(state, Refused) and self._gives_up(manifest):
            self._announce_left(controller, external, manifest, state.error)
            state = None
        if state is None:
            others = [name for name in _finalizers(manifest) if name != external.finalizer]
            manifest = await self._write(controller, manifest, others)
            self.externals[external.kind].forget(Key(owner.kind, owner.namespace, owner.name))
        return manifest, state

    async def _write(self, controller: Controller, manifest: Manifest, finalizers: list[str]) -> Manifest:
        """Write the finalizers of this very object at this very version; return it as it is then."""
        metadata, resource = manifest["metadata"], controller.resource
        same = {name: metadata[name] for name in ("uid", "resourceVersion")}
        url = path(resource.api_version, resource.plural, metadata["namespace"], metadata["name"])
        change = {"metadata": {"finalizers": finalizers, **same}}
        stored = without_managed_fields(await self.client.patch(url, change, strategic=False))
        self.stores.put_object(Key(resource.kind, metadata["namespace"], metadata["name"]), stored)
        return stored

    def _gives_up(self, manifest: Manifest) -> bool:
        metadata = manifest["metadata"]
        if (metadata.get("annotations") or {}).get(ABANDON_ANNOTATION) == "true":
            return True
        since = metadata.get("deletionTimestamp")
        return since is not None and self.now() - datetime.fromisoformat(since) > _GIVEN_UP

    def _announce_left(
        self, controller: Controller, external: External, manifest: Manifest, error: ContainerAppError
    ) -> None:
        record = external.record(manifest)
        event = left_behind(external, record.id if record else None, error.message)
        self.announce(controller, manifest, event)


def _owner(manifest: Manifest) -> Owner:
    metadata = manifest["metadata"]
    return Owner(
        kind=manifest["kind"], namespace=metadata["namespace"], name=metadata["name"], uid=metadata["uid"]
    )


def _finalizers(manifest: Manifest) -> list[str]:
    return list(manifest["metadata"].get("finalizers") or ())
