"""What rendering the Pods of any kind needs besides the object itself. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from containerapp.controllers.workloads.identity import Granted, Role
from containerapp.controllers.workloads.image import Image
from containerapp.controllers.workloads.secrets import SecretsState
from containerapp.core.model import Manifest, PinnedImage
from containerapp.core.policy import Platform

_NO_SETTINGS = Platform()


@dataclass(frozen=True, slots=True, kw_only=True)
class PodInputs:
    """What the Pods of any kind need: the image, and what comes from outside the spec.

    `facts` are what the Pods depend on outside the spec, such as the version of a ConfigMap: a change makes a revision.
    `secrets` says how far the secrets are fetched. `claims` are the live claims by name, `config_maps` the names of the
    live ConfigMaps.
    """

    image: Image
    platform: Platform = _NO_SETTINGS
    facts: Mapping[str, str] = field(default_factory=dict)
    secrets: SecretsState = field(default_factory=SecretsState)
    role: Role | None = None
    """How the IAM role of the Pods stands; None where they have none."""
    claims: Mapping[str, Manifest] = field(default_factory=dict)
    config_maps: frozenset[str] = frozenset()

    @property
    def account_annotations(self) -> Mapping[str, str]:
        """What the ServiceAccount carries so that its Pods get their role."""
        return self.role.annotations if isinstance(self.role, Granted) else {}

    @property
    def pin(self) -> PinnedImage | None:
        """The image that runs or may run; None until a digest is known and the Pods can have their role."""
        return self.image.pin if self.role is None or isinstance(self.role, Granted) else None
