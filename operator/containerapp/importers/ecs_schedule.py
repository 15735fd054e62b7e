"""Rules of EventBridge and schedules of EventBridge Scheduler that run a task, to ContainerJobs.

What the input of a target changes of the task is laid over its definition before a job is made of that.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from containerapp.importers import schedules
from containerapp.importers.ecs_input import Bundle
from containerapp.importers.ecs_reasons import SERVICE, STATE
from containerapp.importers.manifest import Draft, labels
from containerapp.importers.source import UNKNOWN, Source

_CONTAINER = (
    *("command", "environment", "environmentFiles"),
    *("cpu", "memory", "memoryReservation", "resourceRequirements"),
)
_TASK = ("cpu", "memory", "taskRoleArn", "executionRoleArn", "ephemeralStorage")
_NOT_NEEDED = "not needed: the operator makes the runs"
_RUNS = (
    "nothing has to be called: the job's controller makes the run, as long as startingDeadlineSeconds says"
)
_SCHEDULE = {
    "eventPattern": "a job is not started by events: have what sees the event run it on demand",
    "description": "write it as a comment, or to metadata.annotations",
    "groupName": "the namespace is what jobs have in common",
    "startDate": "write `suspend: true` until then",
    "endDate": "write `suspend: true` from then on",
    "kmsKeyArn": "the cluster encrypts what it stores",
    "actionAfterCompletion": "a job stays until it is deleted; its runs go after ttlSecondsAfterFinished",
    "roleArn": _NOT_NEEDED,
    **dict.fromkeys(("arn", "clientToken", "createdBy", "managedBy", "creationDate"), STATE),
    "lastModificationDate": STATE,
}
_TARGET = {
    "id": "the job has the name of the rule",
    "arn": SERVICE["cluster"],
    "roleArn": _NOT_NEEDED,
    "inputPath": "values out of an event are given by each run on demand: `args` and `env`",
    "inputTransformer": "values out of an event are given by each run on demand: `args` and `env`",
    "deadLetterConfig": "alert on the condition Failed, and on the Events of the job",
}
_PARAMETERS = {
    key: SERVICE[key]
    for key in (
        *("networkConfiguration", "platformVersion", "enableECSManagedTags", "enableExecuteCommand"),
        "propagateTags",
    )
} | {
    "group": "placement.affinity brings Pods together, or keeps them apart",
    "referenceId": "labels say what a Pod belongs to",
}


def targets(schedule: Source, found: Bundle) -> Iterator[Source]:
    """Yield the targets of a schedule that run a task of ECS, also those that were given apart from their rule."""
    apart = (each for each in found.targets if _belongs(each, schedule, found.schedules))
    for part in (schedule, *apart):
        part.at("eventBusName").lose("a job gets no events from a bus")
        for target in (*part.at("targets").items(), *part.at("target").items()):
            if target.at("ecsParameters"):
                yield target
            else:
                target.lose("is no task of ECS: it stays with EventBridge")


def _belongs(listed: Source, schedule: Source, all_schedules: Sequence[Source]) -> bool:
    """Say whether targets are those of a rule: by its name, or as it is the only one that has none."""
    name = listed.at("rule").text()
    without = [each for each in all_schedules if not (each.at("targets") or each.at("target"))]
    return name == schedule.at("name").value if name else [schedule] == without


def task_of(target: Source) -> str:
    """Take the name or ARN of the task definition that a target runs."""
    return target.at("ecsParameters").at("taskDefinitionArn").text()


def overridden(task: Source, target: Source) -> Source:
    """Return the task as a target runs it: with what its input says instead."""
    given = target.at("input")
    over = Source(_parsed(given), given.path, given.ledger)
    has_overrides = any(over.at(key) for key in ("containerOverrides", *_TASK))
    if not (has_overrides and isinstance(task.value, dict)):
        given.lose("write what it changes to args and env")
        return task
    by_name = {each.at("name").text(): each for each in over.at("containerOverrides").items()}
    containers = [
        _laid(each, by_name.pop(each.at("name").text(), _nothing(over)), _CONTAINER)
        for each in task.at("containerDefinitions").items()
    ]
    for unknown in by_name.values():
        unknown.lose("the task has no container of this name")
    laid = _laid(task, over, _TASK)
    laid[_spelled(laid, "containerDefinitions")] = containers
    return Source(laid, task.path, task.ledger)


def _nothing(part: Source) -> Source:
    return Source(None, "", part.ledger)


def _parsed(given: Source) -> Any:
    if isinstance(given.value, dict):
        return given.value
    try:
        return json.loads(given.text("{}"))
    except ValueError:
        return None


def _laid(part: Source, over: Source, keys: Sequence[str]) -> Any:
    """Return the value of a part of the task with what is laid over it; what that replaces counts as read."""
    if not (over and isinstance(part.value, dict)):
        return part.value
    laid = dict(part.value)
    for key in keys:
        more, known = over.at(key), part.at(key)
        if more:
            laid[_spelled(laid, key)] = _environment(known, more) if key == "environment" else more.value
            known.take()
            more.take()
    over.lose_rest("has no equivalent for one target: write it to the job")
    return laid


def _environment(known: Source, more: Source) -> list[Any]:
    """Return the variables of a container with those that take the place of some."""
    replaced = {each.at("name").value for each in more.items()}
    kept = (each for each in known.items() if each.at("name").value not in replaced)
    return [each.value for each in (*kept, *more.items())]


def _spelled(laid: dict[str, Any], key: str) -> str:
    """Return a key as the task spells it."""
    capital = key[:1].upper() + key[1:]
    return capital if capital in laid else key


def put(schedule: Source, target: Source, draft: Draft) -> None:
    """Put when a job runs, how late it may be, and how many Pods a run has."""
    scheduled = _when(schedule, draft)
    draft.put(
        "concurrencyPolicy", "Allow", "as EventBridge, which starts a run though another one is running"
    )
    parameters, retries = target.at("ecsParameters"), target.at("retryPolicy")
    count = parameters.at("taskCount").number(1)
    draft.put("array", {"size": count} if count > 1 else None, "so many tasks were started at a time")
    seconds = retries.at("maximumEventAgeInSeconds").number()
    draft.put("startingDeadlineSeconds", seconds if scheduled and seconds > 0 else None)
    retries.lose_rest(_RUNS)
    draft.put("labels", {**draft.spec.get("labels", {}), **_tags(schedule)})
    draft.put("podLabels", {**draft.spec.get("podLabels", {}), **_tags(parameters)})
    for part, reasons in ((parameters, _PARAMETERS), (target, _TARGET), (schedule, _SCHEDULE)):
        for key, reason in reasons.items():
            part.at(key).lose(reason)
    parameters.lose_rest(UNKNOWN)
    target.lose_rest("belongs to targets that are no task of ECS")


def _when(schedule: Source, draft: Draft) -> bool:
    """Put when a job runs; return whether it has a schedule."""
    expression, zone = schedule.at("scheduleExpression"), schedule.at("scheduleExpressionTimezone").text()
    disabled = schedule.at("state").text() == "DISABLED"
    window = schedule.at("flexibleTimeWindow")
    if window.at("mode").value == "OFF":
        window.take()
    else:
        window.lose("a run starts at its time: let the program wait for a while")
    if not expression:
        schedules.on_demand(draft)
    elif schedules.put(draft, expression, expression.text()):
        draft.put("timeZone", zone if zone != "UTC" else None)
        draft.put("suspend", disabled or None)
        return True
    return False


def _tags(part: Source) -> dict[str, str]:
    """Take tags as labels: a key and its value, or a map of them."""
    pairs: list[tuple[str, Source]] = []
    for tag in part.at("tags").items():
        key = tag.at("key").text()
        pairs += [(key, tag.at("value"))] if key else tag.entries()
    return labels(pairs)
