"""The phases, each measured alike: the floor; create, no-op, image update, drift, restart and delete by the operator.

Called by the command. Each round is floor, operator, floor, so that every time of the operator's stands between two of
the floor's; the phases after create are measured in the first round alone, drift of Deployments on either side of it.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import devcluster
from benchmarks import machine, subject
from benchmarks.api import connect
from benchmarks.driver import Convergence, Driver
from benchmarks.profiling import profiled
from benchmarks.report import Phase, Result, percentiles
from benchmarks.subject import Requests, Subject
from benchmarks.workload import names_of, namespaces_of

_QUIET = 3.0
"""Seconds without an event of any object after which a phase is over, and its cost is read."""

_DRIFTED = 50
"""Apps whose children drift at the same time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to measure: how many apps, how often, whether beyond create, and with a profiler at the operator's side."""

    apps: int
    rounds: int
    create_only: bool
    profile: bool
    logs: Path


@dataclass(kw_only=True)
class Bench:
    """One run on one cluster."""

    order: Order
    cluster: devcluster.Cluster
    driver: Driver
    kubeconfig: Path
    result: Result = field(init=False)

    def __post_init__(self) -> None:
        self.result = Result(
            machine=machine.describe(),
            apps=self.order.apps,
            floors=[],
            floor_drifts=[],
            creates=[],
            phases=[],
        )

    async def run(self) -> Result:
        """Measure all rounds."""
        await self._floor("floor-0", create_only=self.order.create_only)
        for number in range(self.order.rounds):
            create_only = self.order.create_only or number > 0
            await self._operator(f"app-{number}", create_only=create_only)
            await self._floor(f"floor-{number + 1}", create_only=create_only)
        return self.result

    async def _floor(self, prefix: str, *, create_only: bool) -> None:
        """Measure the floor, and leave nothing of it."""
        count = self.order.apps
        self.driver.names = names_of(prefix, count)
        with subject.floor(self.cluster, prefix, count, "v1", self.order.logs / f"{prefix}.log") as process:
            phase = await self._measure("floor", "create", process, lambda: self.driver.create("v1"))
            self.result.floors.append(phase)
            if not create_only:
                self.result.floor_drifts += [
                    await self._drift("floor", kind, process) for kind in ("scale", "image")
                ]
            await self.driver.delete()
            await self.driver.collected()
            await self.driver.settle(_QUIET)

    async def _operator(self, prefix: str, *, create_only: bool) -> None:
        """Measure the operator, and leave nothing of its work."""
        self.driver.names = names_of(prefix, self.order.apps)
        with self._running() as process, self._profiled(process, "create"):
            await self.driver.settle(_QUIET)
            create = await self._measure("operator", "create", process, lambda: self.driver.create("v1"))
            self.result.creates.append(create)
            if not create_only:
                await self._changes(process)
        if not create_only:
            await self._restart()
        with self._running() as process:
            await self.driver.settle(_QUIET)
            phase = await self._measure("operator", "delete", process, self.driver.delete)
        if not create_only:
            self.result.phases.append(phase)
        await self.driver.collected()
        await self.driver.settle(_QUIET)

    async def _changes(self, process: Subject) -> None:
        acts: dict[str, Callable[[], Awaitable[Convergence | None]]] = {
            "no-op": self.driver.touch,
            "image update": lambda: self.driver.update_image("v2"),
        }
        for name, act in acts.items():
            self.result.phases.append(await self._measure("operator", name, process, act))
        for kind in ("scale", "image", "service"):
            self.result.phases.append(await self._drift("operator", kind, process))

    async def _drift(self, who: str, kind: str, process: Subject) -> Phase:
        """Measure how soon drift is repaired, by the API server's clock, too."""
        names, since = self.driver.names, process.position()
        some = names[:: max(1, len(names) // _DRIFTED)][:_DRIFTED]
        phase = await self._measure(who, f"drift: {kind}", process, partial(self.driver.drift, kind, some))
        phase.repaired = percentiles(process.repairs(since, user="admin"))
        return phase

    async def _measure(
        self, who: str, name: str, process: Subject, act: Callable[[], Awaitable[Convergence | None]]
    ) -> Phase:
        """Run one phase and note what it cost the process, until it is quiet again."""
        since, cpu, reconciles = process.position(), process.cpu(), process.reconciles()
        begin = time.monotonic()
        outcome = await act()
        total = time.monotonic() - begin
        await self._settle(process)
        latencies = outcome.latencies if outcome else []
        p50, p95, p99 = percentiles(latencies)
        return _told(
            Phase(
                subject=who,
                phase=name,
                apps=len(latencies) or len(self.driver.names),
                total=outcome.total if outcome else total,
                p50=p50,
                p95=p95,
                p99=p99,
                cpu=process.cpu() - cpu,
                reconciles=process.reconciles() - reconciles,
                peak_rss=process.peak_rss(),
                requests=_named(process.requests(since)),
            )
        )

    async def _settle(self, process: Subject) -> None:
        """Wait until nothing is heard of any object, and the process asks for nothing: Events are written last."""
        await self.driver.settle(_QUIET)
        while True:
            position = process.position()
            await asyncio.sleep(_QUIET)
            if not process.requests(position):
                return

    async def _restart(self) -> None:
        """Measure a start with everything converged: all of the process's life counts, until it is idle."""
        begin = time.monotonic()
        with self._running() as process, self._profiled(process, "restart"):
            busy = idle = process.cpu()
            while True:
                await asyncio.sleep(_QUIET)
                idle, busy = process.cpu(), idle
                if idle - busy < 0.05 * _QUIET:
                    break
            self.result.phases.append(_told(Phase(
                subject="operator", phase="restart", apps=len(self.driver.names), total=time.monotonic() - begin,
                p50=0.0, p95=0.0, p99=0.0, cpu=process.cpu(), peak_rss=process.peak_rss(),
                        reconciles=process.reconciles(),
                requests=_named(process.requests(process.began_at)),
            )))  # fmt: skip

    def _running(self) -> AbstractContextManager[Subject]:
        return subject.operator(self.cluster, self.kubeconfig, self.order.logs / "operator.log")

    def _profiled(self, process: Subject, name: str) -> AbstractContextManager[None]:
        if not self.order.profile:
            return nullcontext()
        return profiled(process.process.pid, self.order.logs / f"{name}.collapsed")


async def run(order: Order) -> Result:
    """Measure on a new cluster; on a failure keep the cluster's logs."""
    options = devcluster.Options(nodes=devcluster.Kwok(count=max(3, order.apps // 100)), audit=True)
    with devcluster.start(options) as cluster:
        kubeconfig = subject.install(cluster)
        for namespace in namespaces_of(order.apps):
            cluster.kubectl("create", "namespace", namespace)
        async with connect(cluster.kubeconfig) as api:
            driver = Driver(api=api, names=[], timeout=120 + order.apps)
            async with driver.watching():
                bench = Bench(order=order, cluster=cluster, driver=driver, kubeconfig=kubeconfig)
                try:
                    return await bench.run()
                except BaseException:
                    for component in cluster.components:
                        shutil.copy(cluster.log(component), order.logs)
                    raise


def _told(phase: Phase) -> Phase:
    print(
        f"{phase.subject}: {phase.phase}: {phase.total:.1f} s, p95 {phase.p95:.2f} s, "
        f"{phase.cpu_per_app:.1f} ms CPU/app, {phase.peak_rss:.0f} MB",
        phase.requests,
        flush=True,
    )
    return phase


def _named(requests: Requests) -> dict[str, int]:
    return {" ".join(key): number for key, number in sorted(requests.items())}
