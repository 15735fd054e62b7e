"""`python -m benchmarks`: runs the phases on a fresh cluster and reports; `make bench` calls it.

Phases: the floor; then create, no-op, image update, restart, drift and delete by the operator; the floor once more.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import devcluster
from benchmarks import report, subject
from benchmarks.api import connect
from benchmarks.driver import Convergence, Driver
from benchmarks.report import Phase, Result
from benchmarks.subject import Subject
from benchmarks.workload import NAMESPACE, names_of

_QUIET = 3.0


@dataclass(kw_only=True)
class Bench:
    """One run on one cluster."""

    cluster: devcluster.Cluster
    driver: Driver
    logs: Path
    kubeconfig: Path
    phases: list[Phase] = field(default_factory=list)

    async def measure(
        self, who: str, name: str, process: Subject, act: Callable[[], Awaitable[Convergence | None]]
    ) -> Phase:
        """Run one phase and note what it cost the process, until it is quiet again."""
        since, cpu = process.position(), process.cpu()
        begin = time.monotonic()
        outcome = await act()
        total = time.monotonic() - begin
        await self.driver.settle(_QUIET)
        latencies = outcome.latencies if outcome else []
        phase = Phase(
            subject=who,
            phase=name,
            apps=len(latencies) or len(self.driver.names),
            total=outcome.total if outcome else total,
            p50=report.percentile(latencies, 0.5),
            p95=report.percentile(latencies, 0.95),
            p99=report.percentile(latencies, 0.99),
            cpu=process.cpu() - cpu,
            peak_rss=process.peak_rss(),
            requests={" ".join(key): number for key, number in sorted(process.requests(since).items())},
        )
        print(json.dumps(phase.requests), flush=True)
        print(_line(phase), flush=True)
        return phase

    async def floor(self, prefix: str, count: int) -> Phase:
        """Measure the floor, and leave nothing of it."""
        self.driver.names = names_of(prefix, count)
        with subject.floor(self.cluster, prefix, count, "v1", self.logs / f"floor-{prefix}.log") as process:
            phase = await self.measure("floor", "create", process, lambda: self.driver.create("v1"))
            await self.driver.delete()
            await self.driver.settle(_QUIET)
        return phase

    async def operator(self, prefix: str, count: int) -> list[Phase]:
        """Measure the operator in all phases."""
        self.driver.names = names_of(prefix, count)
        log, names = self.logs / "operator.log", self.driver.names
        some = names[:: max(1, len(names) // 50)][:50]
        phases = []
        with subject.operator(self.cluster, self.kubeconfig, log) as process:

            async def phase(name: str, act: Callable[[], Awaitable[Convergence | None]]) -> None:
                phases.append(await self.measure("operator", name, process, act))

            await phase("create", lambda: self.driver.create("v1"))
            await phase("no-op", self.driver.touch)
            await phase("image update", lambda: self.driver.update_image("v2"))
            for kind in ("scale", "image", "service"):
                await phase(f"drift: {kind}", lambda kind=kind: self.driver.drift(kind, some))  # type: ignore[misc]
        phases.append(await self._restart(log))
        with subject.operator(self.cluster, self.kubeconfig, log) as process:
            await self.driver.settle(_QUIET)
            phases.append(await self.measure("operator", "delete", process, self.driver.delete))
        return phases

    async def _restart(self, log: Path) -> Phase:
        """Measure a start with everything converged: all of the process's life counts."""
        log_position = self.cluster.audit_log.stat().st_size if self.cluster.audit_log else 0
        begin = time.monotonic()
        with subject.operator(self.cluster, self.kubeconfig, log) as process:
            idle = process.cpu()
            while True:
                await asyncio.sleep(_QUIET)
                idle, before = process.cpu(), idle
                if idle - before < 0.1 * _QUIET:
                    break
            requests = process.requests(log_position)
            return Phase(
                subject="operator", phase="restart", apps=len(self.driver.names), total=time.monotonic() - begin,
                p50=0.0, p95=0.0, p99=0.0, cpu=process.cpu(), peak_rss=process.peak_rss(),
                requests={" ".join(key): number for key, number in sorted(requests.items())},
            )  # fmt: skip


def _line(phase: Phase) -> str:
    return (
        f"{phase.subject}: {phase.phase}: {phase.total:.1f} s, p95 {phase.p95:.2f} s, "
        f"{phase.cpu_per_app:.1f} ms CPU/app, {phase.peak_rss:.0f} MB"
    )


async def run(count: int, logs: Path) -> Result:
    """Run everything on a cluster of its own."""
    options = devcluster.Options(nodes=devcluster.Kwok(count=max(3, count // 100)), audit=True)
    with devcluster.start(options) as cluster:
        kubeconfig = subject.install(cluster)
        cluster.kubectl("create", "namespace", NAMESPACE)
        async with connect(cluster.kubeconfig) as api:
            driver = Driver(api=api, names=[], timeout=120 + count)
            async with driver.watching():
                bench = Bench(cluster=cluster, driver=driver, logs=logs, kubeconfig=kubeconfig)
                try:
                    floors = [await bench.floor("before", count)]
                    phases = await bench.operator("app", count)
                    floors.append(await bench.floor("after", count))
                except BaseException:
                    for component in cluster.components:
                        shutil.copy(cluster.log(component), logs)
                    raise
    return Result(machine=_machine(), apps=count, floors=floors, phases=phases)


def _machine() -> str:
    models = [
        line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")
    ]
    model = models[0].partition(":")[2].strip() if models else platform.processor()
    return f"{len(models)} cores of {model}, Linux {platform.release()}, Python {platform.python_version()}"


def main() -> None:
    """Parse the command line, run, print and write the report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--apps", type=int, default=500, help="how many apps (default: 500)")
    parser.add_argument("--output", type=Path, default=Path("build/bench"), help="where JSON and plots go")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    logs = Path(tempfile.mkdtemp(prefix="bench-", dir=arguments.output))
    result = asyncio.run(run(arguments.apps, logs))
    (arguments.output / f"result-{arguments.apps}.json").write_text(
        json.dumps(result.as_json(), indent=1) + "\n"
    )
    create = next(phase for phase in result.phases if phase.phase == "create")
    print(f"\n{result.machine}\n\n{report.table(result)}")
    print(f"create: {create.total / result.floor:.2f} times the floor ({result.floor:.1f} s)")


if __name__ == "__main__":
    main()
