"""The revisions of an app: shown, compared, and pinned. The operator keeps them, and does the rollback."""

from __future__ import annotations

import json

import click

from containerapp.cli.exits import NOT_FOUND, Failure
from containerapp.cli.following import Progress, follow
from containerapp.cli.looks import RESOURCE, age
from containerapp.cli.options import Target
from containerapp.cli.screen import screen
from containerapp.cli.session import Cluster, connected
from containerapp.cli.tables import table
from containerapp.controllers.containerapp.revisions import RESOURCE as REVISIONS
from containerapp.core.changes import changes
from containerapp.core.model import Manifest
from containerapp.engine.apply import url_of

_GOOD = "Good"


async def history(target: Target, name: str) -> str:
    """Return a row for each revision."""
    async with connected(target) as cluster:
        app = await cluster.app(RESOURCE, name)
    status = app.get("status") or {}
    revisions = status.get("revisions", ())
    if not revisions:
        return f"{name} has no revision yet. See `containerapp status {name}`."
    rows = [
        (
            each["revision"],
            _marks(each["revision"], app),
            each.get("outcome", "-"),
            each.get("cause", "-"),
            age(each.get("createdAt")),
            each.get("image", "-"),
            each.get("message", ""),
        )
        for each in revisions
    ]
    return table(("REVISION", "", "OUTCOME", "CAUSE", "AGE", "IMAGE", "MESSAGE"), rows)


def _marks(number: int, app: Manifest) -> str:
    """Say which revision runs, and which one is pinned."""
    marks = []
    if number == (app.get("status") or {}).get("currentRevision"):
        marks.append("runs")
    if number == _pinned(app):
        marks.append("pinned")
    return ", ".join(marks)


async def pin(target: Target, name: str, number: int | None, *, release: bool) -> int | None:
    """Write which revision runs; return its number, None where the manifest decides again."""
    async with connected(target) as cluster:
        app = await cluster.app(RESOURCE, name)
        chosen = None if release else number or _previous(app)
        if chosen is not None:
            await _template(cluster, name, chosen)
        change = {"spec": {"rollout": {"revision": chosen}}}
        await cluster.patch(url_of(RESOURCE, cluster.namespace, name), change)
        return chosen


async def follow_rollback(target: Target, name: str, timeout: float) -> None:  # noqa: ASYNC109 - ours
    """Follow until the chosen revision is Ready."""
    async with connected(target) as cluster:
        with screen() as say:
            seen = await follow(cluster, name, timeout, Progress(say=say))
        number = seen.status.get("currentRevision")
        click.echo(click.style(f"{name} is Ready", fg="green") + f": revision {number} runs.")


async def difference(target: Target, name: str, old: int, new: int) -> list[str]:
    """Return a line for each field of the Pods in which two revisions differ."""
    async with connected(target) as cluster:
        before, after = await _template(cluster, name, old), await _template(cluster, name, new)
    lines = []
    for change in changes(before, after):
        shown = [json.dumps(value, ensure_ascii=False) for value in (change.before, change.after)]
        lines.append(f"{change.path}: {shown[0]} → {shown[1]}")
    return lines


async def _template(cluster: Cluster, name: str, number: int) -> Manifest:
    """Return the Pod template of a revision; end the command where there is no such revision."""
    stored = await cluster.find(url_of(REVISIONS, cluster.namespace, f"{name}-{number}"))
    if stored is None:
        raise Failure(
            f"{name} has no revision {number}. `containerapp history {name}` lists those that are kept.",
            NOT_FOUND,
        )
    template: Manifest = stored["data"]["template"]
    return template


def _previous(app: Manifest) -> int:
    """Return the last good revision before the one that runs; before a pinned one, by number.

    The number is no measure elsewhere: a manifest that says what an earlier one has said runs its revision again.
    """
    name, status = app["metadata"]["name"], app.get("status") or {}
    current, pinned = status.get("currentRevision"), _pinned(app)
    good = [
        int(each["revision"])
        for each in status.get("revisions", ())
        if each["revision"] != current
        and (each.get("outcome") == _GOOD)
        and (not pinned or each["revision"] < pinned)
    ]
    if not good:
        pin = (
            f"It stays at revision {pinned}; `rollback --to N` runs another one, `--release` ends that. "
            if pinned
            else ""
        )
        raise Failure(
            f"{name} has no earlier revision that was good. {pin}See `containerapp history {name}`.",
            NOT_FOUND,
        )
    return max(good)


def _pinned(app: Manifest) -> int | None:
    pinned: int | None = (app["spec"].get("rollout") or {}).get("revision")
    return pinned
