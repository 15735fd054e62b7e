"""The tables in docs/jobs.md against the importers: what a row says becomes of a parameter is what an import does."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from containerapp.importers import ecs
from containerapp.importers.copilot.application import from_copilot
from containerapp.importers.manifest import check
from containerapp.importers.source import UNKNOWN, Imported
from containerapp.importers.wishes import Wishes
from tests.docs.pages import ROOT
from tests.docs.test_jobs import COPILOT, DOCUMENTED, FIELDS, covers, paths_of, rows_of

_SAMPLES: dict[str, dict[str, Any]] = yaml.safe_load(
    (ROOT / "tests" / "docs" / "scheduled_tasks.yaml").read_text()
)
_TASK = {"family": "shop", "containerDefinitions": [{"name": "web", "image": "shop:1"}]}
_TARGET = {"EcsParameters": {"TaskDefinitionArn": "shop"}}
_RULE = {"Name": "nightly", "ScheduleExpression": "rate(1 day)"}
_JOB = {
    "name": "report",
    "type": "Scheduled Job",
    "image": {"location": "report:1"},
    "on": {"schedule": "@daily"},
}


def _over(base: Any, more: Any) -> Any:
    """Lay one input over another: maps by their keys, lists by their places."""
    if isinstance(base, dict) and isinstance(more, dict):
        return {**base, **{key: _over(base.get(key), value) for key, value in more.items()}}
    if isinstance(base, list) and isinstance(more, list):
        return [*(_over(*pair) for pair in zip(base, more, strict=False)), *more[len(base) :]]
    return more


def _at(path: str, value: Any) -> Any:
    """Return an input that has the value at a path of a table, and nothing else."""
    for step in reversed(path.removesuffix(".*").split(".")):
        inner = [value] if step.endswith("[]") and not isinstance(value, list) else value
        value = {step.removesuffix("[]"): inner}
    return value


def _of_events(operation: str, more: Any) -> Imported:
    """Import a rule and its targets, or a schedule, with more in it."""
    match operation:
        case "CreateSchedule":
            given = [_over({**_RULE, "Target": _TARGET}, more)]
        case "PutRule":
            given = [_over({**_RULE, "Targets": [_TARGET]}, more)]
        case _:
            given = [_RULE, _over({"Rule": "nightly", "Targets": [_TARGET]}, more)]
    return ecs.convert([("task", _TASK), *(("given", each) for each in given)], Wishes())


def _of_copilot(more: Any) -> Imported:
    manifest = _over(_JOB, more)
    files = {"web.env": "A=b\n"}
    return from_copilot(manifest, Wishes(image=None), environment=None, values={}, read=files.get)


def _judge(said: str, made: Imported, plain: Imported) -> None:
    """Compare what a row says with what an import does that has its parameter, and one that has not."""
    check(made)
    listed = {loss.path for loss in made.losses} - {loss.path for loss in plain.losses}
    assert UNKNOWN not in {loss.reason for loss in made.losses}
    if said.startswith("No equivalent"):
        assert listed, "the row says that it has no equivalent, and the import does not list it"
        return
    tokens = [each.replace("[]", "").partition(":")[0] for each in re.findall(r"`([^`]+)`", said)]
    fields = [each for each in tokens if each.partition(".")[0] in FIELDS]
    if said.startswith("Not needed") or not fields:
        return
    job, before = (each.manifests[-1]["spec"] for each in (made, plain))
    assert any(field in set(paths_of(job)) for field in fields), f"none of {fields} is in {job}"
    assert (job, listed) != (before, set()), "the parameter changes nothing"
    assert not listed, f"the row names fields, and the import lists {listed}"


_ROWS = [
    pytest.param(operation, row, id=f"{operation}-{row}")
    for operation in _SAMPLES
    for row in rows_of(operation)
]


@pytest.mark.parametrize(("operation", "row"), _ROWS)
def test_a_scheduled_task_becomes_what_its_row_says(operation: str, row: str) -> None:
    """A row without a sample fails: add one."""
    more = _at(row, _SAMPLES[operation][row])
    _judge(rows_of(operation)[row], _of_events(operation, more), _of_events(operation, {}))


def _row_of(path: str) -> str:
    """Return what the closest row says of a field of Copilot's."""
    rows = rows_of(COPILOT)
    return rows[max((row for row in rows if covers(path, [row])), key=len)]


@pytest.mark.parametrize("path", DOCUMENTED)
def test_a_scheduled_job_becomes_what_its_row_says(path: str) -> None:
    """Each documented field, imported."""
    _judge(_row_of(path), _of_copilot(DOCUMENTED[path]), _of_copilot({}))
