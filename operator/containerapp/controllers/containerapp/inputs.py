"""What rendering needs besides the app itself. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from containerapp.api.expose import GatewayReference
from containerapp.controllers.containerapp.exposure.route import Route
from containerapp.controllers.containerapp.references import Record
from containerapp.controllers.containerapp.rollout import Rollout
from containerapp.controllers.pods.template import CONTAINER
from containerapp.controllers.workloads.inputs import PodInputs
from containerapp.core.model import Manifest, ObjectRef
from containerapp.core.policy import Platform

if TYPE_CHECKING:
    from containerapp.controllers.containerapp.choice import Choice
    from containerapp.controllers.containerapp.moving import Move
    from containerapp.controllers.containerapp.resize import Resize

_NO_SETTINGS = Platform()
_NO_REFERENCES = Record()
_NO_ROLLOUT = Rollout.of(None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs(PodInputs):
    """How far the rollout has come, the Service and the Deployment as they live, and which revision runs."""

    rollout: Rollout = _NO_ROLLOUT
    service: Manifest | None = None
    deployment: Manifest | None = None
    choice: Choice | None = None
    resize: Resize | None = None
    """How Pods that run come to what the template says."""
    move: Move | None = None
    """How the app's only Pod leaves a node that is to go."""
    references: Record = _NO_REFERENCES
    """The versions of the ConfigMaps and Secrets that the app names."""
    route: Route | None = None
    held: int | None = None
    """Seconds that a new Pod must be ready to count, while its load balancer holds the rollout back."""
    kept: frozenset[ObjectRef] = frozenset()
    """The account and the claims that stay although nothing asks for them: the last good revision may run again."""
    keda: bool = True
    """Whether the cluster has the kinds of KEDA."""

    @property
    def fewest_pods(self) -> int:
        """The fewest Pods that are to run although the spec may ask for fewer."""
        return self.move.pods if self.move is not None else 0

    @property
    def gateway(self) -> GatewayReference | None:
        """The Gateway that leads to the app, if one does."""
        return self.route.gateway if self.route is not None and self.route.leads_by("gateway") else None

    @property
    def live_ports(self) -> dict[str, int] | None:
        """The app's ports in the template that the Deployment has now, by name; None where there is no Deployment.

        Those of sidecars, which others add, are no business of the app's.
        """
        if self.deployment is None:
            return None
        containers = self.deployment["spec"]["template"]["spec"]["containers"]
        return {
            port["name"]: port["containerPort"]
            for container in containers
            if container["name"] == CONTAINER
            for port in container.get("ports", [])
            if "name" in port
        }
