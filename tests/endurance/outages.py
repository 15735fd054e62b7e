"""`outages`: the API server goes away and comes back several times; the operator recovers without a restart.

Apps are edited right before and right after each outage. Only the API server is restarted.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import asdict, dataclass

from tests.chaos.plan import TAGS, Step
from tests.chaos.run import bugs
from tests.chaos.users import Users
from tests.chaos.violations import Violation
from tests.controller.operators import eventually
from tests.endurance.stage import Say, Stage, said, spec
from tests.endurance.verdict import Verdict

_SPACE = "outages"
_SETTLE_SECONDS = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How large a run is."""

    apps: int = 40
    outages: int = 5
    seconds: float = 30.0
    recovery: float = 30.0
    """Seconds within which the operator must have caught up."""


@dataclass(kw_only=True)
class Outage:
    """The result of one. `written`: seconds from the ready API server until every Deployment had its newest spec."""

    written: float
    violations: list[Violation]


def run(stage: Stage, shape: Shape, say: Say) -> Verdict:
    """Run all outages."""
    operator = stage.operator().start()
    users = stage.users(_SPACE)
    for number in range(shape.apps):
        value = spec(number, TAGS[0])
        users.carry_out(Step(at=0, lane="", deed="create", target=f"app-{number}", value=value))
    _, wrong = stage.settle([_SPACE], _SETTLE_SECONDS)
    assert not wrong, said(wrong)
    process = operator._process
    outages = []
    for number in range(1, shape.outages + 1):
        outages.append(_outage(stage, users, shape, number))
        say(f"outage {number}: {asdict(outages[-1])}")
    verdict = Verdict(
        proof="outages", numbers={"shape": asdict(shape), "outages": [asdict(o) for o in outages]}
    )
    same = operator.running and operator._process is process
    verdict.add(
        "the operator recovers without a restart",
        f"{len(outages)} outages of {shape.seconds:g} s; "
        + ("the same process" if same else operator.tail()),
        holds=same,
    )
    wrong = [violation for outage in outages for violation in outage.violations]
    verdict.add("apps edited right before and right after converge", said(wrong), holds=not wrong)
    seconds = [outage.written for outage in outages]
    measured = f"{statistics.median(seconds):.1f} s (median), {max(seconds):.1f} s (longest)"
    verdict.add(
        f"all is written within {shape.recovery:g} s of the API server's return",
        measured,
        holds=max(seconds) <= shape.recovery,
    )
    found = bugs(operator)
    verdict.add("the operator logged no bug", said(found), holds=not found)
    return verdict


def _outage(stage: Stage, users: Users, shape: Shape, number: int) -> Outage:
    before, after = range(shape.apps // 2), range(shape.apps // 2, shape.apps)
    _edit(users, before, 2 * number)
    stage.cluster.stop("kube-apiserver")
    time.sleep(shape.seconds)
    stage.cluster.start("kube-apiserver")
    ready = time.monotonic()
    _edit(users, after, 2 * number + 1)
    eventually("the operator writes again", lambda: _written(stage), timeout=_SETTLE_SECONDS)
    written = time.monotonic() - ready
    stage.renew_controllers()
    _, violations = stage.settle([_SPACE], _SETTLE_SECONDS)
    return Outage(written=written, violations=violations)


def _written(stage: Stage) -> bool:
    """Whether every Deployment has the newest serial."""
    serials = {
        item["metadata"]["name"]: item["spec"]["template"]["spec"]["containers"][0]["env"]
        for item in stage.api.list("Deployment", _SPACE)
    }
    return all(serials[name] == app.spec["env"] for (_, name), app in stage.wanted.apps.items())


def _edit(users: Users, numbers: range, turn: int) -> None:
    for number in numbers:
        value = spec(1000 * turn + number, TAGS[turn % len(TAGS)])
        users.carry_out(Step(at=0, lane="", deed="update", target=f"app-{number}", value=value))
