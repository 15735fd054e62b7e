"""Job: runs before the first Pod of a new revision, from its image and with all that its container has.

It runs once: a failure stops the rollout, and the user decides what is next. Its Pods carry none of the labels by which
the Service and the Deployment find the app's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from containerapp.api.containerapp import ContainerApp
from containerapp.api.workload import BeforeJob
from containerapp.controllers.containerapp.before import BEFORE_LABEL, State, ref_of
from containerapp.controllers.containerapp.inputs import Inputs
from containerapp.controllers.containerapp.revisions import REVISION
from containerapp.controllers.pods.job import RESOURCE
from containerapp.controllers.pods.metadata import metadata
from containerapp.controllers.pods.template import CONTAINER
from containerapp.core.model import APP_LABEL, MANAGED_BY_LABEL, MANAGER, NAME_LABEL, Child, Manifest

_OF_A_SERVER = {"ports", "lifecycle", "startupProbe", "livenessProbe", "readinessProbe"}
"""What a container that runs to its end does not have."""


def render(app: ContainerApp, inputs: Inputs) -> Iterator[Manifest]:
    """Yield the Job of the wanted revision until it has ended."""
    before, choice = app.spec.rollout.before, inputs.choice
    if before is None or choice is None or choice.wanted is None or choice.candidate is None:
        return
    if choice.job is not State.RUNNING:
        return
    name = ref_of(app, choice.wanted).name
    yield {
        "apiVersion": RESOURCE.api_version,
        "kind": RESOURCE.kind,
        "metadata": {**metadata(app, annotations={REVISION: str(choice.wanted.number)}), "name": name},
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": before.deadline_seconds,
            "template": _template(name, before, choice.candidate),
        },
    }


def _template(name: str, before: BeforeJob, template: Manifest) -> Manifest:
    spec = {key: value for key, value in template["spec"].items() if key != "topologySpreadConstraints"}
    containers = [
        _container(item, before) if item["name"] == CONTAINER else item for item in spec["containers"]
    ]
    labels = {NAME_LABEL: name, MANAGED_BY_LABEL: MANAGER, BEFORE_LABEL: name}
    others = {
        key: value
        for key, value in template["metadata"]["labels"].items()
        if not key.startswith(APP_LABEL.partition("/")[0])
    }
    metadata = {**template["metadata"], "labels": {**others, **labels}}
    return {"metadata": metadata, "spec": {**spec, "containers": containers, "restartPolicy": "Never"}}


def _container(container: Manifest, before: BeforeJob) -> Manifest:
    given: dict[str, Any] = {"command": list(before.command), "args": list(before.args)}
    kept = {
        key: value
        for key, value in container.items()
        if key not in _OF_A_SERVER and not (key in given and (before.command or key == "args"))
    }
    return kept | {key: value for key, value in given.items() if value}


CHILD = Child(resource=RESOURCE, render=render)
