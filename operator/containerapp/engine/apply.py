"""Carries out a plan: creates what can only be created, writes over what is ours, prunes last. Writes to children only.

Called by the reconcile once a round. Every write names the object it is meant for, so that nothing is made anew that
has just been deleted, and nothing of somebody else's is touched; each answer goes into the cache at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from containerapp.api.containerapp import API_VERSION, PLURAL, ContainerApp
from containerapp.controllers.containerapp.children import CHILDREN, selector
from containerapp.core.model import ADOPT_ANNOTATION, AppKey, Manifest, ObjectRef
from containerapp.core.ownership import deleting, leftovers, owned_by, owned_by_predecessor
from containerapp.core.plan import Plan, differs
from containerapp.errors import Blocked, ContainerAppError, Transient
from containerapp.kube.client import Client, Conflict, Invalid, NotFound, path
from containerapp.kube.store import Cache, without_managed_fields

_logger = logging.getLogger(__name__)

_ABSENT_VERSION = "1"
"""No stored object has this resourceVersion: applying with it creates an object or fails with a conflict."""

_UPDATES_AT_ONCE = 4.0
_PAUSE = (10.0, 60.0)
"""Seconds between two updates of an app that does not rest: at first, and at the longest."""

_PLURALS = {(child.resource.api_version, child.resource.kind): child.resource.plural for child in CHILDREN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The app that a plan is for, and its children as they were when the plan was made."""

    key: AppKey
    app: ContainerApp
    live: Mapping[ObjectRef, Manifest]

    @property
    def adopts(self) -> bool:
        """Whether the user lets the app take over what is not its own."""
        return self.app.metadata.annotations.get(ADOPT_ANNOTATION) == "true"


@dataclass(slots=True, kw_only=True)
class _Budget:
    """The updates that an app had left at `since` on the clock, and how often it asked for more since its last one."""

    since: float
    left: float = _UPDATES_AT_ONCE
    pause: float = _PAUSE[0]
    refused: int = 0


@dataclass(kw_only=True)
class Writer:
    """Writes children. `clock` is monotonic."""

    client: Client
    cache: Cache
    clock: Callable[[], float]
    _budgets: dict[AppKey, _Budget] = field(default_factory=dict)

    def hold_off(self, key: AppKey) -> float:
        """Take one update out of the app's budget; return the seconds until there is one, 0 where there was.

        Somebody who undoes each of our writes at once must not make a war of it, nor an app that is edited without
        end keep the cluster busy with Pods that live for a second. While it asks for more than one a second, the pause
        between two doubles.
        """
        now = self.clock()
        budget = self._budgets.setdefault(key, _Budget(since=now))
        budget.left = min(_UPDATES_AT_ONCE, budget.left + (now - budget.since) / budget.pause)
        budget.since = now
        if budget.left < 1.0:
            budget.refused += 1
            return (1.0 - budget.left) * budget.pause
        first, longest = _PAUSE
        budget.pause = min(2 * budget.pause, longest) if budget.refused > budget.pause else first
        budget.left, budget.refused = budget.left - 1.0, 0
        return 0.0

    def has_spare(self, key: AppKey) -> bool:
        """Whether the app may be updated once more without being held off."""
        return key not in self._budgets or self._budgets[key].left >= 1.0

    def pause_begins(self, key: AppKey) -> bool:
        """Whether the app was just held off for the first time since its last update."""
        return self._budgets[key].refused == 1

    def forget(self, key: AppKey) -> None:
        """Drop the budget of an app that is gone."""
        self._budgets.pop(key, None)

    async def still_exists(self, key: AppKey, uid: str) -> bool | None:
        """Ask for the app, and take the answer into the cache: True while it lives as it was, None when none does.

        Asked before a child that was there is made again: children vanish with their app, and after a broken watch
        nobody may have told of the app's own end. Likewise before an earlier app's child is taken for garbage. An
        answer that is news is False, too: the watch that brings it later brings nothing new, so that whoever asked
        has to begin anew with it.
        """
        try:
            stored = without_managed_fields(await self.client.get(path(API_VERSION, PLURAL, *key)))
        except NotFound:
            self.cache.drop_app(key, uid)
            return None
        news = self.cache.put_app(stored)
        return stored["metadata"]["uid"] == uid and not deleting(stored) and not news

    async def bring_back(self, target: Target, ref: ObjectRef) -> bool:
        """Give a child of the app its labels back, and with them its place in the watches, where somebody took them.

        False where there is no such child any more, or it is not the app's.
        """
        url = _url(target.key, ref)
        try:
            stored = await self.client.get(url)
            if deleting(stored) or not owned_by(stored, target.app.metadata.uid):
                return False
            _logger.info("%s has lost its labels, and gets them back", ref)
            identity = {"uid": stored["metadata"]["uid"], "labels": selector(target.app)}
            self.cache.put_child(without_managed_fields(await self.client.merge(url, {"metadata": identity})))
        except NotFound:
            return False
        return True

    async def converge(
        self, target: Target, plan: Plan, *, settled: Callable[[], bool]
    ) -> ContainerAppError | None:
        """Write what differs; prune what is no longer wanted, but not while a write fails or the rollout goes on.

        Pods of the old version still need what the new one does without. Return the first thing that went wrong.
        """
        errors: list[ContainerAppError] = [_name_taken(ref) for ref in plan.foreign]
        writes = [
            *(partial(self.clear_away, target.key, target.live[ref]) for ref in plan.leftovers),
            *(partial(self._create, target, manifest) for manifest in plan.creates),
            *(partial(self._update, target, manifest) for manifest in plan.updates),
        ]
        if plan.creates or plan.updates:
            _logger.info("Writing %s", _summary(plan))
        for write in writes:
            try:
                await write()
            except ContainerAppError as error:
                errors.append(error)
        if plan.deletes and not errors and settled():
            errors += await self._prune(target, plan.deletes)
        return errors[0] if errors else None

    async def _prune(self, target: Target, refs: tuple[ObjectRef, ...]) -> list[ContainerAppError]:
        errors = []
        for ref in refs:
            _logger.info("Deleting %s", ref)
            try:
                await self.client.delete(_url(target.key, ref), uid=target.live[ref]["metadata"]["uid"])
            except NotFound:
                _logger.debug("%s was gone already", ref)
            except ContainerAppError as error:
                errors.append(error)
        return errors

    async def clear_away(self, key: AppKey, left: Manifest) -> None:
        """Delete what an earlier app of the name left behind, as the garbage collector would; its end is an event.

        Whoever changes it meanwhile, say by taking its owner away to keep it, comes first.
        """
        ref, metadata = ObjectRef.of(left), left["metadata"]
        _logger.info("Deleting %s, which an earlier app of the name left behind", ref)
        try:
            await self.client.delete(
                _url(key, ref), uid=metadata["uid"], resourceVersion=metadata["resourceVersion"]
            )
        except (NotFound, Conflict) as error:
            _logger.debug("%s was not left behind any more: %s", ref, error)

    async def _create(self, target: Target, manifest: Manifest) -> None:
        """Create a child that was not seen; where one exists after all, find out whose it is."""
        ref = ObjectRef.of(manifest)
        body = {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": _ABSENT_VERSION}}
        try:
            self._learn(manifest, await self.client.apply(_url(target.key, ref), body))
        except Conflict:
            existing = without_managed_fields(await self.client.get(_url(target.key, ref)))
            name, uid = target.app.metadata.name, target.app.metadata.uid
            left = leftovers(live=[existing], name=name, uid=uid)
            if left and await self.still_exists(target.key, uid):
                await self.clear_away(target.key, existing)
            if deleting(existing) or owned_by_predecessor(existing, name, uid):
                raise Transient(
                    "PredecessorTerminating", f"Waiting for the old {ref} to be removed."
                ) from None
            if not owned_by(existing, uid) and not target.adopts:
                raise _name_taken(ref) from None
            await self._write_over(target.key, manifest, existing["metadata"]["uid"])

    async def _update(self, target: Target, manifest: Manifest) -> None:
        await self._write_over(target.key, manifest, target.live[ObjectRef.of(manifest)]["metadata"]["uid"])

    async def _write_over(self, key: AppKey, manifest: Manifest, uid: str) -> None:
        url, body = (
            _url(key, ObjectRef.of(manifest)),
            {**manifest, "metadata": {**manifest["metadata"], "uid": uid}},
        )
        try:
            stored = await self.client.apply(url, body)
        except Invalid:
            # What somebody else has put into a list beside ours may break a rule: two ports of one name, say.
            await self.client.merge(url, {"metadata": {"uid": uid}, "spec": manifest.get("spec", {})})
            stored = await self.client.apply(url, body)
        self._learn(manifest, stored)

    def _learn(self, written: Manifest, stored: Manifest) -> None:
        """Take the answer into the cache at once; refuse to fight whoever changes it on its way in."""
        self.cache.put_child(without_managed_fields(stored))
        if differs(written, stored):
            raise Blocked(
                "FieldContested",
                f"{ObjectRef.of(written)} was stored otherwise than written: an admission webhook changes a field "
                "that the app sets. Exclude the object from the webhook, or change the app.",
            )


def _url(key: AppKey, ref: ObjectRef) -> str:
    return path(ref.api_version, _PLURALS[ref.api_version, ref.kind], key[0], ref.name)


def _name_taken(ref: ObjectRef) -> Blocked:
    return Blocked(
        "NameTaken",
        f"{ref} exists already and does not belong to this app. Rename the app, delete the {ref.kind}, or let the "
        f"app take it over with the annotation {ADOPT_ANNOTATION}=true.",
    )


def _summary(plan: Plan) -> str:
    parts = {"create": plan.creates, "update": plan.updates}
    return "; ".join(
        f"{verb} {', '.join(str(ObjectRef.of(manifest)) for manifest in manifests)}"
        for verb, manifests in parts.items()
        if manifests
    )
