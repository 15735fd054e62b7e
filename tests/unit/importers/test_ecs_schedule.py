"""Rules of EventBridge and schedules of its Scheduler that run tasks: `ecs_schedule`, `schedules`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from containerapp.importers import ecs
from containerapp.importers.manifest import check
from containerapp.importers.source import UNKNOWN, Imported, Refusal
from containerapp.importers.wishes import Wishes
from tests.unit.importers.ecs_cases import CLUSTER, ROLE, apps, container, convert, task


def _paths(made: Imported) -> set[str]:
    return {loss.path for loss in made.losses}


def _scheduled(
    definition: dict[str, Any], input_: Any = None, parameters: dict[str, Any] | None = None, **fields: Any
) -> tuple[dict[str, Any], set[str]]:
    """Return the spec of the job of a schedule, and the paths of what is listed."""
    target = {"EcsParameters": {"TaskDefinitionArn": "shop", **(parameters or {})}, "Input": input_}
    schedule = {"Name": "hourly", "ScheduleExpression": "rate(1 hour)", "Target": target}
    made = convert(definition, {**schedule, **fields})
    (job,) = apps(made)
    return job["spec"], _paths(made)


def test_a_schedule_makes_a_job() -> None:
    """Of EventBridge's rules and of its Scheduler, with what they give to the container."""
    overrides = {
        "containerOverrides": [
            {"name": "other"},
            {"name": "web", "command": ["report"], "environment": [{"name": "A", "value": "2"}]},
        ]
    }
    parameters = {
        "TaskDefinitionArn": f"{CLUSTER}task-definition/shop",
        "LaunchType": "FARGATE",
        "TaskCount": 2,
    }
    rule = {
        "Name": "nightly",
        "ScheduleExpression": "cron(0 3 * * ? *)",
        "State": "DISABLED",
        "EventBusName": "default",
        "Targets": [
            {"Id": "1", "Arn": "x", "EcsParameters": parameters, "Input": json.dumps(overrides)},
            {"Id": "2"},
        ],
    }
    document = task(container(environment=[{"name": "A", "value": "1"}]))
    made = convert(document, rule)
    (job,) = apps(made)
    assert job["metadata"]["name"] == "nightly"
    assert job["spec"] == {
        "image": "shop:1",
        "args": ["report"],
        "schedule": "cron(0 3 * * ? *)",
        "suspend": True,
        "concurrencyPolicy": "Allow",
        "array": {"size": 2},
        "env": [{"name": "A", "value": "2"}],
        "placement": {"fargate": True},
    }
    assert {"file1.Targets[1]", "file1.Targets[0].Input.containerOverrides[0]"} <= _paths(made)
    for given in ("no JSON", "[]", '{"containerOverrides": {}}'):
        schedule = {
            "Name": "hourly",
            "ScheduleExpression": "rate(1 hour)",
            "ScheduleExpressionTimezone": "Europe/Berlin",
            "Target": {"EcsParameters": {"TaskDefinitionArn": "gone"}, "Input": given},
        }
        made = convert(document, {"Schedules": [schedule]})
        assert apps(made)[0]["spec"]["timeZone"] == "Europe/Berlin"
        assert "file1.Schedules[0].Target.Input" in _paths(made)


def test_what_a_target_says_is_laid_over_the_task() -> None:
    """Over each of its containers, and in either spelling; a credential does not get into the manifest."""
    definition = {
        "Family": "shop",
        "Cpu": "1024",
        "ContainerDefinitions": [
            {"Name": "web", "Image": "shop:1", "Command": ["a", "b", "c"], "Essential": True},
            {"Name": "log", "Image": "log:1", "Environment": [{"Name": "A", "Value": "1"}]},
        ],
    }
    overrides = {
        "containerOverrides": [
            {"name": "web", "command": ["x"], "cpu": 256, "memory": 512, "unheard": 1},
            {"name": "log", "environment": [{"name": "API_TOKEN", "value": "hunter2hunter2", "odd": "x"}]},
            "text",
        ],
        "taskRoleArn": ROLE,
        "ephemeralStorage": {"sizeInGiB": 30},
    }
    target = {
        "EcsParameters": {"TaskDefinitionArn": f"{CLUSTER}task-definition/shop:3"},
        "Input": json.dumps(overrides),
    }
    schedule = {"Name": "hourly", "ScheduleExpression": "rate(1 hour)", "Target": target}
    documents = [("task", definition), ("other", task(family="other")), ("schedule", schedule)]
    made = ecs.convert(documents, Wishes())
    check(made)
    secret, job, other = made.manifests
    assert (secret["kind"], other["kind"]) == ("Secret", "ContainerApp")
    job_spec = job["spec"]
    assert job_spec["args"] == ["x"]
    assert job_spec["resources"]["requests"] == {
        "cpu": "250m",
        "ephemeral-storage": "30Gi",
        "memory": "512Mi",
    }
    assert job_spec["identity"] == {"roleArn": ROLE}
    (log,) = job_spec["sidecars"]
    assert [each["name"] for each in log["env"]] == ["A", "API_TOKEN"]
    assert "hunter2" not in str(job)
    given = "schedule.Target.Input.containerOverrides"
    assert {f"{given}[0].unheard", f"{given}[2]"} <= _paths(made)
    unread = [loss.path for loss in made.losses if loss.reason == UNKNOWN]
    assert unread == ["task.ContainerDefinitions[1].Environment[1].odd"]
    as_map, _ = _scheduled(task(), {"containerOverrides": [{"name": "web", "command": ["x"]}]})
    assert as_map["args"] == ["x"]


def test_a_schedule_has_what_cron_and_a_job_have() -> None:
    """How late a run may be, where it runs, its tags; what has no counterpart is listed."""
    window = {"Mode": "OFF"}
    retries = {"MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 3}
    spot = {
        "CapacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT"}],
        "Tags": [{"Key": "team", "Value": "shop"}, {"cost": "1"}],
        "Unheard": 1,
    }
    target = {
        "EcsParameters": {"TaskDefinitionArn": "shop", **spot},
        "RetryPolicy": retries,
    }
    schedule = {
        "Name": "hourly",
        "ScheduleExpression": "rate(1 hour)",
        "FlexibleTimeWindow": window,
        "Tags": [{"Key": "stage", "Value": "prod"}],
        "Target": target,
    }
    made = ecs.convert([("task", task()), ("schedule", schedule)], Wishes())
    check(made)
    (job,) = apps(made)
    assert job["spec"] == {
        "image": "shop:1",
        "schedule": "rate(1 hour)",
        "concurrencyPolicy": "Allow",
        "startingDeadlineSeconds": 3600,
        "placement": {"capacity": "Spot"},
        "labels": {"stage": "prod"},
        "podLabels": {"team": "shop", "cost": "1"},
    }
    assert _paths(made) == {
        "schedule.Target.EcsParameters.Unheard",
        "schedule.Target.RetryPolicy.MaximumRetryAttempts",
    }
    _, listed = _scheduled(
        task(), FlexibleTimeWindow={"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 5}, StartDate="2030-01-01"
    )
    assert listed == {"file1.FlexibleTimeWindow", "file1.StartDate"}


def test_odd_values_are_listed_or_refused() -> None:
    """Never with a traceback."""
    odd = {
        "EcsParameters": {"TaskDefinitionArn": "x"},
        "Input": json.dumps(
            {
                "cpu": "1",
                "containerOverrides": [
                    "x",
                    {"command": ["y"]},
                    {"name": "web", "command": 1, "environment": "x"},
                ],
            }
        ),
    }
    rule = {"ScheduleExpression": ["a"], "Targets": [odd, "y"], "Tags": ["a", 1], "FlexibleTimeWindow": "x"}
    listed = {"Schedules": ["x", {"ScheduleExpression": 5, "Target": odd}], "Targets": ["z"]}
    definition = {**task(), "containerDefinitions": [container(), "q"]}
    for documents in ([definition, rule], [task(), listed]):
        made = ecs.convert([(str(index), each) for index, each in enumerate(documents)], Wishes())
        assert any("Input.containerOverrides" in path for path in _paths(made))
    with pytest.raises(Refusal):
        ecs.convert([("0", {"taskDefinitions": ["x"]}), ("1", rule)], Wishes())


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"ScheduleExpression": "at(2030-01-01T00:00:00)"}, "file1.ScheduleExpression"),
        ({"ScheduleExpression": "cron(0 3 L * ? *)"}, "file1.ScheduleExpression"),
        ({"ScheduleExpression": "cron(0 22-2 * * ? *)"}, "file1.ScheduleExpression"),
        ({"ScheduleExpression": "cron(0 3 ? nov-feb SUN-SAT *)"}, "file1.ScheduleExpression"),
        ({"ScheduleExpression": "cron(0 3 ? * 6-2 *)"}, "file1.ScheduleExpression"),
        ({"ScheduleExpression": None, "EventPattern": '{"source": ["x"]}'}, "file1.EventPattern"),
    ],
)
def test_what_is_no_schedule_of_cron_is_run_on_demand(fields: dict[str, Any], path: str) -> None:
    """Applying it runs nothing."""
    made, listed = _scheduled(task(), ScheduleExpressionTimezone="Europe/Berlin", State="DISABLED", **fields)
    assert made == {"image": "shop:1", "onChange": "Wait", "concurrencyPolicy": "Allow"}
    assert listed == {path}


def test_a_placeholder_in_place_of_a_schedule_stays() -> None:
    """The user gives its value."""
    schedule = {
        "Name": "x",
        "ScheduleExpression": "${When}",
        "Target": {"EcsParameters": {"TaskDefinitionArn": "shop"}},
    }
    made = ecs.convert([("task", task()), ("schedule", schedule)], Wishes())
    assert apps(made)[0]["spec"]["schedule"] == "${When}"


def test_targets_are_found_by_their_rule() -> None:
    """As `describe-rule`, `list-rules` and `list-targets-by-rule` print them, which name no rule."""
    rule = {"Name": "nightly", "ScheduleExpression": "rate(1 day)"}
    other = {"Name": "hourly", "ScheduleExpression": "rate(1 hour)"}
    targets = {"Targets": [{"Id": "1", "EcsParameters": {"TaskDefinitionArn": "shop"}}]}
    named = {"Rule": "hourly", "EventBusName": "default", **targets}
    made = convert(task(), rule, targets)
    assert [each["metadata"]["name"] for each in apps(made)] == ["nightly"]
    made = convert(task(), {"Rules": [rule, other, {"Priority": "1"}]}, named)
    assert [each["metadata"]["name"] for each in apps(made)] == ["hourly"]
    assert {"file1.Rules[0].Name", "file1.Rules[0].ScheduleExpression"} <= _paths(made)
    made = convert(task(), {"Rules": [rule, other]}, targets)
    assert apps(made)[0]["kind"] == "ContainerApp"
    assert "file2.Targets" in _paths(made)


def test_of_several_tasks_a_target_runs_the_one_that_it_names() -> None:
    """By the logical name in a template, where a rule may have no name; one that is not there is asked for."""
    properties = {"ContainerDefinitions": [{"Name": "a", "Image": "a"}]}
    template = {
        "Resources": {
            "One": {"Type": "AWS::ECS::TaskDefinition", "Properties": properties},
            "Two": {"Type": "AWS::ECS::TaskDefinition", "Properties": {**properties, "Family": "two"}},
            "Nightly": {
                "Type": "AWS::Events::Rule",
                "Properties": {
                    "ScheduleExpression": "rate(1 day)",
                    "Targets": [
                        {"EcsParameters": {"TaskDefinitionArn": {"Ref": "Two"}}},
                        {"EcsParameters": {"TaskDefinitionArn": "gone"}},
                    ],
                },
            },
        }
    }
    made = convert(template)
    assert [(each["kind"], each["metadata"]["name"]) for each in apps(made)] == [
        ("ContainerJob", "nightly"),
        ("ContainerApp", "a"),
    ]
    assert "Resources.Nightly.Properties.Targets[1]" in _paths(made)
