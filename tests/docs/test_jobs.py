"""The tables in docs/jobs.md against botocore's models: no parameter is forgotten, today or tomorrow.

Of AWS Batch, and of what starts tasks of ECS: EventBridge, its Scheduler, RunTask. Also the fields of Copilot's
Scheduled Job, of which there is no model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import botocore.session
import pytest
import yaml

from containerapp.api.containerjob import ContainerJobSpec
from tests.docs.pages import ROOT

_PAGE = (ROOT / "docs" / "jobs.md").read_text()
_OPERATIONS = {
    "RegisterJobDefinition": "batch",
    "SubmitJob": "batch",
    "CreateJobQueue": "batch",
    "PutRule": "events",
    "PutTargets": "events",
    "CreateSchedule": "scheduler",
    "RunTask": "ecs",
}
COPILOT = "Scheduled Job"


def rows_of(operation: str) -> dict[str, str]:
    """Return the rows of the table of an operation: its parameters, and what is said of them."""
    table = _PAGE.partition(f"| {operation} |")[2].partition("\n\n")[0]
    return dict(re.findall(r"^\| `([^`]+)` \| (.+) \|$", table, re.MULTILINE))


def _parameters(shape: Any, prefix: str = "", above: tuple[str, ...] = ()) -> Iterator[str]:
    if shape.type_name == "list":
        yield from _parameters(shape.member, f"{prefix}[]", above)
    if shape.type_name != "structure" or shape.name in above:
        return
    for name, member in shape.members.items():
        path = f"{prefix}.{name}" if prefix else name
        yield path
        yield from _parameters(member, path, (*above, shape.name))


def covers(path: str, rows: Iterable[str]) -> bool:
    """Whether one of the rows is about a parameter."""
    wholes = [row.removesuffix(".*") for row in rows if row.endswith(".*")]
    below = any(path.startswith((f"{whole}.", f"{whole}[].")) for whole in wholes)
    return path in rows or path in wholes or below


@pytest.mark.parametrize("operation", _OPERATIONS)
def test_every_parameter_has_a_row(operation: str) -> None:
    """What has no equivalent says so, with what to do instead."""
    model = botocore.session.get_session().get_service_model(_OPERATIONS[operation])
    known = list(_parameters(model.operation_model(operation).input_shape))
    rows = rows_of(operation)
    assert [path for path in known if not covers(path, rows)] == []
    assert [
        row for row in rows if row.removesuffix(".*") not in {*known, *(f"{each}[]" for each in known)}
    ] == []
    assert all(rows.values())


DOCUMENTED: dict[str, Any] = yaml.safe_load((ROOT / "tests" / "docs" / "scheduled_job.yaml").read_text())


def test_every_documented_field_of_copilot_has_a_row() -> None:
    """And no row is of a field that there is not."""
    rows = rows_of(COPILOT)
    assert [path for path in DOCUMENTED if not covers(path, rows)] == []
    paths = [row.removesuffix(".*") for row in rows]
    assert [path for path in paths if not any(f"{each}.".startswith(f"{path}.") for each in DOCUMENTED)] == []


FIELDS = {str(field.alias) for field in ContainerJobSpec.model_fields.values()}


def paths_of(value: Any, prefix: str = "") -> Iterator[str]:
    """Yield the paths of a manifest, without the marks of lists."""
    if isinstance(value, list):
        for item in value:
            yield from paths_of(item, prefix)
    elif isinstance(value, dict):
        for key, below in value.items():
            path = f"{prefix}.{key}" if prefix else str(key)
            yield path
            yield from paths_of(below, path)


def _shown() -> set[str]:
    """Return the fields that golden cases have, those among them that a platform has to allow."""
    folder = ROOT / "tests" / "golden-jobs"
    refused = [case for case in folder.glob("*/error.txt") if "ForbiddenByPlatform" in case.read_text()]
    cases = [case.parent for case in (*folder.glob("*/expected.yaml"), *refused)]
    inputs = [yaml.safe_load((case / "input.yaml").read_text()) for case in cases]
    return {path for each in inputs for path in paths_of(each["spec"])}


def test_every_field_of_the_tables_is_in_a_golden_case() -> None:
    """And a row that names none says in words what to do."""
    shown, silent, missing = _shown(), [], []
    for operation in (*_OPERATIONS, COPILOT):
        for row, text in rows_of(operation).items():
            tokens = [each.replace("[]", "").partition(":")[0] for each in re.findall(r"`([^`]+)`", text)]
            fields = [token for token in tokens if token.partition(".")[0] in FIELDS]
            missing += [(row, field) for field in fields if field not in shown and '"' not in field]
            if not tokens and len(text.split()) < 2:
                silent.append(row)
    assert (missing, silent) == ([], [])
