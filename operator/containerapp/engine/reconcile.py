"""One reconcile: read, parse, gather, render, plan, apply, status, patch. The imperative shell around the pure core.

Called by the workers of the manager with a key. State is read, never remembered: any reconcile, after any crash, from
any event, brings the cluster to what the spec asks for. It knows no custom kind: what is peculiar to one is its
Controller's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from containerapp.core.conditions import by_type, in_progress_since, invalid_status, is_urgent
from containerapp.core.diff import stamped
from containerapp.core.events import event_manifest, rate_limited
from containerapp.core.model import (
    Child,
    Controller,
    Digests,
    Event,
    Gathered,
    Key,
    Manifest,
    ObjectRef,
    Outcome,
    Prune,
    View,
)
from containerapp.core.ownership import deleting, orphans, owned_by
from containerapp.core.plan import Plan, make_plan
from containerapp.core.policy import Platform
from containerapp.core.targets import Question, Targets
from containerapp.engine.account import AccountLookup
from containerapp.engine.account import nobody_asks as no_account
from containerapp.engine.apply import Applier, url_of
from containerapp.engine.external import Externals
from containerapp.engine.finalizers import Finalizers
from containerapp.engine.gather import Gatherer
from containerapp.engine.memory import Memories, Memory
from containerapp.engine.patches import carry_out
from containerapp.engine.pods import ASK_AFTER
from containerapp.engine.recorder import Recorder
from containerapp.engine.targets import nobody_asks
from containerapp.engine.throttle import RenderBudget
from containerapp.engine.turn import Next, Turn
from containerapp.engine.warnings import WarningQuestions
from containerapp.errors import ContainerAppError, InvalidSpec, Transient
from containerapp.kube.client import Client, NamespaceTerminating, NotFound, path
from containerapp.kube.references import References
from containerapp.kube.store import Stores, without_managed_fields

_logger = logging.getLogger(__name__)

_ANSWER_GRACE = 1.0
"""Seconds that an answer may take before the status says that it is waited for."""

_PROGRESS_INTERVAL = (2.0, 15.0)
"""Least and greatest number of seconds between two patches that only count Pods: as long as the rollout has lasted."""

_COLLECTOR_GRACE = 60.0
"""Seconds that Kubernetes' garbage collector has for the children of an object that is gone."""


@dataclass(kw_only=True)
class Reconciler:
    """Brings one object at a time to what its spec asks for. `clock` is monotonic, `now` is UTC."""

    controllers: Mapping[str, Controller]
    client: Client
    stores: Stores
    applier: Applier
    digests: Digests
    recorder: Recorder
    platform: Platform
    clock: Callable[[], float]
    now: Callable[[], datetime]
    externals: Mapping[str, Externals] = field(default_factory=dict)
    """Children outside Kubernetes, by kind."""
    renders: RenderBudget = field(default_factory=RenderBudget)
    rehearses: bool = False
    """Whether nothing that is written is made."""
    references: References = field(default_factory=References)
    targets: Callable[[Key, Question | None], Targets | None] = nobody_asks
    """What load balancers say of the Pods of an object; see TargetWatch."""
    account: AccountLookup = no_account
    """What the AWS account has for load balancers; see AccountWatch."""
    leaving: Callable[[Key], frozenset[str]] = lambda _key: frozenset()
    """Which nodes are to go that have Pods of an object; see Nodes."""
    _memories: Memories = field(default_factory=Memories)
    _gatherer: Gatherer = field(init=False)
    _finalizers: Finalizers = field(init=False)
    _warnings: WarningQuestions = field(init=False)

    def __post_init__(self) -> None:
        self._finalizers = Finalizers(
            client=self.client,
            stores=self.stores,
            externals=self.externals,
            now=self.now,
            announce=self._announce,
        )
        self._warnings = WarningQuestions(client=self.client, clock=self.clock)
        self._gatherer = Gatherer(
            client=self.client,
            stores=self.stores,
            digests=self.digests,
            renders=self.renders,
            clock=self.clock,
            view=self._view,
            targets=self.targets,
            account=self.account,
        )

    def pending_renders(self) -> int:
        """Count the objects whose Pods an earlier version of the operator has rendered otherwise."""
        return sum(1 for _ in self._memories.outdated())

    async def reconcile(self, key: Key) -> Next:
        """Run all phases once for the object at `key`; what the API server refuses meanwhile is no bug of ours."""
        try:
            return await self._run(self.controllers[key.kind], key)
        except NamespaceTerminating:
            return Next()
        except ContainerAppError as error:
            return Next(error=error)

    async def _run(self, controller: Controller, key: Key) -> Next:
        manifest = self.stores.object(key)
        memory, is_new = self._memories.of(key, manifest, self.clock())
        if is_new:
            self.digests.forget(key)
        if manifest is None:
            self._finalizers.forget(key)
            self.targets(key, None)
            self.account(key, frozenset())
            return await self._collect_orphans(key, memory)
        turn = Turn(
            controller=controller,
            key=key,
            manifest=manifest,
            obj=None,
            memory=memory,
            platform=self.platform,
        )
        if deleting(manifest):
            return await self._end(turn)
        try:
            turn = replace(turn, obj=controller.parse(manifest))
            self.references.track(controller, key, turn.obj)
            if (refusal := controller.forbidden(turn.obj, self.platform)) is not None:
                raise refusal
            outside = await self._finalizers.keep(controller, manifest, turn.obj, self.platform)
            turn = replace(turn, manifest=outside.manifest, external=outside.states)
            turn, gathered = await self._gatherer.gather(turn, self._in_progress_for(manifest))
            if self._may_wait(memory, gathered):
                return Next(after=_ANSWER_GRACE)
            return await self._serve(turn, gathered)
        except InvalidSpec as error:
            return await self._finish(
                turn, invalid_status(manifest, error, self._timestamp()), Next(error=error)
            )

    async def _end(self, turn: Turn) -> Next:
        """Delete what an object that is being deleted has outside Kubernetes; its status says where that fails."""
        error = await self._finalizers.release(turn.controller, turn.manifest)
        if error is None:
            return Next()
        status = invalid_status(turn.manifest, error, self._timestamp())
        return await self._finish(turn, status, Next(error=error, awaits_answer=True))

    async def _serve(self, turn: Turn, gathered: Gathered) -> Next:
        desired, optional = self._render(turn, gathered)
        plan = self._plan(turn, desired, gathered)
        refused = turn.memory.refused
        error = await carry_out(self.client, gathered.patches, turn.memory)
        error = error or await self._write(turn, plan, gathered)
        if plan.creates and turn.is_first and error is None and gathered.error is None:
            return Next(
                after=0.0
            )  # the API server's default says Pending, and the next turn often says Ready
        view = self._view(turn)
        settled = turn.controller.settled(view, gathered.inputs)
        if settled:
            self.renders.release(turn.key)
        pruned = gathered.complete and error is None and settled
        outcome = Outcome(
            gathered=gathered,
            error=error,
            resources=_inventory(turn.controller, (*view.live, *(() if pruned else plan.unseen))),
            terminating=plan.terminating,
            optional=optional,
        )
        warnings = await self._warnings.newest(turn.controller, view, gathered.inputs, turn.memory)
        status = turn.controller.status(replace(view, warnings=warnings), outcome, self._timestamp())
        return await self._finish(turn, status, _next(turn, outcome, status, refused))

    def _view(self, turn: Turn) -> View:
        """Return what the controller may see: the object's own children as the stores have them now."""
        uid = turn.manifest["metadata"]["uid"]
        children = {
            ref: child for ref, child in self.stores.children(turn.key).items() if not deleting(child)
        }
        live = {ref: child for ref, child in children.items() if owned_by(child, uid)}
        others = {ref: child for ref, child in children.items() if ref not in live}
        return View(
            key=turn.key,
            obj=turn.obj,
            live=live,
            now=self.now(),
            platform=self.platform,
            absent=frozenset(self.stores.absent),
            watched=self.references.of(turn.key),
            dependents=others,
            external=turn.external,
            loaded=turn.loaded,
            finding=turn.finding,
            targets=turn.targets,
            account=turn.account,
            answers=turn.answers,
            refused=turn.memory.refused,
            rehearses=self.rehearses,
            may_render=self.renders.holds(turn.key),
            peers=self.stores.peers(turn.key),
            leaving=self.leaving(turn.key),
        )

    def _may_wait(self, memory: Memory, gathered: Gathered) -> bool:
        """Whether an answer is on its way, and nothing has to be written meanwhile."""
        if not gathered.waits:
            memory.waits_since = None
            return False
        if memory.waits_since is None:
            memory.waits_since = self.clock()
        return gathered.error_shown or self.clock() - memory.waits_since < _ANSWER_GRACE

    def _render(self, turn: Turn, gathered: Gathered) -> tuple[list[Manifest], tuple[Child, ...]]:
        """Return the stamped manifests of all children whose kinds are installed, and the optional kinds wanted."""
        rendered = list(turn.controller.render(turn.obj, gathered.inputs))
        optional = {child.resource: child for child, _ in rendered if child.resource.optional}
        absent = self.stores.absent
        desired = [
            manifest if child.resource.metadata_only else stamped(manifest)
            for child, manifest in rendered
            if child.resource not in absent
        ]
        return desired, tuple(optional.values())

    def _plan(self, turn: Turn, desired: list[Manifest], gathered: Gathered) -> Plan:
        kinds = {(child.resource.api_version, child.resource.kind): child for child in turn.controller.owns}
        retained = turn.controller.retained(turn.obj, gathered.inputs)

        def prune(ref: ObjectRef) -> Prune:
            return Prune.NEVER if ref in retained else kinds[ref.api_version, ref.kind].prune

        inventory = [ObjectRef.from_status(item) for item in turn.status.get("resources", ())]
        return make_plan(
            desired=desired,
            live=self.stores.children(turn.key),
            owner=turn.owner,
            prune=prune,
            inventory=[ref for ref in inventory if (ref.api_version, ref.kind) in kinds],
            held=None if gathered.complete else lambda ref: not kinds[ref.api_version, ref.kind].eager,
        )

    async def _write(self, turn: Turn, plan: Plan, gathered: Gathered) -> ContainerAppError | None:
        """Carry the plan out; return the first thing that went wrong."""
        if plan.orphans and not await self._is_current(turn):
            raise Transient("Outdated", "The object has changed a moment ago.")
        if plan.updates or plan.creates:
            seconds = turn.memory.bucket.take(self.clock())
            if seconds:
                return await self._limit(turn, plan, seconds)
            turn.memory.limited = None
        if (
            refusal := await self.applier.rehearse(turn.owner, plan, turn.controller.overridden(turn.obj))
        ) is not None:
            return refusal
        return await self.applier.apply(
            turn.owner,
            plan,
            may_prune=lambda: (
                gathered.complete and turn.controller.settled(self._view(turn), gathered.inputs)
            ),
        )

    async def _limit(self, turn: Turn, plan: Plan, seconds: float) -> Transient:
        """Return the error of a write that has to wait; find out once which other manager writes to the child."""
        memory = turn.memory
        if memory.limited is None:
            changed = ObjectRef.of((*plan.updates, *plan.creates)[0])
            managers = await self.applier.managers(turn.key, changed) if plan.updates else []
            memory.limited = rate_limited(changed, managers)
            self._announce(turn.controller, turn.manifest, memory.limited)
        return Transient(memory.limited.reason, memory.limited.message, retry_after=seconds)

    async def _collect_orphans(self, key: Key, memory: Memory) -> Next:
        """Delete the children of an object that is gone, where the garbage collector has missed them.

        It does when the object's deletion reaches it in a broken watch (chaos, and docs/decisions/0010).
        """
        children = self.stores.children(key)
        left = orphans(live=children.values(), key=key, uid=None)
        if not left:
            self._memories.drop(key)
            self.renders.release(key)
            self.references.forget(key)
            return Next(gone=True)
        wait = memory.since + _COLLECTOR_GRACE - self.clock()
        if wait > 0:
            return Next(after=wait)
        if await self._stored(self.controllers[key.kind], key) is not None:
            return Next(after=0.0)
        for ref in left:
            await self.applier.delete_orphan(key, children[ref])
        return Next(after=_COLLECTOR_GRACE)

    async def _is_current(self, turn: Turn) -> bool:
        """Ask the API server whether the object is still the one that the watch has shown.

        Asked before a child of another object of the name is deleted: then that other one is gone for good.
        """
        stored = await self._stored(turn.controller, turn.key)
        return stored is not None and (
            stored["metadata"]["resourceVersion"] == turn.manifest["metadata"]["resourceVersion"]
        )

    async def _stored(self, controller: Controller, key: Key) -> Manifest | None:
        """Read the custom object from the API server into the store; None where there is none."""
        try:
            stored = await self.client.get(url_of(controller.resource, key.namespace, key.name))
        except NotFound:
            self.stores.lose_object(key)
            return None
        self.stores.put_object(key, without_managed_fields(stored))
        return stored

    async def _finish(self, turn: Turn, status: Manifest, after: Next) -> Next:
        """Patch the status if it changed, at most once; a change that is mere progress waits for the next one."""
        old = turn.status
        if status == old:
            return after
        if not is_urgent(old, status) and (wait := self._until_progress(turn)) > 0:
            return _sooner(after, wait)
        # By its version: no uid is compared where a status is written, and a former object's would be the new one's.
        resource, key = turn.controller.resource, turn.key
        metadata = {
            "name": key.name,
            "namespace": key.namespace,
            "resourceVersion": turn.manifest["metadata"]["resourceVersion"],
        }
        body = {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": metadata,
            "status": status,
        }
        url = path(resource.api_version, resource.plural, key.namespace, key.name, "status")
        try:
            stored = await self.client.apply(url, body)
        except NotFound as error:
            lives = await self._stored(turn.controller, key)
            return Next(error=error) if lives else Next(after=0.0)
        turn.memory.status_at = self.clock()
        self.stores.put_object(key, without_managed_fields(stored))
        for event in turn.controller.events(old, status):
            self._announce_once(turn, event, status["observedGeneration"])
        return after

    def _until_progress(self, turn: Turn) -> float:
        """Return the seconds until mere progress may be written again."""
        shortest, longest = _PROGRESS_INTERVAL
        interval = min(longest, max(shortest, self._in_progress_for(turn.manifest)))
        return turn.memory.status_at + interval - self.clock()

    def _announce_once(self, turn: Turn, event: Event, generation: int) -> None:
        if turn.memory.event != (event, generation):  # a Pod that was lost and replaced is no new rollout
            turn.memory.event = event, generation
            self._announce(turn.controller, turn.manifest, event)

    def _announce(self, controller: Controller, manifest: Manifest, event: Event) -> None:
        _logger.info("%s: %s", event.reason, event.message)
        self.recorder.record(event_manifest(event, controller.resource, manifest, self._timestamp()))

    def _in_progress_for(self, manifest: Manifest) -> float:
        """Return the seconds since the status began to say Reconciling or Stalled; 0 where it does not."""
        since = in_progress_since(manifest)
        return (self.now() - since).total_seconds() if since else 0.0

    def _timestamp(self) -> str:
        return self.now().strftime("%Y-%m-%dT%H:%M:%SZ")


def _inventory(controller: Controller, refs: Iterable[ObjectRef]) -> tuple[ObjectRef, ...]:
    """Return children in the order in which their kinds are written; history is no part of the inventory."""
    order = {
        (child.resource.api_version, child.resource.kind): number
        for number, child in enumerate(controller.owns)
        if not child.resource.metadata_only
    }
    listed = (ref for ref in refs if (ref.api_version, ref.kind) in order)
    return tuple(sorted(listed, key=lambda ref: (order[ref.api_version, ref.kind], ref.name)))


def _next(turn: Turn, outcome: Outcome, status: Manifest, refused: str) -> Next:
    """Return when to come back after a status was computed; most of what comes next is an event.

    A patch that is refused, otherwise than before by `refused`, is thought over at once.
    """
    if outcome.error is not None:
        return Next(error=outcome.error)
    if outcome.gathered.error is not None:
        return Next(error=outcome.gathered.error, awaits_answer=True)
    if turn.memory.refused != refused:
        return Next(after=0.0)
    if by_type(status)["Ready"]["status"] == "True":
        return Next(after=outcome.gathered.again_after)
    after = turn.memory.pods_interval or ASK_AFTER
    return Next(after=min(after, outcome.gathered.again_after or after))


def _sooner(after: Next, seconds: float) -> Next:
    """Come back within seconds, too; after an error that happens anyway."""
    if after.error is not None and not after.awaits_answer:
        return after
    if after.after is not None and after.after <= seconds:
        return after
    return replace(after, after=seconds)
