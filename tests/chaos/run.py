"""One seed's run: a cluster of its own, the operators, users and faults at once; then peace, and the checker's word.

Called by the command and by the short test. The calling thread keeps the operators alive, as kubelet would: the
kernel ends them with the thread that started them.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from threading import Event, Thread

import urllib3
from moto.ecr.models import ecr_backends

import devcluster
from devcluster import Cluster
from tests.chaos.checker import Checker
from tests.chaos.faults import Faults, MissedError
from tests.chaos.network import COMPONENT as PROXY
from tests.chaos.network import Network
from tests.chaos.plan import TAGS, Shape, Step, make_plan, moving_tags, namespaces
from tests.chaos.traffic import Traffic, judge, judge_peace, measure
from tests.chaos.users import Users
from tests.chaos.violations import Violation
from tests.chaos.wanted import Wanted
from tests.chart.rendering import Chart
from tests.controller.api import Api, ApiError
from tests.controller.installation import install
from tests.controller.operators import Identity, Operator
from tests.controller.registry import (
    ACCOUNT,
    HOST,
    MANIFEST,
    REGION,
    Registry,
    digest_of,
    environment,
)

_SHORT_LEASE = {
    "CONTAINERAPP_LEASE_DURATION": "5",
    "CONTAINERAPP_LEASE_RENEW_DEADLINE": "4",
    "CONTAINERAPP_LEASE_RETRY_PERIOD": "1",
}
_STAYS_SECONDS = 5.0
_COLLECTOR_SECONDS = 10.0
_LEAVE_SECONDS = 30.0
"""Within which a fault that is cut short has been undone."""
_KOPFS_END = ('"logger": "kopf.', "/kopf/_cogs/aiokits/aiotasks.py:")
_OUR_FRAME = re.compile(r'File \\?"[^"]*/containerapp/[\w/]+\.py')
_RUNS = count(1)
"""So that no run of this process meets another's images."""
_LOGS = ("kube-apiserver", "etcd", "kube-controller-manager", PROXY)


@dataclass(kw_only=True)
class Report:
    """What came of a run."""

    seed: int
    shape: Shape
    deeds: Counter[str] = field(default_factory=Counter)
    apps: int = 0
    settled_after: float | None = None
    restarts: int = 0
    left_by_collector: int | None = None
    """Things that Kubernetes' controllers had forgotten, if they did: ReplicaSets of Deployments long gone, mostly."""
    traffic: Traffic | None = None
    violations: list[Violation] = field(default_factory=list)

    def __str__(self) -> str:
        verdict = f"{len(self.violations)} violations" if self.violations else "0 violations"
        settled = "never" if self.settled_after is None else f"after {self.settled_after:.1f} s"
        happened = ", ".join(f"{deed} {count}" for deed, count in sorted(self.deeds.items()))
        lines = [
            f"seed {self.seed}: {verdict}; {self.apps} apps at the end, settled {settled}",
            f"  restarts of the operator: {self.restarts}; {self.traffic}",
            f"  {happened}",
            *self._collector(),
            *(f"  VIOLATION {violation}" for violation in self.violations),
        ]
        return "\n".join(lines)

    def _collector(self) -> list[str]:
        if self.left_by_collector is None:
            return []
        return [f"  Kubernetes' controllers had forgotten {self.left_by_collector} things; begun anew"]


@dataclass(kw_only=True)
class Run:
    """What one run consists of, while it lasts."""

    seed: int
    shape: Shape
    directory: Path
    cluster: Cluster
    operators: list[Operator]
    network: Network
    faults: Faults
    wanted: Wanted
    report: Report
    began: float = field(default_factory=time.monotonic)

    def rage(self, lanes: dict[str, Callable[[Step], None]]) -> None:
        """Carry out the plan, each lane in a thread of its own, and keep the operators alive."""
        plan = make_plan(self.seed, self.shape)
        (self.directory / "plan.txt").write_text("".join(f"{step}\n" for step in plan))
        threads = {
            lane: Thread(
                target=self._follow,
                args=([step for step in plan if step.lane == lane], carry_out),
                daemon=True,  # users may insist for minutes
            )
            for lane, carry_out in lanes.items()
        }
        for thread in threads.values():
            thread.start()
        try:
            while any(thread.is_alive() for thread in threads.values()):
                self.keep_alive()
                if not threads["control"].is_alive():  # which does it itself before each of its faults
                    self.faults.revive()
                time.sleep(0.05)
        finally:
            self.faults.over.set()
            deadline = time.monotonic() + _LEAVE_SECONDS
            for thread in threads.values():
                thread.join(max(0.0, deadline - time.monotonic()))

    def _follow(self, steps: list[Step], carry_out: Callable[[Step], None]) -> None:
        for step in steps:
            pause = max(0.0, self.began + step.at - time.monotonic())
            if self.faults.over.wait(pause) or step.at > self.shape.seconds:
                return
            self._note(step, "begins")
            try:
                carry_out(step)
            except MissedError as reason:
                self._note(step, f"missed: {reason}")
                continue
            except Exception as error:  # noqa: BLE001 - the other lanes go on; the report tells
                complaint = "could not be carried out"
                self.report.violations.append(
                    Violation(subject=f"step {step}", complaint=complaint, found=repr(error), ground=True)
                )
                self._note(step, f"failed: {error!r}")
                return
            self.report.deeds[step.deed] += 1
            self._note(step, "done")

    def _note(self, step: Step, what: str) -> None:
        with (self.directory / "journal.txt").open("a") as journal:
            journal.write(f"{time.strftime('%H:%M:%S', time.gmtime())} {what:<6} {step}\n")

    def keep_alive(self) -> None:
        """Start every operator that has ended; one that ended by itself is a violation."""
        for operator in self.operators:
            if operator.running:
                continue
            process = operator._process
            if process is not None:
                self.report.restarts += 1
                if operator.name not in self.faults.struck:
                    complaint = f"ended by itself with {process.returncode}"
                    self.report.violations.append(Violation(subject=operator.name, complaint=complaint))
            self.faults.struck.discard(operator.name)
            operator.start(wait=False)

    def settle(self, checker: Checker) -> None:
        """Wait until nothing is wrong any more, and stays so; what is wrong at the end goes into the report."""
        self.network.order("peace")
        began, forgotten_since = time.monotonic(), None
        while True:
            self.keep_alive()
            self.faults.revive()
            found = look(checker, namespaces(self.shape))
            forgotten_since = forgotten_since or time.monotonic() if _forgotten(found) else None
            if forgotten_since and time.monotonic() - forgotten_since > _COLLECTOR_SECONDS:
                self._renew_collector(len(found))
            if not found:
                peace = time.time()
                time.sleep(_STAYS_SECONDS)
                self.keep_alive()
                found = look(checker, namespaces(self.shape))
            if not found:
                self.report.settled_after = time.monotonic() - began - _STAYS_SECONDS
                self.report.violations += judge_peace(self.network.passages(), peace, time.time())
                return
            if time.monotonic() - began > self.shape.settling:
                self.report.violations += found
                return
            time.sleep(0.5)

    def _renew_collector(self, left: int) -> None:
        """Give Kubernetes' own controllers another chance, once, when all that is wrong is their affair.

        An owner that is deleted and made again while its watch is broken looks to the garbage collector like one that
        was changed: what the former one owned stays for ever. A namespace looks so to whoever makes its ServiceAccount
        `default`. One that begins anew finds it. The operator gets no such help.
        """
        if self.report.left_by_collector is None:
            self.report.left_by_collector = left
            self.cluster.stop("kube-controller-manager")
            self.cluster.start("kube-controller-manager")

    def judge_traffic(self) -> None:
        """Note what the network saw that must not be."""
        passages = list(self.network.passages())
        self.report.traffic = measure(passages)
        self.report.violations += judge(passages, [operator.name for operator in self.operators])


def bugs(operator: Operator) -> list[Violation]:
    """Return every bug that the operator itself has noticed.

    With what kopf cannot bear (a watch that is answered 410 by HTTP) it ends the watch of the apps, traceback and all,
    in its own words or by tasks that it leaves to asyncio; the operator begins the watch again. Where the traceback
    leads through the operator's own code it is a bug all the same: kopf tells of those, and goes on.
    """
    return [
        Violation(subject=operator.name, complaint="a bug in the log", found=line[:2000])
        for line in operator.log_file.read_text().splitlines()
        if ("by a bug in the operator" in line or "Traceback (most recent call last)" in line)
        and (_OUR_FRAME.search(line) or not any(sign in line for sign in _KOPFS_END))
    ]


def _forgotten(found: list[Violation]) -> bool:
    """Whether all that is wrong is the affair of Kubernetes' own controllers."""
    return bool(found) and all(violation.collectors for violation in found)


def look(checker: Checker, spaces: Iterable[str]) -> list[Violation]:
    """Return what is wrong now; that the API server does not answer is one thing, too."""
    try:
        return checker.check(spaces)
    except (ApiError, urllib3.exceptions.HTTPError, OSError) as error:
        complaint = "does not answer"
        return [Violation(subject="the API server", complaint=complaint, found=repr(error), ground=True)]


def run(seed: int, shape: Shape, directory: Path, bug: str = "") -> Report:
    """Run one seed, with a deliberate `bug` where one is named; logs, plan and journal are left in `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "journal.txt").unlink(missing_ok=True)
    report = Report(seed=seed, shape=shape)
    with ExitStack() as stack:
        options = devcluster.Options(nodes=devcluster.Kwok(count=3), audit=True)
        cluster = stack.enter_context(devcluster.start(options))
        api = stack.enter_context(closing(Api(cluster.kubeconfig)))
        registry = Registry()
        registry.open()
        stack.callback(registry.close)
        repository = f"chaos-{seed}-{next(_RUNS)}"
        push = partial(_push, f"{repository}/shop")
        digests = {tag: registry.push(tag, f"{seed} {tag}", f"{repository}/shop") for tag in TAGS}
        prefix = f"{HOST}/{repository}"
        identity = install(cluster, api, Chart(helm=cluster.binary("helm")).render(defaultRegistry=prefix))
        variables = {**environment(registry.endpoint), **_SHORT_LEASE}
        network = Network.start(cluster, shape.replicas, seed)
        identities = [network.identity(identity, replica) for replica in range(shape.replicas)]
        operators = stack.enter_context(_operators(identities, variables, directory, bug))
        faults = Faults(
            cluster=cluster,
            operators=operators,
            network=network,
            registry=registry,
            api=stack.enter_context(closing(Api(cluster.kubeconfig))),
            over=Event(),
        )
        chaos = Run(
            seed=seed,
            shape=shape,
            directory=directory,
            cluster=cluster,
            operators=operators,
            network=network,
            faults=faults,
            wanted=Wanted(),
            report=report,
        )
        lanes: dict[str, Callable[[Step], None]] = dict.fromkeys(
            ("operator", "control", "network", "registry", "meddler"), faults.strike
        )
        for namespace in namespaces(shape):
            client = stack.enter_context(closing(Api(cluster.kubeconfig)))
            users = Users(api=client, namespace=namespace, wanted=chaos.wanted, push=push)
            users.settle_in()
            lanes[namespace] = users.carry_out
        for tag in moving_tags(shape):
            chaos.wanted.moved(tag, push(tag, f"{tag} first"))
        chaos.began = time.monotonic()
        chaos.rage(lanes)
        report.apps = len(chaos.wanted.apps)
        repository_name = f"{prefix}/shop"
        chaos.settle(Checker(api=api, wanted=chaos.wanted, repository=repository_name, digests=digests))
        chaos.judge_traffic()
        report.violations += [bug for operator in operators for bug in bugs(operator)]
        shutil.copy(network.journal, directory / "traffic.jsonl")
        if report.violations:
            for component in _LOGS:
                shutil.copy(cluster.log(component), directory)
    (directory / "report.txt").write_text(f"{report}\n")
    return report


def _push(repository: str, tag: str, content: str) -> str:
    """Let the tag point elsewhere, also while nobody can ask the registry: pushing is not what is tried here."""
    digest = digest_of(content)
    backend = ecr_backends[ACCOUNT][REGION]
    manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "annotations": {"content": content}})
    for name in (f"kept-{digest[-12:]}", tag):  # moto drops an image with its last tag; ECR keeps it
        backend.put_image(repository, manifest, name, MANIFEST, digest)
    return digest


@contextmanager
def _operators(
    identities: list[Identity], variables: dict[str, str], directory: Path, bug: str
) -> Iterator[list[Operator]]:
    operators = [
        Operator(
            identity=identity,
            directory=directory,
            name=f"operator-{number}",
            environment=dict(variables),
            before=f"from tests.chaos.bugs import make; make({bug!r})" if bug else "",
        )
        for number, identity in enumerate(identities)
    ]
    for operator in operators:
        operator.log_file.unlink(missing_ok=True)
    try:
        for operator in operators:
            operator.start(wait=False)
        yield operators
    finally:
        for operator in operators:
            operator.kill()
