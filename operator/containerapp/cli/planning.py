"""The plan of an app: what an apply of its manifest would change, by the operator's own reconcile and by dry runs.

Called by `plan` and `up`. It never writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from containerapp.cli.costing import Estimate, autoscaled, estimate
from containerapp.cli.digests import Answers
from containerapp.cli.exits import Failure
from containerapp.cli.kinds import controller_of
from containerapp.cli.operator_settings import read_settings, registry_policy
from containerapp.cli.prices import BUILT_IN
from containerapp.cli.session import Cluster
from containerapp.controllers.containerapp.revisions import pods_label, running_number
from containerapp.controllers.containerapp.rollout import ended
from containerapp.core.changes import FieldChange, changes
from containerapp.core.conditions import by_type
from containerapp.core.model import Key, Manifest, ObjectRef
from containerapp.core.ownership import deleting
from containerapp.core.policy import Platform
from containerapp.engine.apply import url_of
from containerapp.engine.preview import Preview, Previewer


class Action(Enum):
    """What becomes of an object."""

    CREATE = "create"
    CHANGE = "change"
    DELETE = "delete"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectPlan:
    """What becomes of one object, and of which of its fields."""

    kind: str
    name: str
    action: Action
    fields: tuple[FieldChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PodsPlan:
    """How many Pods run before and after, and whether those that run are replaced, or resized as they run."""

    before: int
    after: int
    restart: bool
    strategy: str
    resize: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AppPlan:
    """What becomes of an app, its children and its Pods; `problem` is what keeps it from being Ready or planned."""

    key: Key
    app: ObjectPlan
    children: tuple[ObjectPlan, ...]
    pods: PodsPlan
    problem: str | None
    cost: tuple[Estimate, Estimate]
    """What it costs in a month before and after, by the built-in prices."""

    @property
    def empty(self) -> bool:
        """Whether nothing would change."""
        return all(each.action is Action.NONE for each in (self.app, *self.children))


@dataclass(kw_only=True)
class Planner:
    """Plans apps; what it has read of the operator's settings and of registries serves all of them."""

    cluster: Cluster
    platform: Platform
    answers: Answers
    force: bool

    @classmethod
    async def of(cls, cluster: Cluster, *, default_registry: str | None, force: bool) -> Planner:
        """Read what the operator was set up with that serves the namespace."""
        settings = await read_settings(cluster.client, cluster.namespace, default_registry)
        answers = Answers(policy=registry_policy(settings))
        return cls(cluster=cluster, platform=Platform.of(settings), answers=answers, force=force)

    async def plan(self, manifest: Manifest) -> AppPlan:
        """Plan the apply of one manifest."""
        controller = controller_of(manifest)
        assert controller is not None  # noqa: S101 - chosen by its kind
        metadata = manifest["metadata"]
        key = Key(manifest["kind"], metadata["namespace"], metadata["name"])
        live = await self.cluster.find(url_of(controller.resource, key.namespace, key.name))
        if live is not None and deleting(live):
            raise Failure(f"{key} is being deleted: wait until it is gone.")
        wanted = await self.cluster.apply(controller.resource, manifest, force=self.force, dry=True)
        previewer = Previewer(
            controller=controller,
            client=self.cluster.client,
            digests=self.answers,
            ask=self.answers.ask,
            settle=settle,
            platform=self.platform,
        )
        preview = await previewer.preview(wanted)
        return AppPlan(
            key=key,
            app=_object(key.kind, key.name, live, wanted),
            children=tuple(_children(preview)),
            pods=_pods(preview),
            problem=_problem(preview.status) or _pin(wanted),
            cost=(_cost(live, preview.before), _cost(wanted, preview.after)),
        )


def settle(child: Manifest) -> Manifest:
    """Return a child once its own controller has done all that it has to do."""
    return ended(child) if child["kind"] == "Deployment" else child


def _children(preview: Preview) -> Iterable[ObjectPlan]:
    for ref in dict.fromkeys([*preview.after, *preview.before]):
        yield _object(ref.kind, ref.name, preview.before.get(ref), preview.after.get(ref))


def _object(kind: str, name: str, before: Manifest | None, after: Manifest | None) -> ObjectPlan:
    fields = changes(before, after)
    if before is None:
        action = Action.CREATE
    elif after is None:
        action = Action.DELETE
    else:
        action = Action.CHANGE if fields else Action.NONE
    return ObjectPlan(kind=kind, name=name, action=action, fields=fields)


def _pods(preview: Preview) -> PodsPlan:
    """Say what becomes of the Pods: a changed template replaces them."""
    before, after = (_workload(children) for children in (preview.before, preview.after))
    was, will = _count(before), _scaled(_count(after), preview.after.values())
    changed = before is not None and after is not None and _template(before) != _template(after)
    strategy = (after or before or {}).get("spec", {}).get("strategy", {})
    how = str(strategy.get("type", ""))
    changes_pods = changed and was > 0 and will > 0
    resize = changes_pods and _keeps_pods(before or {}, after or {})
    return PodsPlan(before=was, after=will, restart=changes_pods and not resize, strategy=how, resize=resize)


def _keeps_pods(before: Manifest, after: Manifest) -> bool:
    """Whether the Pods of one revision become those of another one, by the label that they keep."""
    return running_number(before) != running_number(after) and pods_label(before) == pods_label(after) != ""


def _workload(children: Mapping[ObjectRef, Manifest]) -> Manifest | None:
    return next((child for ref, child in children.items() if ref.kind == "Deployment"), None)


def _template(workload: Manifest) -> Manifest:
    template: Manifest = workload["spec"]["template"]
    return template


def _count(workload: Manifest | None) -> int:
    return int(workload["spec"].get("replicas", 1)) if workload else 0


def _scaled(count: int, children: Iterable[Manifest]) -> int:
    """Return how many Pods an autoscaler leaves of `count`, by its bounds alone; none that it is to leave alone."""
    bounds = autoscaled(children)
    return max(bounds[0], min(count, bounds[1])) if bounds and count else count


def _cost(obj: Manifest | None, children: Mapping[ObjectRef, Manifest]) -> Estimate:
    return Estimate() if obj is None else estimate(obj, children.values(), BUILT_IN)


def _problem(status: Manifest) -> str | None:
    """Return what would keep the app from being Ready for good, or keeps it from being planned."""
    found = by_type(status)
    image = found.get("ImageResolved")
    if image is not None and image["reason"] == "NoCredentials":
        return (
            "The plan has no Pods, since the image cannot be looked up from here: you have no AWS credentials. "
            "Log in, as by `aws sso login`. The operator looks it up with its own."
        )
    if (stalled := found.get("Stalled")) is not None:
        return f"The app would not be Ready: {stalled['reason']}: {stalled['message']}"
    if image is not None and image["status"] != "True":
        return f"The plan has no Pods, since the image cannot be looked up from here: {image['message']}"
    return None


def _pin(wanted: Manifest) -> str | None:
    """Return what keeps a change of the app from its Pods: a revision that it stays on."""
    revision = (wanted["spec"].get("rollout") or {}).get("revision")
    if revision is None:
        return None
    return (
        f"The app stays at revision {revision}, as spec.rollout.revision says, whatever else changes. "
        f"To release it: containerapp rollback {wanted['metadata']['name']} --release"
    )
