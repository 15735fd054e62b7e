"""What an importer reads: a tree that remembers which of its values were carried over and which were given up.

No value is dropped in silence, because an importer need not remember to report: each leaf that it has neither taken nor
given up is found by `Ledger.forgotten`, and listed. Keys are found in camelCase and in PascalCase, so that what the API
describes and what CloudFormation writes read alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

UNKNOWN = "not known to the importer: see what it does, and write it by hand"
"""Why a value is not carried that nobody has asked for."""


@dataclass(frozen=True, slots=True, order=True)
class Loss:
    """A value that the manifests do not have: where it stands, and why it is missing or what takes its place."""

    path: str
    reason: str


@dataclass(slots=True)
class Ledger:
    """What became of each leaf of one input, by its path such as `containerDefinitions[0].image`.

    Attributes:
        carried: paths of the leaves that the manifests have.
        losses: from the paths of those that they have not to the reasons.
        notes: decisions about values that are carried.
        wanted: texts of which numbers and names are made, so that a placeholder in one has to be given.
    """

    carried: set[str] = field(default_factory=set)
    losses: dict[str, str] = field(default_factory=dict)
    notes: list[Loss] = field(default_factory=list)
    wanted: list[str] = field(default_factory=list)

    def settle(self, root: Source) -> list[Loss]:
        """Return all that is not carried, in the order of the input, forgotten values included."""
        for path in self.forgotten(root):
            self.losses[path] = UNKNOWN
        order = {path: index for index, path in enumerate(_nodes(root.value, root.path))}
        paths = sorted(self.losses, key=lambda path: order.get(path, len(order)))
        return [Loss(path, self.losses[path]) for path in paths]

    def forgotten(self, root: Source) -> list[str]:
        """Return the leaves that were neither carried nor given up; null and what is empty say nothing."""
        settled = self.carried | self.losses.keys()
        return [path for path in _leaves(root.value, root.path) if path not in settled]


@dataclass(frozen=True, slots=True)
class Source:
    """A value of the input, and where it stands; `value` is None where there is none."""

    value: Any
    path: str
    ledger: Ledger

    def __bool__(self) -> bool:
        """Say whether there is a value that says something: not null, and no empty map, list or text."""
        return self.value is not None and self.value not in ("", [], {})

    def at(self, key: str) -> Source:
        """Return the value of a key, written as given or with a capital; empty where there is none."""
        if isinstance(self.value, dict):
            for spelled in (key, key[:1].upper() + key[1:]):
                if spelled in self.value:
                    return Source(self.value[spelled], f"{self.path}.{spelled}".lstrip("."), self.ledger)
        return Source(None, f"{self.path}.{key}".lstrip("."), self.ledger)

    def items(self) -> Iterator[Source]:
        """Yield the items of a list; a value that is no list is its own only item, as YAML writers allow."""
        if isinstance(self.value, list):
            for index, item in enumerate(self.value):
                yield Source(item, f"{self.path}[{index}]", self.ledger)
        elif self.value is not None:
            yield self

    def entries(self) -> Iterator[tuple[str, Source]]:
        """Yield key and value of a map."""
        if isinstance(self.value, dict):
            for key, value in self.value.items():
                yield str(key), Source(value, f"{self.path}.{key}".lstrip("."), self.ledger)

    def take(self) -> Any:
        """Return the whole value, and count all of it as carried."""
        self.ledger.carried.update(_leaves(self.value, self.path))
        return self.value

    def text(self, default: str = "") -> str:
        """Take a text; numbers and booleans are read as one, and a map or a list is left where it is."""
        if self.value is None or isinstance(self.value, (dict, list)):
            return default
        taken = self.take()
        return str(taken).lower() if isinstance(taken, bool) else str(taken)

    def number(self, default: int = 0) -> int:
        """Take a whole number, which may be written as a text; a text that is none is left where it is."""
        try:
            number = int(float(str(self.value)))
        except (ValueError, OverflowError):
            if isinstance(self.value, str):
                self.ledger.wanted.append(self.value)
            return default
        self.take()
        return number

    def named(self) -> str:
        """Take a text that a name is made of."""
        text = self.text()
        self.ledger.wanted.append(text)
        return text

    def flag(self, *, default: bool = False) -> bool:
        """Take a boolean, which may be written as a text."""
        return self.text(str(default)).lower() in {"true", "yes", "on", "1"}

    def texts(self) -> list[str]:
        """Take a list of texts; a single one is a list of one."""
        return [item.text() for item in self.items()]

    def lose(self, reason: str) -> None:
        """Give the whole value up, as one loss, for a reason that says what to do."""
        if not self:
            return
        self.ledger.carried.update(_leaves(self.value, self.path))
        self.ledger.losses[self.path] = reason

    def lose_rest(self, reason: str) -> None:
        """Give up what is left of a map, each of its values as one loss."""
        for _, value in self.entries():
            if set(_leaves(value.value, value.path)) - self.ledger.carried - self.ledger.losses.keys():
                value.lose(reason)

    def note(self, reason: str) -> None:
        """Say of a value that is carried what was decided for it."""
        if self:
            self.ledger.notes.append(Loss(self.path, reason))


def source(value: Any, path: str = "") -> Source:
    """Return the root of an input; `path` tells it from others of the same import."""
    return Source(value, path, Ledger())


class Refusal(Exception):
    """The input cannot become manifests; the message names the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an importer has made of an input.

    Attributes:
        manifests: objects to apply, in this order, without defaults; Secrets, ConfigMaps, ContainerApps, ContainerJobs.
        comments: from `Kind/name field`, such as `ContainerApp/web spec.port`, to the remark above that field.
        losses: what is not carried; see `Loss`.
        notes: decisions that a person should look at.
        wanted: texts that did not become texts of a manifest, in which placeholders may stand.
    """

    manifests: tuple[dict[str, Any], ...]
    losses: tuple[Loss, ...]
    notes: tuple[Loss, ...] = ()
    comments: dict[str, str] = field(default_factory=dict)
    wanted: tuple[str, ...] = ()


def _leaves(value: Any, path: str) -> Iterator[str]:
    """Yield the paths of all leaves that say something."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{index}]")
    elif value is not None and value != "":
        yield path


def _nodes(value: Any, path: str) -> Iterator[str]:
    """Yield the paths of all values, a map or a list before what is in it."""
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _nodes(inner, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _nodes(inner, f"{path}[{index}]")
