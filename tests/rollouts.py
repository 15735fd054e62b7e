"""A cluster in miniature for the state machine of revisions: what is rendered lives at once; a test says how Pods fare.

It runs the controller's own `gather`, renderers and status, and stands in for Kubernetes' Deployment and Job
controllers and for the clock. Used by the tests of `choice`; nothing here is checked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from containerapp.api.containerapp import ContainerApp
from containerapp.controllers.containerapp.choice import Choice
from containerapp.controllers.containerapp.controller import gather, retained, settled
from containerapp.controllers.containerapp.failure import Finding
from containerapp.controllers.containerapp.revisions import RESOURCE, RETRY
from containerapp.controllers.containerapp.status import compute_status
from containerapp.controllers.workloads.diagnosis.kinds import LIKELY
from containerapp.core.model import Gathered, Manifest, ObjectRef, Outcome, Resolved, View
from containerapp.core.policy import Platform
from containerapp.core.targets import Targets
from tests.builders import DIGEST, KEY, an_app, as_stored, rendered
from tests.resizes import Pods

CRASH = Finding(sentence="Pod shop-1: exit code 1.", certainty=LIKELY, failures=3, output="no database")
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
JOB = "Job"


class _Answers:
    """Every tag has the same digest."""

    def lookup(self, *_: Any, **__: Any) -> Resolved:
        return Resolved(digest=DIGEST, resolved_at=0.0)

    def runs_by_tag(self, _reference: object) -> bool:
        return False

    def forget(self, *_: object, **__: object) -> None:
        return


def image_of(deployment: Manifest) -> str:
    """Return the repository and tag that the Deployment's revision was made for."""
    reference: str = deployment["metadata"]["annotations"]["containerapp.dev/image"]
    return reference.rpartition("/")[2]


@dataclass(kw_only=True)
class Cluster:
    """The app, what lives of it, and which images fail."""

    spec: Manifest = field(default_factory=lambda: {"image": "shop:1"})
    annotations: dict[str, str] = field(default_factory=dict)
    bad: set[str] = field(default_factory=set)
    bad_jobs: set[str] = field(default_factory=set)
    live: dict[ObjectRef, Manifest] = field(default_factory=dict)
    status: Manifest = field(default_factory=dict)
    platform: Platform = field(default_factory=lambda: Platform(version="1"))
    now: datetime = BEGINNING
    generation: int = 1
    may_render: bool = False
    writes: list[str] = field(default_factory=list)
    jobs: list[str] = field(default_factory=list)
    change: Callable[[Manifest], Manifest] = lambda template: template
    choice: Choice = field(default_factory=Choice)
    gathered: Gathered | None = None
    targets: Targets | None = None
    below: Pods = field(default_factory=Pods)
    refused: str = ""
    rehearses: bool = False

    def edit(self, **spec: Any) -> Cluster:
        """Change the spec; a value of None removes the field."""
        self.spec = {key: value for key, value in {**self.spec, **spec}.items() if value is not None}
        self.generation += 1
        return self

    def retry(self, token: str = "again") -> Cluster:  # noqa: S107 - no password
        """Ask for another try of a revision that has failed."""
        self.annotations[RETRY] = token
        return self

    @property
    def app(self) -> ContainerApp:
        """The app as it is stored."""
        options = {"status": self.status} if self.status else {}
        return an_app(self.spec, annotations=self.annotations, generation=self.generation, **options)

    @property
    def deployment(self) -> Manifest | None:
        """The live Deployment."""
        return self.live.get(ObjectRef(api_version="apps/v1", kind="Deployment", name="shop"))

    @property
    def running(self) -> int:
        """The number of the revision whose template the Deployment has; 0 where there is none."""
        return (
            int(self.deployment["metadata"]["annotations"]["containerapp.dev/revision"])
            if self.deployment
            else 0
        )

    @property
    def revisions(self) -> list[int]:
        """The numbers of the revisions that are kept."""
        return sorted(int(ref.name.rpartition("-")[2]) for ref in self.live if ref.kind == RESOURCE.kind)

    def condition(self, kind: str) -> tuple[str, str]:
        """Return status and reason of a condition."""
        found = {each["type"]: each for each in self.status["conditions"]}
        return (found[kind]["status"], found[kind]["reason"]) if kind in found else ("", "")

    def message(self, kind: str) -> str:
        """Return the message of a condition."""
        return str({each["type"]: each for each in self.status["conditions"]}[kind]["message"])

    def reconcile(self, *, crash_after: str = "") -> None:
        """Run the phases once; with `crash_after` a kind of child, the operator dies once that is written."""
        app = self.app
        view, gathered = self._gather(self.view(app))
        self.refused = next(filter(None, map(self.below.patch, gathered.patches)), "")
        if crash_after == "Patch":
            return
        self.gathered, self.choice = gathered, gathered.inputs.choice or Choice()
        wanted = rendered(app, gathered.inputs)
        for manifest in wanted:
            self._write(manifest)
            if crash_after and manifest["kind"] == crash_after:
                return
        self._prune(app, wanted, gathered)
        after = replace(view, live={ref: _as_watched(child) for ref, child in self.live.items()})
        stamp = self.now.strftime("%Y-%m-%dT%H:%M:%SZ")
        self.status = compute_status(after, Outcome(gathered=gathered), stamp)

    def view(self, app: ContainerApp) -> View:
        """Return what the controller sees."""
        return View(
            key=KEY,
            obj=app,
            live={ref: _as_watched(child) for ref, child in self.live.items()},
            now=self.now,
            platform=self.platform,
            finding=self._finding(),
            may_render=self.may_render,
            targets=self.targets,
            refused=self.refused,
            rehearses=self.rehearses,
        )

    def _gather(self, view: View) -> tuple[View, Gathered]:
        gathered = gather(view, _Answers())
        while not (view.loaded.keys() >= set(gathered.load) and view.answers.keys() >= set(gathered.queries)):
            view = replace(
                view,
                loaded={**view.loaded, **{ref: self.live.get(ref) for ref in gathered.load}},
                answers={**view.answers, **{each: self.below.answer(each) for each in gathered.queries}},
            )
            gathered = gather(view, _Answers())
        return view, gathered

    def settle(self, turns: int = 8) -> Cluster:
        """Reconcile while Kubernetes works, until neither has anything left to do."""
        for _ in range(turns):
            self.reconcile()
            self.now += timedelta(seconds=60)
            self.work()
        self.reconcile()
        return self

    def work(self) -> None:
        """Let Kubernetes' controllers do what they do: a good image becomes available, a Job ends."""
        if self.deployment is not None:
            self.deployment["status"] = self._rollout(self.deployment)
        for ref, child in self.live.items():
            if ref.kind == JOB and "status" not in child:
                bad = child["metadata"]["annotations"]["for"] in self.bad_jobs
                condition = {"type": "Failed" if bad else "Complete", "status": "True"}
                child["status"] = {"conditions": [condition]}

    def _rollout(self, deployment: Manifest) -> Manifest:
        wanted = deployment["spec"].get("replicas", 1)
        failing = image_of(deployment) in self.bad
        available = 0 if failing else wanted
        found = self.below.roll(deployment, self.now, fails=failing)
        counts = {"replicas": wanted, "availableReplicas": available, **found}
        return {"observedGeneration": deployment["metadata"]["generation"], **counts}

    def _finding(self) -> Finding | None:
        failing_job = any(
            ref.kind == JOB and child.get("status", {}).get("conditions", [{}])[0].get("type") == "Failed"
            for ref, child in self.live.items()
        )
        observed = self.deployment is not None and self.deployment.get("status", {}).get("updatedReplicas")
        crashes = observed and self.deployment is not None and image_of(self.deployment) in self.bad
        return CRASH if crashes or failing_job else None

    def _write(self, manifest: Manifest) -> None:
        ref, old = ObjectRef.of(manifest), self.live.get(ObjectRef.of(manifest))
        if old is not None and ref.kind == JOB:
            return
        stored = as_stored(manifest)
        if ref.kind == "Deployment":
            stored["spec"]["template"] = manifest["spec"]["template"]
        if old is not None:
            kept: Manifest = {
                key: old[key] for key in ("data", "revision") if key in old and key not in manifest
            }
            kept_notes = old["metadata"].get("annotations", {}) if ref.kind == RESOURCE.kind else {}
            notes = {**kept_notes, **manifest["metadata"].get("annotations", {})}
            stored = {**stored, **kept}
            stored["metadata"] |= {
                "annotations": notes,
                "generation": old["metadata"]["generation"] + (stored.get("spec") != old.get("spec")),
                "creationTimestamp": old["metadata"]["creationTimestamp"],
            }
            if "status" in old:
                stored["status"] = old["status"]
        else:
            stored["metadata"]["creationTimestamp"] = self.now.strftime("%Y-%m-%dT%H:%M:%SZ")
        if ref.kind == JOB and old is None:
            self.jobs.append(ref.name)
            stored["metadata"].setdefault("annotations", {})["for"] = self.spec["image"]
        if stored != old:
            self.writes.append(ref.kind)
        self.live[ref] = stored

    def _prune(self, app: ContainerApp, wanted: list[Manifest], gathered: Gathered) -> None:
        view = View(key=KEY, obj=app, live=self.live, now=self.now)
        if not gathered.complete or not settled(view, gathered.inputs):
            return
        keep = {*map(ObjectRef.of, wanted), *retained(app, gathered.inputs)}
        self.live = {ref: child for ref, child in self.live.items() if ref in keep or ref.kind == JOB}


def _as_watched(child: Manifest) -> Manifest:
    """Return what an informer has of a child."""
    if child["kind"] != RESOURCE.kind:
        return child
    return {key: child[key] for key in ("apiVersion", "kind", "metadata")}


__all__ = ["BEGINNING", "CRASH", "Cluster", "image_of"]
