"""The overrides of an app, laid over what is rendered for it, and what they may not change. Pure.

`override_template` is called as a Pod template is rendered, so that a revision carries the result; `override_child` for
each child as it is written, after everything else. Identity, selectors, owners, images and what other fields of the
spec own stay as they were rendered; what is forbidden by the platform stays forbidden.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from containerapp.api.containerapp import ContainerApp
from containerapp.api.overrides import Override
from containerapp.controllers.restrictions import pod_of, violations
from containerapp.core.merge import merge
from containerapp.core.model import Manifest, is_built_in
from containerapp.core.policy import Policy
from containerapp.core.unchecked import as_map, as_maps
from containerapp.errors import InvalidSpec

_OWN_LABELS = re.compile(r"app\.kubernetes\.io/(name|managed-by)|pod-template-hash|containerapp\.dev/.*")
_OWN_ANNOTATIONS = re.compile(r"containerapp\.dev/.*|eks\.amazonaws\.com/role-arn")

_ADDRESSED = "it says which object this is"
_SELECTED = "by it the app's Pods are found"
_REMEDIES = {
    "metadata": _ADDRESSED,
    "metadata.labels": "the operator's own labels stay as they are",
    "metadata.annotations": "the operator's own annotations stay as they are",
    "spec.selector": _SELECTED,
    "spec.podSelector": _SELECTED,
    "spec.scaleTargetRef": _SELECTED,
    "spec.replicas": "set spec.replicas or spec.autoscaling instead",
    "spec.template.metadata.labels": _SELECTED,
    "spec.template.metadata.annotations": "the operator's own annotations stay as they are",
    "spec.template.spec.serviceAccountName": "set spec.serviceAccountName instead",
    "spec.template.spec.containers": "name and image come from spec.image and spec.sidecars",
    "spec.template.spec.initContainers": "name and image come from spec.initContainers and spec.sidecars",
}
"""By what cannot be changed: why, or what to do instead."""

_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
"""Sources of volumes that Pod Security `restricted` allows, and images."""


def unknown_kind(app: ContainerApp, kinds: tuple[str, ...]) -> InvalidSpec | None:
    """Return what to edit where an override names none of `kinds`, which can be overridden."""
    for number, override in enumerate(app.spec.overrides):
        if override.kind not in kinds:
            return InvalidSpec(
                "InvalidOverride",
                f"spec.overrides[{number}].kind {override.kind} cannot be overridden: it is one of {', '.join(kinds)}",
            )
    return None


def override_template(app: ContainerApp, policy: Policy, template: Manifest) -> Manifest:
    """Return the Pod template with the overrides of the Deployment's `spec.template` laid over it."""
    before: Manifest = {"kind": "Deployment", "spec": {"template": template}}
    after = before
    for number, override in enumerate(app.spec.overrides):
        if not _concerns(override, "Deployment", app.metadata.name):
            continue
        if "template" in (spec := as_map(override.patch.get("spec"))):
            after = _merge(number, after, {"spec": {"template": spec["template"]}}, strategic=True)
            _require_own(number, before, after)
            _require_safe_volumes(number, before, after)
    if after is not before:
        _require_allowed(after, policy)
    overridden: Manifest = after["spec"]["template"]
    return overridden


def override_child(app: ContainerApp, policy: Policy, manifest: Manifest) -> Manifest:
    """Return the child with the overrides of its kind laid over it; the Pod template has its own already."""
    kind, name = manifest["kind"], manifest["metadata"]["name"]
    if not any(_concerns(override, kind, name) for override in app.spec.overrides):
        return manifest
    after, strategic = manifest, is_built_in(manifest["apiVersion"])
    for number, override in enumerate(app.spec.overrides):
        if _concerns(override, kind, name):
            after = _merge(number, after, _without_template(override), strategic=strategic)
            _require_own(number, manifest, after)
    _require_allowed(after, policy)
    return after


def overridden_kinds(app: ContainerApp) -> frozenset[str]:
    """Return the kinds of children that the app overrides."""
    return frozenset(override.kind for override in app.spec.overrides)


def overridden_fields(app: ContainerApp) -> dict[str, list[str]]:
    """Return by kind the fields that overrides set or remove, without their values."""
    fields: dict[str, list[str]] = {}
    for override in app.spec.overrides:
        fields.setdefault(override.kind, []).extend(_paths(override.patch))
    return fields


def _concerns(override: Override, kind: str, name: str) -> bool:
    return override.kind == kind and override.name in {None, name}


def _without_template(override: Override) -> Manifest:
    """Return the patch without what the Pod template has already."""
    spec = override.patch.get("spec")
    if override.kind != "Deployment" or not isinstance(spec, dict):
        return override.patch
    return {**override.patch, "spec": {name: value for name, value in spec.items() if name != "template"}}


def _merge(number: int, base: Manifest, patch: Manifest, *, strategic: bool) -> Manifest:
    try:
        return merge(base, patch, strategic=strategic)
    except ValueError as error:
        raise InvalidSpec("InvalidOverride", f"spec.overrides[{number}].patch: {error}") from None


def _require_allowed(after: Manifest, policy: Policy) -> None:
    """Raise where the object has something that the platform forbids."""
    found = list(violations(after, policy))
    if found:
        raise InvalidSpec(
            "ForbiddenByPlatform",
            f"The platform forbids {'; '.join(found)}, which spec.overrides of kind {after['kind']} ask for: remove it "
            "from the patch, or ask the platform team to allow it",
        )


def _require_own(number: int, before: Manifest, after: Manifest) -> None:
    """Raise where an override changes what is not its to change."""
    kept, found = _own(before), _own(after)
    for path, remedy in _REMEDIES.items():
        if kept[path] != found[path]:
            raise InvalidSpec(
                "InvalidOverride", f"spec.overrides[{number}].patch cannot change {path}: {remedy}"
            )


def _own(manifest: Manifest) -> dict[str, Any]:
    """Return by path what stays as it was rendered."""
    metadata, spec = as_map(manifest.get("metadata")), as_map(manifest.get("spec"))
    template = as_map(spec.get("template"))
    pod, pod_metadata = as_map(template.get("spec")), as_map(template.get("metadata"))
    identity = {key: value for key, value in metadata.items() if key not in {"labels", "annotations"}}
    others = {key: value for key, value in manifest.items() if key in {"apiVersion", "kind", "status"}}
    return {
        "metadata": {**identity, **others},
        "metadata.labels": _matching(metadata.get("labels"), _OWN_LABELS),
        "metadata.annotations": _matching(metadata.get("annotations"), _OWN_ANNOTATIONS),
        "spec.selector": spec.get("selector"),
        "spec.podSelector": spec.get("podSelector"),
        "spec.scaleTargetRef": spec.get("scaleTargetRef"),
        "spec.replicas": spec.get("replicas"),
        "spec.template.metadata.labels": _matching(pod_metadata.get("labels"), _OWN_LABELS),
        "spec.template.metadata.annotations": _matching(pod_metadata.get("annotations"), _OWN_ANNOTATIONS),
        "spec.template.spec.serviceAccountName": (pod.get("serviceAccountName"), pod.get("serviceAccount")),
        "spec.template.spec.containers": _images(pod, "containers"),
        "spec.template.spec.initContainers": _images(pod, "initContainers"),
    }


def _matching(pairs: Any, own: re.Pattern[str]) -> Manifest:
    return {name: value for name, value in as_map(pairs).items() if own.fullmatch(name)}


def _images(pod: Manifest, field: str) -> list[tuple[Any, Any]]:
    return [(each.get("name"), each.get("image")) for each in as_maps(pod.get(field))]


def _require_safe_volumes(number: int, before: Manifest, after: Manifest) -> None:
    """Raise where an override mounts what Pod Security `restricted` does not allow, such as a folder of the node."""
    known, wanted = (as_maps(pod_of(manifest).get("volumes")) for manifest in (before, after))
    for volume in wanted:
        sources = sorted(set(volume) - {"name"} - _VOLUMES)
        if volume not in known and sources:
            raise InvalidSpec(
                "InvalidOverride",
                f"spec.overrides[{number}].patch adds the volume {volume.get('name')} of type {sources[0]}: name it in "
                "spec.volumes, where the platform decides about it",
            )


def _paths(value: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the path of each field that a patch says something about; items of lists by their names."""
    for name, part in value.items():
        path = f"{prefix}{name}"
        if isinstance(part, dict) and part:
            yield from _paths(part, f"{path}.")
        elif isinstance(part, list) and all(isinstance(item, dict) and "name" in item for item in part):
            for item in part:
                rest = {key: inner for key, inner in item.items() if key != "name"}
                yield from _paths(rest, f"{path}[{item['name']}].") if rest else (f"{path}[{item['name']}]",)
        else:
            yield path
