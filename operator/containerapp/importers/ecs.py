"""Amazon ECS: task definitions, services and what belongs to them, to ContainerApps and ContainerJobs.

A task becomes one app whose Pod has all of its containers, or with `Wishes.split` an app for each group of containers
that shares nothing. A task that a schedule runs, or with `Wishes.job` any, becomes a ContainerJob.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from containerapp.importers import (
    ecs_edge,
    ecs_order,
    ecs_placement,
    ecs_pod,
    ecs_ports,
    ecs_scaling,
    ecs_schedule,
    ecs_service,
    schedules,
)
from containerapp.importers.ecs_input import Bundle, bundle
from containerapp.importers.ecs_volumes import volumes
from containerapp.importers.manifest import Draft, Manifest, imported
from containerapp.importers.naming import object_name, unique
from containerapp.importers.source import Imported, Source
from containerapp.importers.wishes import Wishes


@dataclass(slots=True)
class _Import:
    """One import: what was found, what was wished, what is made so far."""

    found: Bundle
    wishes: Wishes
    drafts: list[Draft] = field(default_factory=list)
    beside: list[Manifest] = field(default_factory=list)

    def name(self, *given: str, longest: int = 63) -> str:
        """Return a name that no other object has: that of the wishes for the first, else the first that is given."""
        wished = self.wishes.name if not self.drafts else None
        text = wished or next((each for each in given if each), "app")
        return unique(object_name(text, longest=longest), {draft.name for draft in self.drafts})


def convert(documents: Sequence[tuple[str, Any]], wishes: Wishes) -> Imported:
    """Return what becomes of ECS' descriptions; `documents` are file names and values, in any order."""
    run = _Import(bundle(documents), wishes)
    used = [*_services(run), *_schedules(run)]
    for task in run.found.tasks:
        if task not in used:
            _task(task, Source(None, "", task.ledger), run)
    _leave(run.found)
    return imported(run.found.roots, run.drafts, run.beside)


def _services(run: _Import) -> list[Source]:
    """Make the apps of services; return the tasks that they run."""
    used = []
    for service in run.found.services:
        task = run.found.task_of(service) or _unknown(service)
        used.append(task)
        _task(task, service, run)
    return used


def _unknown(service: Source) -> Source:
    """Return the task of a service whose definition was not given: its load balancer says a little."""
    service.at("taskDefinition").lose(
        "give the task definition, too: without it the containers are not known"
    )
    balanced = next(service.at("loadBalancers").items(), Source(None, "", service.ledger))
    port = balanced.at("containerPort").value
    container = {
        "name": balanced.at("containerName").value or service.at("serviceName").value or "app",
        "portMappings": [{"containerPort": port}] if port else [],
    }
    return Source({"containerDefinitions": [container]}, f"{service.path}.taskDefinition", service.ledger)


def _schedules(run: _Import) -> list[Source]:
    """Make the jobs of schedules; return the tasks that they run."""
    used = []
    for schedule in run.found.schedules:
        targets = list(ecs_schedule.targets(schedule, run.found))
        for target in targets:
            task = run.found.task_named(ecs_schedule.task_of(target))
            if task is None:
                target.lose("give the task definition, too: without it the containers are not known")
                continue
            used.append(task)
            given = schedule.at("name").named() or run.found.names.get(schedule.path, "")
            name = run.name(given, task.at("family").named(), longest=52)
            laid = ecs_schedule.overridden(task, target)
            ecs_schedule.put(schedule, target, _job(laid, name, run, target.at("ecsParameters")))
            laid.ledger.settle(laid)  # what the target has laid over it is to be read, too
        if not targets:
            schedule.lose_rest("it has no target that is a task of ECS: give its targets, too, if it has one")
    return used


def _job(task: Source, name: str, run: _Import, launch: Source) -> Draft:
    """Make a job of a task; `launch` says where it is launched."""
    draft = Draft(name=name, kind="ContainerJob", namespace=run.wishes.namespace)
    roles = ecs_order.roles(ecs_order.kept(task), ())
    fargate = ecs_placement.put(task, launch, draft)
    disks = volumes(task, Source(None, "", task.ledger), draft, fargate=fargate)
    run.beside += ecs_pod.fill(roles, draft, run.wishes, disks)
    ecs_pod.task_wide(task, roles, draft, whole=True)
    for definition in roles.all():
        definition.at("portMappings").lose(ecs_pod.JOB)
    run.drafts.append(draft)
    return draft


def _task(task: Source, service: Source, run: _Import) -> None:
    """Make the app of a task and its service, or the apps, or the job."""
    alias, ports = ecs_service.called(service, run.found.registries)
    given = (alias, service.at("serviceName").named(), task.at("family").named(), _first_name(task))
    if run.wishes.job:
        nothing = Source(None, "", task.ledger)
        schedules.on_demand(_job(task, run.name(*given, longest=52), run, nothing))
        service.lose_rest("a job is run once, by its `schedule` or on demand: no service keeps it running")
        return
    kept = ecs_order.kept(task)
    groups = ecs_order.groups(kept) if run.wishes.split else [kept]
    targets = [each.at("containerName").text() for each in service.at("loadBalancers").items()]
    groups.sort(key=lambda group: not any(each.at("name").text() in targets for each in group))
    for index, group in enumerate(groups):
        name = (
            run.name(*given)
            if index == 0
            else run.name(f"{run.drafts[-index].name}-{group[0].at('name').named()}")
        )
        of_group = service if index == 0 else Source(None, "", service.ledger)
        _app(task, of_group, group, Draft(name=name, namespace=run.wishes.namespace), run, ports)
    if len(kept) > 1 and len(groups) == 1 and not run.wishes.split:
        task.at("containerDefinitions").note(
            "all containers share one Pod; --split makes apps of those that can be apart"
        )


def _first_name(task: Source) -> str:
    first = next(task.at("containerDefinitions").items(), task)
    return first.at("name").text()


def _app(
    task: Source, service: Source, group: list[Source], draft: Draft, run: _Import, ports: dict[str, int]
) -> None:
    targets = [each.at("containerName").text() for each in service.at("loadBalancers").items()]
    roles = ecs_order.roles(group, targets)
    fargate = ecs_placement.put(task, service, draft)
    ecs_edge.put(service, roles.own, run.found, draft)
    run.beside += ecs_pod.fill(roles, draft, run.wishes, volumes(task, service, draft, fargate=fargate))
    whole = len(group) == len(ecs_order.kept(task))
    ecs_pod.task_wide(task, roles, draft, whole=whole)
    ecs_ports.put(roles.all(), draft, ports)
    ecs_service.put(service, draft)
    ecs_scaling.put(service, run.found, draft)
    run.drafts.append(draft)


def _leave(found: Bundle) -> None:
    """Give up what belongs to nothing that was imported."""
    for part in (
        *(*found.target_groups, *found.listeners, *found.rules, *found.load_balancers),
        *(*found.scalable_targets, *found.scaling_policies, *found.registries),
    ):
        part.lose_rest("belongs to nothing that is imported")
    for targets in found.targets:
        targets.lose_rest("belongs to no rule that is given: name that in `Rule`")
