"""TriggerAuthentication: as whom KEDA asks AWS, for an app whose `autoscaling.triggers` do.

By KEDA's own role, however it has that (EKS Pod Identity or IRSA), or by one that it assumes with it. Never by keys.
"""

from __future__ import annotations

from collections.abc import Iterator

from containerapp.api.containerapp import ContainerApp
from containerapp.controllers.containerapp.inputs import Inputs
from containerapp.controllers.containerapp.scaling import TRIGGER_AUTHENTICATION, by_keda
from containerapp.controllers.pods.metadata import metadata
from containerapp.core.model import Child, Manifest, Prune


def render(app: ContainerApp, _inputs: Inputs) -> Iterator[Manifest]:
    """Yield the app's TriggerAuthentication, if a trigger asks AWS."""
    autoscaling = by_keda(app)
    if autoscaling is None or not autoscaling.asks_aws():
        return
    yield {
        "apiVersion": TRIGGER_AUTHENTICATION.api_version,
        "kind": TRIGGER_AUTHENTICATION.kind,
        "metadata": metadata(app),
        "spec": {
            "podIdentity": {
                "provider": "aws",
                **({"roleArn": autoscaling.role_arn} if autoscaling.role_arn else {}),
            }
        },
    }


CHILD = Child(resource=TRIGGER_AUTHENTICATION, render=render, prune=Prune.NOW)
