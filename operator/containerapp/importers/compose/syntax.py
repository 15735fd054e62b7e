"""Each field of a Compose file in its long form: what may be written in several ways is read in one.

Called by `project` for each file before files are merged. Total: what has an unknown form stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from containerapp.importers.documents import Tagged

MOST_PORTS = 32
"""Ports that an app can have, by the API."""
_PORT = re.compile(
    r"(?:(?P<ip>\[[0-9a-fA-F:]+\]|[0-9]+(?:\.[0-9]+){3}|localhost):)?(?:(?P<published>[0-9]{1,9}(?:-[0-9]{1,9})?)?:)?"
    r"(?P<target>[0-9]{1,9}(?:-[0-9]{1,9})?)(?:/(?P<protocol>[a-z]+))?"
)


def long_form(tree: Any) -> Any:
    """Return the file with every field in its long form."""
    if not isinstance(tree, dict):
        return tree
    services = tree.get("services")
    known = dict(tree)
    if isinstance(services, dict):
        known["services"] = {name: long_service(service) for name, service in services.items()}
    for section in ("networks", "volumes", "secrets", "configs"):
        if isinstance(known.get(section), dict):
            known[section] = {
                name: _apply(entry, {"labels": _pairs}) for name, entry in known[section].items()
            }
    return known


def long_service(service: Any) -> Any:
    """Return a service with every field in its long form."""
    return _apply(service, _SERVICE)


def _apply(value: Any, forms: dict[str, Callable[[Any], Any]]) -> Any:
    """Return a map with the forms of its fields; the value of a `!override` counts as the value."""
    if isinstance(value, Tagged):
        return Tagged(value.tag, _apply(value.value, forms))
    if not isinstance(value, dict):
        return value
    return {key: _formed(inner, forms[key]) if key in forms else inner for key, inner in value.items()}


def _formed(value: Any, form: Callable[[Any], Any]) -> Any:
    if isinstance(value, Tagged):
        return Tagged(value.tag, form(value.value))
    return value if value is None else form(value)


def _pairs(value: Any, marks: str = "=") -> Any:
    """`[NAME=VALUE]` as a map; a name alone has no value."""
    if not isinstance(value, list):
        return value
    pairs: dict[str, Any] = {}
    for item in value:
        name, mark, rest = _divided(str(item), marks)
        pairs[name] = rest if mark else None
    return pairs


def _divided(text: str, marks: str) -> tuple[str, str, str]:
    mark = next((mark for mark in marks if mark in text), marks[0])
    return text.partition(mark)


def _hosts(value: Any) -> Any:
    """`[HOST=ADDRESS]` or `[HOST:ADDRESS]` as a map."""
    return _pairs(value, "=:")


def _mapped(value: Any, entry: dict[str, Any] | None) -> Any:
    """A list of names as a map."""
    return {str(name): entry for name in value} if isinstance(value, list) else value


def _list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _ports(value: Any) -> Any:
    return [port for item in _list(value) for port in _port(item)]


def _port(item: Any) -> Iterator[Any]:
    """`[[IP:]PUBLISHED:]TARGET[/PROTOCOL]`, in which both may be ranges of the same length."""
    found = None if isinstance(item, dict) else _PORT.fullmatch(str(item))
    targets = _range(found["target"]) if found else []
    if found is None or not targets:
        yield item
        return
    published = _range(found["published"] or "")
    for index, target in enumerate(targets):
        port: dict[str, Any] = {"target": target}
        if published:
            port["published"] = str(published[min(index, len(published) - 1)])
        for key, given in (("host_ip", found["ip"]), ("protocol", found["protocol"])):
            if given:
                port[key] = given.strip("[]")
        yield port


def _range(text: str) -> list[int]:
    """Return the ports of a range; none of one that ends before it begins, or has more than an app can have."""
    if not text:
        return []
    first, _, last = text.partition("-")
    ports = range(int(first), int(last or first) + 1)
    return list(ports) if len(ports) <= MOST_PORTS else []


def _volumes(value: Any) -> Any:
    return [_volume(item) for item in _list(value)]


def _volume(item: Any) -> Any:
    """`[SOURCE:]TARGET[:MODES]`."""
    if not isinstance(item, str):
        return item
    parts = re.split(r":(?!\\)", item)
    if len(parts) == 1:
        return {"type": "volume", "target": item}
    source, target, *modes = parts
    volume = {"type": "bind" if _is_path(source) else "volume", "source": source, "target": target}
    options = [mode for mode in ",".join(modes).split(",") if mode not in {"", "rw", "ro"}]
    if "ro" in ",".join(modes).split(","):
        volume["read_only"] = True
    return volume | ({"options": options} if options else {})


def _is_path(source: str) -> bool:
    return source[:1] in {".", "/", "~"} or "\\" in source


def _sourced(value: Any) -> Any:
    """Names of secrets or configs as maps."""
    return [item if isinstance(item, dict) else {"source": item} for item in _list(value)]


def _paths(value: Any) -> Any:
    """Env files as maps."""
    return [item if isinstance(item, dict) else {"path": item} for item in _list(value)]


def _build(value: Any) -> Any:
    if isinstance(value, str):
        return {"context": value}
    return _apply(
        value, {"args": _pairs, "labels": _pairs, "additional_contexts": _pairs, "extra_hosts": _hosts}
    )


def _extends(value: Any) -> Any:
    return {"service": value} if isinstance(value, str) else value


_SERVICE: dict[str, Callable[[Any], Any]] = {
    "annotations": _pairs,
    "build": _build,
    "configs": _sourced,
    "depends_on": lambda value: _mapped(value, {"condition": "service_started"}),
    "deploy": lambda value: _apply(value, {"labels": _pairs}),
    "dns": _list,
    "dns_search": _list,
    "env_file": _paths,
    "environment": _pairs,
    "expose": _list,
    "extends": _extends,
    "extra_hosts": _hosts,
    "labels": _pairs,
    "networks": lambda value: _mapped(value, None),
    "ports": _ports,
    "profiles": _list,
    "secrets": _sourced,
    "sysctls": _pairs,
    "tmpfs": _list,
    "volumes": _volumes,
}
