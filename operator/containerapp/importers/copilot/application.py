"""A manifest of AWS Copilot as an app or a job.

Called by the command line for each environment. Every type of workload but static sites has a place here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from containerapp.importers import placeholders, schedules, units
from containerapp.importers.copilot import containers, reach, scaling, settings
from containerapp.importers.copilot.containers import Work
from containerapp.importers.copilot.environments import for_environment, names
from containerapp.importers.manifest import Draft, imported
from containerapp.importers.naming import object_name
from containerapp.importers.source import Imported, Refusal, Source, source
from containerapp.importers.wishes import Wishes

_PUBLIC = {
    "load balanced web service": True,
    "request-driven web service": True,
    "backend service": False,
    "worker service": False,
}
_JOB = "scheduled job"
_REFUSED = {
    "static site": "A static site is files in Amazon S3 behind CloudFront: leave it there, or build an image that"
    " serves them, as with nginx, and make an app of it.",
    "environment": "This is the manifest of an environment: VPC, load balancer and cluster are the platform's here."
    " Give the manifest of a service: copilot/NAME/manifest.yml.",
}
_EVERY = re.compile(r"@every (.+)|rate\(((?:[0-9.]+(?:h|m|s|ms))+)\)")


def from_copilot(
    manifest: Any,
    wishes: Wishes,
    *,
    environment: str | None,
    values: Mapping[str, str],
    read: Callable[[str], str | None],
) -> Imported:
    """Return what a manifest becomes in an environment.

    `values` are those of placeholders, `read` gives the text of a file by its path from the root of the workspace.
    Raises `Refusal` where the manifest describes something else.
    """
    kind = str(manifest.get("type", "")).lower() if isinstance(manifest, dict) else ""
    if kind in _REFUSED:
        raise Refusal(_REFUSED[kind])
    if kind not in {*_PUBLIC, _JOB}:
        raise Refusal(
            "This is no manifest of a Copilot service or job: give copilot/NAME/manifest.yml, which has a type."
        )
    known = {**({"COPILOT_ENVIRONMENT_NAME": environment} if environment else {}), **values}
    root = source(placeholders.fill(for_environment(manifest, environment), known))
    name = object_name(wishes.name or root.at("name").named(), longest=52 if kind == _JOB else 63)
    draft = Draft(
        name=name, kind="ContainerJob" if kind == _JOB else "ContainerApp", namespace=wishes.namespace
    )
    work = Work(manifest=root, draft=draft, wishes=wishes, values=known, read=read)
    others = names(manifest)
    if environment and others and environment not in others:
        root.at("name").note(
            f"it says nothing of its own for the environment {environment}; it does for {', '.join(others)}"
        )
    root.at("type").take()
    root.at("name").take()
    _fill(work, kind)
    return imported([root], [draft], work.beside)


def _fill(work: Work, kind: str) -> None:
    settings.settings(work)
    if kind == _JOB:
        _job(work)
    else:
        scaling.count(work)
        reach.reach(work, public=_is_public(work.manifest, kind))
    containers.own(work)
    containers.beside(work)
    name = work.manifest.at("name")
    name.note(
        "Copilot gave the task a role, with the rights of its addons: name its ARN in identity.roleArn, and let"
        " pods.eks.amazonaws.com assume it"
    )
    name.note(
        "Copilot ran it on Fargate; Pods run on any node: placement.fargate: true where a Fargate profile selects the"
        " namespace"
    )
    name.note(
        "Copilot also set COPILOT_APPLICATION_NAME, COPILOT_ENVIRONMENT_NAME, COPILOT_SERVICE_NAME and others: write"
        " those that the program reads to env. Other services are called by their names alone"
    )


def _is_public(manifest: Source, kind: str) -> bool:
    private = manifest.at("http").at("private")
    is_private = isinstance(private.value, dict) or private.flag()
    private.at("endpoint").lose(
        "a load balancer is reached within the VPC: make a VPC endpoint service of it yourself"
    )
    return _PUBLIC[kind] and not is_private


def _job(work: Work) -> None:
    """Carry when a job runs, how often it is tried, and for how long."""
    manifest, draft = work.manifest, work.draft
    on = manifest.at("on").at("schedule")
    text = on.text()
    if text == "none":
        schedules.on_demand(draft)
    else:
        schedules.put(draft, on, _schedule(text))
    draft.put("concurrencyPolicy", "Allow", "as Copilot, which starts a run though another one is running")
    retries = manifest.at("retries").number()
    draft.put("retry", {"attempts": min(retries, 99) + 1} if retries > 0 else None)
    draft.put("deadlineSeconds", units.duration(manifest.at("timeout").text()) or None)
    manifest.at("count").lose("a run is one task; `array` has many Pods")
    if manifest.at("image").at("port"):
        manifest.at("image").at("port").lose("a job answers no requests")


def _schedule(text: str) -> str:
    """Return a schedule of Copilot's as EventBridge's: `@every 1h30m` is a rate in minutes."""
    found = _EVERY.fullmatch(text)
    seconds = units.duration(found[1] or found[2]) if found else None
    if not seconds:
        return text
    minutes = max(1, round(seconds / 60))
    return f"rate({minutes} minute{'s' if minutes > 1 else ''})"
