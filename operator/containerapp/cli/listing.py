"""Apps as rows: the columns are those of the definition, which `kubectl get` shows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from containerapp.api.crd import Column, Definition
from containerapp.cli.looks import age, items
from containerapp.cli.options import Target
from containerapp.cli.session import connected
from containerapp.cli.tables import table
from containerapp.core.model import Manifest, Resource
from containerapp.kube.client import path

_FILTER = re.compile(r'(\w+)\[\?\(@\.type=="(\w+)"\)\]')


async def fetch(target: Target, resource: Resource, selector: str, *, all_namespaces: bool) -> list[Manifest]:
    """Return the custom objects of a kind."""
    async with connected(target) as cluster:
        url = path(resource.api_version, resource.plural, None if all_namespaces else cluster.namespace)
        return [
            {"apiVersion": resource.api_version, "kind": resource.kind, **item}
            for item in await items(cluster, url, selector)
        ]


def columns(apps: Sequence[Manifest], definition: Definition, *, wide: bool, namespaces: bool) -> str:
    """Return the objects in the columns of their definition."""
    shown = [column for column in definition.columns if wide or column.priority == 0]
    headings = ["NAME", *(column.name.upper() for column in shown)]
    rows = [[app["metadata"]["name"], *(_cell(app, column) for column in shown)] for app in apps]
    if namespaces:
        headings.insert(0, "NAMESPACE")
        for app, row in zip(apps, rows, strict=True):
            row.insert(0, app["metadata"]["namespace"])
    return table(headings, rows)


def _cell(app: Manifest, column: Column) -> str:
    value = _at(app, column.path)
    if column.type == "date":
        return age(value)
    return "" if value is None else str(value)


def _at(value: Any, path: str) -> Any:
    """Follow a path of the definition's columns."""
    for step in re.split(r"\.(?![^\[]*\])", path.strip(".")):
        found = _FILTER.fullmatch(step)
        name = found[1] if found else step
        value = value.get(name) if isinstance(value, dict) else None
        if found:
            value = next((item for item in value or () if item.get("type") == found[2]), None)
    return value
