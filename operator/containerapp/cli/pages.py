"""The page of `status` for an app, and parts of it that other commands show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from containerapp.cli.looks import (
    Look,
    age,
    pod_state,
    ready_containers,
    restarts,
    when,
)
from containerapp.cli.tables import table
from containerapp.controllers.containerapp.revisions import REVISION
from containerapp.core.model import Manifest

_EVENTS = 10
_REVISIONS = 5


def page(look: Look) -> str:
    """Return everything about an app on one page."""
    return "\n".join(_sections(look))


def _sections(look: Look) -> Iterator[str]:
    yield headline(look)
    yield from _facts(look)
    if problem := look.problem:
        yield ""
        yield click.style(problem, fg="red")
    yield ""
    yield conditions(look)
    if look.replica_sets:
        yield ""
        yield revisions(look.replica_sets[:_REVISIONS])
    if look.pods:
        yield ""
        yield pods(look.pods)
    if look.events:
        yield ""
        yield events(look.events[-_EVENTS:])


def conditions(look: Look) -> str:
    """Return the conditions of an app or a job."""
    rows = [
        (each["type"], each["status"], each["reason"], age(each["lastTransitionTime"]), each["message"])
        for each in look.status.get("conditions", ())
    ]
    return table(("CONDITION", "STATUS", "REASON", "SINCE", "MESSAGE"), rows)


def headline(look: Look) -> str:
    """Say in one line how the app fares."""
    metadata, ready = look.app["metadata"], look.conditions.get("Ready", {})
    name = f"{metadata['name']} in {metadata['namespace']}"
    if not look.current:
        return f"{name}: the operator has not seen the last change yet"
    state = "Ready" if look.ready else "Stalled" if look.stalled else "not Ready"
    colour = "green" if look.ready else "red" if look.stalled else "yellow"
    return f"{name}: {click.style(state, fg=colour, bold=True)} ({ready.get('reason', 'Unknown')})"


def _pinned(look: Look) -> Iterator[str]:
    """Say that the app stays on a revision, whatever its image."""
    revision = (look.app["spec"].get("rollout") or {}).get("revision")
    if revision is not None:
        name = look.app["metadata"]["name"]
        yield f"  Pinned to revision {revision}, until `containerapp rollback {name} --release`"


def _facts(look: Look) -> Iterator[str]:
    status = look.status
    newest = look.replica_sets[0]["metadata"]["creationTimestamp"] if look.replica_sets else None
    yield f"  URL    {status.get('url') or '-'}"
    yield f"  Image  {image(look, f', for {age(newest)}' if newest else '')}"
    yield (
        f"  Pods   {status.get('readyReplicas', 0)} of {status.get('replicas', 0)} ready, "
        f"{status.get('updatedReplicas', 0)} of the newest version"
    )
    yield from _pinned(look)


def image(look: Look, since: str = "") -> str:
    """Return the image that runs, with the beginning of its digest and since when; and what is asked for, if other.

    Another one runs where the app is pinned to a revision, was rolled back, or waits for the registry.
    """
    found = look.status.get("image") or {}
    digest = found.get("digest", "")
    asked = str(found.get("requested") or look.app["spec"]["image"])
    runs = _image(look.replica_sets[0]) if look.replica_sets else ""
    name, _, other = runs.partition("@")
    if not runs or (other == digest if digest else runs == found.get("reference")):
        return _with_digest(asked, digest, since)
    current = look.status.get("currentRevision")
    known = (each.get("image") for each in look.status.get("revisions", ()) if each["revision"] == current)
    return (
        f"{_with_digest(next(known, None) or name, other)}; the spec asks for {_with_digest(asked, digest)}"
    )


def _with_digest(name: str, digest: str, since: str = "") -> str:
    return f"{name} ({digest[:19]}…{since})" if digest else f"{name}{since}"


def revisions(replica_sets: Sequence[Manifest]) -> str:
    """Return the ReplicaSets, the newest first, by the revisions of `history` that they were made for."""
    rows = [
        (
            (each["spec"]["template"]["metadata"].get("labels") or {}).get(REVISION, "-"),
            each["spec"].get("replicas", 0),
            age(each["metadata"]["creationTimestamp"]),
            _image(each),
        )
        for each in replica_sets
    ]
    return table(("REVISION", "PODS", "AGE", "IMAGE"), rows)


def pods(listed: Sequence[Manifest]) -> str:
    """Return Pods as `kubectl get pods` shows them."""
    rows = [
        (
            pod["metadata"]["name"],
            ready_containers(pod),
            pod_state(pod),
            restarts(pod),
            age(pod["metadata"]["creationTimestamp"]),
            pod["spec"].get("nodeName", "-"),
        )
        for pod in listed
    ]
    return table(("POD", "READY", "STATE", "RESTARTS", "AGE", "NODE"), rows)


def events(listed: Sequence[Manifest]) -> str:
    """Return Events, the oldest first."""
    rows = [
        (
            age(when(event)),
            event.get("type", ""),
            event.get("reason", ""),
            f"{event['involvedObject'].get('kind')}/{event['involvedObject'].get('name')}",
            " ".join(str(event.get("message", "")).split()),
        )
        for event in listed
    ]
    return table(("AGE", "TYPE", "REASON", "OBJECT", "MESSAGE"), rows)


def _image(replica_set: Manifest) -> str:
    containers = replica_set["spec"]["template"]["spec"]["containers"]
    return str(next((each["image"] for each in containers if each["name"] == "app"), containers[0]["image"]))
