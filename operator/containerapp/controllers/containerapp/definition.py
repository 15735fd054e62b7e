"""The definition of ContainerApp: names, columns of `kubectl get`, and the scale subresource. Pure."""

from __future__ import annotations

from containerapp.api.containerapp import ContainerApp
from containerapp.api.crd import Column, Definition

_READY = '.status.conditions[?(@.type=="Ready")]'

DEFINITION = Definition(
    kind="ContainerApp",
    plural="containerapps",
    short_name="capp",
    model=ContainerApp,
    scale=".spec.replicas",
    columns=(
        Column(
            name="Ready",
            type="string",
            path=f"{_READY}.status",
            description="Whether the app serves as its spec says.",
        ),
        Column(
            name="Status",
            type="string",
            path=f"{_READY}.reason",
            description="Why it is or is not ready, in one word.",
        ),
        Column(
            name="Image",
            type="string",
            path=".status.image.requested",
            description="The image as it was asked for.",
        ),
        Column(
            name="Replicas", type="integer", path=".status.readyReplicas", description="Pods that are ready."
        ),
        Column(
            name="URL",
            type="string",
            path=".status.url",
            description="Address of the app.",
        ),
        Column(
            name="Age",
            type="date",
            path=".metadata.creationTimestamp",
            description="Time since the app was made.",
        ),
        Column(
            name="Desired",
            type="integer",
            path=".spec.replicas",
            description="Pods that are wanted.",
            priority=1,
        ),
        Column(
            name="Digest",
            type="string",
            path=".status.image.digest",
            description="Digest of the image that runs.",
            priority=1,
        ),
        Column(
            name="Message",
            type="string",
            path=f"{_READY}.message",
            description="What is waited for, or what to do.",
            priority=1,
        ),
    ),
)
