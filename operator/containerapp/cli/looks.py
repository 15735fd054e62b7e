"""All that a person wants to know of one app, read at once: the app, its Pods, their Events, and what ails them.

Called by `status`, `events`, `up` and `wait`. Reads only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from containerapp.cli.kinds import controller_named
from containerapp.cli.session import Cluster
from containerapp.controllers.containerapp.controller import CONTAINER_APP
from containerapp.controllers.containerjob.controller import CONTAINER_JOB
from containerapp.controllers.workloads.diagnosis import diagnose
from containerapp.core.conditions import by_type
from containerapp.core.model import Controller, Manifest
from containerapp.engine.apply import url_of
from containerapp.kube.client import path

RESOURCE = CONTAINER_APP.resource
_REVISION = "deployment.kubernetes.io/revision"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """An app and what belongs to it, at one moment."""

    app: Manifest
    pods: tuple[Manifest, ...]
    events: tuple[Manifest, ...]
    replica_sets: tuple[Manifest, ...] = ()
    jobs: tuple[Manifest, ...] = ()

    @property
    def status(self) -> Manifest:
        """The app's status."""
        return self.app.get("status") or {}

    @property
    def conditions(self) -> dict[str, Manifest]:
        """The app's conditions by type."""
        return by_type(self.status)

    @property
    def current(self) -> bool:
        """Whether the status speaks of the newest generation."""
        return bool(self.status.get("observedGeneration", -1) >= self.app["metadata"]["generation"])

    @property
    def ready(self) -> bool:
        """Whether the newest generation is Ready."""
        return self.current and self.conditions.get("Ready", {}).get("status") == "True"

    @property
    def stalled(self) -> bool:
        """Whether waiting does not help the newest generation."""
        return self.current and self.conditions.get("Stalled", {}).get("status") == "True"

    @property
    def problem(self) -> str | None:
        """What ails the Pods, in one sentence with the remedy, where that is known."""
        if self.ready:
            return None
        found = diagnose(self.pods, self.events)
        return found.sentence if found else None


async def look(
    cluster: Cluster, name: str, *, whole: bool = True, controller: Controller = CONTAINER_APP
) -> Look:
    """Read an app, or the object of another `controller`, with its Pods.

    `whole`: with Events, too, and with the ReplicaSets of an app, the Jobs of a job.
    """
    app = await cluster.app(controller.resource, name)
    selector = f"{controller.label}={name}"
    pods = await items(cluster, path("v1", "pods", cluster.namespace), labels=selector)
    events: list[Manifest] = []
    replica_sets: list[Manifest] = []
    jobs: list[Manifest] = []
    if whole:
        if controller is CONTAINER_APP:
            url = path("apps/v1", "replicasets", cluster.namespace)
            replica_sets = await items(cluster, url, labels=selector)
        else:
            jobs = await items(cluster, path("batch/v1", "jobs", cluster.namespace), labels=selector)
        listed = await items(cluster, path("v1", "events", cluster.namespace))
        events = about(listed, app, [*pods, *replica_sets, *jobs])
    return Look(
        app=app,
        pods=tuple(sorted(pods, key=lambda pod: str(pod["metadata"]["name"]))),
        events=tuple(events),
        replica_sets=tuple(sorted(replica_sets, key=revision, reverse=True)),
        jobs=tuple(jobs),
    )


async def locate(cluster: Cluster, name: str) -> tuple[Controller, str]:
    """Return the kind and the name of the app, or of the job where there is no such app; `cjob/NAME` is the job."""
    kind, _, own = name.rpartition("/")
    if kind:
        return controller_named(kind), own
    for controller in (CONTAINER_APP, CONTAINER_JOB):
        if await cluster.find(url_of(controller.resource, cluster.namespace, own)) is not None:
            return controller, own
    return CONTAINER_APP, own


async def find(cluster: Cluster, name: str) -> Look:
    """Read what `locate` finds of a name."""
    controller, own = await locate(cluster, name)
    return await look(cluster, own, controller=controller)


async def items(cluster: Cluster, url: str, labels: str = "") -> list[Manifest]:
    """Return the objects of a list."""
    listed = await (cluster.client.get(url, labelSelector=labels) if labels else cluster.client.get(url))
    found: list[Manifest] = listed["items"]
    return found


def about(events: Iterable[Manifest], app: Manifest, others: Iterable[Manifest]) -> list[Manifest]:
    """Return the Events of an app, its children and its Pods, the oldest first."""
    own = {(app["kind"], app["metadata"]["name"])}
    own |= {(item["kind"], item["name"]) for item in (app.get("status") or {}).get("resources", ())}
    uids = {item["metadata"]["uid"] for item in others}
    found = [
        event
        for event in events
        if (event["involvedObject"].get("kind"), event["involvedObject"].get("name")) in own
        or event["involvedObject"].get("uid") in uids
    ]
    return sorted(found, key=when)


def when(event: Manifest) -> str:
    """Return the time of an Event, as text that sorts."""
    return str(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"]["creationTimestamp"])


def revision(replica_set: Manifest) -> int:
    """Return the number that the Deployment's controller has given a ReplicaSet."""
    return int((replica_set["metadata"].get("annotations") or {}).get(_REVISION, 0))


def age(timestamp: str | None, now: datetime | None = None) -> str:
    """Return the time since a moment as kubectl writes it: 12s, 5m, 3h, 7d."""
    if not timestamp:
        return "-"
    seconds = int(((now or datetime.now(UTC)) - datetime.fromisoformat(timestamp)).total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{max(0, seconds)}s"


def pod_state(pod: Mapping[str, Any]) -> str:
    """Return in a word how a Pod fares, as `kubectl get pods` says it."""
    status = pod.get("status", {})
    if "deletionTimestamp" in pod["metadata"]:
        return "Terminating"
    for container in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
        state = container.get("state", {})
        reason = (state.get("waiting") or state.get("terminated") or {}).get("reason")
        if reason and reason != "Completed":
            return str(reason)
    return str(status.get("reason") or status.get("phase", "Unknown"))


def ready_containers(pod: Mapping[str, Any]) -> str:
    """Return how many of a Pod's containers are ready."""
    statuses = pod.get("status", {}).get("containerStatuses", ())
    ready = sum(bool(each.get("ready")) for each in statuses)
    return f"{ready}/{len(pod['spec']['containers'])}"


def restarts(pod: Mapping[str, Any]) -> int:
    """Return how often a Pod's containers have been restarted."""
    return sum(
        int(each.get("restartCount", 0)) for each in pod.get("status", {}).get("containerStatuses", ())
    )
