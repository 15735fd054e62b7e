"""What is to be asked next: the repositories that are due, each in the name of the namespaces that want to know.

Used by the digest resolver alone. ECR has its own slots; the others share theirs, and the namespace with the fewest
lookups under way comes first, so that a namespace whose registries are slow holds up none but itself. It must never
lose a repository that is due.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import Final, NamedTuple

from containerapp.api.images import ecr_registry

MAX_LOOKUPS: Final = 32
"""Of ECR, and as many of all others."""
MAX_LOOKUPS_PER_REGISTRY: Final = 8
MAX_LOOKUPS_PER_NAMESPACE: Final = 8
_ECR: Final = ""


class Repository(NamedTuple):
    """What one call to a registry can answer."""

    registry: str
    name: str


class _Lane(NamedTuple):
    """Repositories of one registry that are asked for in the name of one namespace; those of ECR have none."""

    namespace: str
    registry: str


@dataclass(slots=True, kw_only=True)
class Agenda:
    """Due times by lane, and what is under way. Entries may be out of date, but none is missing."""

    _lanes: dict[_Lane, list[tuple[float, str]]] = field(default_factory=dict)
    _running: dict[Repository, _Lane] = field(default_factory=dict)
    _by_registry: Counter[str] = field(default_factory=Counter)
    _by_namespace: Counter[str] = field(default_factory=Counter)

    def put(self, repository: Repository, due: float, namespaces: Iterable[str]) -> None:
        """Note that a repository is due, in the name of each namespace."""
        names = [_ECR] if ecr_registry(repository.registry) else namespaces
        for name in names:
            lane = _Lane(namespace=name, registry=repository.registry)
            heappush(self._lanes.setdefault(lane, []), (due, repository.name))

    def start_due(self, now: float, start: Callable[[Repository], bool]) -> float | None:
        """Start what is due and has room; `start` says whether it did.

        Return when the next becomes due, or None where only an end or a new question can bring that about.
        """
        waiting = [
            (self._by_namespace[lane.namespace], due[0][0], lane)
            for lane, due in self._lanes.items()
            if due[0][0] <= now
        ]
        heapify(waiting)
        while waiting:
            busy, since, lane = heappop(waiting)
            if busy < self._by_namespace[lane.namespace]:
                heappush(waiting, (self._by_namespace[lane.namespace], since, lane))
            elif self._has_room(lane):
                self._start_first(lane, start)
                if lane in self._lanes and (since := self._lanes[lane][0][0]) <= now:
                    heappush(waiting, (self._by_namespace[lane.namespace], since, lane))
        return min((due[0][0] for due in self._lanes.values() if due[0][0] > now), default=None)

    def done(self, repository: Repository) -> None:
        """Give back the slot of a repository."""
        lane = self._running.pop(repository)
        self._by_registry[lane.registry] -= 1
        self._by_namespace[lane.namespace] -= 1

    def _start_first(self, lane: _Lane, start: Callable[[Repository], bool]) -> None:
        due = self._lanes[lane]
        repository = Repository(registry=lane.registry, name=heappop(due)[1])
        if repository not in self._running and start(repository):
            self._running[repository] = lane
            self._by_registry[lane.registry] += 1
            self._by_namespace[lane.namespace] += 1
        if not due:
            del self._lanes[lane]

    def _has_room(self, lane: _Lane) -> bool:
        if self._by_registry[lane.registry] >= MAX_LOOKUPS_PER_REGISTRY:
            return False
        own = self._by_namespace[lane.namespace]
        if lane.namespace == _ECR:
            return own < MAX_LOOKUPS
        others = len(self._running) - self._by_namespace[_ECR]
        return own < MAX_LOOKUPS_PER_NAMESPACE and others < MAX_LOOKUPS
