"""What the modules of this package work on: a service, and the container that it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from containerapp.importers import units
from containerapp.importers.compose.project import Project
from containerapp.importers.manifest import Draft
from containerapp.importers.source import Source
from containerapp.importers.wishes import Wishes


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """The project as all services see it.

    Attributes:
        root: the tree of the project.
        names: from services to the names of their apps.
        owners: from named volumes that several apps mount to the app whose claim it is.
        jobs: services that run to their end.
        alone: the only service that has no image, whose image `--image` without a name is.
    """

    root: Source
    project: Project
    names: Mapping[str, str]
    wishes: Wishes
    owners: Mapping[str, str] = field(default_factory=dict)
    jobs: frozenset[str] = frozenset()
    alone: str = ""
    written: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Secrets and ConfigMaps that services refer to, by `Kind/name`."""
    claims: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    """Volumes of apps with a claim of their own, by the app and the name of the volume in the Compose file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A container in the making: the app's own, or one beside it.

    Attributes:
        service: the service of the Compose file; name: its name there.
        draft: the app or job whose container it is.
        fields: what has been decided for the container.
        sidecar: name of the container, where it is not the app's own.
    """

    model: Model
    service: Source
    name: str
    draft: Draft
    fields: dict[str, Any]
    sidecar: str = ""

    def put(self, name: str, value: Any, comment: str = "") -> None:
        """Set a field of the container; what says nothing is left out."""
        if not self.sidecar:
            self.draft.put(name, value, comment)
        elif value is not None and value not in ("", [], {}):
            self.fields[name] = value

    def merge(self, name: str, values: Mapping[str, Any]) -> None:
        """Add to a field that is a map."""
        if values:
            self.put(name, {**self.fields.get(name, {}), **values})

    def extend(self, name: str, values: list[Any]) -> None:
        """Add to a field that is a list."""
        self.put(name, [*self.fields.get(name, []), *values])

    @property
    def is_job(self) -> bool:
        """Whether it runs to completion."""
        return self.draft.kind == "ContainerJob"


def seconds(given: Source) -> int | None:
    """Take a time such as `1m30s`; give up what is none."""
    found = units.duration(given.text())
    if found is None:
        given.lose("it is no time: write it as 1m30s")
    return found
