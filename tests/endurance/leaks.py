"""`leaks`: half an hour at many times the rate of a busy cluster; what the operator holds must not grow.

Apps are edited, scaled, deleted and replaced by apps with new names; Pods die; the registry is asked every few seconds
where the tags point; the API server is restarted every minute, which ends every watch. At the end the chaos run's
checker must find no violation.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from itertools import count
from random import Random
from threading import Event, Thread
from urllib.parse import urlsplit

import urllib3

from devcluster import DevclusterError
from tests.chaos.plan import TAGS, Step
from tests.chaos.run import bugs
from tests.chaos.users import Users
from tests.controller.api import ApiError
from tests.controller.operators import Operator
from tests.endurance.stage import Say, Stage, said, spec
from tests.endurance.verdict import Verdict, table
from tests.endurance.vitals import Vitals, plot, slope, vitals

_SPACES = 4
_SETTLE_SECONDS = 240.0
BUSY = {"edits": 20.0, "scalings": 10.0, "replacements": 5.0, "dead Pods": 30.0}
"""A busy cluster of 200 apps: how often this happens there in a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How large a run is."""

    minutes: float = 30.0
    times: float = 5.0
    """The multiple of a busy cluster's rate."""
    least_hours: float = 2.0
    """Of a busy cluster: what must have happened, however slow the API server is between its restarts."""
    apps: int = 200
    interval: float = 10.0
    """Seconds between two samples."""
    restart_every: float = 60.0
    """Seconds between two restarts of the API server."""
    quiet: float = 40.0
    """Seconds of quiet before the samples that are compared: idle connections are closed by then.

    aiohttp closes every 15 seconds those that have been idle for 15.
    """
    most_growth: float = 10.0
    """MB an hour, over the second half."""


@dataclass(kw_only=True)
class Load:
    """The load. Every namespace has a user, which is one thread."""

    stage: Stage
    shape: Shape
    over: Event = field(default_factory=Event)
    actions: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys((*BUSY, "restarts of the API server"), 0)
    )
    failures: list[BaseException] = field(default_factory=list)

    @contextmanager
    def running(self, users: list[Users]) -> Iterator[None]:
        """Run the load while inside."""
        work: list[Callable[[], None]] = [
            *(lambda user=user: self._use(user) for user in users),
            lambda: self._kill_pods([user.namespace for user in users]),
        ]
        threads = [Thread(target=self._guarded, args=(part,)) for part in work]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.over.set()
            for thread in threads:
                thread.join()

    def restart_server(self) -> None:
        """Restart the API server, which ends every watch."""
        self.stage.cluster.stop("kube-apiserver")
        with suppress(DevclusterError):  # on a busy machine it is late; users and operator wait for it anyway
            self.stage.cluster.start("kube-apiserver")
        self.actions["restarts of the API server"] += 1

    def _guarded(self, part: Callable[[], None]) -> None:
        try:
            part()
        except Exception as error:  # noqa: BLE001 - reported at the end; the others continue
            self.failures.append(error)

    def _use(self, users: Users) -> None:
        """Edit, scale and replace apps at this namespace's share of the rates; an outage reduces the load."""
        random = Random(f"leaks/{users.namespace}")  # noqa: S311 - replayable
        kinds = ("edits", "scalings", "replacements")
        rate = sum(BUSY[kind] for kind in kinds) * self.shape.times / 60 / _SPACES
        moment = time.monotonic()
        for serial in count(10_000):
            moment = max(moment + random.expovariate(rate), time.monotonic())
            if self.over.wait(max(0.0, moment - time.monotonic())):
                return
            (kind,) = random.choices(kinds, [BUSY[kind] for kind in kinds])
            known = list(self.stage.wanted.apps)  # a copy: the other users write into the record, too
            name = random.choice([name for space, name in known if space == users.namespace])
            value = spec(serial, random.choice(TAGS))
            if kind == "edits":
                _do(users, "update", name, value)
            elif kind == "scalings":
                _do(users, "scale", name, random.randrange(3))
            else:
                _do(users, "delete", name)
                _do(users, "create", f"app-{serial}", value)
            self.actions[kind] += 1

    def _kill_pods(self, spaces: list[str]) -> None:
        """Delete Pods at the rate."""
        random = Random("leaks/pods")  # noqa: S311 - replayable
        batch, moment = 10, time.monotonic()
        while not self.over.wait(max(0.0, moment - time.monotonic())):
            moment = max(moment + batch * 60 / (BUSY["dead Pods"] * self.shape.times), time.monotonic() + 0.1)
            with suppress(ApiError, urllib3.exceptions.HTTPError, OSError):
                space = random.choice(spaces)
                pods = [
                    pod
                    for pod in self.stage.api.list("Pod", space)
                    if "deletionTimestamp" not in pod["metadata"]
                ]
                for pod in random.sample(pods, min(batch, len(pods))):
                    self.stage.api.delete("Pod", space, pod["metadata"]["name"])
                    self.actions["dead Pods"] += 1


def run(stage: Stage, shape: Shape, say: Say) -> Verdict:
    """Sample the operator every few seconds under the load."""
    operator = stage.operator().start()
    users = [stage.users(f"leaks-{number}") for number in range(_SPACES)]
    for user in users:
        for number in range(shape.apps // _SPACES):
            _do(user, "create", f"app-{number}", spec(number, TAGS[number % len(TAGS)]))
    spaces = [user.namespace for user in users]
    _, wrong = stage.settle(spaces, _SETTLE_SECONDS)
    assert not wrong, said(wrong)
    load = Load(stage=stage, shape=shape)
    time.sleep(shape.quiet)
    before = vitals(operator, time.monotonic(), _port(stage))
    with load.running(users):
        moments = _sample(operator, load, say)
    stage.renew_controllers()
    _, wrong = stage.settle(spaces, _SETTLE_SECONDS)
    wrong += bugs(operator)
    time.sleep(shape.quiet)
    after = vitals(operator, time.monotonic(), _port(stage))
    verdict = Verdict(
        proof="leaks",
        numbers={
            "shape": asdict(shape), "actions": load.actions, "moments": [asdict(moment) for moment in moments],
            "before": asdict(before), "after": asdict(after),
        },
    )  # fmt: skip
    points = [(moment.at / 60, moment.rss) for moment in moments]
    (stage.directory / "rss.svg").write_text(plot("Resident memory of the operator", points, "MB"))
    judge_load(verdict, load)
    _judge(verdict, shape, moments, (before, after))
    verdict.add("every app has its newest spec at the end", said(wrong), holds=not wrong)
    say(f"in the run's quarters, and after the load\n\n{_table(moments, after)}")
    return verdict


def _sample(operator: Operator, load: Load, say: Say) -> list[Vitals]:
    shape, port, began = load.shape, _port(load.stage), time.monotonic()
    moments: list[Vitals] = []
    restart_at = shape.restart_every / 2
    while (now := time.monotonic() - began) < 60 * shape.minutes:
        if now > restart_at:
            restart_at += shape.restart_every
            load.restart_server()
        moments.append(vitals(operator, began, port))
        if len(moments) % 6 == 1:
            say(f"{moments[-1]} {load.actions}")
        time.sleep(max(0.0, shape.interval * len(moments) + began - time.monotonic()))
    return moments


def judge_load(verdict: Verdict, load: Load) -> None:
    """Claim that enough actions of every kind have happened."""
    shape = load.shape
    happened = ", ".join(f"{number} {kind}" for kind, number in load.actions.items())
    worth = min(load.actions[kind] / rate for kind, rate in BUSY.items()) / 60
    verdict.add(
        f"the load was worth {shape.least_hours:g} hours of a busy cluster",
        f"{happened}: {worth:.1f} hours of a busy cluster in {shape.minutes:g} minutes"
        + "".join(f"; {failure!r}" for failure in load.failures),
        holds=not load.failures and worth >= shape.least_hours,
    )


def _judge(verdict: Verdict, shape: Shape, moments: list[Vitals], ends: tuple[Vitals, Vitals]) -> None:
    half = moments[len(moments) // 2 :]
    growth = slope(half)
    verdict.add(
        f"memory grows by less than {shape.most_growth:g} MB an hour over the second half",
        f"{growth:+.1f} MB an hour, at {statistics.mean(moment.rss for moment in half):.0f} MB",
        holds=growth < shape.most_growth,
    )
    before, after = ends
    for what in ("tasks", "files", "threads", "connections"):
        first, last = getattr(before, what), getattr(after, what)
        most = max(getattr(moment, what) for moment in moments)
        verdict.add(
            f"{what}: no more after the load than before it",
            f"{first} before, at most {most} meanwhile, {last} after",
            holds=last <= first + _SLACK[what],
        )


_SLACK = {"tasks": 2, "files": 8, "threads": 4, "connections": 8}
"""What may differ between two quiet samples: pools that are filled on demand, and bounded."""


def _table(moments: list[Vitals], after: Vitals) -> str:
    size = max(1, len(moments) // 4)
    parts = [moments[number * size : (number + 1) * size] for number in range(4)] + [[after]]
    rows = [
        tuple(
            f"{statistics.mean(getattr(moment, name) for moment in part):.0f}"
            for name in ("rss", "tasks", "files", "threads", "connections")
        )
        for part in parts
        if part
    ]
    return table(("RSS MB", "tasks", "files", "threads", "connections"), rows)


def _port(stage: Stage) -> int:
    return urlsplit(stage.cluster.server).port or 443


def _do(users: Users, deed: str, name: str, value: object = None) -> None:
    users.carry_out(Step(at=0, lane="", deed=deed, target=name, value=value))
