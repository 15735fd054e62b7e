"""What rendering needs besides the app itself. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from containerapp.controllers.containerapp.image import Image
from containerapp.controllers.containerapp.rollout import Rollout
from containerapp.controllers.pods.template import CONTAINER
from containerapp.core.model import Manifest, PinnedImage

_NO_ROLLOUT = Rollout.of(None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """The image, how far the rollout has come, and the Service and the Deployment as they live."""

    image: Image
    rollout: Rollout = _NO_ROLLOUT
    service: Manifest | None = None
    deployment: Manifest | None = None

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

    @property
    def pin(self) -> PinnedImage | None:
        """The image that runs or may run; None until a digest is known."""
        return self.image.pin
