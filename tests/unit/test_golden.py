"""Golden cases: a ContainerApp in, the manifests of its children out, or the words that refuse it.

Each folder below `tests/golden` is a case: `input.yaml`, what is known of the world in `world.yaml` (the digest, the
default registry, settings, secrets, absent kinds), and `expected.yaml` or `error.txt`. A changed Pod template restarts
every such app when the operator is upgraded: it is a breaking change. `UPDATE_GOLDEN=1` writes the files again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import pytest
import yaml
from pydantic import BaseModel

from containerapp.api import images
from containerapp.api.containerapp import ContainerApp, ContainerAppSpec
from containerapp.controllers.containerapp.controller import OWNS
from containerapp.controllers.containerapp.exposure.route import choose_route
from containerapp.controllers.containerapp.scaling import SCALED_OBJECT, forbidden_scaling
from containerapp.controllers.workloads import identity
from containerapp.controllers.workloads.image import by_tag, never_pulls, pin, refresh_token
from containerapp.controllers.workloads.secrets import SecretsState
from containerapp.core.diff import differs
from containerapp.core.external import Standing
from containerapp.core.model import Manifest, Resource
from containerapp.core.policy import Platform
from containerapp.errors import InvalidSpec
from containerapp.settings import Settings
from tests.builders import DIGEST, UID, a_view, inputs, rendered, unresolved

ASSOCIATION = "a-1a2b3c4d5e6f7g8h9"
GOLDEN = Path(__file__).parents[1] / "golden"
CASES = sorted(path.parent for path in GOLDEN.glob("*/input.yaml"))


class Readable(yaml.SafeDumper):
    """Writes each manifest out in full, without anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - signature of PyYAML
        """Return that nothing is written as an alias."""
        return True


def _input(case: Path) -> Manifest:
    manifest: Manifest = yaml.safe_load((case / "input.yaml").read_text())
    return manifest


def _world(case: Path) -> Manifest:
    world_file = case / "world.yaml"
    world: Manifest = yaml.safe_load(world_file.read_text()) if world_file.exists() else {}
    return world


def _app(case: Path) -> ContainerApp:
    manifest = _input(case)
    manifest["metadata"] |= {"uid": UID, "generation": 1}
    return ContainerApp.parse(manifest)


def _platform(case: Path) -> Platform:
    return Platform.of(Settings(**_world(case).get("settings", {})))


def _outside(case: Path) -> Manifest | None:
    """Return what the app wants outside Kubernetes."""
    want = identity.wanted(_app(case), _platform(case))
    return {identity.KIND: {**want.place._asdict(), **want.content}} if want else None


def _absent(world: Manifest) -> frozenset[Resource]:
    kinds = world.get("absent", [])
    return frozenset(child.resource for child in OWNS if child.resource.kind in kinds)


def _rendered(case: Path) -> list[Manifest]:
    world, app, platform = _world(case), _app(case), _platform(case)
    refusal = identity.forbidden(app, platform) or forbidden_scaling(app, platform)
    if refusal is not None:
        raise refusal
    want = identity.wanted(app, platform)
    external = {identity.KIND: Standing(record=want.record(ASSOCIATION))} if want else {}
    role = identity.find_role(a_view(app, {}, platform=platform, external=external))
    reference = images.parse(app.spec.image, default_registry=world.get("defaultRegistry", "docker.io"))
    digest = reference.digest or world.get("digest", DIGEST)
    absent = _absent(world)
    route = choose_route(a_view(app, {}, platform=platform, absent=absent))
    if route is not None and isinstance(route.obstacle, InvalidSpec):
        raise route.obstacle
    image = by_tag(reference, refresh_token(app))
    if digest and not never_pulls(app.spec):
        image = pin(reference, digest, refresh_token(app))
    known: dict[str, Any] = {
        "platform": platform,
        "secrets": _secrets(world),
        "role": role,
        "route": route,
        "keda": SCALED_OBJECT not in absent,
        "facts": identity.facts_of(role),
    }
    resolved = digest or never_pulls(app.spec)
    given = inputs(image, app=app, **known) if resolved else replace(unresolved(), **known)
    # A revision repeats the Pod template of the Deployment.
    return [manifest for manifest in rendered(app, given) if manifest["kind"] != "ControllerRevision"]


def _secrets(world: Manifest) -> SecretsState:
    """Return how far the secrets are fetched."""
    return SecretsState(**world.get("secrets", {}))


def _outcome(case: Path) -> tuple[str, str]:
    """Return the name and the text of the file that the case should hold."""
    try:
        manifests = _rendered(case)
    except InvalidSpec as error:
        return "error.txt", f"{error.reason}: {error.message}\n"
    return "expected.yaml", yaml.dump_all(
        manifests, Dumper=Readable, sort_keys=False, explicit_start=True, width=110
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_renders_what_the_golden_case_says(case: Path) -> None:
    """Key order and all, so that a reader of the file sees what is written to the cluster."""
    name, text = _outcome(case)
    if os.environ.get("UPDATE_GOLDEN") == "1":
        (case / name).write_text(text)
    assert {path.name for path in case.iterdir()} - {"world.yaml", "outside.yaml"} == {"input.yaml", name}
    assert text == (case / name).read_text()


@pytest.mark.parametrize(
    "case", [case for case in CASES if not (case / "error.txt").exists()], ids=lambda case: case.name
)
def test_wants_outside_kubernetes_what_the_golden_case_says(case: Path) -> None:
    """`outside.yaml` has what is written to AWS; without it nothing is."""
    wanted, path = _outside(case), case / "outside.yaml"
    if wanted and os.environ.get("UPDATE_GOLDEN") == "1":
        path.write_text(yaml.dump(wanted, Dumper=Readable, sort_keys=False, width=110))
    assert wanted == (yaml.safe_load(path.read_text()) if path.exists() else None)


@pytest.mark.parametrize(
    "case", [case for case in CASES if (case / "expected.yaml").exists()], ids=lambda case: case.name
)
def test_what_a_case_expects_needs_no_further_write(case: Path) -> None:
    """A manifest that lives as it was written is at rest."""
    for manifest in _rendered(case):
        assert not differs(manifest, manifest)


def test_every_field_of_the_spec_stands_in_a_golden_case() -> None:
    """A new field of the API is not done before a case shows what becomes of it."""
    given = {_any_of_a_kind(path) for case in CASES for path in paths(_input(case)["spec"])}
    assert {_any_of_a_kind(path) for path in fields(ContainerAppSpec)} - given == set()


def _any_of_a_kind(path: str) -> str:
    """Treat as one what is rendered alike: the probes, what containers and what metrics of all types have in common."""
    path = re.sub(r"\.(readiness|liveness|startup)Probe", ".probe", path)
    path = re.sub(r"^\.(sidecars|initContainers)\.(\w+)\.", r".\2.", path)
    return re.sub(
        r"^\.autoscaling\.metrics\.\w+\.(metric|target|name)\b", r".autoscaling.metrics.any.\1", path
    )


def paths(value: Any, prefix: str = "") -> Iterator[str]:
    """Yield the paths of a manifest's fields."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield f"{prefix}.{key}"
            yield from paths(item, f"{prefix}.{key}")
    elif isinstance(value, list):
        for item in value:
            yield from paths(item, prefix)


def fields(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Yield the paths of a model's fields."""
    for field in model.model_fields.values():
        path = f"{prefix}.{field.alias}"
        yield path
        for inner in _models(field.annotation):
            yield from fields(inner, path)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in {tuple, Union, UnionType} or hasattr(annotation, "__metadata__"):
        for argument in get_args(annotation)[: 1 if hasattr(annotation, "__metadata__") else None]:
            yield from _models(argument)
