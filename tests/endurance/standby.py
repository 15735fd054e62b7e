"""`standby`: of two replicas the one that leads is killed or paused, under load; the other takes over in time.

Each replica has its own user with the same rights, so the API server's audit log shows who wrote and when. The
Lease has the chart's times. A paused leader resumes when the other already leads, and must write nothing more.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import pairwise
from threading import Event, Thread

from tests.chaos.plan import TAGS, Step
from tests.chaos.run import bugs
from tests.chaos.users import Users
from tests.controller.audit import Audit, Request
from tests.controller.operators import Operator, eventually
from tests.endurance.stage import Say, Stage, said, spec
from tests.endurance.verdict import Verdict

_SPACE = "standby"
_LEASE = tuple(f"CONTAINERAPP_LEASE_{name}" for name in ("DURATION", "RENEW_DEADLINE", "RETRY_PERIOD"))
_PATIENCE = 60.0
_STEADY_SECONDS = 4.0
"""How long a new leader acts before its term ends: its Lease has been renewed by then."""
_SETTLE_SECONDS = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How large a run is: how often the leader is killed and paused; the load; the Lease."""

    kills: int = 10
    pauses: int = 10
    apps: int = 40
    gap: float = 0.2
    """Seconds between two edits."""
    lease: tuple[int, int, int] = (15, 10, 2)
    """Duration, renew deadline and retry period, as the chart has them."""
    margin: float = 2.0
    """Seconds beyond the Lease's duration within which the other replica must have written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """One turn: what ended the old leader, and the seconds from then until the other wrote."""

    cause: str
    seconds: float


def run(stage: Stage, shape: Shape, say: Say) -> Verdict:
    """End the leader's term again and again."""
    replicas = [stage.operator("replica-a"), stage.operator("replica-b", stage.twin())]
    audits = {replica.name: stage.audit(replica.identity) for replica in replicas}
    position = next(iter(audits.values())).position()
    users = stage.users(_SPACE)
    for replica in replicas:
        replica.environment |= dict(zip(_LEASE, map(str, shape.lease), strict=True))
    leader, other = replicas
    leader.start()
    other.start(wait=False)
    handovers = []
    with _load(users, shape):
        for cause in ["kill"] * shape.kills + ["pause"] * shape.pauses:
            eventually("the other stands by", lambda: _stands_by(other), timeout=_PATIENCE)  # noqa: B023 - at once
            _await_write(audits[leader.name])
            time.sleep(_STEADY_SECONDS)
            handovers.append(_end_term(cause, leader, audits[other.name]))
            leader, other = other, leader
            say(f"{cause}: {leader.name} wrote after {handovers[-1].seconds:.2f} s")
        time.sleep(_STEADY_SECONDS)
    _, wrong = stage.settle([_SPACE], _SETTLE_SECONDS)
    writes = sorted(
        (request for audit in audits.values() for request in audit.since(position) if request.is_write),
        key=lambda request: request.received,
    )
    verdict = Verdict(
        proof="standby", numbers={"shape": asdict(shape), "handovers": [asdict(turn) for turn in handovers]}
    )
    _judge(verdict, handovers, writes, shape)
    wrong += [bug for replica in replicas for bug in bugs(replica)]
    verdict.add("every app has its newest spec at the end", said(wrong), holds=not wrong)
    return verdict


def _stands_by(replica: Operator) -> bool:
    """Whether it runs and has noticed that it does not lead, for which a resumed one needs a while."""
    said = [str(line["message"]) for line in replica.lines()]
    turns = [
        message for message in said if message.endswith(" leads") or "was lost; competing again" in message
    ]
    return any("Serving metrics" in message for message in said) and not (
        turns and turns[-1].endswith(" leads")
    )


def _end_term(cause: str, leader: Operator, audit: Audit) -> Handover:
    """End the leader's term, and wait until the other one, whose requests `audit` has, writes.

    A killed leader is then started again as a standby.
    """
    position = audit.position()
    ended = time.time()
    if cause == "kill":
        leader.kill()
        first = _await_write(audit, position)
        leader.start(wait=False)
    else:
        with leader.paused():
            first = _await_write(audit, position)
            time.sleep(_STEADY_SECONDS)
    return Handover(cause=cause, seconds=first - ended)


def _await_write(audit: Audit, position: int | None = None) -> float:
    """Wait until the replica writes; return when the first write since `position` (now) reached the API server."""
    start = audit.position() if position is None else position
    found: list[float] = []

    def wrote() -> bool:
        found[:] = [request.received for request in audit.since(start) if request.is_write]
        return bool(found)

    eventually(f"{audit.user} writes", wrote, timeout=_PATIENCE)
    return min(found)


@contextmanager
def _load(users: Users, shape: Shape) -> Iterator[None]:
    """Edit apps, one after the other, and create some again, while inside."""
    for number in range(shape.apps):
        _do(users, "create", number, number)
    over = Event()

    def edit() -> None:
        serial = shape.apps
        while not over.wait(shape.gap):
            deed = "recreate" if serial % 10 == 0 else "update"
            _do(users, deed, serial % shape.apps, serial)
            serial += 1

    thread = Thread(target=edit)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _do(users: Users, deed: str, number: int, serial: int) -> None:
    value = spec(serial, TAGS[serial % len(TAGS)])
    users.carry_out(Step(at=0, lane="", deed=deed, target=f"app-{number}", value=value))


def _judge(verdict: Verdict, handovers: list[Handover], writes: list[Request], shape: Shape) -> None:
    for cause in ("kill", "pause"):
        seconds = [turn.seconds for turn in handovers if turn.cause == cause]
        if seconds:
            verdict.add(
                f"after a {cause} of the leader the other writes within {shape.lease[0]} + {shape.margin:g} s",
                f"{len(seconds)} times: {statistics.median(seconds):.2f} s (median), {max(seconds):.2f} s (longest)",
                holds=max(seconds) <= shape.lease[0] + shape.margin,
            )
    switches = [(old, new) for old, new in pairwise(writes) if old.user != new.user]
    verdict.add(
        "no replica writes after the other has started",
        f"{len(writes)} writes; the writer changed {len(switches)} times in {len(handovers)} hand-overs",
        holds=len(switches) == len(handovers),
    )
    overlaps = [
        new
        for number, new in enumerate(writes)
        if any(
            old.user != new.user and old.answered > new.received
            for old in writes[max(0, number - 50) : number]
        )
    ]
    verdict.add(
        "no write of one is under way when the other's begins",
        f"{len(overlaps)} overlaps",
        holds=not overlaps,
    )
