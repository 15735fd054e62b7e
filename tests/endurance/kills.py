"""`kills`: the operator is killed at random moments while hundreds of apps are created and updated, by seed.

It is restarted at once, as the kubelet does. After each round the chaos run's checker judges every object; then
everything is deleted, and nothing may be left.
"""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from random import Random

from tests.chaos.plan import TAGS, Step
from tests.chaos.run import bugs
from tests.chaos.users import Users
from tests.chaos.violations import Violation
from tests.controller.operators import Operator
from tests.endurance.stage import Say, Stage, said, spec
from tests.endurance.verdict import Verdict

_SPACES = 4
_PART_SECONDS = 2.2
"""About how long the users work on the apps that one kill concerns."""
_LATEST_STRIKE = 1.5
_SETTLE_SECONDS = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How large a run is: `kills` a round, half of them during the creation, half during the update."""

    apps: int = 200
    kills: int = 10
    seeds: tuple[int, ...] = tuple(range(1, 11))


@dataclass(kw_only=True)
class Round:
    """The result of one seed. `in_flight`: how many apps had no status of their spec at each kill."""

    seed: int
    in_flight: list[int]
    settled: float
    violations: list[Violation]
    remaining: list[Violation]


def run(stage: Stage, shape: Shape, say: Say) -> Verdict:
    """Run all seeds on one cluster."""
    operator = stage.operator().start()
    names = [f"kills-{number}" for number in range(_SPACES)]
    users = [stage.users(name) for name in names]
    rounds = []
    for seed in shape.seeds:
        rounds.append(_round(stage, operator, users, shape, seed))
        say(f"seed {seed}: {_line(rounds[-1])}")
    assert operator.running, f"the operator ended by itself:\n{operator.tail()}"
    verdict = Verdict(proof="kills", numbers={"shape": asdict(shape), "rounds": [asdict(r) for r in rounds]})
    _judge(verdict, rounds, bugs(operator))
    return verdict


def _round(stage: Stage, operator: Operator, users: list[Users], shape: Shape, seed: int) -> Round:
    random = Random(f"kills/{seed}")  # noqa: S311 - replayable
    spaces = [user.namespace for user in users]
    in_flight: list[int] = []
    with ThreadPoolExecutor(len(users)) as threads:
        for deed in ("create", "update"):
            for part in _parts(shape.apps // len(users), shape.kills // 2):
                if random.random() < 0.8:  # else it is killed during its start
                    operator.await_line("All children are listed; reconciling")
                work = [threads.submit(_everywhere, user, deed, part, seed) for user in users]
                in_flight.append(_strike(stage, operator, random))
                for thread in work:
                    thread.result()
    settled, violations = stage.settle(spaces, _SETTLE_SECONDS)
    violations += _revisions(stage, spaces)
    with ThreadPoolExecutor(len(users)) as threads:
        list(threads.map(_clear, users))
    _, remaining = stage.settle(spaces, _SETTLE_SECONDS)
    return Round(seed=seed, in_flight=in_flight, settled=settled, violations=violations, remaining=remaining)


def _parts(count: int, parts: int) -> list[range]:
    """Divide numbers 0 to `count` into successive parts of equal size."""
    return [range(count * part // parts, count * (part + 1) // parts) for part in range(parts)]


def _everywhere(users: Users, deed: str, numbers: range, seed: int) -> None:
    """Carry out the deed on these apps of a namespace, one after the other; each app gets its own serial."""
    random = Random(f"kills/{seed}/{users.namespace}/{deed}/{numbers.start}")  # noqa: S311 - replayable
    for number in numbers:
        serial = 2 * number + (deed == "update")
        value = spec(serial, random.choice(TAGS))
        users.carry_out(Step(at=0, lane="", deed=deed, target=f"app-{seed}-{number}", value=value))
        time.sleep(random.uniform(0, 2 * _PART_SECONDS / len(numbers)))


def _strike(stage: Stage, operator: Operator, random: Random) -> int:
    """Kill the operator at a random moment of its work; return how many apps wait for it then."""
    time.sleep(random.uniform(0, _LATEST_STRIKE))
    deadline = time.monotonic() + _LATEST_STRIKE
    while not (in_flight := _unanswered(stage)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert operator.running, f"the operator ended by itself:\n{operator.tail()}"
    operator.kill()
    operator.start(wait=False)
    return in_flight


def _unanswered(stage: Stage) -> int:
    """Count the apps whose status has an older generation."""
    return sum(
        app.get("status", {}).get("observedGeneration") != app["metadata"]["generation"]
        for app in stage.api.list("ContainerApp", None)
    )


def _revisions(stage: Stage, spaces: list[str]) -> list[Violation]:
    """Return the apps that had another Pod template than the two that were asked for."""
    found = []
    for space in spaces:
        sets = stage.api.list("ReplicaSet", space)
        owners = [item["metadata"]["ownerReferences"][0]["name"] for item in sets]
        found += [
            Violation(subject=f"{space}/{name}", complaint="more than two Pod templates were written")
            for name in set(owners)
            if owners.count(name) > 2
        ]
    return found


def _clear(users: Users) -> None:
    for space, name in list(users.wanted.apps):
        if space == users.namespace:
            users.carry_out(Step(at=0, lane="", deed="delete", target=name))


def _line(done: Round) -> str:
    return (
        f"{len(done.in_flight)} kills with {done.in_flight} apps in flight; {said(done.violations)}, "
        f"settled after {done.settled:.1f} s; left after the deletion: {said(done.remaining)}"
    )


def _judge(verdict: Verdict, rounds: list[Round], found: list[Violation]) -> None:
    in_flight = [count for done in rounds for count in done.in_flight]
    busy = [count for count in in_flight if count]
    verdict.add(
        "most kills happened during work",
        f"{len(busy)} of {len(in_flight)}, with a median of {statistics.median(in_flight):.0f} apps in flight",
        holds=len(busy) > len(in_flight) / 2,
    )
    wrong = [violation for done in rounds for violation in done.violations]
    settled = [done.settled for done in rounds]
    verdict.add(
        "everything converges; no duplicate, no orphan, no lost update",
        f"{said(wrong)}; settled after {statistics.median(settled):.1f} s (median), {max(settled):.1f} s (longest)",
        holds=not wrong,
    )
    left = [violation for done in rounds for violation in done.remaining]
    verdict.add("the deletion leaves nothing", said(left), holds=not left)
    verdict.add("the operator logged no bug", said(found), holds=not found)
