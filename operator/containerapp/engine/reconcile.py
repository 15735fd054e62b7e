"""One reconcile: read, parse, gather, render, plan, converge, status, patch. The imperative shell around the pure core.

Called by the workers in main with a key, whatever happened to it: state is read, never remembered, so any reconcile,
after any crash, from any event, brings the cluster to what the app's spec asks for. Nothing here knows kopf.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from containerapp.api import images
from containerapp.api.containerapp import API_VERSION, KIND, PLURAL, ContainerApp
from containerapp.controllers.containerapp.children import CHILDREN, needed, render
from containerapp.controllers.containerapp.diagnosis import pod_problem
from containerapp.controllers.containerapp.image import answers_refresh, pin, recorded_pin, refresh_token
from containerapp.controllers.containerapp.status import Rollout, compute_status, invalid_status, is_urgent
from containerapp.core.events import Event, event_manifest, held_off, transitions
from containerapp.core.model import (
    AppKey,
    ImageState,
    Inputs,
    Manifest,
    ObjectRef,
    Outcome,
    PinnedImage,
)
from containerapp.core.ownership import deleting, leftovers, owned_by
from containerapp.core.plan import Plan, make_plan, stamped
from containerapp.engine.apply import Target, Writer
from containerapp.engine.recorder import Recorder
from containerapp.errors import ContainerAppError, InvalidSpec
from containerapp.kube.client import Client, NamespaceTerminating, NotFound, path
from containerapp.kube.store import Cache, without_managed_fields
from containerapp.registries.resolver import DigestResolver, Failed, Pending, Resolved

_logger = logging.getLogger(__name__)

_PENDING_GRACE = 1.0
"""Seconds that a registry may take before the status says that it is waited for."""

_PROGRESS_INTERVAL = (2.0, 15.0)
"""Seconds between two patches that tell no more than another count of Pods: as long as the rollout has lasted, within
these bounds.
"""

_DIAGNOSE_AFTER = 10.0
"""Seconds of rollout after which the Pods are asked what they wait for."""

_DIAGNOSE_INTERVAL = (20.0, 300.0)
"""Seconds between two such questions about one app: at first, and at the longest."""

_WORTH_TELLING = 1.0
"""Seconds that an app is held off at least, if that is told."""

_COLLECTOR_GRACE = 60.0
"""Seconds that Kubernetes' garbage collector has for the children of an app that is gone."""

_ORDER = {(child.resource.api_version, child.resource.kind): number for number, child in enumerate(CHILDREN)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """When to come back: after seconds of our own choice, or by backoff because of an error.

    `awaits_news`: whoever met the error tries again by itself, and will say so.
    """

    after: float | None = None
    error: ContainerAppError | None = None
    awaits_news: bool = False
    gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What the Pods said when they were last asked; not asked again before `valid_until` on the clock."""

    problem: str | None
    interval: float
    valid_until: float


@dataclass(kw_only=True)
class Reconciler:
    """Brings one app at a time to what its spec asks for. `clock` is monotonic, `now` is UTC."""

    client: Client
    cache: Cache
    writer: Writer
    digests: DigestResolver
    recorder: Recorder
    default_registry: str
    clock: Callable[[], float]
    now: Callable[[], datetime]
    _pending_since: dict[AppKey, float] = field(default_factory=dict)
    _patched_at: dict[AppKey, float] = field(default_factory=dict)
    _announced: dict[AppKey, tuple[Event, int]] = field(default_factory=dict)
    _diagnoses: dict[AppKey, Diagnosis] = field(default_factory=dict)
    _uids: dict[AppKey, str] = field(default_factory=dict)
    _gone_since: dict[AppKey, float] = field(default_factory=dict)
    _untold: dict[AppKey, frozenset[ObjectRef]] = field(default_factory=dict)
    """Apps that something was done for, of which no status that was stored tells yet, and the children made for it."""

    async def reconcile(self, key: AppKey) -> Next:
        """Run all phases once for the app at `key`; what the API server refuses meanwhile is no bug of ours."""
        try:
            return await self._run_phases(key)
        except ContainerAppError as error:
            return Next(error=error)

    async def _run_phases(self, key: AppKey) -> Next:
        manifest = self.cache.app(key)
        self._mind_identity(key, manifest)
        if manifest is None:
            return await self._bury(key)
        if deleting(manifest):
            return Next()
        try:
            app = ContainerApp.parse(manifest)
        except InvalidSpec as error:
            status = invalid_status(manifest, error, self._timestamp())
            return await self._finish(key, manifest, status, Next(error=error))
        return await self._serve(key, manifest, app)

    async def _serve(self, key: AppKey, manifest: Manifest, app: ContainerApp) -> Next:
        image = self._gather(key, app)
        if image.pending and (self._waited(key) < _PENDING_GRACE or _told_of_failure(app)):
            return Next(after=_PENDING_GRACE)
        target = Target(key=key, app=app, live=dict(self.cache.children(key)))
        plan = self._plan(target, image)
        for ref in _out_of_sight(target, plan, self._untold.get(key, frozenset())):
            if await self.writer.bring_back(target, ref):
                return Next(after=0.0)
        recreates = _recreates(plan, app)
        had_some = key in self._untold or _has_waited(target)
        doubtful = plan.leftovers or recreates or (plan.creates and had_some)
        if doubtful and not await self.writer.still_exists(key, app.metadata.uid):
            return Next(after=0.0)
        if (plan.updates or recreates) and (seconds := self.writer.hold_off(key)):
            return self._hold_off(key, manifest, seconds)
        obstacle = await self.writer.converge(target, plan, settled=lambda: self._rollout(key, app).complete)
        if isinstance(obstacle, NamespaceTerminating):
            return Next()
        if obstacle is None and self._may_tell_later(target, plan, image):
            return Next(after=0.0)
        outcome = Outcome(
            image=image,
            error=obstacle,
            resources=self._inventory(key, app),
            pod_problem=await self._diagnose(key, app, manifest),
        )
        status = compute_status(app, outcome, self.cache.children(key), self._timestamp())
        return await self._finish(key, manifest, status, self._next(key, app, image, obstacle))

    def _mind_identity(self, key: AppKey, manifest: Manifest | None) -> None:
        """Forget all that is known of an app as soon as another one, or none, has its name."""
        uid = manifest["metadata"]["uid"] if manifest else None
        if self._uids.get(key) == uid:
            return
        self.digests.forget(key)
        self.writer.forget(key)
        for memory in (
            self._pending_since,
            self._patched_at,
            self._announced,
            self._diagnoses,
            self._uids,
            self._gone_since,
            self._untold,
        ):
            memory.pop(key, None)
        if uid is not None:
            self._uids[key] = uid

    async def _bury(self, key: AppKey) -> Next:
        """See that the children go with their app: the garbage collector forgets some when its watch breaks."""
        children = self.cache.children(key)
        left = leftovers(live=children.values(), name=key[1], uid=None)
        if not left:
            self._gone_since.pop(key, None)
            return Next(gone=True)
        wait = self._gone_since.setdefault(key, self.clock()) + _COLLECTOR_GRACE - self.clock()
        if wait > 0:
            return Next(after=wait)
        if await self.writer.still_exists(key, "") is not None:
            return Next(after=0.0)
        for ref in left:
            await self.writer.clear_away(key, children[ref])
        return Next(after=_COLLECTOR_GRACE)

    def _may_tell_later(self, target: Target, plan: Plan, image: ImageState) -> bool:
        """Whether the status can wait for the next turn, what other apps need coming first: repairs, first children.

        There is often less left to tell by then. Not twice in a row: somebody may undo every repair; nor when the next
        one would have to wait, and the status with it. What was asked for anew, by an edit or by a refresh, is told.
        """
        key, app = target.key, target.app
        begun = plan.creates and app.status.is_first and image.pin is not None
        asked = app.status.observed_generation != app.metadata.generation or _takes_new_digest(app, image)
        repaired = plan.updates and not plan.creates and not asked and self.writer.has_spare(key)
        if key in self._untold or not (begun or repaired):
            return False
        self._untold[key] = frozenset(map(ObjectRef.of, plan.creates))
        return True

    def _hold_off(self, key: AppKey, manifest: Manifest, seconds: float) -> Next:
        """Say once in a pause that there is one: the user waits for it, and may not know why."""
        if seconds >= _WORTH_TELLING and self.writer.pause_begins(key):
            self._announce(held_off(seconds), manifest)
        return Next(after=seconds)

    def _gather(self, key: AppKey, app: ContainerApp) -> ImageState:
        """Decide which digest the app runs, asking the resolver's cache only for what is not on record."""
        try:
            reference = images.parse(app.spec.image, default_registry=self.default_registry)
        except InvalidSpec as error:
            return ImageState(error=error)
        if reference.digest is not None:
            self.digests.forget(key)
            return ImageState(pin=pin(reference, reference.digest, refresh_token(app)))
        record = recorded_pin(app, reference, self._deployment(key, app))
        if record is not None and answers_refresh(record, app):
            return self._with_news(key, app, reference, record)
        match self.digests.lookup(reference, key, request=refresh_token(app)):
            case Resolved(digest=digest):
                self._pending_since.pop(key, None)
                return ImageState(pin=pin(reference, digest, refresh_token(app)))
            case Failed(error=failure):
                self._pending_since.pop(key, None)
                return ImageState(pin=record, error=failure)
            case Pending():
                self._pending_since.setdefault(key, self.clock())
                return ImageState(pin=record, pending=True)

    def _with_news(
        self, key: AppKey, app: ContainerApp, reference: images.ImageReference, record: PinnedImage
    ) -> ImageState:
        """Add where the tag points now; while nobody can tell, what the status says stands."""
        self._pending_since.pop(key, None)
        answer = self.digests.lookup(reference, key, known=record.digest)
        known, latest, trouble = app.status.image, None, None
        match answer:
            case Resolved(digest=digest, stale_error=stale_error):
                latest, trouble = digest, stale_error
            case Failed(error=failure):
                trouble = failure
            case Pending():
                return ImageState(
                    pin=record, latest_digest=known.latest_digest if known else None, unasked=True
                )
        if latest is None and known is not None and known.reference == record.reference:
            latest = known.latest_digest
        moved_to = None if latest == record.digest else latest
        return ImageState(pin=record, latest_digest=moved_to, news_error=trouble)

    def _plan(self, target: Target, image: ImageState) -> Plan:
        app = target.app
        return make_plan(
            desired=[stamped(manifest) for manifest in render(app, Inputs(image=image.pin))],
            live=target.live,
            owner=(app.metadata.name, app.metadata.uid),
            adopt=target.adopts,
            keep=needed(app) if image.pin is not None else None,
        )

    async def _diagnose(self, key: AppKey, app: ContainerApp, manifest: Manifest) -> str | None:
        """Ask the Pods what they wait for, once a rollout takes longer than usual, and then ever more seldom."""
        deployment = self._deployment(key, app)
        rollout = Rollout.of(deployment)
        if deployment is None or rollout.complete:
            self._diagnoses.pop(key, None)
            return None
        if not rollout.begun or self._rolling_for(manifest) < _DIAGNOSE_AFTER:
            return None
        known = self._diagnoses.get(key)
        if known is not None and self.clock() < known.valid_until:
            return known.problem
        first, longest = _DIAGNOSE_INTERVAL
        interval = min(known.interval * 2, longest) if known else first
        problem = await self._ask_pods(key, deployment)
        self._diagnoses[key] = Diagnosis(
            problem=problem, interval=interval, valid_until=self.clock() + interval
        )
        return problem

    async def _ask_pods(self, key: AppKey, deployment: Manifest) -> str | None:
        labels = deployment["spec"]["selector"]["matchLabels"]
        selector = ",".join(f"{name}={value}" for name, value in labels.items())
        try:
            pods = await self.client.get(
                path("v1", "pods", key[0]), labelSelector=selector, limit="50", resourceVersion="0"
            )
        except ContainerAppError as error:
            _logger.warning("Cannot ask the Pods: %s", error)
            return None
        return pod_problem(pods["items"])

    async def _finish(self, key: AppKey, manifest: Manifest, status: Manifest, after: Next) -> Next:
        """Patch the status if it changed, at most once; a mere count may wait for the next one."""
        old = manifest.get("status") or {}
        if status == old:
            self._untold.pop(key, None)
            return after
        if not is_urgent(old, status) and (wait := self._until_progress(key, manifest)) > 0:
            return _sooner(after, wait)
        # By its version: no uid is compared where a status is written, and a former app's would be the new one's.
        metadata = {
            "name": key[1],
            "namespace": key[0],
            "resourceVersion": manifest["metadata"]["resourceVersion"],
        }
        body = {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "status": status}
        self._untold.setdefault(key, frozenset())
        try:
            stored = await self.client.apply(path(API_VERSION, PLURAL, key[0], key[1], "status"), body)
        except NotFound as error:
            lives = await self.writer.still_exists(key, manifest["metadata"]["uid"])
            return Next(error=error) if lives else Next(after=0.0)
        except ContainerAppError as error:
            return Next(error=error)
        self._untold.pop(key, None)
        self._patched_at[key] = self.clock()
        self.cache.put_app(without_managed_fields(stored))
        self._tell(key, manifest, old, status)
        return after

    def _until_progress(self, key: AppKey, manifest: Manifest) -> float:
        """Seconds until progress may be told again."""
        shortest, longest = _PROGRESS_INTERVAL
        interval = min(longest, max(shortest, self._rolling_for(manifest)))
        return self._patched_at.get(key, -math.inf) + interval - self.clock()

    def _tell(self, key: AppKey, manifest: Manifest, old: Manifest, new: Manifest) -> None:
        for event in transitions(old, new):
            if self._announced.get(key) == (event, new["observedGeneration"]):
                continue  # a Pod that was lost and replaced is no new rollout
            self._announced[key] = (event, new["observedGeneration"])
            self._announce(event, manifest)

    def _announce(self, event: Event, manifest: Manifest) -> None:
        _logger.info("%s: %s", event.reason, event.message)
        self.recorder.record(event_manifest(event, manifest, self._timestamp()))

    def _next(
        self, key: AppKey, app: ContainerApp, image: ImageState, error: ContainerAppError | None
    ) -> Next:
        if error is not None:
            return Next(error=error)
        if image.error is not None:
            return Next(error=image.error, awaits_news=True)
        rollout = self._rollout(key, app)
        if not rollout.begun or rollout.complete:
            return Next()  # what comes next is an event
        known = self._diagnoses.get(key)
        return Next(after=known.interval if known else _DIAGNOSE_AFTER)

    def _inventory(self, key: AppKey, app: ContainerApp) -> tuple[ObjectRef, ...]:
        owned = [
            ref
            for ref, child in self.cache.children(key).items()
            if owned_by(child, app.metadata.uid) and not deleting(child)
        ]
        return tuple(sorted(owned, key=lambda ref: (_ORDER[ref.api_version, ref.kind], ref.name)))

    def _deployment(self, key: AppKey, app: ContainerApp) -> Manifest | None:
        """Return the app's own Deployment; a predecessor's of the same name is none of its."""
        ref = ObjectRef(api_version="apps/v1", kind="Deployment", name=key[1])
        deployment = self.cache.children(key).get(ref)
        return deployment if deployment and owned_by(deployment, app.metadata.uid) else None

    def _rollout(self, key: AppKey, app: ContainerApp) -> Rollout:
        return Rollout.of(self._deployment(key, app))

    def _rolling_for(self, manifest: Manifest) -> float:
        """Seconds since the status began to say Reconciling or Stalled; 0 where it does not."""
        for condition in manifest.get("status", {}).get("conditions", ()):
            if condition["type"] in {"Reconciling", "Stalled"}:
                return (self.now() - datetime.fromisoformat(condition["lastTransitionTime"])).total_seconds()
        return 0.0

    def _waited(self, key: AppKey) -> float:
        return self.clock() - self._pending_since.get(key, self.clock())

    def _timestamp(self) -> str:
        return self.now().strftime("%Y-%m-%dT%H:%M:%SZ")


def _out_of_sight(target: Target, plan: Plan, untold: frozenset[ObjectRef]) -> list[ObjectRef]:
    """Children that the status names, or would if it had been told, neither in the watches nor wanted any more.

    They were pruned a moment ago; or somebody took the labels off them, by which they are watched. The next status
    names them no more, so that it is now or never.
    """
    seen = {*target.live, *map(ObjectRef.of, plan.creates)}
    known = {*_inventoried(target.app), *untold}
    return [ref for ref in sorted(known - seen) if (ref.api_version, ref.kind) in _ORDER]


def _recreates(plan: Plan, app: ContainerApp) -> bool:
    """Whether the plan creates a child that the status says was there before."""
    known = _inventoried(app)
    return any(ObjectRef.of(manifest) in known for manifest in plan.creates)


def _has_waited(target: Target) -> bool:
    """Whether the app was seen before, and has no child whose end would tell of its own: nobody may have told of it."""
    return not target.app.status.is_first and not target.live


def _inventoried(app: ContainerApp) -> list[ObjectRef]:
    """Children that the status names."""
    return [
        ObjectRef(api_version=resource.api_version, kind=resource.kind, name=resource.name)
        for resource in app.status.resources
    ]


def _told_of_failure(app: ContainerApp) -> bool:
    """Whether the status of this very generation says that the image has no digest: asking again is no news."""
    conditions = {condition.type: condition.status for condition in app.status.conditions}
    current = app.status.observed_generation == app.metadata.generation
    return current and conditions.get("ImageResolved") == "False"


def _takes_new_digest(app: ContainerApp, image: ImageState) -> bool:
    """Whether the app is to run another digest than its status tells of."""
    told = app.status.image.digest if app.status.image else None
    return image.pin is not None and image.pin.digest != told


def _sooner(after: Next, seconds: float) -> Next:
    """Come back within seconds, too; whoever has an error to try again for does so anyway."""
    if after.error is not None and not after.awaits_news:
        return after
    if after.after is not None and after.after <= seconds:
        return after
    return replace(after, after=seconds)
