"""ConfigMap: the texts of `spec.files`, immutable, under a name that has a hash of them.

A new text is a new ConfigMap and so a new revision. The ConfigMaps of revisions that can be rolled back to are kept.
Nobody can edit an immutable ConfigMap, so the watches keep its metadata alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from containerapp.controllers.pods.files import texts, texts_name
from containerapp.controllers.pods.metadata import metadata
from containerapp.controllers.pods.workload import Workload
from containerapp.controllers.workloads.inputs import PodInputs
from containerapp.core.model import Child, Manifest, Resource


def render(app: Workload, inputs: PodInputs) -> Iterator[Manifest]:
    """Yield the ConfigMap of the app's texts, if it has any; of one that lives, what can still change."""
    data = texts(app)
    if not data:
        return
    name = texts_name(app)
    yield {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {**metadata(app), "name": name},
        **({} if name in inputs.config_maps else {"immutable": True, "data": data}),
    }


CHILD = Child(
    resource=Resource(api_version="v1", kind="ConfigMap", plural="configmaps", metadata_only=True),
    render=render,
)
