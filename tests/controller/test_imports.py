"""What is imported from ECS runs: each golden case is applied as it is printed, and becomes Ready."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.controller.person import Person
from tests.controller.world import World
from tests.docs.test_imports import commands, inputs
from tests.unit.importers.test_golden import CASES

pytestmark = pytest.mark.cluster

_CODES = {"plan": {2}, "status": {0, 1}}
"""What a command ends with: a plan has changes, and an app that nothing fetches secrets for is stalled."""


def test_every_import_becomes_ready(world: World) -> None:
    """With kubectl's strict validation: no field is unknown, none is refused."""
    for case in CASES:
        text = case.with_suffix(".expected.yaml").read_text()
        world.kubectl("apply", "--validate=strict", "--filename=-", stdin=text)
    for kind, count in (("containerapps", 12), ("containerjobs", 1)):
        ready = world.kubectl("wait", kind, "--all", "--for=condition=Ready", "--timeout=50s")
        assert ready.count("condition met") == count


@pytest.mark.parametrize("page", ["from-ecs.md", "from-batch.md"])
def test_a_reader_comes_from_the_import_to_what_runs(
    world: World, person: Person, page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each command of the page, in its order; only the questions are answered, and the waiting is left out."""
    world.registry.push("1.4.2", page)
    monkeypatch.chdir(tmp_path)
    for name, text in inputs(page).items():
        Path(name).write_text(text)
    for command, *arguments in commands(page):
        if "--cluster" in arguments:
            continue  # asks an AWS
        unattended = ["-y", "--no-wait"] if command == "up" else []
        call = person.call if command in {"import", "validate"} else person.here
        done = call(command, *arguments, *unattended)
        assert done.exit_code in _CODES.get(command, {0}), done.output
    for arguments in commands(page, "kubectl"):
        assert world.kubectl(*arguments)
