"""Which container of a task is the app's own, which run beside it, and which run before it.

By load balancers, ports, `essential` and `dependsOn`. What has no place in a Pod (log routers, proxies of App Mesh) is
left out, with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from containerapp.importers import ecs_reasons
from containerapp.importers.source import Refusal, Source

_AGENT = re.compile(
    r"xray|x-ray|otel|adot|collector|fluent|cloudwatch-agent|cwagent|datadog|newrelic|envoy|telegraf"
)
_ENDS = {"COMPLETE", "SUCCESS"}


@dataclass(slots=True, kw_only=True)
class Roles:
    """The containers of a Pod, in the order of their start; `after` has the sidecar that an init container needs."""

    own: Source
    sidecars: list[Source] = field(default_factory=list)
    inits: list[Source] = field(default_factory=list)
    after: dict[str, str] = field(default_factory=dict)
    awaited: set[str] = field(default_factory=set)

    def all(self) -> list[Source]:
        """Return all containers, the app's own first."""
        return [self.own, *self.sidecars, *self.inits]


def kept(task: Source, key: str = "containerDefinitions") -> list[Source]:
    """Return the containers below `key` that have a place in a Pod; give up the others."""
    proxy = task.at("proxyConfiguration").at("containerName").text()
    found = []
    for definition in task.at(key).items():
        if not isinstance(definition.value, dict):
            definition.ledger.wanted.append(str(definition.value))
            definition.lose("is no container definition")
        elif definition.at("firelensConfiguration"):
            definition.lose(ecs_reasons.ROUTER)
        elif proxy and definition.at("name").text() == proxy:
            definition.lose(ecs_reasons.MESH)
        else:
            found.append(definition)
    if not found:
        raise Refusal(
            f"{task.at('family').text() or 'The task definition'} has no container that can be an app."
        )
    return found


def roles(definitions: Sequence[Source], targets: Sequence[str]) -> Roles:
    """Return what each container is; `targets` are those that load balancers lead to."""
    ended = {
        dependency.at("containerName").text()
        for definition in definitions
        for dependency in definition.at("dependsOn").items()
        if dependency.at("condition").text().upper() in _ENDS
    }
    candidates = [each for each in definitions if _name(each) not in ended] or list(definitions)
    found = Roles(own=min(candidates, key=lambda each: _rank(each, targets)))
    rest = [each for each in definitions if each is not found.own]
    found.inits = _sorted([each for each in rest if _name(each) in ended])
    found.sidecars = _sorted([each for each in rest if _name(each) not in ended])
    _settle(found)
    return found


def _name(definition: Source) -> str:
    return definition.at("name").text()


def is_agent(definition: Source) -> bool:
    """Whether a container watches others, by its image."""
    return bool(_AGENT.search(definition.at("image").text()))


def _rank(definition: Source, targets: Sequence[str]) -> tuple[bool, ...]:
    """Return how far a container is from being the app's own; of equals the first one is."""
    essential = definition.at("essential").flag(default=True)
    has_port = bool(definition.at("portMappings"))
    return (_name(definition) not in targets, is_agent(definition), not essential, not has_port)


def _needs(definition: Source) -> list[str]:
    return [each.at("containerName").text() for each in definition.at("dependsOn").items()]


def _sorted(definitions: list[Source]) -> list[Source]:
    """Return containers so that each follows those that it depends on; a circle keeps its order."""
    done: list[Source] = []
    waiting = list(definitions)
    while waiting:
        names = {_name(each) for each in waiting}
        ready = [each for each in waiting if names.isdisjoint(set(_needs(each)) - {_name(each)})] or waiting[
            :1
        ]
        done.append(ready[0])
        waiting.remove(ready[0])
    return done


def _settle(found: Roles) -> None:
    """Take each dependency that the order keeps, and give up the others."""
    sidecars, inits = [_name(each) for each in found.sidecars], {_name(each) for each in found.inits}
    for definition in found.all():
        for dependency in definition.at("dependsOn").items():
            needed, condition = (
                dependency.at("containerName").text(),
                dependency.at("condition").text().upper(),
            )
            if definition is not found.own and needed == _name(found.own):
                dependency.lose("sidecars start before the app: let its program wait until the app answers")
            elif needed not in {*sidecars, *inits}:
                dependency.lose("the container is not in this Pod")
            elif condition == "COMPLETE":
                dependency.note(
                    "an init container that fails is run again, and the app waits until it succeeds"
                )
            elif condition == "HEALTHY":
                found.awaited.add(needed)
            if definition in found.inits and needed in sidecars:
                place = [
                    sidecars.index(each) for each in (found.after.get(_name(definition), needed), needed)
                ]
                found.after[_name(definition)] = sidecars[max(place)]


def groups(definitions: Sequence[Source]) -> list[list[Source]]:
    """Return the containers that must share a Pod, together: by volumes, dependencies, links and calls to localhost."""
    together: list[tuple[list[Source], set[str]]] = []
    for definition in definitions:
        members, marks = [definition], _marks(definition)
        for other in [each for each in together if each[1] & marks]:
            together.remove(other)
            members, marks = [*other[0], *members], marks | other[1]
        together.append((members, marks))
    return [members for members, _ in together]


def _marks(definition: Source) -> set[str]:
    """Return what two containers of one Pod have in common."""
    links = (each.text().partition(":")[0] for each in definition.at("links").items())
    shared = (each.at("sourceContainer").text() for each in definition.at("volumesFrom").items())
    volumes = (f"volume {each.at('sourceVolume').text()}" for each in definition.at("mountPoints").items())
    called = (f"port {port}" for each in definition.at("environment").items() for port in _local_ports(each))
    ports = (f"port {each.at('containerPort').text()}" for each in definition.at("portMappings").items())
    return {_name(definition), *_needs(definition), *links, *shared, *volumes, *called, *ports}


def _local_ports(variable: Source) -> list[str]:
    return re.findall(r"(?:localhost|127\.0\.0\.1):([0-9]+)", str(variable.at("value").value))
