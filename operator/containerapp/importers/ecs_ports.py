"""Port mappings of ECS to the ports of an app.

All ports of a task are reached at its address, those of sidecars too: so all of them become ports of the app, which the
Service offers. A task with one HTTP port becomes an app with `port`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from containerapp.importers.manifest import Draft
from containerapp.importers.naming import port_name
from containerapp.importers.source import Source

_LOW = "below 1024: let the program listen on a higher port, or see the guide for what lower ones need"
_PROTOCOLS = {"http": None, "http2": "kubernetes.io/h2c", "grpc": "grpc"}


def put(definitions: Iterable[Source], draft: Draft, aliases: dict[str, int]) -> None:
    """Put the ports of all containers, the app's own first; `aliases` are ports of the Service by names of mappings."""
    ports: list[dict[str, Any]] = []
    containers = list(definitions)
    for definition in containers:
        for mapping in definition.at("portMappings").items():
            _add(mapping, ports, aliases)
    if len(ports) == 1 and ports[0].keys() == {"name", "containerPort"}:
        draft.put("port", ports[0]["containerPort"])
        _rename(containers)
    else:
        draft.put("ports", ports)


def _rename(definitions: Iterable[Source]) -> None:
    """Give up the name of the one port of an app."""
    for definition in definitions:
        for mapping in definition.at("portMappings").items():
            if mapping.at("name").text("http") != "http":
                mapping.at("name").lose(
                    "the one port of an app is known as http; write `ports` for another name"
                )


def first_tcp(definition: Source) -> int | None:
    """Return the first TCP port of a container."""
    mappings = definition.at("portMappings").items()
    tcp = (
        each.at("containerPort").number()
        for each in mappings
        if each.at("protocol").text("tcp").lower() == "tcp"
    )
    return next((port for port in tcp if port), None)


def _add(mapping: Source, ports: list[dict[str, Any]], aliases: dict[str, int]) -> None:
    number, given = mapping.at("containerPort").number(), mapping.at("name").text()
    protocol = mapping.at("protocol").text("tcp").upper()
    spoken = _PROTOCOLS.get(mapping.at("appProtocol").text())
    mapping.at("containerPortRange").lose("name each port of the range in `ports`")
    host = mapping.at("hostPort")
    if host.number(number) not in {0, number}:
        host.lose("a Pod has an address of its own: callers use the port of the Service, ports[].servicePort")
    known = [(port["containerPort"], port.get("protocol", "TCP")) for port in ports]
    if 0 < number < 1024:
        mapping.at("containerPort").note(_LOW)
    if not number or (number, protocol) in known:
        return
    taken = {port["name"] for port in ports}
    name = "http" if not given and protocol == "TCP" and not ports else port_name(given, number, taken)
    served = aliases.get(given, number)
    ports.append(
        {
            "name": name,
            "containerPort": number,
            **({"protocol": protocol} if protocol != "TCP" else {}),
            **({"servicePort": served} if served != number else {}),
            **({"appProtocol": spoken} if spoken else {}),
        }
    )
