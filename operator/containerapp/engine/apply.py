"""Carries out a plan: deletes what must go first, creates, updates, and prunes last. Writes to children only.

Called by the reconcile once a round. Every write names the object that it is meant for, so that nothing is created
again that was just deleted, and nothing of another owner is touched; each answer goes into the store at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from containerapp.api.schema import GROUP
from containerapp.core.diff import difference, differs, repair
from containerapp.core.model import (
    ADOPT_ANNOTATION,
    ADOPTED_ANNOTATION,
    HASH_ANNOTATION,
    INITIAL_REPLICAS_ANNOTATION,
    MANAGED_BY_LABEL,
    MANAGER,
    Key,
    Manifest,
    ObjectRef,
    Resource,
    is_built_in,
)
from containerapp.core.ownership import (
    adoptable,
    adopted_by,
    deleting,
    orphans,
    owned_by,
    owned_by_predecessor,
    retained,
)
from containerapp.core.plan import Owner, Plan, for_live
from containerapp.errors import Blocked, ContainerAppError, Transient
from containerapp.kube.client import REJECTED, Client, Conflict, Invalid, NamespaceTerminating, NotFound, path
from containerapp.kube.store import Stores, without_managed_fields

_logger = logging.getLogger(__name__)

_ABSENT_VERSION = "1"
"""No stored object has this resourceVersion: applying with it creates an object or fails with a conflict."""

_HAND_OVER = f"{MANAGER}-hand-over"
"""Field manager that keeps `spec.replicas` from being reset while it passes to an autoscaler."""


@dataclass(kw_only=True)
class Applier:
    """Writes children."""

    client: Client
    stores: Stores
    adopted: Callable[[Key, Manifest], None]
    """Called with each object that a custom object has adopted."""

    async def apply(
        self, owner: Owner, plan: Plan, *, may_prune: Callable[[], bool]
    ) -> ContainerAppError | None:
        """Write what differs; then delete what the old version may have needed, if nothing failed and it is gone.

        Return the first thing that went wrong; a namespace that is being deleted comes before all else.
        """
        errors: list[ContainerAppError] = [_name_taken(ref) for ref in plan.conflicts]
        if plan.creates or plan.updates:
            _logger.info("Writing %s", _summary(plan))
        await self._all(
            errors,
            *(partial(self._delete, owner, plan.live[ref]) for ref in plan.prune_first),
            *(partial(self.delete_orphan, owner.key, plan.live[ref]) for ref in plan.orphans),
            *(partial(self._create, owner, manifest) for manifest in plan.creates),
            *(partial(self._update, owner, manifest, plan.live) for manifest in plan.updates),
        )
        if (plan.prune_last or plan.unseen) and not errors and may_prune():
            await self._all(
                errors,
                *(partial(self._delete, owner, plan.live[ref]) for ref in plan.prune_last),
                *(partial(self._delete_unlabelled, owner, ref) for ref in plan.unseen),
            )
        return errors[0] if errors else None

    async def rehearse(self, owner: Owner, plan: Plan, kinds: frozenset[str]) -> ContainerAppError | None:
        """Have the API server check what overrides have changed, so that all of it is written or nothing."""
        for manifest in (*plan.creates, *plan.updates):
            if manifest["kind"] not in kinds:
                continue
            ref = ObjectRef.of(manifest)
            try:
                await self.client.rehearse(self._url(owner.key, ref), manifest)
            except Blocked as error:
                if error.reason != REJECTED:
                    continue  # the write itself says so, of whatever is written
                return Blocked(
                    "OverrideRefused",
                    f"The {ref} cannot be written with spec.overrides of kind {ref.kind}: {error.message} "
                    "Correct the patch, or remove it.",
                )
        return None

    async def _all(
        self, errors: list[ContainerAppError], *writes: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        """Try each write, whatever became of the one before, and collect the errors."""
        for write in writes:
            try:
                await write()
            except NamespaceTerminating:
                raise
            except ContainerAppError as error:
                errors.append(error)

    async def _delete_unlabelled(self, owner: Owner, ref: ObjectRef) -> None:
        """Delete a child of the owner that the watches do not show, where it exists: its labels were removed."""
        try:
            stored = await self.client.get(self._url(owner.key, ref))
        except NotFound:
            return
        if owned_by(stored, owner.uid) and not deleting(stored) and not retained(stored):
            await self._delete(owner, stored)

    async def delete_orphan(self, key: Key, orphan: Manifest) -> None:
        """Delete what a former object of the name has left, as the garbage collector would.

        A change meanwhile, such as the removal of its owner in order to keep it, wins.
        """
        ref, metadata = ObjectRef.of(orphan), orphan["metadata"]
        _logger.info("Deleting %s, an orphan of an earlier %s", ref, key)
        try:
            await self.client.delete(
                self._url(key, ref), uid=metadata["uid"], resourceVersion=metadata["resourceVersion"]
            )
        except (NotFound, Conflict) as error:
            _logger.debug("%s is no orphan any more: %s", ref, error)

    async def managers(self, key: Key, ref: ObjectRef) -> list[str]:
        """Return the other field managers of a child, the one that wrote last first."""
        try:
            stored = await self.client.get(self._url(key, ref))
        except ContainerAppError:
            return []
        entries = [
            entry
            for entry in stored["metadata"].get("managedFields", ())
            if not entry["manager"].startswith(MANAGER) and entry.get("subresource") != "status"
        ]
        newest = sorted(entries, key=lambda entry: str(entry.get("time", "")), reverse=True)
        return list(dict.fromkeys(entry["manager"] for entry in newest))

    async def _delete(self, owner: Owner, child: Manifest) -> None:
        """Delete a child that is no longer wanted; one that was adopted is released."""
        ref, key = ObjectRef.of(child), owner.key
        if adopted_by(child, owner.uid):
            await self._release(key, ref, child)
            return
        _logger.info("Deleting %s", ref)
        try:
            await self.client.delete(self._url(key, ref), uid=child["metadata"]["uid"])
        except NotFound:
            _logger.debug("%s was gone already", ref)
        self.stores.of(ref).lose(key.namespace, ref.name)

    async def _release(self, key: Key, ref: ObjectRef, child: Manifest) -> None:
        """Leave an adopted object to its former owner: as it is, without our marks."""
        _logger.info("Releasing %s", ref)
        marks = [name for name in child["metadata"].get("labels", {}) if name.startswith(f"{GROUP}/")]
        labels = dict.fromkeys([MANAGED_BY_LABEL, *marks])
        annotations = dict.fromkeys([ADOPTED_ANNOTATION, HASH_ANNOTATION])
        metadata = {"uid": child["metadata"]["uid"], "labels": labels, "annotations": annotations}
        await self.client.patch(self._url(key, ref), {"metadata": metadata}, strategic=False)
        self.stores.of(ref).lose(key.namespace, ref.name)

    async def _create(self, owner: Owner, manifest: Manifest) -> None:
        """Create a child that was not seen; where one exists after all, find out whose it is."""
        ref = ObjectRef.of(manifest)
        url, body = self._url(owner.key, ref), _with_initial_replicas(manifest)
        try:
            stored = await self.client.apply(url, _meant_for(body, resourceVersion=_ABSENT_VERSION))
        except Conflict:
            existing = without_managed_fields(await self.client.get(url))
            if orphans(live=[existing], key=owner.key, uid=owner.uid):
                await self.delete_orphan(owner.key, existing)
            if deleting(existing) or owned_by_predecessor(existing, owner.key, owner.uid):
                raise Transient(
                    "PredecessorTerminating", f"Waiting until the former {ref} is deleted."
                ) from None
            if not self._is_for(owner, existing) and not (owner.adopts and adoptable(existing)):
                raise _name_taken(ref) from None
            await self._write_over(owner, url, for_live(manifest, existing, owner), existing)
        else:
            self._check(body, stored)
            if body is not manifest:
                await self._write_over(owner, url, manifest, stored)

    def _is_for(self, owner: Owner, existing: Manifest) -> bool:
        """Whether an object that no watch has shown belongs to the owner: a retained one, only if its label says so."""
        if retained(existing) and self.stores.owners.key(existing) != owner.key:
            return False
        return owned_by(existing, owner.uid)

    async def _update(self, owner: Owner, manifest: Manifest, live: Mapping[ObjectRef, Manifest]) -> None:
        ref = ObjectRef.of(manifest)
        await self._write_over(owner, self._url(owner.key, ref), manifest, live[ref])

    async def _write_over(self, owner: Owner, url: str, manifest: Manifest, live: Manifest) -> None:
        uid = live["metadata"]["uid"]
        if self.stores.of(live).resource.metadata_only:
            await self._patch_metadata(url, manifest, uid)
            return
        if "status" in manifest:
            await self._write_status(url, manifest, uid)
            return
        if _hands_over(manifest, live):
            await self._hand_over(url, manifest, live)
        body = _meant_for(manifest, uid=uid)
        try:
            stored = await self.client.apply(url, body)
        except Invalid:
            # Fields that others have added beside ours may break a rule of the kind: two handlers of one probe.
            content, strategic = _content(manifest), is_built_in(manifest["apiVersion"])
            change = repair(content, _content(live)) if strategic else content
            await self.client.patch(url, {**change, "metadata": {"uid": uid}}, strategic=strategic)
            stored = await self.client.apply(url, body)
        self._check(manifest, stored)
        if adopted_by(stored, owner.uid) and not owned_by(live, owner.uid):
            self.adopted(owner.key, stored)

    async def _patch_metadata(self, url: str, manifest: Manifest, uid: str) -> None:
        """Change labels and annotations: the rest of such an object never changes, and is not at hand."""
        metadata = manifest["metadata"]
        change = {key: metadata[key] for key in ("labels", "annotations") if key in metadata}
        stored = await self.client.patch(url, {"metadata": {**change, "uid": uid}}, strategic=False)
        self.stores.of(stored).put(without_managed_fields(stored))

    async def _write_status(self, url: str, manifest: Manifest, uid: str) -> None:
        """Write the status of a child, by which its own controller goes on."""
        body = {
            **{key: manifest[key] for key in ("apiVersion", "kind", "status")},
            "metadata": {"name": manifest["metadata"]["name"], "uid": uid},
        }
        self._check(body, await self.client.apply(f"{url}/status", body))

    async def _hand_over(self, url: str, manifest: Manifest, live: Manifest) -> None:
        """Let another manager own `spec.replicas` too, before it disappears from ours.

        A field that no manager owns is reset: one Pod would be left.
        https://kubernetes.io/docs/reference/using-api/server-side-apply/#transferring-ownership
        """
        initial = int(manifest["metadata"]["annotations"][INITIAL_REPLICAS_ANNOTATION])
        running = live["spec"].get("replicas", 1)
        body = {
            "apiVersion": manifest["apiVersion"],
            "kind": manifest["kind"],
            "metadata": {"name": manifest["metadata"]["name"], "uid": live["metadata"]["uid"]},
            "spec": {"replicas": running or initial},
        }
        try:
            await self.client.share(url, body, manager=_HAND_OVER, force=running == 0)
        except Conflict:
            _logger.debug("Another manager owns the replicas of %s already", url)

    def _check(self, written: Manifest, stored: Manifest) -> None:
        """Take the answer into the store; refuse to fight an admission webhook."""
        self.stores.of(stored).put(without_managed_fields(stored))
        if differs(written, stored):
            raise Blocked(
                "FieldContested",
                f"{ObjectRef.of(written)} was stored with another {difference(written, stored)} than written: an "
                "admission webhook changes a field that the operator sets. Exclude the object from the webhook, or "
                "change the manifest.",
            )

    def _url(self, key: Key, ref: ObjectRef) -> str:
        return url_of(self.stores.of(ref).resource, key.namespace, ref.name)


def url_of(resource: Resource, namespace: str, name: str) -> str:
    """Return the URL path of an object."""
    return path(resource.api_version, resource.plural, namespace, name)


def _meant_for(manifest: Manifest, **identity: str) -> Manifest:
    return {**manifest, "metadata": {**manifest["metadata"], **identity}}


def _content(manifest: Manifest) -> Manifest:
    return {
        key: value
        for key, value in manifest.items()
        if key not in {"apiVersion", "kind", "metadata", "status"}
    }


def _hands_over(manifest: Manifest, live: Manifest) -> bool:
    """Whether `manifest` leaves `spec.replicas` to an autoscaler, and `live` did not yet.

    Or to one that leaves a workload without Pods alone, and `live` to one that does not.
    """
    wanted, lived = _initial_replicas(manifest), _initial_replicas(live)
    if wanted is None or lived is None:
        return wanted is not None
    return lived == "0" != wanted and live["spec"].get("replicas", 1) == 0


def _initial_replicas(manifest: Manifest) -> str | None:
    value: str | None = manifest["metadata"].get("annotations", {}).get(INITIAL_REPLICAS_ANNOTATION)
    return value


def _with_initial_replicas(manifest: Manifest) -> Manifest:
    """Return what is created first: with the replicas that an autoscaler starts from, not handed over yet."""
    initial = _initial_replicas(manifest)
    if initial is None:
        return manifest
    metadata = manifest["metadata"]
    kept = {key: text for key, text in metadata["annotations"].items() if key != INITIAL_REPLICAS_ANNOTATION}
    return {
        **manifest,
        "metadata": {**metadata, "annotations": kept},
        "spec": {**manifest["spec"], "replicas": int(initial)},
    }


def _name_taken(ref: ObjectRef) -> Blocked:
    run_as = (
        f"To run as it, set spec.serviceAccountName to {ref.name}. Or "
        if ref.kind == "ServiceAccount"
        else ""
    )
    rename = "rename this object" if run_as else "Rename this object"
    remedy = f"{run_as}{rename}, delete the {ref.kind}, or adopt it: see the annotation {ADOPT_ANNOTATION}."
    return Blocked("NameTaken", f"{ref} exists already and has another owner. {remedy}")


def _summary(plan: Plan) -> str:
    parts: dict[str, Iterable[Manifest]] = {"create": plan.creates, "update": plan.updates}
    return "; ".join(
        f"{verb} {', '.join(str(ObjectRef.of(manifest)) for manifest in manifests)}"
        for verb, manifests in parts.items()
        if manifests
    )
