"""Golden cases: a ContainerApp in, the manifests of its children out, or the words that refuse it.

Each folder below `tests/golden` is a case: `input.yaml`, what is known of the world in `world.yaml` (the digest, the
default registry), and `expected.yaml` or `error.txt`. A changed Pod template in an existing case restarts every such
app when the operator is upgraded: it is a breaking change. `UPDATE_GOLDEN=1` writes the files again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import pytest
import yaml
from pydantic import BaseModel

from containerapp.api import images
from containerapp.api.containerapp import ContainerApp, ContainerAppSpec
from containerapp.controllers.containerapp.image import by_tag, never_pulls, pin, refresh_token
from containerapp.core.diff import differs
from containerapp.core.model import Manifest
from containerapp.errors import InvalidSpec
from tests.builders import DIGEST, UID, inputs, rendered, unresolved

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = sorted(path.parent for path in GOLDEN.glob("*/input.yaml"))


class _Readable(yaml.SafeDumper):
    """Writes each manifest out in full, without anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - signature of PyYAML
        return True


def _input(case: Path) -> Manifest:
    manifest: Manifest = yaml.safe_load((case / "input.yaml").read_text())
    return manifest


def _rendered(case: Path) -> list[Manifest]:
    manifest, world_file = _input(case), case / "world.yaml"
    world = yaml.safe_load(world_file.read_text()) if world_file.exists() else {}
    manifest["metadata"] |= {"uid": UID, "generation": 1}
    app = ContainerApp.parse(manifest)
    reference = images.parse(app.spec.image, default_registry=world.get("defaultRegistry", "docker.io"))
    digest = reference.digest or world.get("digest", DIGEST)
    if never_pulls(app):
        return rendered(app, inputs(by_tag(reference, refresh_token(app))))
    given = inputs(pin(reference, digest, refresh_token(app))) if digest else unresolved()
    return rendered(app, given)


def _outcome(case: Path) -> tuple[str, str]:
    """Return the name and the text of the file that the case should hold."""
    try:
        manifests = _rendered(case)
    except InvalidSpec as error:
        return "error.txt", f"{error.reason}: {error.message}\n"
    return "expected.yaml", yaml.dump_all(
        manifests, Dumper=_Readable, sort_keys=False, explicit_start=True, width=110
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_renders_what_the_golden_case_says(case: Path) -> None:
    """Key order and all, so that a reader of the file sees what is written to the cluster."""
    name, text = _outcome(case)
    if os.environ.get("UPDATE_GOLDEN") == "1":
        (case / name).write_text(text)
    assert {path.name for path in case.iterdir()} - {"world.yaml"} == {"input.yaml", name}
    assert text == (case / name).read_text()


@pytest.mark.parametrize(
    "case", [case for case in CASES if (case / "expected.yaml").exists()], ids=lambda case: case.name
)
def test_what_a_case_expects_needs_no_further_write(case: Path) -> None:
    """A manifest that lives as it was written is at rest."""
    for manifest in _rendered(case):
        assert not differs(manifest, manifest)


def test_every_field_of_the_spec_stands_in_a_golden_case() -> None:
    """A new field of the API is not done before a case shows what becomes of it."""
    given = {_any_of_a_kind(path) for case in CASES for path in _paths(_input(case)["spec"])}
    assert {_any_of_a_kind(path) for path in _fields(ContainerAppSpec)} - given == set()


def _any_of_a_kind(path: str) -> str:
    """Treat the three probes as one, and what metrics of all types have in common: they are rendered alike."""
    path = re.sub(r"^\.(readiness|liveness|startup)Probe", ".probe", path)
    return re.sub(
        r"^\.autoscaling\.metrics\.\w+\.(metric|target|name)\b", r".autoscaling.metrics.any.\1", path
    )


def _paths(value: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield f"{prefix}.{key}"
            yield from _paths(item, f"{prefix}.{key}")
    elif isinstance(value, list):
        for item in value:
            yield from _paths(item, prefix)


def _fields(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for field in model.model_fields.values():
        path = f"{prefix}.{field.alias}"
        yield path
        for inner in _models(field.annotation):
            yield from _fields(inner, path)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in {tuple, Union, UnionType} or hasattr(annotation, "__metadata__"):
        for argument in get_args(annotation)[: 1 if hasattr(annotation, "__metadata__") else None]:
            yield from _models(argument)
