"""How a run judges the operator's process, without a cluster: its log, its end, and the end of the run itself."""

from __future__ import annotations

import json
import time
from pathlib import Path
from threading import Event, active_count
from unittest.mock import Mock, PropertyMock

import pytest

from tests.chaos import run
from tests.chaos.plan import Shape, Step
from tests.chaos.run import Report, Run, bugs
from tests.chaos.wanted import Wanted
from tests.controller.operators import Identity, Operator

_KOPF = "/venv/lib/python3.11/site-packages/kopf/_core/reactor"


def _logged(logger: str, *files: str) -> str:
    """Return the line of an error whose traceback leads through these files."""
    frames = "".join(f'  File "{file}", line 7, in work\n' for file in files)
    traceback = f"Traceback (most recent call last):\n{frames}KeyError: 'metadata'"
    return json.dumps({"level": "ERROR", "logger": logger, "message": "failed", "exc_info": traceback}) + "\n"


def test_an_error_in_our_own_code_is_a_bug_though_kopf_tells_of_it(tmp_path: Path) -> None:
    """Kopf logs what a handler raises, and goes on; what it cannot bear itself is no bug of ours."""
    identity = Identity(service_account="o", namespace="ops", kubeconfig=tmp_path / "none", environment={})
    operator = Operator(identity=identity, directory=tmp_path)
    kopfs = _logged(
        "kopf.reactor.running", f"{_KOPF}/running.py", "/work/containerapp/.venv/lib/aiohttp/a.py"
    )
    ours = _logged("kopf.objects", f"{_KOPF}/execution.py", "/work/operator/containerapp/appwatch.py")
    operator.log_file.write_text(kopfs + ours)
    (found,) = bugs(operator)
    assert found.found == ours.strip()


def _run(directory: Path, operator: Operator) -> Run:
    """Return a run whose cluster, network and faults do nothing."""
    shape = Shape(seconds=60, namespaces=1)
    return Run(
        seed=1,
        shape=shape,
        directory=directory,
        cluster=Mock(),
        operators=[operator],
        network=Mock(passages=Mock(return_value=[])),
        faults=Mock(struck=set(), over=Event()),
        wanted=Wanted(),
        report=Report(seed=1, shape=shape),
    )


def test_an_operator_that_ends_in_the_last_seconds_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is wrong with the cluster then, and nobody looks after the operator any more."""
    monkeypatch.setattr(run, "_STAYS_SECONDS", 0.0)
    operator = Mock(_process=Mock(returncode=1))
    type(operator).running = PropertyMock(side_effect=[True, False])
    ended = _run(tmp_path, operator)
    ended.settle(Mock(check=Mock(return_value=[])))
    assert [violation.complaint for violation in ended.report.violations] == ["ended by itself with 1"]


def test_a_run_that_is_broken_off_leaves_no_thread(tmp_path: Path) -> None:
    """Neither one that waits for its next step nor one whose fault lasts on."""
    operator = Mock()
    type(operator).running = PropertyMock(side_effect=[True, True, KeyboardInterrupt])
    broken_off, before, began = _run(tmp_path, operator), active_count(), time.monotonic()

    def last(_step: Step) -> None:
        broken_off.faults.over.wait(60)

    with pytest.raises(KeyboardInterrupt):
        broken_off.rage({"control": last, "chaos-0": last})
    assert active_count() == before
    assert time.monotonic() - began < 30
