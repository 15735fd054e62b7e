"""Ports of a service, the names by which it is found, and those that it finds others by."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from containerapp.importers.accepted import ADDRESS, accepts
from containerapp.importers.compose.databases import database
from containerapp.importers.compose.parts import Model, Part
from containerapp.importers.compose.syntax import MOST_PORTS
from containerapp.importers.naming import port_name
from containerapp.importers.source import Source
from containerapp.importers.units import is_number

Ports = dict[tuple[int, str], dict[str, Any]]


def networking(part: Part) -> None:
    """Carry ports, names and DNS."""
    _ports(part)
    _routes(part)
    _names(part)
    _dns(part)
    _networks(part)


def _ports(part: Part) -> None:
    found: Ports = {}
    for item in part.service.at("ports").items():
        _port(item, found)
    _published(part)
    for item in part.service.at("expose").items():
        number, _, protocol = str(item.value).partition("/")
        if is_number(number):
            item.take()
            found.setdefault((int(number), (protocol or "tcp").upper()), {})
        else:
            item.lose("a range of ports: name each in `ports`")
    comment = ""
    if not found and not part.is_job and not part.sidecar:
        guessed, comment = _guessed(part)
        found |= {(guessed, "TCP"): {}} if guessed else {}
    if part.is_job:
        for key in ("ports", "expose"):
            part.service.at(key).lose("a job answers no requests: no Service leads to it")
        return
    _put(part, found, comment)


def _port(item: Source, found: Ports) -> None:
    """Take a port of the long form; what the host does with it is the host's."""
    target = item.at("target").number()
    if not 1 <= target <= 65535:
        item.lose(
            f"it is no port from 1 to 65535, and no range of {MOST_PORTS} at most: write those that callers need to"
            " `ports`"
        )
        return
    protocol = item.at("protocol").text("tcp").upper()
    more = {"name": item.at("name").text(), "appProtocol": item.at("app_protocol").text()}
    found.setdefault((target, protocol), {}).update({key: value for key, value in more.items() if value})
    for key in ("published", "host_ip", "mode"):
        item.at(key).take()


def _published(part: Part) -> None:
    """Say where the ports are that the host had: in the cluster, an app is reached by its name and its own ports."""
    ports = part.service.at("ports")
    moved = [
        f"{port['published']} is {part.draft.name}:{port.get('target')}"
        for port in (item.value for item in ports.items())
        if isinstance(port, dict) and port.get("published")
    ]
    if moved and not part.is_job:
        ports.note(
            f"published on the host: {', '.join(moved)} in the cluster. For callers from outside write `expose`; for"
            " yourself use `kubectl port-forward`"
        )


def _guessed(part: Part) -> tuple[int, str]:
    """Return the port that other services call, or that the image is known for."""
    called = re.compile(rf"(?<![\w.-]){re.escape(part.name)}:([0-9]{{2,5}})(?![0-9])")
    for name, service in part.model.root.at("services").entries():
        for text in _texts(service.value) if name != part.name else ():
            match = called.search(text)
            if match and int(match[1]) <= 65535:
                return int(match[1]), f"called by {name}; the Compose file names no port"
    known = database(str(part.service.at("image").value))
    return (known.port, "the usual one of the image; the Compose file names no port") if known else (0, "")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str):
        yield value


def _put(part: Part, found: Ports, comment: str) -> None:
    numbers = list(found)
    if not part.sidecar and len(numbers) == 1 and numbers[0][1] == "TCP" and not found[numbers[0]]:
        part.put("port", numbers[0][0], comment)
        return
    ports: list[dict[str, Any]] = []
    for (number, protocol), more in found.items():
        names = {port["name"] for port in ports}
        name = port_name(more.pop("name", "") or _NAMES.get((number, protocol), ""), number, names)
        port = {"name": name, "containerPort": number} | ({} if protocol == "TCP" else {"protocol": protocol})
        ports.append(port | ({} if part.sidecar else more))
    part.put("ports", ports)


def _routes(part: Part) -> None:
    """Make hosts of the rules that a proxy reads from labels; what else it reads is listed with the labels."""
    hosts = []
    for key, value in part.service.at("labels").entries():
        rule = _RULE.fullmatch(str(value.value)) if _ROUTER.fullmatch(key) else None
        if rule and (part.fields.get("port") or part.fields.get("ports")) and not part.sidecar:
            hosts += re.findall("`([^`]+)`", value.text())
    if hosts:
        part.put("expose", {"hosts": hosts})
        part.service.at("labels").note(
            "the hosts of its router: a load balancer or a Gateway of the platform leads to them; see `expose`"
        )


_ROUTER = re.compile(r"traefik\.http\.routers\.[^.]+\.rule")
_HOST = "`[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+`"
_RULE = re.compile(rf"Host\({_HOST}(, ?{_HOST})*\)( \|\| Host\({_HOST}\))*")
_NAMES = {
    (80, "TCP"): "http",
    (443, "TCP"): "https",
    (443, "UDP"): "http3",
    (53, "TCP"): "dns",
    (53, "UDP"): "dns-udp",
}


def _names(part: Part) -> None:
    hostname = part.service.at("hostname")
    if part.sidecar or not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", str(hostname.value)):
        hostname.lose("a Pod's host name has lower-case letters, digits and '-': write hostname")
    elif hostname.value == part.name:
        hostname.take()  # the name of the Service leads to the app; the Pods have names of their own
    else:
        part.put("hostname", hostname.text())
    container = part.service.at("container_name")
    if str(container.value) in {part.draft.name, part.name}:
        container.take()
    else:
        container.lose(f"Pods have names of their own; the app is called {part.draft.name}")
    for link in part.service.at("links").items():
        target, _, alias = link.text().partition(":")
        app = part.model.names.get(target, target)
        if alias and alias != app:
            link.lose(f"apps are reached by their names alone: call {app} instead of {alias}")


def _dns(part: Part) -> None:
    if part.sidecar:
        return
    aliases: dict[str, list[str]] = {}
    for host, addresses in part.service.at("extra_hosts").entries():
        for address in addresses.items():
            if _is_address(str(address.value).strip("[]")):
                aliases.setdefault(address.text().strip("[]"), []).append(host)
            else:
                address.lose("Pods have no way to their node by a name: call the address of what is meant")
    part.put("hostAliases", [{"ip": ip, "hostnames": hosts} for ip, hosts in aliases.items()])
    config: dict[str, Any] = {}
    for key, name, is_legal, most in (
        ("dns", "nameservers", _is_address, 3),
        ("dns_search", "searches", lambda text: bool(_DOMAIN.fullmatch(text)), 8),
    ):
        kept: list[str] = []
        for item in part.service.at(key).items():
            if is_legal(str(item.value)) and len(kept) < most:
                kept.append(item.text())
            else:
                item.lose(f"dnsConfig.{name} takes {most} at most, each an address or a domain in lower case")
        config |= {name: kept} if kept else {}
    options = [item.text().partition(":") for item in part.service.at("dns_opt").items()]
    named = [{"name": name} | ({"value": value} if value else {}) for name, _, value in options]
    config |= {"options": named} if named else {}
    part.put("dnsConfig", config)


_DOMAIN = re.compile(r"([a-z0-9_]([-a-z0-9_]*[a-z0-9_])?\.)*[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?\.?")


def _is_address(text: str) -> bool:
    return accepts(ADDRESS, text)


def _networks(part: Part) -> None:
    """All apps of a namespace reach each other: what a network adds is listed."""
    for name, network in part.service.at("networks").entries():
        aliases = [alias for alias in network.at("aliases").items() if alias.value != part.draft.name]
        for alias in network.at("aliases").items():
            alias.take()
        for alias in aliases:
            alias.lose(
                f"an app is reached by its name alone: call {part.draft.name} instead of {alias.value}"
            )
        for key in ("priority", "gw_priority"):
            network.at(key).take()
        for key, value in network.entries():
            if key not in {"aliases", "priority", "gw_priority"}:
                value.lose(f"Pods of {name} get their addresses from the cluster: call apps by their names")
    mode = part.service.at("network_mode")
    if str(mode.value) in {"bridge", "default"} or part.sidecar:
        mode.take()
    else:
        mode.lose(
            _MODES.get(str(mode.value), "Pods are in the cluster's network: see network.allowFrom and egress")
        )


_MODES = {
    "host": "an app does not share its node's network: name its ports, and use `expose`; with an override"
    " (hostNetwork: true) if it must",
    "none": "write network: {allowFrom: [], egress: []} where the cluster enforces NetworkPolicies",
}


def top_networks(model: Model) -> None:
    """List what the networks of the project keep apart; one network of all is what a namespace is."""
    networks = model.root.at("networks")
    for name, network in networks.entries():
        for key, value in network.entries():
            value.lose(
                _NETWORKS.get(
                    key, f"{name} is the cluster's network: its driver and addresses are not the app's"
                )
            )
    named = [
        {name for name, _ in service.at("networks").entries()} or {"default"}
        for _, service in model.root.at("services").entries()
    ]
    if any(one.isdisjoint(other) for one in named for other in named):
        model.root.at("services").note(
            "networks keep some services apart; apps of a namespace all reach each other: write network.allowFrom with"
            " the apps that may call"
        )


_NETWORKS = {
    "internal": "apps reach the internet unless network.egress lists what they may call",
    "external": "apps of one namespace reach each other without a network; others as NAME.NAMESPACE",
    "name": "a namespace is the network: its name is chosen with the apply",
}
