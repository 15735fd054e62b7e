"""What a ContainerApp becomes, by the operator's own parse, gather and render, before anything of it lives."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from containerapp.api.images import ImageReference
from containerapp.cli.checks import require_valid
from containerapp.cli.exits import Failure
from containerapp.cli.kinds import controller_of
from containerapp.cli.reading import Document
from containerapp.core.external import Standing, State
from containerapp.core.model import Controller, Digests, Key, Lookup, Manifest, Pending, View
from containerapp.core.policy import Platform

_CLUSTER, _ID = "cluster", "id"
"""Stand for what only a cluster knows."""


class Tags:
    """Leaves every image at its tag: no registry is asked."""

    def lookup(
        self,
        reference: ImageReference,  # noqa: ARG002 - the protocol's
        app: Key,  # noqa: ARG002 - likewise
        *,
        request: str | None = None,  # noqa: ARG002 - likewise
        known: str | None = None,  # noqa: ARG002 - likewise
        architectures: bool = False,  # noqa: ARG002 - likewise
    ) -> Lookup:
        """Return that nothing is known."""
        return Pending()

    def runs_by_tag(self, reference: ImageReference) -> bool:  # noqa: ARG002 - the protocol's
        """Return that the tag stays."""
        return True

    def forget(
        self,
        app: Key,
        *,
        but: Collection[ImageReference] = (),
    ) -> None:
        """Do nothing: nothing is remembered."""


def children(
    document: Document, platform: Platform, namespace: str, digests: Digests, ask: Callable[[], None]
) -> list[Manifest]:
    """Return the children of a new object; where its image cannot be found, end with the reason.

    `ask` is called where `digests` waits for an answer.
    """
    require_valid([document])
    manifest = in_namespace(document.value, namespace)
    controller = controller_of(manifest)
    assert controller is not None  # noqa: S101 - custom_objects has chosen
    obj = controller.parse(manifest)
    metadata = manifest["metadata"]
    view = View(
        key=Key(manifest["kind"], metadata["namespace"], metadata["name"]),
        obj=obj,
        live={},
        now=datetime.now(UTC),
        platform=platform,
        preview=True,
        external=_outside(controller, obj, platform),
    )
    gathered = controller.gather(view, digests)
    if gathered.waits:
        ask()
        gathered = controller.gather(view, digests)
    if gathered.error is not None:
        raise Failure(f"{document.title}: {gathered.error.message}")
    rendered = controller.render(obj, gathered.inputs)
    return [_without_owner(child) for kind, child in rendered if not kind.internal]


def _outside(controller: Controller, obj: object, platform: Platform) -> dict[str, State]:
    """Take for made what is wanted outside Kubernetes: the Pods start once it is."""
    named = replace(
        platform, identity=replace(platform.identity, cluster=platform.identity.cluster or _CLUSTER)
    )
    wants = {external.kind: external.wanted(obj, named) for external in controller.external}
    return {kind: Standing(record=want.record(_ID)) for kind, want in wants.items() if want}


def in_namespace(manifest: Manifest, namespace: str) -> Manifest:
    """Return the manifest with `namespace` where it names none."""
    metadata: dict[str, Any] = manifest.get("metadata") or {}
    return {**manifest, "metadata": {**metadata, "namespace": metadata.get("namespace") or namespace}}


def _without_owner(child: Manifest) -> Manifest:
    """Drop the reference to an owner that no cluster has given a uid yet."""
    metadata = {key: value for key, value in child["metadata"].items() if key != "ownerReferences"}
    return {**child, "metadata": metadata}
