"""The Pod template that the spec asks for, as this version of the operator renders it. Pure.

What runs is decided by `choice`: after a rollback, or where an earlier operator rendered, it is a recorded template.
"""

from __future__ import annotations

from containerapp.api.containerapp import ContainerApp
from containerapp.controllers.containerapp.inputs import Inputs
from containerapp.controllers.containerapp.references import with_references
from containerapp.controllers.overrides import override_template
from containerapp.controllers.pods.fargate import runnable
from containerapp.controllers.pods.identity import with_role
from containerapp.controllers.pods.secrets import with_secrets
from containerapp.controllers.pods.template import pod_template
from containerapp.controllers.workloads.identity import Denied, Waiting
from containerapp.controllers.workloads.image import Pinned
from containerapp.core.model import Manifest


def wanted_template(app: ContainerApp, inputs: Inputs) -> Manifest | None:
    """Return the template; None while its image has no digest, its secrets are not fetched, or its role is missing.

    Raises `InvalidSpec` where the overrides, or what Fargate lacks, leave no template to run.
    """
    image, secrets = inputs.image, inputs.secrets
    if not isinstance(image, Pinned) or not secrets.ready or isinstance(inputs.role, Waiting | Denied):
        return None
    template = with_secrets(
        pod_template(app, image.pin), app, version=secrets.version, mounted=secrets.backend == "csi"
    )
    template = with_role(with_references(template, inputs.references), inputs.facts)
    return runnable(app, override_template(app, inputs.platform.policy, template))
