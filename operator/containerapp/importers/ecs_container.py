"""A container definition of ECS, or of AWS Batch, to the fields of a container of ours.

What belongs to the Pod as a whole (names of hosts, DNS, sysctls, the time to end) goes to the `Draft`. Ports and
volumes are in `ecs_ports` and `ecs_volumes`.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from containerapp.importers import commands, ecs_reasons, probes
from containerapp.importers.accepted import ADDRESS, SYSCTL, accepts
from containerapp.importers.manifest import Draft, cpu, memory
from containerapp.importers.source import Source
from containerapp.importers.units import is_number
from containerapp.importers.wishes import Wishes

Fields = dict[str, Any]

_HOST_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_HOST = re.compile(rf"{_HOST_LABEL.pattern}(\.{_HOST_LABEL.pattern})*")
_ANNOTATION = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_SIZE = re.compile(r"(?P<number>[0-9]*\.?[0-9]+) *(?P<unit>v?cpu|gb)?", re.IGNORECASE)
_ALLOWED = "Pod Security of the namespace, and the platform, must allow it"
_ROOT = {"root": "0"}
_DEVICES = {"GPU": "nvidia.com/gpu", "NeuronDevice": "aws.amazon.com/neuron"}


def process(definition: Source, draft: Draft, wishes: Wishes, *, own: bool, name: str) -> Fields:
    """Return image, command, environment, secrets, resources and security; `name` is empty for the app's own."""
    given = definition.at("name").text()
    env, secrets = _environment(definition, draft, name)
    return {
        "image": wishes.image_of(given or draft.name, definition.at("image"), own=own),
        "command": words(definition.at("entryPoint")),
        "args": words(definition.at("command")),
        "workingDir": _folder(definition.at("workingDirectory")),
        "stdin": definition.at("interactive").flag() or None,
        "tty": definition.at("pseudoTerminal").flag() or None,
        "env": env,
        "secrets": secrets,
        "resources": resources(definition),
        "security": security(definition),
    }


def words(given: Source) -> list[str]:
    """Take a list of words; a line in place of one is split."""
    return commands.words(given.text()) if isinstance(given.value, str) else given.texts()


def _folder(given: Source) -> str | None:
    text = given.text()
    if text and not text.startswith("/"):
        given.lose("workingDir is an absolute path: begin it with /")
        return None
    return text or None


def _environment(definition: Source, draft: Draft, name: str) -> tuple[list[Fields], list[Fields]]:
    """Take environment and secrets; of two of the same name the last one counts, and a secret before a value."""
    secrets = _by_name(definition.at("secrets"), ())
    values = _by_name(definition.at("environment"), secrets)
    return (
        [draft.variable(key, each.at("value"), container=name) for key, each in values.items()],
        [{"name": key, "valueFrom": each.at("valueFrom").text()} for key, each in secrets.items()],
    )


def _by_name(items: Source, others: Collection[str]) -> dict[str, Source]:
    found: dict[str, Source] = {}
    for item in items.items():
        name = item.at("name").text()
        if not name:
            item.lose("has no name")
        elif name in found or name in others:
            found.get(name, item).lose(
                "the variable is given again: the last one counts, and a secret before a value"
            )
        if name and name not in others:
            found[name] = item
    return found


def resources(definition: Source) -> Fields:
    """Take CPU and memory: of `memory` and `memoryReservation` the first is the limit, and the other is promised."""
    units, hard, soft = (definition.at(key).number() for key in ("cpu", "memory", "memoryReservation"))
    requests: Fields = {"cpu": cpu(units / 1.024)} if units > 0 else {}
    limits: Fields = {}
    if soft or hard:
        requests["memory"] = memory(soft or hard)
    if soft and hard > soft:
        limits["memory"] = memory(hard)
    for item in definition.at("resourceRequirements").items():
        _requirement(item, requests, limits)
    return {key: value for key, value in (("requests", requests), ("limits", limits)) if value}


def _requirement(item: Source, requests: Fields, limits: Fields) -> None:
    kind, value = item.at("type").text(), item.at("value")
    item.at("sharingStrategy").lose("GPUs are shared by the settings of NVIDIA's device plug-in")
    match kind:
        case "GPU" | "NeuronDevice":
            limits[_DEVICES[kind]] = value.text()
        case "VCPU":
            requests["cpu"] = cpu(size(value, per_unit=1000, unit=1000) or 1000)
        case "MEMORY":
            requests["memory"] = memory(value.number())
        case _:
            value.lose(ecs_reasons.TASK["inferenceAccelerators"])


def size(given: Source, *, per_unit: float, unit: float) -> float:
    """Take the size of a task: a number such as 512, or 1 with its unit as in `1 vCPU` or `2 GB`."""
    found = _SIZE.fullmatch(given.named().strip())
    if found is None:
        given.lose("is no size: write CPU units or MiB as a number, or with vCPU or GB")
        return 0
    return float(found["number"]) * (unit if found["unit"] else per_unit)


def security(definition: Source) -> Fields:
    """Take user, privileges and capabilities; what is not said stays as safe as an app's defaults are."""
    found = _user(definition.at("user"))
    privileged = definition.at("privileged")
    if privileged.flag():
        privileged.note(_ALLOWED)
        found = {"privileged": True, "allowPrivilegeEscalation": True, "runAsNonRoot": False, **found}
    if definition.at("readonlyRootFilesystem").flag():
        found["readOnlyRootFilesystem"] = True
    capabilities = definition.at("linuxParameters").at("capabilities")
    capabilities.at("drop").take()
    if not set(capabilities.at("add").texts()) <= {"NET_BIND_SERVICE"}:
        capabilities.at("add").note(_ALLOWED)
    added = [each.removeprefix("CAP_") for each in capabilities.at("add").texts()]
    for option in definition.at("dockerSecurityOptions").items():
        if not option.text().startswith("no-new-privileges"):
            option.lose(
                "the nodes' own; see `security.seccompProfile`, and an override for AppArmor and SELinux"
            )
    return {**found, **({"capabilities": {"add": added}} if added else {})}


def _user(given: Source) -> Fields:
    user, _, group = (_ROOT.get(part, part) for part in given.text().partition(":"))
    if user and not is_number(user):
        given.lose(
            "Kubernetes cannot tell whether a named user is root: write its number to security.runAsUser"
        )
        return {}
    found: Fields = {"runAsUser": int(user)} if user else {}
    if is_number(group):
        found["runAsGroup"] = int(group)
    elif group:
        given.ledger.losses[given.path] = (
            "Kubernetes takes numbers alone: write the group's to security.runAsGroup"
        )
    if user == "0":
        given.note(f"runs as root, which the defaults of `security` refuse; {_ALLOWED}")
        found["runAsNonRoot"] = False
    return found


def health(definition: Source, port: int | None) -> Fields:
    """Take a health check: what it asks decides who gets traffic, and what is restarted."""
    check = definition.at("healthCheck")
    line = check.at("command")
    asked = line.texts()
    asks = probes.handler(asked, port)
    times = [check.at(key).number(default) for key, default in _TIMES.items()]
    return (
        probes.checks(asks, **dict(zip(("interval", "timeout", "retries", "start"), times, strict=True)))
        if asks
        else {}
    )


_TIMES = {"interval": 30, "timeout": 5, "retries": 3, "startPeriod": 0}


def of_the_pod(definition: Source, draft: Draft) -> None:
    """Put what containers of a Pod have in common."""
    spec = draft.spec
    _hosts(definition, spec)
    _dns(definition, spec)
    for control in definition.at("systemControls").items():
        _sysctl(control, spec)
    grace = definition.at("stopTimeout").number()
    if grace > 0:
        spec["terminationGracePeriodSeconds"] = max(grace, spec.get("terminationGracePeriodSeconds", 0))
    if definition.at("linuxParameters").at("initProcessEnabled").flag():
        spec["shareProcessNamespace"] = True
    hostname = definition.at("hostname")
    if _HOST_LABEL.fullmatch(hostname.text()):
        spec["hostname"] = hostname.text()
    else:
        hostname.lose("a host's name has lower-case letters, digits and '-'; without one it is the Pod's")
    for key, label in definition.at("dockerLabels").entries():
        if _ANNOTATION.fullmatch(key) and not key.startswith("containerapp.dev/"):
            spec.setdefault("podAnnotations", {})[key] = label.text()
        else:
            label.lose("no annotation of a Pod can have this key")
    _give_up(definition)


def _give_up(definition: Source) -> None:
    for key, reason in ecs_reasons.CONTAINER.items():
        value = definition.at(key)
        if value.value is not False:
            value.lose(reason)
        value.take()
    for key, reason in ecs_reasons.LINUX.items():
        definition.at("linuxParameters").at(key).lose(reason)
    restart = definition.at("restartPolicy")
    restart.at("enabled").take()
    for key in ("ignoredExitCodes", "restartAttemptPeriod"):
        restart.at(key).lose("a container of a Pod is restarted whenever it ends, after a growing pause")
    consistency = definition.at("versionConsistency")
    if consistency.text() == "disabled":
        consistency.lose("an app always runs by the digest that its tag had")


def _hosts(definition: Source, spec: Fields) -> None:
    """Put names that /etc/hosts knows: linked containers of a Pod are on localhost."""
    aliases = {each["ip"]: each["hostnames"] for each in spec.get("hostAliases", ())}
    for link in definition.at("links").items():
        name = link.text().rpartition(":")[2].lower()
        aliases.setdefault("127.0.0.1", []).append(name)
    for extra in definition.at("extraHosts").items():
        address, name = extra.at("ipAddress").text(), extra.at("hostname").text().lower()
        if accepts(ADDRESS, address) and _HOST.fullmatch(name):
            aliases.setdefault(address, []).append(name)
        else:
            extra.lose("hostAliases has an IP address and names in lower case")
    if aliases:
        spec["hostAliases"] = [
            {"ip": address, "hostnames": list(dict.fromkeys(names))} for address, names in aliases.items()
        ]


def _dns(definition: Source, spec: Fields) -> None:
    for key, field in (("dnsServers", "nameservers"), ("dnsSearchDomains", "searches")):
        known = spec.get("dnsConfig", {}).get(field, [])
        for item in definition.at(key).items():
            if key == "dnsServers" and not accepts(ADDRESS, item.text()):
                item.lose("a DNS server is given by its IP address")
            elif item.text() not in known:
                known = [*known, item.text()]
        if known:
            spec["dnsConfig"] = {**spec.get("dnsConfig", {}), field: known}


def _sysctl(control: Source, spec: Fields) -> None:
    name, value = control.at("namespace").text(), control.at("value").text()
    sysctl = {"name": name, "value": value}
    if accepts(SYSCTL, sysctl):
        security = spec.setdefault("security", {})
        security["sysctls"] = [
            *(each for each in security.get("sysctls", ()) if each["name"] != name),
            sysctl,
        ]
    else:
        control.lose("a Pod may set those sysctls alone that Kubernetes calls safe: set it on the nodes")
