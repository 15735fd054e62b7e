"""What tests put in: apps, pins and live objects, shaped as an API server holds them, and a clock.

Used by the tests of the pure core; nothing here is checked, everything can be overridden. What tests look for in the
result stands in `tests.expectations`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import replace
from datetime import datetime
from typing import Any

from containerapp.api import images
from containerapp.api.containerapp import ContainerApp
from containerapp.api.schema import API_VERSION
from containerapp.api.status import UNSEEN
from containerapp.controllers.containerapp.choice import choose
from containerapp.controllers.containerapp.controller import CONTAINER_APP
from containerapp.controllers.containerapp.inputs import Inputs
from containerapp.controllers.containerapp.rollout import Rollout
from containerapp.controllers.containerapp.template import wanted_template
from containerapp.controllers.workloads.image import Pinned, Resolving, by_tag, never_pulls, pin
from containerapp.core.diff import stamped
from containerapp.core.model import Key, Manifest, ObjectRef, PinnedImage, View

KIND = "ContainerApp"
NAME, NAMESPACE = "shop", "default"
KEY = Key(KIND, NAMESPACE, NAME)
UID = "0b7e4c1a-5f0d-4f5e-9d43-6a1d7c2b9e01"
OTHER_UID = "9c2f61d4-1111-4a6b-8f0e-2f6f0f3d7a02"
DIGEST = "sha256:" + "1" * 64
NEW_DIGEST = "sha256:" + "2" * 64
REFERENCE = "docker.io/library/shop:1.4.2"
BEFORE, NOW, LATER = "2026-01-01T00:00:00Z", "2026-01-02T03:04:05Z", "2026-01-03T00:00:00Z"

SERVICE_ACCOUNT = ObjectRef(api_version="v1", kind="ServiceAccount", name=NAME)
SERVICE = ObjectRef(api_version="v1", kind="Service", name=NAME)
DEPLOYMENT = ObjectRef(api_version="apps/v1", kind="Deployment", name=NAME)
REVISION = ObjectRef(api_version="apps/v1", kind="ControllerRevision", name=f"{NAME}-1")


class Clock:
    """A clock that stands still until it is told; in seconds."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def app_manifest(
    spec: Manifest | None = None,
    *,
    status: Manifest | None = None,
    annotations: Mapping[str, str] | None = None,
    **metadata: Any,
) -> Manifest:
    """Return a ContainerApp as plain JSON; `spec` is laid over the smallest one."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "name": NAME,
            "namespace": NAMESPACE,
            "uid": UID,
            "generation": 1,
            "resourceVersion": "1",
            "annotations": dict(annotations or {}),
            **metadata,
        },
        "spec": {"image": "shop:1.4.2", **(spec or {})},
        **({"status": status} if status is not None else {}),
    }


def an_app(
    spec: Manifest | None = None,
    *,
    status: Manifest | None = None,
    annotations: Mapping[str, str] | None = None,
    **metadata: Any,
) -> ContainerApp:
    """Return a parsed ContainerApp; see `app_manifest`."""
    return ContainerApp.parse(app_manifest(spec, status=status, annotations=annotations, **metadata))


def pinned(text: str = REFERENCE, digest: str = DIGEST, refresh: str | None = None) -> PinnedImage:
    """Return an image that was resolved to `digest`."""
    return pin(images.parse(text, default_registry="docker.io"), digest, refresh)


def inputs(image: PinnedImage | None = None, *, app: ContainerApp | None = None, **fields: Any) -> Inputs:
    """Return the inputs of a first reconcile of `app`: nothing lives yet."""
    owner = (app or an_app()).model_copy(update={"status": UNSEEN})
    found = Inputs(image=Pinned(pin=with_others(image or pinned(), owner)), **fields)
    return with_choice(found, a_view(owner, {}, platform=found.platform))


def _others(app: ContainerApp) -> tuple[tuple[str, PinnedImage], ...]:
    """Return the images of the further containers: all tags have one digest."""
    containers = (*app.spec.sidecars, *app.spec.init_containers)
    references = {each.name: images.parse(each.image, default_registry="docker.io") for each in containers}
    return tuple(
        (
            each.name,
            by_tag(references[each.name], None)
            if never_pulls(each)
            else pin(references[each.name], references[each.name].digest or DIGEST, None),
        )
        for each in containers
    )


def with_others(image: PinnedImage, app: ContainerApp) -> PinnedImage:
    """Return the image with those of the app's further containers."""
    return replace(image, others=_others(app))


def with_choice(found: Inputs, view: View) -> Inputs:
    """Return the inputs with the revision that runs, and with what lives."""
    live = view.live.get(ObjectRef(api_version="apps/v1", kind="Deployment", name=view.key.name))
    found = replace(found, rollout=Rollout.of(live), deployment=live)
    return replace(found, choice=choose(view.obj, found, view, wanted_template(view.obj, found)))


def unresolved() -> Inputs:
    """Return the inputs of a first reconcile before the registry has answered."""
    return Inputs(image=Resolving())


def rendered(app: ContainerApp, given: Inputs) -> list[Manifest]:
    """Return the children that are rendered for `app`, in the order in which they are written."""
    return [manifest for _, manifest in CONTAINER_APP.render(app, given)]


def desired_children(app: ContainerApp, image: PinnedImage | None = None) -> list[Manifest]:
    """Return what the operator would write for `app`."""
    return [
        manifest if manifest["kind"] == "ControllerRevision" else stamped(manifest)
        for manifest in rendered(app, inputs(image, app=app))
    ]


def a_view(
    app: ContainerApp, live: Mapping[ObjectRef, Manifest] | None = None, *, now: str = NOW, **fields: Any
) -> View:
    """Return what the controller sees of `app`; all its children live unless `live` says otherwise."""
    return View(
        key=Key(KIND, app.metadata.namespace, app.metadata.name),
        obj=app,
        live=live_children(app) if live is None else live,
        now=datetime.fromisoformat(now),
        **fields,
    )


def by_ref(manifests: Iterable[Manifest]) -> dict[ObjectRef, Manifest]:
    """Return the manifests by what they are."""
    return {ObjectRef.of(manifest): manifest for manifest in manifests}


def live_children(app: ContainerApp, image: PinnedImage | None = None) -> dict[ObjectRef, Manifest]:
    """Return the children of `app` as they live on a cluster, once all was written."""
    return by_ref(as_stored(manifest) for manifest in desired_children(app, image))


def as_stored(manifest: Manifest) -> Manifest:
    """Return `manifest` as an API server answers it: with an identity and Kubernetes' own defaults."""
    stored: Manifest = deepcopy(manifest)
    stored["metadata"] |= {
        "uid": f"uid-of-{manifest['kind']}",
        "resourceVersion": "100",
        "generation": 1,
        "creationTimestamp": BEFORE,
    }
    if manifest["kind"] == "Service":
        stored["spec"] |= {"clusterIP": "10.0.0.7", "sessionAffinity": "None", "ipFamilies": ["IPv4"]}
    if manifest["kind"] == "Deployment":
        pod = stored["spec"]["template"]["spec"]
        pod |= {"restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler"}
        pod["serviceAccount"] = pod["serviceAccountName"]
        pod["containers"][0] |= {"terminationMessagePath": "/dev/termination-log"}
    return stored


def with_rollout(
    deployment: Manifest,
    *,
    total: int = 1,
    updated: int = 1,
    available: int = 1,
    observed: int | None = None,
    conditions: Iterable[Manifest] = (),
) -> Manifest:
    """Return the Deployment with a status, as its controller writes it (zero counts are left out)."""
    counts = {
        "replicas": total,
        "updatedReplicas": updated,
        "readyReplicas": available,
        "availableReplicas": available,
    }
    generation = deployment["metadata"]["generation"] if observed is None else observed
    status = {
        "observedGeneration": generation,
        "conditions": list(conditions),
        **{key: count for key, count in counts.items() if count},
    }
    return {**deployment, "status": status}
