"""What the network saw of the operator: did only ever one replica write, and did any app make it write without end?

Called when a run is over, with every request that passed. The API server's own audit log cannot tell, since all
replicas are one user there; the network can, since each has a port of its own.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tests.chaos.kinds import PLURALS
from tests.chaos.network import Passage
from tests.chaos.violations import Violation

STORM_SECONDS = 30.0
STORM_WRITES = 120
"""Writes, taken or refused, about one app within that time which nothing explains: at worst, users and meddlers
change it every second, its rollout is told every two seconds, and its children are mended within the operator's own
budget."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What passed, in numbers, for the report."""

    requests: int
    writes: int
    most_writes: int
    """About one app within `STORM_SECONDS`."""
    terms: int
    expired: Counter[str]
    """Watches that were too old to go on, by who said so: the API server or the network in its place."""
    fates: Counter[str]

    def __str__(self) -> str:
        fates = ", ".join(f"{fate} {count}" for fate, count in sorted(self.fates.items())) or "none"
        said = ", ".join(f"{count} by the {who}" for who, count in sorted(self.expired.items())) or "none"
        return (
            f"requests of the operator: {self.requests}, writes {self.writes} "
            f"(at most {self.most_writes} about one app in {STORM_SECONDS:.0f} s), terms {self.terms}\n"
            f"  told that a watch is too old: {said}; hit by the network: {fates}"
        )


def measure(passages: Sequence[Passage]) -> Traffic:
    """Count what passed."""
    fates = Counter(passage.fate for passage in passages if passage.fate)
    expired = Counter(
        "network" if passage.fate else "API server" for passage in passages if passage.code == 410
    )
    expired["network"] = fates["410"]
    holders = [passage.holder for passage in _by_end(passages) if passage.holder and passage.arrived]
    return Traffic(
        requests=len(passages),
        writes=sum(passage.is_write and passage.arrived for passage in passages),
        most_writes=max((most for _, most in _bursts(passages)), default=0),
        terms=sum(one != other for one, other in zip(["", *holders], holders, strict=False)),
        expired=+expired,
        fates=fates,
    )


def judge(passages: Sequence[Passage], names: Sequence[str]) -> Iterator[Violation]:
    """Yield every write outside its replica's term, and every storm. `names` are the replicas' own."""
    yield from _intrusions(passages, names)
    for app, most in _bursts(passages):
        if most > STORM_WRITES:
            complaint = f"more than {STORM_WRITES} writes in {STORM_SECONDS:.0f} s"
            yield Violation(subject=app, complaint=complaint, found=most)


def judge_peace(passages: Iterable[Passage], began: float, ended: float) -> Iterator[Violation]:
    """Yield the writes to children between two moments at which nothing was wrong: there was nothing to write."""
    for passage in passages:
        child = any(f"/{plural}/" in passage.path for plural in PLURALS)
        if child and passage.is_write and passage.arrived and began < passage.began < ended:
            complaint = "written though nothing was wrong"
            yield Violation(subject=passage.path, complaint=complaint, found=passage.method)


def _intrusions(passages: Sequence[Passage], names: Sequence[str]) -> Iterator[Violation]:
    """A write that was sent when another replica's taking of the Lease had been answered already."""
    takings = [
        passage
        for passage in _by_end(passages)
        if passage.holder and passage.arrived and passage.replica < len(names)
    ]
    for write in passages:
        if not write.is_write:
            continue
        before = [taking for taking in takings if taking.ended < write.began]
        own_began = [
            taking for taking in takings if taking.replica == write.replica and taking.began < write.began
        ]
        holder = before[-1] if before else None
        renewed = own_began[-1] if own_began else None
        if holder is None or holder.replica == write.replica:
            continue
        if renewed is None or renewed.began < holder.ended:
            late = write.began - holder.ended
            complaint = f"{names[write.replica]} wrote {late:.3f} s after {holder.holder} had taken the lead"
            yield Violation(subject=write.path, complaint=complaint, found=write.method)


def _bursts(passages: Iterable[Passage]) -> Iterator[tuple[str, int]]:
    """Yield for each app the most writes about it within any stretch of `STORM_SECONDS`, refused ones included."""
    times: defaultdict[str, list[float]] = defaultdict(list)
    for passage in passages:
        if passage.is_write and passage.answered and passage.method != "POST":
            times[_app(passage.path)].append(passage.began)
    for app, moments in times.items():
        moments.sort()
        first, most = 0, 0
        for last, moment in enumerate(moments):
            while moments[first] < moment - STORM_SECONDS:
                first += 1
            most = max(most, last - first + 1)
        yield app, most


def _app(path: str) -> str:
    """Children have their app's name: /api/v1/namespaces/<namespace>/<kind>/<name>[/status]."""
    parts = path.split("/")
    at = parts.index("namespaces")
    return f"{parts[at + 1]}/{parts[at + 3]}"


def _by_end(passages: Iterable[Passage]) -> list[Passage]:
    return sorted(passages, key=lambda passage: passage.ended)
