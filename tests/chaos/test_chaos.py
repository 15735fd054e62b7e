"""The short form of the chaos run, with one seed: the long one is `make chaos`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.plan import Shape, make_plan
from tests.chaos.run import run

_SEED = 590
_SHAPE = Shape(
    seconds=18,
    namespaces=1,
    apps=4,
    squatted=0,
    faults=(
        *("kill-operator", "restart-apiserver", "delete-child"),
        *("trouble-requests", "cut-watches", "expire-watches"),
    ),
    fault_gap=4,
    longest_fault=2,
    replicas=1,
)


def test_the_same_seed_gives_the_same_plan() -> None:
    """A failure can be looked at again; another seed is another plan."""
    assert make_plan(_SEED, _SHAPE) == make_plan(_SEED, _SHAPE)
    assert make_plan(_SEED, _SHAPE) != make_plan(_SEED + 1, _SHAPE)


@pytest.mark.cluster
@pytest.mark.timeout(400)
def test_apps_come_true_though_the_operator_is_killed_and_the_api_server_restarted(tmp_path: Path) -> None:
    """Every app has exactly its children, and a true status, when all is over."""
    deeds = {step.deed for step in make_plan(_SEED, _SHAPE)}
    assert {*_SHAPE.faults, "recreate", "update", "delete", "push", "create-job", "ask"} <= deeds
    report = run(_SEED, _SHAPE, tmp_path)
    assert not report.violations, str(report)
    assert report.restarts >= 1
    assert report.traffic is not None
    assert report.traffic.expired["network"] >= 1, str(report)
