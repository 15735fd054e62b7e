"""Every parameter of AWS' own models is carried over or listed with a reason, today and when a model gains one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest

from containerapp.importers import batch, ecs
from containerapp.importers.source import UNKNOWN, Imported
from containerapp.importers.wishes import Wishes

_TASK = {"family": "shop", "containerDefinitions": [{"name": "web", "image": "shop:1"}, {"name": "other"}]}
_SERVICE = {"serviceName": "shop", "taskDefinition": "shop:1"}


def _leaves(shape: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield each parameter with a value that has it alone; of an enumeration each of its values."""
    if shape.name in above:
        return
    match shape.type_name:
        case "structure":
            for name, member in shape.members.items():
                for path, value in _leaves(member, (*above, shape.name)):
                    yield f"{name}.{path}".rstrip("."), {name: value}
        case "list":
            for path, value in _leaves(shape.member, above):
                yield path, [value]
        case "map":
            for path, value in _leaves(shape.value, above):
                yield path, {"key": value}
        case simple:
            values = {"string": getattr(shape, "enum", None) or ["x"], "boolean": [True, False]}
            yield from (("", value) for value in values.get(simple, [1]))


def _inputs(service: str, operation: str) -> list[Any]:
    model = botocore.session.get_session().get_service_model(service).operation_model(operation)
    return _cases(model.input_shape)


def _leaves_of(service: str, operation: str, parameter: str) -> list[Any]:
    model = botocore.session.get_session().get_service_model(service).operation_model(operation)
    shape: Any = model.input_shape
    return _cases(shape.members[parameter])


def _cases(shape: Any) -> list[Any]:
    return [pytest.param(value, id=f"{path}-{index}") for index, (path, value) in enumerate(_leaves(shape))]


def _over(base: Any, more: Any) -> Any:
    """Lay one input over another: maps by their keys, lists by their places."""
    if isinstance(base, dict) and isinstance(more, dict):
        return {**base, **{key: _over(base.get(key), value) for key, value in more.items()}}
    if isinstance(base, list) and isinstance(more, list):
        return [*(_over(*pair) for pair in zip(base, more, strict=False)), *base[len(more) :]]
    return more


def _unknown(made: Imported) -> list[str]:
    return [loss.path for loss in made.losses if loss.reason == UNKNOWN]


@pytest.mark.parametrize("value", _inputs("ecs", "RegisterTaskDefinition"))
def test_each_parameter_of_a_task_definition_has_a_place_or_a_reason(value: dict[str, Any]) -> None:
    """As an app and as a job."""
    document = _over(_TASK, value)
    for wishes in (Wishes(), Wishes(job=True)):
        assert _unknown(ecs.convert([("task", document)], wishes)) == []


@pytest.mark.parametrize("value", _inputs("ecs", "CreateService"))
def test_each_parameter_of_a_service_has_a_place_or_a_reason(value: dict[str, Any]) -> None:
    """Beside the task definition that it runs."""
    documents = [("task", _TASK), ("service", _over(_SERVICE, value))]
    for wishes in (Wishes(), Wishes(job=True)):
        assert _unknown(ecs.convert(documents, wishes)) == []


_TARGET = {"EcsParameters": {"TaskDefinitionArn": "shop"}}


def _unknown_of_events(rule: dict[str, Any], targets: dict[str, Any]) -> list[str]:
    return _unknown(ecs.convert([("task", _TASK), ("rule", rule), ("targets", targets)], Wishes()))


@pytest.mark.parametrize("value", _inputs("events", "PutRule"))
def test_each_parameter_of_a_rule_has_a_place_or_a_reason(value: dict[str, Any]) -> None:
    """With a target that runs a task."""
    rule = _over({"Name": "nightly", "ScheduleExpression": "rate(1 day)"}, value)
    assert _unknown_of_events(rule, {"Targets": [_TARGET]}) == []


@pytest.mark.parametrize("value", _inputs("events", "PutTargets"))
def test_each_parameter_of_a_target_has_a_place_or_a_reason(value: dict[str, Any]) -> None:
    """Of a rule with a schedule."""
    targets = _over({"Rule": "nightly", "Targets": [_TARGET]}, value)
    rule = {"Name": targets["Rule"], "ScheduleExpression": "rate(1 day)"}
    assert _unknown_of_events(rule, targets) == []


@pytest.mark.parametrize("value", _inputs("scheduler", "CreateSchedule"))
def test_each_parameter_of_a_schedule_has_a_place_or_a_reason(value: dict[str, Any]) -> None:
    """With a target that runs a task."""
    schedule = _over({"Name": "nightly", "ScheduleExpression": "rate(1 day)", "Target": _TARGET}, value)
    assert _unknown(ecs.convert([("task", _TASK), ("schedule", schedule)], Wishes())) == []


@pytest.mark.parametrize("value", _leaves_of("ecs", "RunTask", "overrides"))
def test_each_override_of_a_target_has_a_place_or_a_reason(value: dict[str, Any]) -> None:
    """EventBridge gives a target's input to RunTask as its `overrides`."""
    overrides = _over({"containerOverrides": [{"name": "web"}]}, value)
    target = {**_TARGET, "Input": json.dumps(overrides)}
    assert _unknown_of_events({"ScheduleExpression": "rate(1 day)"}, {"Targets": [target]}) == []


_BASES: dict[str, dict[str, Any]] = {
    "containerProperties": {"image": "report:1"},
    "ecsProperties": {"taskProperties": [{"containers": [{"name": "web"}, {"name": "other"}]}]},
    "eksProperties": {"podProperties": {"containers": [{"name": "web"}]}},
}


@pytest.mark.parametrize("value", _inputs("batch", "RegisterJobDefinition"))
def test_each_parameter_of_a_job_definition_has_a_place_or_a_reason(value: dict[str, Any]) -> None:
    """With a container of the kind that it is about."""
    kind = next((key for key in _BASES if key in value), "containerProperties")
    document = _over({"jobDefinitionName": "report", kind: _BASES[kind]}, value)
    assert _unknown(batch.convert([("job", document)], Wishes())) == []


def _everything(shape: Any, above: tuple[str, ...] = ()) -> Any:
    """Return a value that has every parameter at once."""
    if shape.name in above:
        return None
    match shape.type_name:
        case "structure":
            return {name: _everything(member, (*above, shape.name)) for name, member in shape.members.items()}
        case "list":
            return [_everything(shape.member, above)]
        case _:
            return next(value for _, value in _leaves(shape))


def test_all_parameters_together_are_read_too() -> None:
    """One does not hide another."""
    model = botocore.session.get_session().get_service_model("ecs")
    task = _everything(model.operation_model("RegisterTaskDefinition").input_shape)
    service = _everything(model.operation_model("CreateService").input_shape)
    task["containerDefinitions"][0].pop("firelensConfiguration")
    task["proxyConfiguration"]["containerName"] = "envoy"
    made = ecs.convert([("task", task), ("service", service)], Wishes())
    assert _unknown(made) == []
