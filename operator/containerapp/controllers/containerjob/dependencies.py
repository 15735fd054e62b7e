"""What a job waits for: the newest runs of the jobs that it depends on. Pure.

`claims`, `follows` and `state` are asked for every job as it is stored, so that those who depend on it are reconciled
when it changes; `find` is asked by `gather`. A job that runs again makes those run again that follow it: the run that
they follow is a part of what their own run answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from containerapp.api.batch import Dependency
from containerapp.api.containerjob import ContainerJob
from containerapp.api.run_request import PREFIX
from containerapp.controllers.containerjob.indexes import parse
from containerapp.core.conditions import by_type
from containerapp.core.fingerprint import digest_of
from containerapp.core.model import Manifest, View
from containerapp.errors import Blocked, ContainerAppError, InvalidSpec, Transient


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependencies:
    """How the jobs stand that come first.

    `runs` are their newest runs; `indexes_of` the ones of which indexes count, by the first run that they repeat;
    `failed` are the indexes that have failed there. `obstacle` says why no run may start.
    """

    runs: tuple[str, ...] = ()
    indexes_of: str = ""
    failed: frozenset[int] = frozenset()
    obstacle: ContainerAppError | None = None


def claims(manifest: Manifest) -> frozenset[str]:
    """Return the name under which others follow the job."""
    return frozenset([_claim(manifest, manifest["metadata"]["name"])])


def follows(manifest: Manifest) -> frozenset[str]:
    """Return the names of the jobs that it depends on."""
    return frozenset(_claim(manifest, each["job"]) for each in manifest["spec"].get("dependsOn", ()))


def state(manifest: Manifest) -> str:
    """Return what changes with all that matters to those who follow the job: never a count."""
    status, spec = manifest.get("status") or {}, manifest["spec"]
    ready = by_type(status).get("Ready", {}).get("reason")
    parts = [_is_settled(manifest), status.get("run"), status.get("phase"), ready, spec.get("suspend")]
    return digest_of([*parts, spec.get("array"), spec.get("dependsOn")])


def find(job: ContainerJob, view: View) -> Dependencies:
    """Return how the dependencies of the job stand in its view."""
    if not job.spec.depends_on:
        return Dependencies()
    peers = {peer["metadata"]["name"]: peer for peer in view.peers}
    if ring := _ring(job, peers):
        message = (
            f"These ContainerJobs wait for each other: {' → '.join(ring)}. Remove one of them from dependsOn."
        )
        return Dependencies(obstacle=InvalidSpec("DependencyCycle", message))
    found = [(each, peers.get(each.job)) for each in job.spec.depends_on]
    obstacles = (_obstacle(job, each, peer) for each, peer in found)
    by_index = [peer for each, peer in found if peer and each.type == "NToN"]
    return Dependencies(
        runs=tuple(_status(peer).get("run", "") for _, peer in found if peer),
        indexes_of=" ".join(
            str(_status(peer).get("continues") or _status(peer).get("run")) for peer in by_index
        ),
        failed=frozenset(
            index for peer in by_index for index in parse(_status(peer).get("failedIndexes", ""))
        ),
        obstacle=next((each for each in obstacles if each), None),
    )


def _obstacle(job: ContainerJob, dependency: Dependency, peer: Manifest | None) -> ContainerAppError | None:
    name = dependency.job
    if peer is None:
        remedy = "Create it in this namespace, or remove it from dependsOn."
        return Transient(
            "DependencyMissing", f"Waiting for ContainerJob {name}, which does not exist. {remedy}"
        )
    if dependency.type == "NToN" and _size(peer) != (job.spec.array.size if job.spec.array else None):
        message = (
            f"ContainerJob {name} has no array of the same size: set array.size of both to the same number."
        )
        return InvalidSpec("DependencySize", message)
    status = _status(peer)
    outcome = _outcome(peer)
    if outcome == "Complete" or (outcome == "Failed" and dependency.type == "NToN" and _all_ran(peer)):
        return None
    if outcome == "Failed":
        message = (
            f"ContainerJob {name} has failed, so this one does not run. Mend it, or run it again: kubectl annotate "
            f"containerjob {name} -n {job.metadata.namespace} {PREFIX}$(date +%s)="
        )
        return Blocked("DependencyFailed", message)
    phase = status.get("phase") or "Pending"
    hint = " Set its spec.suspend to false." if peer["spec"].get("suspend") else ""
    return Transient(
        "WaitingForDependency", f"Waiting until ContainerJob {name}, now {phase}, has succeeded.{hint}"
    )


def _outcome(peer: Manifest) -> str:
    """Return how the newest run has ended, `Complete` or `Failed`; empty while one goes on or is due."""
    status = _status(peer)
    if not _is_settled(peer) or status.get("phase") in {"Pending", "Waiting", "Running"}:
        return ""
    true = {kind for kind, condition in by_type(status).items() if condition["status"] == "True"}
    if "Failed" in true:
        return "Failed"
    return "Complete" if true >= {"Complete", "Ready"} else ""


def _all_ran(peer: Manifest) -> bool:
    """Whether each index has succeeded or failed: none was left out."""
    status = _status(peer)
    return bool(status.get("succeeded", 0) + len(parse(status.get("failedIndexes", ""))) == _size(peer))


def _ring(job: ContainerJob, peers: dict[str, Manifest]) -> list[str]:
    """Return the names on the shortest way from the job back to itself, if there is one."""
    name = job.metadata.name
    ways, seen = [[name, each.job] for each in job.spec.depends_on], {name}
    while ways:
        way = ways.pop(0)
        if way[-1] == name:
            return way
        if way[-1] not in seen and (peer := peers.get(way[-1])):
            ways += [[*way, each["job"]] for each in peer["spec"].get("dependsOn", ())]
        seen.add(way[-1])
    return []


def _is_settled(manifest: Manifest) -> bool:
    """Whether the status speaks of the spec as it is now."""
    return bool(_status(manifest).get("observedGeneration") == manifest["metadata"].get("generation"))


def _status(manifest: Manifest) -> dict[str, Any]:
    return manifest.get("status") or {}


def _size(manifest: Manifest) -> int | None:
    size: int | None = (manifest["spec"].get("array") or {}).get("size")
    return size


def _claim(manifest: Manifest, name: str) -> str:
    return f"ContainerJob {manifest['metadata']['namespace']}/{name}"
