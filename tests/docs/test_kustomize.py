"""Kustomize with the project's configuration follows an app's image, replicas and references; without it, not."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from containerapp.api import crd
from containerapp.controllers.containerapp.definition import DEFINITION
from devcluster import binaries
from tests.docs.pages import ROOT, blocks

_CONFIGURATION = ROOT / "examples" / "kustomize" / "containerapp.yaml"
_KINDS = {
    "configMapKeyRef/name": "ConfigMap",
    "configMapRef/name": "ConfigMap",
    "secretKeyRef/name": "Secret",
    "secretRef/name": "Secret",
    "imagePullSecrets/name": "Secret",
    "serviceAccountName": "ServiceAccount",
}
"""How a path into the spec ends that names another object."""

_APP = """
apiVersion: containerapp.dev/v1alpha1
kind: ContainerApp
metadata: {name: shop}
spec:
  image: shop:1
  port: 8080
  serviceAccountName: shop-sa
  imagePullSecrets: [{name: registry}]
  env:
  - {name: CURRENCY, valueFrom: {configMapKeyRef: {name: settings, key: CURRENCY}}}
  - {name: PASSWORD, valueFrom: {secretKeyRef: {name: registry, key: password}}}
  envFrom:
  - {configMapRef: {name: settings}}
  - {secretRef: {name: registry}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: shop-sa}
---
apiVersion: v1
kind: Secret
metadata: {name: registry}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: shop}
spec:
  scaleTargetRef: {apiVersion: containerapp.dev/v1alpha1, kind: ContainerApp, name: shop}
  maxReplicas: 4
"""


@pytest.fixture(scope="module")
def kubectl(request: pytest.FixtureRequest) -> Path:
    """The kubectl program, which has Kustomize in it."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
        return binaries.obtain(["kubectl"])["kubectl"]


def _kustomization() -> dict[str, Any]:
    """Return the kustomization that the GitOps page prints."""
    (text,) = [block.text for block in blocks() if block.text.startswith("# kustomization.yaml")]
    return dict(yaml.safe_load(text))


def _built(kubectl: Path, folder: Path, kustomization: dict[str, Any]) -> dict[tuple[str, str], Any]:
    """Return what Kustomize makes of the app, by kind and by name without the hash."""
    (folder / "shop.yaml").write_text(_APP)
    (folder / "containerapp.yaml").write_text(_CONFIGURATION.read_text())
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    done = subprocess.run(
        [str(kubectl), "kustomize", str(folder)], capture_output=True, text=True, check=True, timeout=60
    )
    return {
        (item["kind"], item["metadata"]["name"]): item for item in yaml.safe_load_all(done.stdout) if item
    }


def test_the_app_follows_images_replicas_and_names(kubectl: Path, tmp_path: Path) -> None:
    """By the kustomization of the page, as it is printed there."""
    built = _built(kubectl, tmp_path, _kustomization())
    spec = built["ContainerApp", "dev-shop"]["spec"]
    (settings,) = [name for kind, name in built if kind == "ConfigMap"]

    assert settings.startswith("dev-settings-")
    assert spec == {
        "image": "shop:2.0.0",
        "port": 8080,
        "replicas": 3,
        "serviceAccountName": "dev-shop-sa",
        "imagePullSecrets": [{"name": "dev-registry"}],
        "env": [
            {"name": "CURRENCY", "valueFrom": {"configMapKeyRef": {"name": settings, "key": "CURRENCY"}}},
            {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "dev-registry", "key": "password"}}},
        ],
        "envFrom": [{"configMapRef": {"name": settings}}, {"secretRef": {"name": "dev-registry"}}],
    }
    autoscaler = built["HorizontalPodAutoscaler", "dev-shop"]
    assert autoscaler["spec"]["scaleTargetRef"]["name"] == "dev-shop"


def test_without_the_configuration_kustomize_leaves_the_app_as_it_is(kubectl: Path, tmp_path: Path) -> None:
    """The reason for the file: a release that does nothing, and an app that cannot start."""
    plain = {
        key: value for key, value in _kustomization().items() if key not in {"configurations", "replicas"}
    }
    spec = _built(kubectl, tmp_path, plain)["ContainerApp", "dev-shop"]["spec"]

    assert spec["image"] == "shop:1"
    assert spec["serviceAccountName"] == "shop-sa"


def _references(schema: dict[str, Any], path: str = "spec") -> Iterator[tuple[str, str]]:
    """Yield kind and path of every field that names another object."""
    for end, kind in _KINDS.items():
        if path.endswith(f"/{end}"):
            yield kind, path
    for name, part in schema.get("properties", {}).items():
        yield from _references(part, f"{path}/{name}")
    if "items" in schema:
        yield from _references(schema["items"], path)


def test_the_configuration_names_every_reference_of_the_definition() -> None:
    """A new field that names a ConfigMap, a Secret or an account belongs into the file."""
    (version,) = yaml.safe_load(crd.render_yaml(DEFINITION))["spec"]["versions"]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    configuration = yaml.safe_load(_CONFIGURATION.read_text())
    known = {
        (reference["kind"], target["path"])
        for reference in configuration["nameReference"]
        for target in reference["fieldSpecs"]
        if target["kind"] == "ContainerApp"
    }

    assert known == set(_references(spec))
