"""One reconcile: read, parse, gather, render, plan, converge, status, patch. The imperative shell around the pure core.

Called by the workers in main with a key, whatever happened to it: state is read, never remembered, so any reconcile,
after any crash, from any event, brings the cluster to what the app's spec asks for. Nothing here knows kopf.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from containerapp.api import images
from containerapp.api.v1alpha1 import API_VERSION, KIND, PLURAL, ContainerApp
from containerapp.diagnosis import pod_problem
from containerapp.digests import DigestResolver, Failed, Pending, Resolved
from containerapp.errors import Blocked, ContainerAppError, InvalidSpec, Transient
from containerapp.events import Event, event_manifest, transitions
from containerapp.inventory import deleting, owned_by, owned_by_predecessor
from containerapp.kube.cache import Cache, without_managed_fields
from containerapp.kube.client import Client, Conflict, Invalid, NamespaceTerminating, NotFound, path
from containerapp.model import (
    ADOPT_ANNOTATION,
    AppKey,
    ImageState,
    Inputs,
    Manifest,
    ObjectRef,
    Outcome,
    PinnedImage,
)
from containerapp.pinning import answers_refresh, pin, recorded_pin, refresh_token
from containerapp.plan import Plan, differs, make_plan, stamped
from containerapp.render import CHILDREN, render
from containerapp.status import Rollout, compute_status, invalid_status, is_urgent

_logger = logging.getLogger(__name__)

_PENDING_GRACE = 1.0
"""Seconds that a registry may take before the status says that it is waited for."""

_PROGRESS_INTERVAL = 2.0
"""Seconds between two patches that tell no more than another count of Pods."""

_DIAGNOSE_AFTER = 10.0
"""Seconds of rollout after which the Pods are asked what they wait for."""

_DIAGNOSE_INTERVAL = 20.0
_ABSENT_VERSION = "1"
"""No stored object has this resourceVersion: applying with it creates an object or fails with a conflict."""

_PLURALS = {(child.api_version, child.kind): child.plural for child in CHILDREN}
_ORDER = {(child.api_version, child.kind): number for number, child in enumerate(CHILDREN)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """When to come back: after seconds of our own choice, or by backoff because of an error.

    `awaits_news`: whoever met the error tries again by itself, and will say so.
    """

    after: float | None = None
    error: ContainerAppError | None = None
    awaits_news: bool = False
    gone: bool = False


@dataclass(kw_only=True)
class Reconciler:
    """Brings one app at a time to what its spec asks for. `clock` is monotonic, `now` is UTC."""

    client: Client
    cache: Cache
    digests: DigestResolver
    default_registry: str
    clock: Callable[[], float]
    now: Callable[[], datetime]
    _pending_since: dict[AppKey, float] = field(default_factory=dict)
    _patched_at: dict[AppKey, float] = field(default_factory=dict)
    _announced: dict[AppKey, tuple[Event, int]] = field(default_factory=dict)

    async def reconcile(self, key: AppKey) -> Next:
        """Run all phases once for the app at `key`."""
        manifest = self.cache.app(key)
        if manifest is None:
            self._forget(key)
            return Next(gone=True)
        if deleting(manifest):
            return Next()
        try:
            app = ContainerApp.parse(manifest)
        except InvalidSpec as error:
            status = invalid_status(manifest, error, self._timestamp())
            return await self._finish(key, manifest, status, Next(error=error))
        image = self._gather(key, app)
        if image.pending and self._waited(key) < _PENDING_GRACE:
            return Next(after=_PENDING_GRACE)
        plan = self._plan(key, app, image)
        if _recreates(plan, app) and not await self._still_exists(key, app):
            return Next(gone=True)
        obstacle = await self._converge(key, app, plan)
        if isinstance(obstacle, NamespaceTerminating):
            return Next()
        outcome = Outcome(
            image=image,
            error=obstacle,
            resources=self._inventory(key, app),
            pod_problem=await self._diagnose(key, app),
        )
        status = compute_status(app, outcome, self.cache.children(key), self._timestamp())
        return await self._finish(key, manifest, status, self._next(key, app, image, obstacle))

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
                pass
        if latest is None and known is not None and known.reference == record.reference:
            latest = known.latest_digest
        moved_to = None if latest == record.digest else latest
        return ImageState(pin=record, latest_digest=moved_to, news_error=trouble)

    def _plan(self, key: AppKey, app: ContainerApp, image: ImageState) -> Plan:
        return make_plan(
            desired=[stamped(manifest) for manifest in render(app, Inputs(image=image.pin))],
            live=self.cache.children(key),
            owner=(app.metadata.name, app.metadata.uid),
            adopt=app.metadata.annotations.get(ADOPT_ANNOTATION) == "true",
            prune=image.pin is not None,
        )

    async def _still_exists(self, key: AppKey, app: ContainerApp) -> bool:
        """Ask whether the app is still there, before a child that was there is made again.

        Children vanish with their app, and after a broken watch nobody may have told of the app's own end.
        """
        try:
            stored = without_managed_fields(await self.client.get(path(API_VERSION, PLURAL, *key)))
        except NotFound:
            self.cache.drop_app(key, app.metadata.uid)
            return False
        self.cache.put_app(stored)
        return stored["metadata"]["uid"] == app.metadata.uid and not deleting(stored)

    async def _converge(self, key: AppKey, app: ContainerApp, plan: Plan) -> ContainerAppError | None:
        """Write what differs, prune what is no longer wanted; return the first thing that went wrong."""
        errors: list[ContainerAppError] = [_name_taken(ref) for ref in plan.foreign]
        if plan.empty:
            return errors[0] if errors else None
        _logger.info("Writing %s", _summary(plan), extra={"app": key[1], "namespace": key[0]})
        writes = (
            *(partial(self._create, key, app, manifest) for manifest in plan.creates),
            *(partial(self._update, key, manifest) for manifest in plan.updates),
            *(partial(self._delete, key, ref) for ref in plan.deletes),
        )
        for write in writes:
            try:
                await write()
            except ContainerAppError as error:
                errors.append(error)
        return errors[0] if errors else None

    async def _create(self, key: AppKey, app: ContainerApp, manifest: Manifest) -> None:
        """Create a child that was not seen; where one exists after all, find out whose it is."""
        body = {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": _ABSENT_VERSION}}
        try:
            self._learn(manifest, await self.client.apply(_url(key, ObjectRef.of(manifest)), body))
        except Conflict:
            existing = without_managed_fields(await self.client.get(_url(key, ObjectRef.of(manifest))))
            if deleting(existing) or owned_by_predecessor(existing, app.metadata.name, app.metadata.uid):
                raise Transient(
                    "PredecessorTerminating", f"Waiting for the old {ObjectRef.of(manifest)} to be removed."
                ) from None
            if (
                not owned_by(existing, app.metadata.uid)
                and app.metadata.annotations.get(ADOPT_ANNOTATION) != "true"
            ):
                raise _name_taken(ObjectRef.of(manifest)) from None
            await self._write_over(key, manifest, existing["metadata"]["uid"])

    async def _update(self, key: AppKey, manifest: Manifest) -> None:
        await self._write_over(
            key, manifest, self.cache.children(key)[ObjectRef.of(manifest)]["metadata"]["uid"]
        )

    async def _write_over(self, key: AppKey, manifest: Manifest, uid: str) -> None:
        """Write over the live object; where both make no valid one together, ours wins (two ports of one name, say)."""
        url = _url(key, ObjectRef.of(manifest))
        body = {**manifest, "metadata": {**manifest["metadata"], "uid": uid}}
        try:
            stored = await self.client.apply(url, body)
        except Invalid:
            if "spec" not in manifest:
                raise
            await self.client.merge(url, {"metadata": {"uid": uid}, "spec": manifest["spec"]})
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

    async def _delete(self, key: AppKey, ref: ObjectRef) -> None:
        try:
            await self.client.delete(_url(key, ref), self.cache.children(key)[ref]["metadata"]["uid"])
        except NotFound:
            _logger.debug("%s was gone already", ref)

    async def _diagnose(self, key: AppKey, app: ContainerApp) -> str | None:
        """Ask the Pods what they wait for, once a rollout takes longer than usual."""
        deployment = self._deployment(key, app)
        if deployment is None or Rollout.of(deployment).complete or self._rolling_for(app) < _DIAGNOSE_AFTER:
            return None
        labels = deployment["spec"]["selector"]["matchLabels"]
        selector = ",".join(f"{name}={value}" for name, value in labels.items())
        try:
            pods = await self.client.get(path("v1", "pods", key[0]), labelSelector=selector, limit="50")
        except ContainerAppError as error:
            _logger.warning("Cannot ask the Pods of %s/%s: %s", *key, error)
            return None
        return pod_problem(pods["items"])

    async def _finish(self, key: AppKey, manifest: Manifest, status: Manifest, after: Next) -> Next:
        """Patch the status if it changed, at most once; a mere count may wait for the next one."""
        old = manifest.get("status") or {}
        if status == old:
            return after
        since = self.clock() - self._patched_at.get(key, -_PROGRESS_INTERVAL)
        if not is_urgent(old, status) and since < _PROGRESS_INTERVAL:
            return _sooner(after, _PROGRESS_INTERVAL - since)
        body = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {"name": key[1], "namespace": key[0], "uid": manifest["metadata"]["uid"]},
            "status": status,
        }
        try:
            stored = await self.client.apply(path(API_VERSION, PLURAL, key[0], key[1], "status"), body)
        except (NotFound, Conflict):
            self.cache.drop_app(key, manifest["metadata"]["uid"])
            return Next(after=_PROGRESS_INTERVAL)
        except ContainerAppError as error:
            return Next(error=error)
        self._patched_at[key] = self.clock()
        self.cache.put_app(without_managed_fields(stored))
        await self._tell(key, manifest, old, status)
        return after

    async def _tell(self, key: AppKey, manifest: Manifest, old: Manifest, new: Manifest) -> None:
        for event in transitions(old, new):
            if self._announced.get(key) == (event, new["observedGeneration"]):
                continue  # a Pod that was lost and replaced is no new rollout
            self._announced[key] = (event, new["observedGeneration"])
            _logger.info("%s: %s", event.reason, event.message, extra={"app": key[1], "namespace": key[0]})
            try:
                await self.client.create(
                    path("v1", "events", key[0]), event_manifest(event, manifest, self._timestamp())
                )
            except ContainerAppError as error:
                _logger.warning("The event %s of %s/%s is lost: %s", event.reason, *key, error)

    def _next(
        self, key: AppKey, app: ContainerApp, image: ImageState, error: ContainerAppError | None
    ) -> Next:
        if error is not None:
            return Next(error=error)
        if image.error is not None:
            return Next(error=image.error, awaits_news=True)
        rollout = Rollout.of(self._deployment(key, app))
        return Next(after=_DIAGNOSE_INTERVAL if rollout.exists and not rollout.complete else None)

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

    def _rolling_for(self, app: ContainerApp) -> float:
        """Seconds since the status began to say Reconciling; 0 where it does not."""
        conditions = {condition.type: condition for condition in app.status.conditions}
        since = conditions.get("Reconciling") or conditions.get("Stalled")
        if since is None:
            return 0.0
        return (self.now() - datetime.fromisoformat(since.last_transition_time)).total_seconds()

    def _waited(self, key: AppKey) -> float:
        return self.clock() - self._pending_since.get(key, self.clock())

    def _timestamp(self) -> str:
        return self.now().strftime("%Y-%m-%dT%H:%M:%SZ")

    def _forget(self, key: AppKey) -> None:
        self.digests.forget(key)
        self._pending_since.pop(key, None)
        self._patched_at.pop(key, None)
        self._announced.pop(key, None)


def _url(key: AppKey, ref: ObjectRef) -> str:
    return path(ref.api_version, _PLURALS[ref.api_version, ref.kind], key[0], ref.name)


def _recreates(plan: Plan, app: ContainerApp) -> bool:
    """Whether the plan creates a child that the status says was there before."""
    known = {(resource.api_version, resource.kind, resource.name) for resource in app.status.resources}
    created = (ObjectRef.of(manifest) for manifest in plan.creates)
    return any((ref.api_version, ref.kind, ref.name) in known for ref in created)


def _name_taken(ref: ObjectRef) -> Blocked:
    return Blocked(
        "NameTaken",
        f"{ref} exists already and does not belong to this app. Rename the app, delete the {ref.kind}, or let the "
        f"app take it over with the annotation {ADOPT_ANNOTATION}=true.",
    )


def _summary(plan: Plan) -> str:
    parts: Mapping[str, list[str]] = {
        "create": [str(ObjectRef.of(manifest)) for manifest in plan.creates],
        "update": [str(ObjectRef.of(manifest)) for manifest in plan.updates],
        "delete": [str(ref) for ref in plan.deletes],
    }
    return "; ".join(f"{verb} {', '.join(names)}" for verb, names in parts.items() if names)


def _sooner(after: Next, seconds: float) -> Next:
    if after.error is not None or (after.after is not None and after.after <= seconds):
        return after
    return Next(after=seconds)
