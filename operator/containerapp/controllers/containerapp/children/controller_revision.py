"""ControllerRevision: the history of the app's Pod templates, each with what it was rendered from.

A revision never changes; its annotations say how it went. A rollback takes its template from here.
`kubectl get controllerrevisions -l containerapp.dev/app=NAME` lists them.
"""

from __future__ import annotations

from collections.abc import Iterator

from containerapp.api.containerapp import ContainerApp
from containerapp.controllers.containerapp.inputs import Inputs
from containerapp.controllers.containerapp.revisions import RESOURCE
from containerapp.controllers.pods.metadata import metadata
from containerapp.core.model import Child, Manifest


def render(app: ContainerApp, inputs: Inputs) -> Iterator[Manifest]:
    """Yield the revisions to keep; the template only of one that does not exist yet."""
    choice = inputs.choice
    for revision in choice.revisions if choice else ():
        base = metadata(app, annotations=revision.annotations())
        manifest: Manifest = {
            "apiVersion": RESOURCE.api_version,
            "kind": RESOURCE.kind,
            "metadata": {**base, "name": revision.ref(app.metadata.name).name},
        }
        if choice is not None and revision == choice.wanted and choice.created is not None:
            manifest |= {"revision": revision.number, "data": {"template": choice.created}}
        yield manifest


CHILD = Child(resource=RESOURCE, render=render, internal=True)
