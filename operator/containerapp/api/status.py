"""The status of a ContainerApp: what the operator reports, as `kubectl explain` describes it.

Written by the controller of ContainerApp and read back for what must survive a restart (the image's digest,
condition times). Unknown fields are ignored, so that an older operator can read what a newer one wrote. It
never repeats the spec.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from containerapp.api.schema.kubernetes import Condition, ConditionList
from containerapp.api.schema.rules import StatusModel


class ImageStatus(StatusModel):
    """The image that the spec asks for, and how its digest came to be."""

    requested: str | None = None
    """`spec.image` as it was when it was resolved."""
    reference: str | None = None
    """The same, fully qualified: with its registry and tag."""
    digest: str | None = None
    """Digest that the reference stood for when `spec.image` last changed."""
    refresh: str | None = None
    """Value of the annotation `containerapp.dev/refresh-image` that the digest answers. To take the new
    digest of a tag that was pushed again, set the annotation to any other value."""
    latest_digest: str | None = None
    """Digest that the tag stands for now, where that is another one than what runs."""


class IdentityStatus(StatusModel):
    """The EKS Pod Identity association of the app."""

    association_id: str | None = None
    """Id of the association, for example `a-1a2b3c4d5e6f7g8h9`."""
    service_account: str | None = None
    """ServiceAccount that it gives the role to."""
    applied: str | None = None
    """Short text that stands for what was written to the association. Another one restarts the Pods."""


class RevisionStatus(StatusModel):
    """A revision: one Pod template of the app, and how it went."""

    revision: int
    """Number of the revision; its ControllerRevision is named `<app>-<number>`."""
    image: str | None = None
    """The image by its tag."""
    cause: str | None = None
    """Why it was made: `Created`, `ImageChanged`, `DigestChanged`, `SpecChanged`, `ConfigurationChanged` or
    `OperatorUpgraded`."""
    outcome: str | None = None
    """`Progressing`, `Good`, `Failed` or `Superseded` (by another one before it was good)."""
    created_at: str | None = None
    """When it was made."""
    message: str | None = None
    """Why it failed."""


class ResourceReference(StatusModel):
    """An object that the operator made for the app."""

    api_version: str
    """API group and version of the object."""
    kind: str
    """Kind of the object."""
    name: str
    """Name of the object, in the app's namespace."""


class ContainerAppStatus(StatusModel):
    """The app as it was last seen; written by the operator alone."""

    observed_generation: int = -1
    """`metadata.generation` that this status speaks of. While it is behind, the last change has not been
    seen yet; -1 until the operator has observed the app."""
    conditions: Annotated[ConditionList, Field(max_length=32)] = ()
    """What holds of the app: `Ready` sums up; `Reconciling` and `Stalled` are there only while they are
    true, the one for work in progress, the other for what needs your edit; `ImageResolved`, `Available`
    and `RolledOut` are the parts of it. Wait with `kubectl wait --for=condition=Ready capp/<name>`."""
    url: str | None = None
    """Address that the app answers at: inside the cluster, or the load balancer's where it has one."""
    image: ImageStatus | None = None
    """The image that the spec asks for, by tag and digest. It runs, unless `rollout.revision` or a rollback keeps an
    older revision: `revisions` has the image of each."""
    identity: IdentityStatus | None = None
    """The EKS Pod Identity association that the operator keeps for the app."""
    current_revision: int | None = None
    """Number of the revision whose Pods run, or are being started."""
    last_good_revision: int | None = None
    """Number of the revision that was last available as a whole; it runs again when a new one fails."""
    revisions: Annotated[tuple[RevisionStatus, ...], Field(max_length=16)] = ()
    """The last revisions and how they went, the newest first."""
    replicas: int | None = None
    """Pods of the app, of whatever version and health; part of the scale subresource."""
    updated_replicas: int | None = None
    """Pods that run the current version."""
    ready_replicas: int | None = None
    """Pods that are ready to serve."""
    selector: str | None = None
    """Label selector of the app's Pods, as text; part of the scale subresource, where a
    HorizontalPodAutoscaler reads it."""
    resources: tuple[ResourceReference, ...] = ()
    """The objects made for the app. What disappears from this list is removed from the cluster."""


UNSEEN = ContainerAppStatus(
    conditions=(
        Condition(
            type="Ready",
            status="Unknown",
            last_transition_time="1970-01-01T00:00:00Z",
            reason="Pending",
            message="The operator has not observed this ContainerApp yet. "
            "If this lasts, check that it runs and serves this namespace.",
        ),
    )
)
"""What the API server itself says of an app that is new. A tool that reads kstatus takes an object without conditions
for healthy; the date is that of the Gateway API's own such defaults.
"""
