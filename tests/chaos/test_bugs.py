"""How it is judged whether a known mistake is caught: by what, and beside what."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos import __main__ as command
from tests.chaos.bugs import BUGS, SOUND, Bug
from tests.chaos.plan import Shape
from tests.chaos.run import Report
from tests.chaos.violations import Violation
from tests.controller.operators import ROOT

_NAME = "prune-skipped"
_PROOF = Violation(subject="Service", complaint="nothing asks for this child any more")
_GROUND = Violation(subject="the API server", complaint="does not answer", ground=True)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_bug_has_a_control_of_its_own_shape(bug: Bug) -> None:
    """What would be wrong by these faults, or after so short a time, without the bug too, shows nothing."""
    (control,) = [sound for sound in SOUND if sound.squatted == bug.squatted]
    assert set(bug.faults) <= set(control.faults)
    assert bug.shape.settling == control.shape.settling


def test_every_bug_finds_the_function_that_it_replaces() -> None:
    """In a process of its own, as in the run: a mistake that replaces nothing would be caught by nothing."""
    names = [bug.name for bug in BUGS]
    code = f"from tests.chaos.bugs import make; [make(name) for name in {names!r}]"
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'operator'}:{ROOT}"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=60)


def test_a_name_that_is_no_mistake_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would try nothing, and be content."""
    monkeypatch.setattr(sys, "argv", ["chaos", "--bugs", "prune-skiped"])
    with pytest.raises(SystemExit):
        command.main()
    assert "no known mistake: prune-skiped; known are prune-skipped, " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("sound", "broken", "wrong"),
    [
        ([], [_PROOF], "none"),
        ([], [_GROUND], _NAME),
        ([_PROOF], [_PROOF], "no bug where nothing is squatted"),
        ([_GROUND], [_PROOF], "no bug where nothing is squatted"),
    ],
)
def test_a_bug_is_caught_by_what_the_operator_does_wrong_alone(
    sound: list[Violation],
    broken: list[Violation],
    wrong: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A busy machine catches no bug, and what is found with the operator as it is tells that it was one."""

    def run(seed: int, shape: Shape, directory: Path, _bug: str) -> Report:
        return Report(seed=seed, shape=shape, violations=broken if _NAME in directory.name else sound)

    monkeypatch.setattr(command, "run", run)
    assert command._try_bugs({_NAME}, [1], tmp_path) == (wrong != "none")
    assert f"wrongly judged: {wrong}\n" in capsys.readouterr().out
