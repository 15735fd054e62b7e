"""What the reconciles of an object would write, tried by the API server and not made.

Called by the command line for `plan`. The reconcile itself runs, on stores of its own and with a client that only
rehearses, until it has nothing left to write: each rollout is taken to end well, so that what is deleted after it is
shown, too. It must never write.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from containerapp.core.external import Owner, Record, Standing, State, Want
from containerapp.core.model import (
    MANAGED_BY_LABEL,
    MANAGER,
    Controller,
    Digests,
    Key,
    Manifest,
    ObjectRef,
    Resource,
)
from containerapp.core.ownership import owned_by
from containerapp.core.policy import Platform
from containerapp.engine.apply import Applier, url_of
from containerapp.engine.external import Externals
from containerapp.engine.reconcile import Reconciler
from containerapp.engine.recorder import Recorder
from containerapp.errors import Blocked
from containerapp.kube.client import Client, NotFound, path
from containerapp.kube.rehearsal import Rehearsal
from containerapp.kube.store import Stores, without_managed_fields

_STEPS = 12
"""Reconciles at most: a new object needs three, an image that is asked for one more."""

_ID = "not-made-yet"

_STEP_SECONDS = 60.0
"""What passes between two of them, on their clock: whatever waits has waited long enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The children as they live and as they would live, and the status that the object would have."""

    before: Mapping[ObjectRef, Manifest]
    after: Mapping[ObjectRef, Manifest]
    status: Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Previewer:
    """Previews the objects of one kind.

    Attributes:
        controller: the kind.
        client: the cluster.
        digests: what is known of images.
        ask: asks for what `digests` did not know; False where there was nothing to ask.
        settle: from a child to what it is once its own controller has done all that it has to do.
        platform: what the platform team has set.
    """

    controller: Controller
    client: Client
    digests: Digests
    ask: Callable[[], Awaitable[bool]]
    settle: Callable[[Manifest], Manifest]
    platform: Platform

    async def preview(self, manifest: Manifest) -> Preview:
        """Return what the object, as the API server would store it, would become."""
        metadata = manifest["metadata"]
        key = Key(self.controller.resource.kind, metadata["namespace"], metadata["name"])
        stores, rehearsal = Stores((self.controller,)), self.client.like(Rehearsal)
        await self._fill(stores, key)
        before = self._owned(stores, key, metadata["uid"])
        url = url_of(self.controller.resource, key.namespace, key.name)
        stores.put_object(key, rehearsal.give(url, without_managed_fields(manifest)))
        now = 0.0
        reconciler = Reconciler(
            controllers={key.kind: self.controller},
            client=rehearsal,
            stores=stores,
            applier=Applier(client=rehearsal, stores=stores, adopted=_ignore),
            digests=self.digests,
            recorder=Recorder(client=rehearsal),
            platform=self.platform,
            rehearses=True,
            clock=lambda: now,
            now=lambda: datetime.now(UTC),
            externals={each.kind: cast("Externals", _Made()) for each in self.controller.external},
        )
        for _ in range(_STEPS):
            written = rehearsal.writes
            await reconciler.reconcile(key)
            now += _STEP_SECONDS
            settled = self._settle(stores, rehearsal, key)
            if not await self.ask() and not settled and rehearsal.writes == written:
                break
        final = stores.object(key) or manifest
        after = self._owned(stores, key, metadata["uid"])
        return Preview(before=before, after=after, status=final.get("status") or {})

    def _owned(self, stores: Stores, key: Key, uid: str) -> dict[ObjectRef, Manifest]:
        """Return the object's children, but for what the operator keeps for itself."""
        internal = {child.resource.kind for child in self.controller.owns if child.internal}
        return {
            ref: child
            for ref, child in stores.children(key).items()
            if owned_by(child, uid) and ref.kind not in internal
        }

    async def _fill(self, stores: Stores, key: Key) -> None:
        """Read the object's children, as the informers do."""
        selector = f"{MANAGED_BY_LABEL}={MANAGER},{self.controller.label}={key.name}"
        for resource, store in stores.child_stores().items():
            url = path(resource.api_version, resource.plural, key.namespace)
            try:
                listed = await self.client.get(
                    url, metadata_only=resource.metadata_only, labelSelector=selector
                )
            except Blocked:
                if not resource.optional:
                    raise
                if not await self._is_installed(resource):
                    stores.absent.add(resource)
                continue
            for item in listed["items"] or ():  # null where there is none
                named = {**item, "apiVersion": resource.api_version, "kind": resource.kind}
                store.put(without_managed_fields(named))

    async def _is_installed(self, resource: Resource) -> bool:
        """Ask whether the API server knows a kind that the user may not list."""
        try:
            known = await self.client.get(f"/apis/{resource.api_version}")
        except NotFound:
            return False
        return any(each["name"] == resource.plural for each in known["resources"])

    def _settle(self, stores: Stores, rehearsal: Rehearsal, key: Key) -> bool:
        """Let each child become what its controller makes of it; False where all were that already."""
        changed = False
        for ref, child in stores.children(key).items():
            settled = self.settle(child)
            if settled != child:
                url = url_of(stores.of(ref).resource, key.namespace, ref.name)
                stores.of(ref).put(rehearsal.remember(url, settled))
                changed = True
        return changed


class _Made:
    """Takes what is wanted outside Kubernetes for made; asks nobody, and makes nothing."""

    def state(self, owner: Owner, want: Want | None, record: Record | None) -> State | None:  # noqa: ARG002 - Externals'
        """Return that it stands."""
        return Standing(record=want.record(record.id if record else _ID)) if want else None

    def forget(self, key: Key) -> None:
        """Do nothing: nothing is remembered."""


def _ignore(_key: Key, _child: Manifest) -> None:
    """Announce nothing."""
