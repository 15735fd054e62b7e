"""Golden cases of ContainerJob: a job in, the manifests of its children out, or the words that refuse it.

As `test_golden`, below `tests/golden-jobs`. What is rendered is what a first reconcile writes.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from datetime import datetime
from pathlib import Path

import pytest
import yaml

from containerapp.api import images
from containerapp.api.containerjob import ContainerJob, ContainerJobSpec
from containerapp.api.pod import PodSettings
from containerapp.api.process import Process
from containerapp.controllers.containerjob.controller import CONTAINER_JOB, forbidden, gather
from containerapp.core.diff import differs
from containerapp.core.model import Digests, Key, Lookup, Manifest, Resolved, View
from containerapp.core.policy import Platform
from containerapp.errors import InvalidSpec
from tests.builders import DIGEST, NOW, UID
from tests.unit.test_golden import Readable, fields, paths

GOLDEN = Path(__file__).parents[1] / "golden-jobs"
CASES = sorted(path.parent for path in GOLDEN.glob("*/input.yaml"))


class _Known:
    """A registry whose every tag stands for one digest."""

    def lookup(
        self,
        reference: images.ImageReference,  # noqa: ARG002 - the protocol's
        app: Key,  # noqa: ARG002 - likewise
        *,
        request: str | None = None,  # noqa: ARG002 - likewise
        known: str | None = None,  # noqa: ARG002 - likewise
        architectures: bool = False,  # noqa: ARG002 - likewise
    ) -> Lookup:
        return Resolved(digest=DIGEST, resolved_at=0.0, built_for=frozenset({"amd64", "arm64"}))

    def runs_by_tag(self, reference: images.ImageReference) -> bool:  # noqa: ARG002 - likewise
        return False

    def forget(self, app: Key, *, but: Collection[images.ImageReference] = ()) -> None:
        """Do nothing."""


def _input(case: Path) -> Manifest:
    manifest: Manifest = yaml.safe_load((case / "input.yaml").read_text())
    return manifest


def _rendered(case: Path) -> list[Manifest]:
    manifest = _input(case)
    manifest["metadata"] |= {"uid": UID, "generation": 1}
    job = ContainerJob.parse(manifest)
    if (refusal := forbidden(job, Platform())) is not None:
        raise refusal
    metadata = job.metadata
    view = View(
        key=Key("ContainerJob", metadata.namespace, metadata.name),
        obj=job,
        live={},
        now=datetime.fromisoformat(NOW),
        preview=True,
    )
    digests: Digests = _Known()
    return [manifest for _, manifest in CONTAINER_JOB.render(job, gather(view, digests).inputs)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_renders_what_the_golden_case_says(case: Path) -> None:
    """Key order and all, so that a reader of the file sees what is written to the cluster."""
    try:
        name, text = "expected.yaml", _text(_rendered(case))
    except InvalidSpec as error:
        name, text = "error.txt", f"{error.reason}: {error.message}\n"
    if os.environ.get("UPDATE_GOLDEN") == "1":
        (case / name).write_text(text)
    assert {path.name for path in case.iterdir()} == {"input.yaml", name}
    assert text == (case / name).read_text()


def _text(manifests: list[Manifest]) -> str:
    return yaml.dump_all(manifests, Dumper=Readable, sort_keys=False, explicit_start=True, width=110)


@pytest.mark.parametrize(
    "case", [case for case in CASES if (case / "expected.yaml").exists()], ids=lambda case: case.name
)
def test_what_a_case_expects_needs_no_further_write(case: Path) -> None:
    """A manifest that lives as it was written is at rest."""
    for manifest in _rendered(case):
        assert not differs(manifest, manifest)


def test_every_field_of_a_job_alone_stands_in_a_golden_case() -> None:
    """What it shares with ContainerApp has its cases there."""
    given = {path for case in CASES for path in paths(_input(case)["spec"])}
    shared = {
        "security",
        "sidecars",
        "initContainers",
        "files",
        "volumes",
        "identity",
        "secrets",
        "placement",
    }
    own = {path for path in fields(ContainerJobSpec) if path.split(".")[1] not in shared}
    of_containers = {*fields(Process), *fields(PodSettings)}
    assert own - of_containers - given == set()
