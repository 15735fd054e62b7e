"""`down`: what goes with an app and what stays, and the deletion."""

from __future__ import annotations

from dataclasses import dataclass

import click

from containerapp.cli.acting import children, delete
from containerapp.cli.following import await_gone
from containerapp.cli.kinds import controller_named
from containerapp.cli.looks import look
from containerapp.cli.options import Target
from containerapp.cli.session import connected
from containerapp.core.model import Controller, Manifest, ObjectRef

_CLAIM = "PersistentVolumeClaim"


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """The app or the job that was shown, its kind, and a line for each claim that stays."""

    app: Manifest
    controller: Controller
    claims: tuple[str, ...]


async def show(target: Target, name: str) -> Removal:
    """Show what goes with an app or a job, and what stays."""
    async with connected(target) as cluster:
        kind, _, own = name.rpartition("/")
        controller = controller_named(kind)
        seen = await look(cluster, own, whole=False, controller=controller)
        going, staying = await children(cluster, seen.app, controller)
        sign = click.style("-", fg="red")
        click.echo(
            f"{sign} {controller.resource.kind} {own} in {cluster.namespace}, with its Pods: {len(seen.pods)}"
        )
        for each in going:
            data = f" ({_size(each)}), with its data" if each["kind"] == _CLAIM else ""
            click.echo(f"{sign} {ObjectRef.of(each)}{data}")
        for each in staying:
            if each["kind"] != _CLAIM:
                click.echo(f"  {ObjectRef.of(each)} stays: it was adopted, and outlives the app.")
        claims = tuple(_stays(each) for each in staying if each["kind"] == _CLAIM)
        for line in claims:
            click.echo(line)
        return Removal(app=seen.app, controller=controller, claims=claims)


def _stays(claim: Manifest) -> str:
    """Say that a claim outlives the app, and how it is deleted."""
    name, namespace = claim["metadata"]["name"], claim["metadata"]["namespace"]
    return (
        f"  {ObjectRef.of(claim)} ({_size(claim)}) stays, with its data. "
        f"To delete it: kubectl delete pvc {name} -n {namespace}"
    )


def _size(claim: Manifest) -> str:
    """Return how large the volume of a claim is, or is to be."""
    capacity = claim.get("status", {}).get("capacity") or claim["spec"]["resources"]["requests"]
    return str(capacity["storage"])


async def remove(target: Target, shown: Removal, timeout: float | None) -> None:  # noqa: ASYNC109 - ours
    """Delete the very object that was shown, and wait until it is gone."""
    async with connected(target) as cluster:
        await delete(cluster, shown.app, shown.controller.resource)
        if timeout is not None:
            await await_gone(cluster, shown.app["metadata"]["name"], timeout, shown.controller)
