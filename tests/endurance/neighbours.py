"""`neighbours`: how long quiet apps wait for the operator in silence, and beside each kind of bad apps, in turn.

A quiet edit changes the Service alone, so that what is measured is the operator and not the start of Pods, or asks for
new Pods, as most edits of real apps do. Its time is counted from the answer to the edit to the event by which the
status says Ready of that generation. What a bad app's edits cost the API server alone is measured with a copy of the
definition that no controller watches: the difference is the operator's.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace

from benchmarks import workload
from benchmarks.api import MERGE, Api, Json, connect
from benchmarks.driver import Driver
from benchmarks.report import percentile
from benchmarks.subject import Subject
from tests.chaos.run import bugs
from tests.controller.operators import Operator
from tests.endurance.noises import Noise, another_service, another_variable, noises
from tests.endurance.stage import Say, Stage, said
from tests.endurance.verdict import Verdict, table

_LEAD_IN = 5.0
"""Seconds from a noise's start to its window: a bad app has used up its writes at once by then."""

_LATE = 60.0
"""Seconds after which an edit without a Ready status ends the run."""

_AT_REST = 1.0
"""Seconds that an edit may take in silence, at p95: as long as a repair may. A longer wait has another cause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How large a run is."""

    noises: tuple[str, ...] = ("copied", "chatty", "noisy", "missing", "refused", "war")
    apps: int = 200
    pods: bool = False
    """Whether a quiet edit asks for new Pods."""
    edits_per_second: float = 10.0
    rounds: int = 3
    seconds: float = 60.0
    """How long each of a round's windows lasts."""
    missing: int = 1000
    refused: int = 100
    most_growth: float = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What was measured while a window lasted: seconds of latency, the operator's share of a core, its requests."""

    p50: float
    p95: float
    cpu: float
    queued: float
    """Mean seconds from an event to a worker."""
    requests: dict[str, float] = field(default_factory=dict)
    """By verb and resource; a minute and bad app."""


@dataclass(kw_only=True)
class Comparison:
    """The windows beside one noise, and the same rounds' in silence."""

    noise: Noise
    without: list[Window]
    beside: list[Window] = field(default_factory=list)

    @property
    def growth(self) -> float:
        """By how much the p95 is greater beside the noise than in silence: the median round; 0.2 is a fifth."""
        return _growth(self.without, self.beside)

    @property
    def requests(self) -> float:
        """The most that a window has seen."""
        return max(sum(window.requests.values()) for window in self.beside)


@dataclass(kw_only=True)
class Quiet:
    """The quiet apps: edits them at a steady rate, and watches for each edit's Ready status."""

    api: Api
    names: list[str]
    pods: bool
    edits_per_second: float
    _settled: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    """Names of the apps whose last edit is done, the longest settled one first."""
    _asked: dict[str, tuple[int, float]] = field(default_factory=dict)
    _ready: dict[str, int] = field(default_factory=dict)
    _latencies: list[float] = field(default_factory=list)
    _serial: int = 0

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watch the statuses while inside."""
        for name in self.names:
            self._settled.put_nowait(name)
        task = asyncio.create_task(self._mirror())
        try:
            yield
        finally:
            task.cancel()

    async def edit(self, seconds: float) -> list[float]:
        """Edit for a while; return the sorted latencies when all edits are done."""
        self._latencies, began = [], time.monotonic()
        edits = round(seconds * self.edits_per_second)
        async with asyncio.timeout(seconds + _LATE), asyncio.TaskGroup() as tasks:
            for number in range(edits):
                tasks.create_task(self._edit(await self._settled.get(), self._serial))
                self._serial += 1
                await asyncio.sleep(began + (number + 1) / self.edits_per_second - time.monotonic())
            while len(self._latencies) < edits:  # noqa: ASYNC110 - the last of many events
                await asyncio.sleep(0.05)
        return sorted(self._latencies)

    async def _edit(self, name: str, serial: int) -> None:
        change = (another_variable if self.pods else another_service)(serial)
        stored = await self.api.request(
            "PATCH", workload.path("ContainerApp", name), change, content_type=MERGE
        )
        generation = stored["metadata"]["generation"]
        if self._ready.get(name) == generation:
            self._done(name, 0.0)
        else:
            self._asked[name] = generation, time.monotonic()

    async def _mirror(self) -> None:
        quiet_ones = workload.collection("ContainerApp", self.names[0])
        version = (await self.api.request("GET", quiet_ones))["metadata"]["resourceVersion"]
        async for event in self.api.watch(quiet_ones, version):
            if event["type"] == "MODIFIED":
                self._take(event["object"])

    def _take(self, app: Json) -> None:
        name, generation, status = (
            app["metadata"]["name"],
            app["metadata"]["generation"],
            app.get("status", {}),
        )
        ready = any(
            item["type"] == "Ready" and item["status"] == "True" for item in status.get("conditions", [])
        )
        if not ready or status["observedGeneration"] != generation:
            return
        self._ready[name] = generation
        asked, since = self._asked.get(name, (0, 0.0))
        if asked == generation:
            del self._asked[name]
            self._done(name, time.monotonic() - since)

    def _done(self, name: str, latency: float) -> None:
        self._latencies.append(latency)
        self._settled.put_nowait(name)


def run(stage: Stage, shape: Shape, say: Say) -> Verdict:
    """Compare every noise of the shape with silence."""
    operator = stage.operator()
    operator.start(wait=False)
    silence, comparisons = asyncio.run(_compare_all(stage, operator, shape, say))
    verdict = Verdict(
        proof="neighbours",
        numbers={
            "shape": asdict(shape),
            "silence": [asdict(window) for window in silence],
            "beside": {
                name: [asdict(window) for window in comparison.beside]
                for name, comparison in comparisons.items()
            },
        },
    )
    judge_silence(verdict, silence)
    for comparison in comparisons.values():
        if comparison.noise.a_minute:
            judge(verdict, comparison, comparisons.get(comparison.noise.control or ""), shape)
    found = bugs(operator)
    verdict.add("the operator logged no bug", said(found), holds=not found)
    say(f"medians of the windows\n\n{_table(list(comparisons.values()))}")
    return verdict


async def _compare_all(
    stage: Stage, operator: Operator, shape: Shape, say: Say
) -> tuple[list[Window], dict[str, Comparison]]:
    """Measure silence and every noise, round by round; return the windows of silence, and all by noise."""
    known, silence = noises(shape.missing, shape.refused), list[Window]()
    found = {name: Comparison(noise=known[name], without=silence) for name in shape.noises}
    (namespace,) = workload.namespaces_of(shape.apps)
    for name in (namespace, *(f"noise-{name}" for name in shape.noises)):
        stage.cluster.kubectl("create", "namespace", name)
    async with connect(stage.cluster.kubeconfig) as api:
        driver = Driver(api=api, names=workload.names_of("quiet", shape.apps), timeout=300)
        async with driver.watching():
            await driver.create("v1")
        quiet = Quiet(api=api, names=driver.names, pods=shape.pods, edits_per_second=shape.edits_per_second)
        ground = Ground(stage=stage, operator=operator, api=api, quiet=quiet, seconds=shape.seconds)
        async with quiet.watching():
            await quiet.edit(shape.seconds)  # the first window of all is a slow one
            for number in range(shape.rounds):
                silence.append(await ground.measure())
                say(f"round {number + 1}, silence: {_line(silence[-1])}")
                for name, comparison in found.items():
                    window = await ground.beside(comparison.noise, f"noise-{name}")
                    comparison.beside.append(window)
                    say(f"round {number + 1}, {name}: {_line(window)}")
    return silence, found


@dataclass(kw_only=True)
class Ground:
    """The installation on which the windows are measured."""

    stage: Stage
    operator: Operator
    api: Api
    quiet: Quiet
    seconds: float

    async def beside(self, noise: Noise, namespace: str) -> Window:
        """Measure a window beside the noise, and what the operator asks of the API server because of it."""
        audit = self.stage.audit()
        async with noise.make(self.api, namespace, noise.apps):
            position, began = audit.position(), time.monotonic()
            await asyncio.sleep(_LEAD_IN)
            window = await self.measure()
            minutes = (time.monotonic() - began) / 60
            asked = Counter(f"{r.verb} {r.resource}" for r in audit.since(position, namespace=namespace))
        requests = {kind: round(number / minutes / noise.apps, 2) for kind, number in asked.items()}
        return replace(window, requests=requests)

    async def measure(self) -> Window:
        """Measure a window."""
        process = self.operator._process
        assert process is not None, "it was not started"
        subject = Subject(process=process, user="", audit_log=self.operator.log_file, began_at=0)
        cpu, began, queued = subject.cpu(), time.monotonic(), self._queued()
        latencies = await self.quiet.edit(self.seconds)
        waited, keys = (after - before for before, after in zip(queued, self._queued(), strict=True))
        return Window(
            p50=percentile(latencies, 0.5),
            p95=percentile(latencies, 0.95),
            cpu=(subject.cpu() - cpu) / (time.monotonic() - began),
            queued=waited / keys,
        )

    def _queued(self) -> tuple[float, float]:
        """Return the seconds that all keys have waited for a worker so far, and how many keys."""
        name = "containerapp_queue_wait_seconds"
        return self.operator.metric(f"{name}_sum"), self.operator.metric(f"{name}_count")


def judge_silence(verdict: Verdict, silence: list[Window]) -> None:
    """Add that the quiet apps did not wait in silence, which would hide what a noise adds."""
    slowest = max(window.p95 for window in silence)
    verdict.add(
        f"in silence 95 of 100 edits are done within {_AT_REST:g} s",
        f"{1000 * slowest:.0f} ms in the slowest of {len(silence)} windows",
        holds=slowest <= _AT_REST,
    )


def judge(verdict: Verdict, comparison: Comparison, control: Comparison | None, shape: Shape) -> None:
    """Add what `comparison` shows to the verdict; `control` is the cost of the same edits alone."""
    noise = comparison.noise
    before, after = (1000 * _median(windows, "p95") for windows in (comparison.without, comparison.beside))
    claim = f"the quiet apps' p95 grows by less than {shape.most_growth:.0%} beside {noise.what}"
    measured, growth = f"{before:.0f} ms to {after:.0f} ms: {comparison.growth:+.0%}", comparison.growth
    if control:
        growth = _growth(control.beside, comparison.beside)
        claim += ", compared with the same edits that no controller watches"
        measured += f", compared with {control.growth:+.0%}: {growth:+.0%}"
    verdict.add(claim, measured, holds=growth < shape.most_growth)
    allowed = noise.a_minute + noise.at_once * 60 / (shape.seconds + _LEAD_IN)
    verdict.add(
        f"at most {noise.at_once:g} requests at once and {noise.a_minute:g} a minute for each",
        f"{comparison.requests:.1f} a minute in a window of {shape.seconds:g} s",
        holds=comparison.requests <= allowed,
    )


def _line(window: Window) -> str:
    requests = f"; requests a minute for each bad app: {window.requests}" if window.requests else ""
    return (
        f"p50 {1000 * window.p50:.0f} ms; p95 {1000 * window.p95:.0f} ms; cpu {window.cpu:.0%};"
        f" queued {1000 * window.queued:.1f} ms{requests}"
    )


def _table(comparisons: list[Comparison]) -> str:
    head = ("beside", "p50 ms", "p95 ms", "growth of p95", "queued ms", "CPU %", "requests/min for each")
    rows = [
        (
            comparison.noise.what,
            _change(comparison, "p50", 1000),
            _change(comparison, "p95", 1000),
            f"{comparison.growth:+.0%}",
            _change(comparison, "queued", 1000, digits=1),
            _change(comparison, "cpu", 100),
            f"{comparison.requests:.1f}",
        )
        for comparison in comparisons
    ]
    return table(head, rows)


def _change(comparison: Comparison, name: str, factor: float, *, digits: int = 0) -> str:
    return " → ".join(
        f"{factor * _median(windows, name):.{digits}f}" for windows in (comparison.without, comparison.beside)
    )


def _growth(before: list[Window], after: list[Window]) -> float:
    """Compare round with round, because the machine's speed changes; return the median."""
    return statistics.median(late.p95 / early.p95 for early, late in zip(before, after, strict=True)) - 1


def _median(windows: list[Window], name: str) -> float:
    return statistics.median(float(getattr(window, name)) for window in windows)
