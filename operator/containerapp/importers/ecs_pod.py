"""The Pod of a task: its own container, the further ones, its volumes and its size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from containerapp.importers import ecs_container, ecs_ports, ecs_reasons
from containerapp.importers.ecs_order import Roles, is_agent
from containerapp.importers.ecs_volumes import Volumes, in_memory
from containerapp.importers.manifest import TRUST, Draft, Manifest, cpu, labels, memory
from containerapp.importers.naming import container_name
from containerapp.importers.source import Source
from containerapp.importers.wishes import Wishes

Fields = dict[str, Any]
_USER = "must run as a user with a number other than 0: else give security.runAsUser, or runAsNonRoot: false"
JOB = "a job has no Service and gets no requests"


def fill(roles: Roles, draft: Draft, wishes: Wishes, disks: Volumes) -> list[Manifest]:
    """Put all containers of a Pod; return the objects that stand beside the app."""
    others = {each.at("name").text(): each for each in roles.all()}
    _own(roles.own, draft, wishes, disks, others)
    names = _names([*roles.sidecars, *roles.inits])
    mounted = [(each, disks.mounts(each, others, own=False)) for each in [*roles.sidecars, *roles.inits]]
    disks.put()
    in_memory(roles.own, draft, own=True)
    made = []
    for definition, mounts in mounted:
        fields = _further(definition, draft, wishes, names[definition.path])
        fields["volumeMounts"] = [*mounts, *in_memory(definition, draft, own=False)]
        made.append(fields)
    for definition in roles.all():
        ecs_container.of_the_pod(definition, draft)
    count = len(roles.sidecars)
    sidecars = [
        {**fields, **_sidecar_probes(definition, roles)}
        for fields, definition in zip(made[:count], roles.sidecars, strict=True)
    ]
    inits = [
        {**fields, **_init(definition, roles, names)}
        for fields, definition in zip(made[count:], roles.inits, strict=True)
    ]
    draft.put("sidecars", [_plain(each) for each in sidecars])
    draft.put("initContainers", [_plain(each) for each in inits])
    return disks.beside


def _plain(fields: Fields) -> Fields:
    return {key: value for key, value in fields.items() if value not in (None, "", [], {})}


def _names(definitions: Sequence[Source]) -> dict[str, str]:
    """Return the names of the further containers by the paths of their definitions."""
    names: dict[str, str] = {}
    for definition in definitions:
        given = definition.at("name").named()
        names[definition.path] = container_name(given, names.values())
    return names


def _own(
    definition: Source, draft: Draft, wishes: Wishes, disks: Volumes, others: Mapping[str, Source]
) -> None:
    for name, value in ecs_container.process(definition, draft, wishes, own=True, name="").items():
        draft.put(name, value)
    if not {"runAsUser", "privileged"} & draft.spec.get("security", {}).keys():
        definition.at("image").note(_USER)
    disks.mounts(definition, others, own=True)
    definition.at("essential").take()
    if draft.kind == "ContainerJob":
        definition.at("healthCheck").lose(JOB)
        return
    for name, probe in ecs_container.health(definition, ecs_ports.first_tcp(definition)).items():
        if name not in draft.spec:
            draft.put(name, probe)


def _further(definition: Source, draft: Draft, wishes: Wishes, name: str) -> Fields:
    definition.at("essential").take()
    return {"name": name, **ecs_container.process(definition, draft, wishes, own=False, name=name)}


def _sidecar_probes(definition: Source, roles: Roles) -> Fields:
    """Return the probes of a sidecar; what waits until it is healthy waits for its startup probe."""
    probes = ecs_container.health(definition, None)
    if not definition.at("essential").flag(default=True):
        probes.pop("readinessProbe", None)
    if definition.at("name").text() in roles.awaited and "livenessProbe" in probes:
        probes.setdefault("startupProbe", {**probes["livenessProbe"], "failureThreshold": 30})
    return probes


def _init(definition: Source, roles: Roles, names: Mapping[str, str]) -> Fields:
    definition.at("healthCheck").lose("an init container runs to its end")
    needed = roles.after.get(definition.at("name").text())
    found = [names[each.path] for each in roles.sidecars if each.at("name").text() == needed]
    return {"after": found[0] if found else None}


def task_wide(task: Source, roles: Roles, draft: Draft, *, whole: bool) -> None:
    """Put what a task says of all of its containers; `whole` says whether they all are in this Pod."""
    role = task.at("taskRoleArn").text()
    draft.put("identity", {"roleArn": role} if role.startswith(("arn:", "$", "{", "<")) else None, TRUST)
    if role and "identity" not in draft.spec:
        task.at("taskRoleArn").lose("identity.roleArn is the ARN of the role: this is its name")
    draft.put("labels", labels((tag.at("key").text(), tag.at("value")) for tag in task.at("tags").items()))
    _size(task, roles, draft, whole=whole)
    _namespaces(task, draft)
    for key, reason in ecs_reasons.TASK.items():
        task.at(key).lose(reason)


def _size(task: Source, roles: Roles, draft: Draft, *, whole: bool) -> None:
    """Promise the containers that say no size of their own what the task has and the others do not take."""
    units = ecs_container.size(task.at("cpu"), per_unit=1 / 1.024, unit=1000)
    mebibytes = ecs_container.size(task.at("memory"), per_unit=1, unit=1024)
    if whole:
        _share(roles, draft, _Amount(key="cpu", total=units, least=50, write=cpu))
        shared = _share(roles, draft, _Amount(key="memory", total=mebibytes, least=64, write=_memory))
        if shared:
            task.at("memory").note(
                "containers without a size have equal shares, and may use what others do not"
            )
        _let_grow(roles, draft, mebibytes)
    else:
        for key in ("cpu", "memory"):
            task.at(key).lose("the task was split: say what each of its apps needs, in `resources`")
    disk = task.at("ephemeralStorage").at("sizeInGiB").number()
    if disk:
        draft.put("resources", _promised(draft.spec, "ephemeral-storage", f"{disk}Gi"))


def _let_grow(roles: Roles, draft: Draft, mebibytes: float) -> None:
    """Let containers that have only reserved memory use all that the task has, as ECS does."""

    def given(definition: Source, fields: Fields) -> Fields:
        soft = definition.at("memoryReservation")
        if not soft or definition.at("memory"):
            return fields
        if mebibytes <= soft.number():
            soft.note(
                "is the limit, too; ECS had none: write more to resources.limits.memory where it is needed"
            )
            return fields
        limits = {**fields["resources"].get("limits", {}), "memory": _memory(mebibytes)}
        return {**fields, "resources": {**fields["resources"], "limits": limits}}

    sidecars = zip(roles.sidecars, draft.spec.get("sidecars", []), strict=True)
    draft.put("sidecars", [given(definition, fields) for definition, fields in sidecars])
    draft.put("resources", given(roles.own, draft.spec).get("resources"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Amount:
    """What a task has of a resource, the least that a container gets, and how an amount is written."""

    key: str
    total: float
    least: float
    write: Callable[[float], str]


def _memory(mebibytes: float) -> str:
    return memory(round(mebibytes))


def _share(roles: Roles, draft: Draft, amount: _Amount) -> bool:
    """Share out what a task has; return whether containers have to share a limit. Agents get the least."""
    sidecars = list(zip(roles.sidecars, draft.spec.get("sidecars", []), strict=True))
    containers = [(roles.own, draft.spec), *sidecars]
    left = amount.total - sum(_taken(definition, amount.key) for definition, _ in containers)
    unsized = [fields for definition, fields in containers if not _taken(definition, amount.key)]
    agents = [fields for definition, fields in sidecars if fields in unsized and is_agent(definition)]
    if not amount.total or not unsized:
        return False
    equals = max(1, len(unsized) - len(agents))
    portion = max((left - amount.least * len(agents)) / equals, amount.least)
    limit = amount.write(max(left, portion)) if amount.key == "memory" and len(unsized) > 1 else None

    def given(fields: Fields) -> Fields:
        if fields not in unsized:
            return fields
        promise = amount.write(amount.least if fields in agents else portion)
        return {**fields, "resources": _promised(fields, amount.key, promise, limit)}

    draft.put("sidecars", [given(fields) for _, fields in sidecars])
    draft.put("resources", given(draft.spec).get("resources"))
    return limit is not None


def _promised(fields: Fields, key: str, amount: str, limit: str | None = None) -> Fields:
    """Return the resources of a container with one more that it is promised, and its limit where it has one."""
    known = fields.get("resources", {})
    requests = {**known.get("requests", {}), key: amount}
    limits = {**known.get("limits", {}), **({key: limit} if limit else {})}
    return {
        "requests": {name: requests[name] for name in sorted(requests)},
        **({"limits": limits} if limits else {}),
    }


def _taken(definition: Source, key: str) -> float:
    """Return what a container says that it needs, in thousandths of a core or in mebibytes."""
    if key == "memory":
        return definition.at("memoryReservation").number() or definition.at("memory").number()
    return definition.at(key).number() / 1.024


def _namespaces(task: Source, draft: Draft) -> None:
    """Take how containers of a task share the network, processes and memory."""
    network, processes, memory_ = task.at("networkMode"), task.at("pidMode"), task.at("ipcMode")
    if network.text("awsvpc") in {"host", "none"}:
        network.lose(
            "each Pod has an address of its own: callers use the Service, and a port of the node is not taken"
        )
    if processes.text() == "task":
        draft.put("shareProcessNamespace", True)
    elif processes.text():
        processes.lose(
            "a Pod does not see the node's processes: lay an override with hostPID over the Deployment"
        )
    if memory_.text() == "host":
        memory_.lose(
            "a Pod does not share the node's memory: lay an override with hostIPC over the Deployment"
        )
