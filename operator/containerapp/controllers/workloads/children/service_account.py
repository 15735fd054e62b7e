"""ServiceAccount: the identity of the app's Pods, one for each app unless the user names one.

Its token is not mounted: most apps never call the Kubernetes API.
"""

from __future__ import annotations

from collections.abc import Iterator

from containerapp.controllers.pods.metadata import metadata
from containerapp.controllers.pods.workload import Workload
from containerapp.controllers.workloads.inputs import PodInputs
from containerapp.core.model import Child, Manifest, Resource


def render(app: Workload, inputs: PodInputs) -> Iterator[Manifest]:
    """Yield the app's ServiceAccount, unless `serviceAccountName` names an existing one."""
    if app.spec.service_account_name is not None:
        return
    yield {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(app, annotations=inputs.account_annotations),
        "automountServiceAccountToken": False,
    }


CHILD = Child(
    resource=Resource(api_version="v1", kind="ServiceAccount", plural="serviceaccounts"),
    render=render,
    overridable=True,
)
