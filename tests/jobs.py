"""A ContainerJob and its world: what a reconcile makes of it, without a cluster."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from containerapp.api.containerjob import ContainerJob
from containerapp.api.schema import API_VERSION
from containerapp.controllers.containerjob.controller import CONTAINER_JOB, gather
from containerapp.core.model import Digests, Gathered, Key, Lookup, Manifest, Outcome, Resolved, View
from tests.builders import DIGEST, NOW, UID, as_stored, by_ref
from tests.expectations import conditions

AT = datetime.fromisoformat(NOW)


class _Registry:
    """Answers every question in one way."""

    def __init__(self, answer: Lookup | None = None) -> None:
        self.answer = answer or Resolved(digest=DIGEST, resolved_at=0.0)

    def lookup(self, *_: object, **__: object) -> Lookup:
        """Return the answer."""
        return self.answer

    def runs_by_tag(self, _: object) -> bool:
        """Return that digests are asked for."""
        return False

    def forget(self, *_: object, **__: object) -> None:
        """Do nothing."""


def a_job(spec: Manifest | None = None, status: Manifest | None = None, **annotations: str) -> ContainerJob:
    """Return the job report; each of the `annotations` asks for a run."""
    keys = {"note": "seen", **{f"run.containerapp.dev/{name}": value for name, value in annotations.items()}}
    return ContainerJob.parse(
        {
            "apiVersion": API_VERSION,
            "kind": "ContainerJob",
            "metadata": {
                "name": "report",
                "namespace": "default",
                "uid": UID,
                "generation": 1,
                "annotations": keys,
            },
            "spec": {"image": "report:1", **(spec or {})},
            **({"status": status} if status else {}),
        }
    )


def job_view(job: ContainerJob, live: Iterable[Manifest] = (), **fields: Any) -> View:
    """Return what the controller sees of it."""
    return View(key=Key("ContainerJob", "default", "report"), obj=job, live=by_ref(live), now=AT, **fields)


def digests(answer: Lookup | None = None) -> Digests:
    """Return a registry that answers so."""
    return _Registry(answer)


def reconciled(view: View, answer: Lookup | None = None, **outcome: Any) -> tuple[View, Manifest, Gathered]:
    """Return the world after a reconcile: what was made lives, what is not kept is gone, and the status says so."""
    gathered = gather(view, digests(answer))
    made = [as_stored(each) for _, each in CONTAINER_JOB.render(view.obj, gathered.inputs)]
    keep = CONTAINER_JOB.retained(view.obj, gathered.inputs)
    kept = {ref: each for ref, each in view.live.items() if ref.kind != "Job" or ref in keep}
    written = {ref: {**kept.get(ref, {}), **each} for ref, each in by_ref(made).items()}
    rest = {ref: each for ref, each in kept.items() if ref.kind != "Job"}
    after = replace(view, live={**kept, **written, **rest})
    status = CONTAINER_JOB.status(after, Outcome(gathered=gathered, **outcome), NOW)
    obj = view.obj.model_dump(by_alias=True, mode="json", exclude_unset=True) | {"status": status}
    return replace(after, obj=ContainerJob.parse(obj)), status, gathered


def edited(view: View, spec: Manifest, **annotations: str) -> View:
    """Return the world with another spec of the job."""
    job = a_job(spec, None, **annotations)
    status = view.obj.status
    return replace(view, obj=job.model_copy(update={"status": status}))


def ended(view: View, outcome: str = "Complete", *, ago: int = 60, **status: Any) -> View:
    """Return the world in which all Jobs have ended some seconds ago."""
    at = (AT - timedelta(seconds=ago)).isoformat().replace("+00:00", "Z")
    condition = {
        "type": outcome,
        "status": "True",
        "reason": "Because",
        "message": "It is so.",
        "lastTransitionTime": at,
    }
    ending = {"startTime": "2026-01-02T03:00:00Z", "conditions": [condition], **status}
    return replace(
        view,
        live={
            ref: {**each, "status": each.get("status") or ending} if ref.kind == "Job" else each
            for ref, each in view.live.items()
        },
    )


def job_names(view: View) -> list[str]:
    """Return the names of the Jobs that live."""
    return sorted(ref.name for ref in view.live if ref.kind == "Job")


def ready(status: Manifest) -> tuple[str, str, set[str]]:
    """Return what Ready says, and which of Reconciling and Stalled are true."""
    found = conditions(status)
    return found["Ready"]["status"], found["Ready"]["reason"], {"Reconciling", "Stalled"} & set(found)


def with_status(view: View, status: Manifest) -> View:
    """Return the world in which all Jobs stand so."""
    live = {ref: {**each, "status": status} if ref.kind == "Job" else each for ref, each in view.live.items()}
    return replace(view, live=live)
