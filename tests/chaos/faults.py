"""The faults: each strikes, lasts as long as the plan says, and is undone, whatever happened in between.

Run in a thread for each lane; so faults of one lane never overlap, and those of several do. Operators are only ever
signalled here: whoever started them (the run) starts them again, as kubelet would.
"""

from __future__ import annotations

import base64
import json
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Thread
from wsgiref.types import StartResponse, WSGIEnvironment

import urllib3
from werkzeug.serving import make_server

from devcluster import Cluster
from tests.chaos.kinds import CHILDREN
from tests.chaos.network import COMPONENT as PROXY
from tests.chaos.network import Network
from tests.chaos.plan import Step
from tests.controller.api import Api, ApiError, Manifest
from tests.controller.operators import Operator
from tests.controller.registry import Registry

_FIGHTS = 20
_SHARE = 0.4
"""Of the requests that meet with trouble while there is trouble."""
_SLOWEST = 3.0
_PATIENCE = 15.0
_UNTAKEN = (ApiError, urllib3.exceptions.HTTPError, OSError)
"""How a change ends that the API server has not taken."""


class MissedError(Exception):
    """There was nothing to strike at that moment."""


@dataclass(kw_only=True)
class Faults:
    """Everything that a fault can strike. `over` cuts short whatever still lasts."""

    cluster: Cluster
    operators: list[Operator]
    network: Network
    registry: Registry
    api: Api
    over: Event
    paused: set[str] = field(default_factory=set)
    """Names of the replicas that are paused now."""
    struck: set[str] = field(default_factory=set)
    """Names of the replicas that were ended, and are to be started again."""

    def strike(self, step: Step) -> None:
        """Let the fault of the plan happen, and undo it when its time is up."""
        match step.lane:
            case "operator":
                self._strike_operators(step)
            case "control":
                self._strike_control_plane(step)
            case "network":
                try:
                    self._trouble_network(step)
                except urllib3.exceptions.HTTPError as error:
                    raise MissedError("the network does not listen") from error
            case "registry":
                self._trouble_registry(step)
            case _:
                try:
                    self._meddle(step)
                except _UNTAKEN as error:
                    raise MissedError(f"the change was not taken: {error!r}") from error

    def _strike_operators(self, step: Step) -> None:
        match step.deed:
            case "kill-operator":
                self._end(signal.SIGKILL, self.operators[int(step.target)])
            case "kill-leader":
                self._end(signal.SIGKILL, self._leader())
            case "kill-all-operators":
                self._end(signal.SIGKILL, *self.operators)
            case "stop-operator":
                self._end(signal.SIGTERM, self.operators[int(step.target)])
            case "pause-operator":
                self._pause_operator(self.operators[int(step.target)], step.value)
            case "pause-leader":
                self._pause_operator(self._leader(), step.value)
            case unknown:
                raise ValueError(unknown)

    def revive(self) -> None:
        """Start what has given up because the API server was away as it started, as the kubelet would."""
        for component in ("kube-controller-manager", "kube-scheduler", "kwok"):
            if self.cluster.pid(component) is None:
                self.cluster.start(component)

    def _strike_control_plane(self, step: Step) -> None:
        self.revive()
        match step.deed:
            case "kill-apiserver" | "kill-etcd" | "kill-controllers":
                self._kill(_COMPONENTS[step.deed], step.value)
            case "pause-apiserver" | "pause-etcd":
                self._pause(_COMPONENTS[step.deed], step.value)
            case "restart-apiserver":
                self.cluster.stop("kube-apiserver")
                self.over.wait(step.value)
                self.cluster.start("kube-apiserver")
            case "compact-history":
                self._compact()
                self._kill("kube-apiserver", step.value)
            case unknown:
                raise ValueError(unknown)

    def _leader(self) -> Operator:
        """Return the replica that was the last to write its name into the Lease, as the network saw it."""
        try:
            holder = self.network.order("tell")["holder"]
        except urllib3.exceptions.HTTPError as error:
            raise MissedError("the network is down itself") from error
        leaders = [operator for operator in self.operators if operator.name == holder]
        if not leaders:
            raise MissedError("nobody leads")
        return leaders[0]

    def _end(self, number: signal.Signals, *operators: Operator) -> None:
        """Signal those that run; there must be one."""
        missed = True
        for operator in operators:
            process = operator._process
            if process is not None and process.poll() is None:
                self.struck.add(operator.name)
                process.send_signal(number)
                missed = False
        if missed:
            raise MissedError("no operator runs there")

    def _pause_operator(self, operator: Operator, seconds: float) -> None:
        if not operator.running:
            raise MissedError("no operator runs there")
        self.paused.add(operator.name)
        try:
            with operator.paused():
                self.over.wait(seconds)
        finally:
            self.paused.discard(operator.name)

    def _kill(self, component: str, seconds: float) -> None:
        self.cluster.signal(component, signal.SIGKILL)
        while self.cluster.pid(component) is not None:
            time.sleep(0.02)
        self.over.wait(seconds)
        self.cluster.start(component)

    def _pause(self, component: str, seconds: float) -> None:
        self.cluster.signal(component, signal.SIGSTOP)
        try:
            self.over.wait(seconds)
        finally:
            self.cluster.signal(component, signal.SIGCONT)

    def _compact(self) -> None:
        """Have etcd forget all versions but the newest: who asks for what came after an older one is refused."""
        etcd = f"http://{self.cluster.address}:2379/v3/kv"
        key = base64.b64encode(b"/registry/").decode()
        with urllib3.PoolManager(retries=False) as pool:
            header = pool.request("POST", f"{etcd}/range", json={"key": key}, timeout=5).json()["header"]
            done = pool.request(
                "POST", f"{etcd}/compaction", json={"revision": header["revision"]}, timeout=5
            )
        if done.status != 200:
            raise MissedError(f"etcd keeps its history: {done.data!r}")

    def _trouble_network(self, step: Step) -> None:
        if step.deed == "kill-proxy":
            self._kill(PROXY, step.value)
            return
        self._await_watches()
        match step.deed:
            case "trouble-requests":
                self.network.order("trouble", seconds=step.value, share=_SHARE, longest=_SLOWEST)
                self.over.wait(step.value)
            case "cut-watches":
                self.network.order("cut")
            case "expire-watches":
                self.network.order("expire")
            case unknown:
                raise ValueError(unknown)

    def _await_watches(self) -> None:
        """Wait until somebody leads and watches, or there is nothing to strike."""
        deadline = time.monotonic() + _PATIENCE
        while not self.network.order("tell")["watches"]:
            if time.monotonic() > deadline:
                raise MissedError("nobody watches")
            time.sleep(0.1)

    def _trouble_registry(self, step: Step) -> None:
        self.registry.close()
        try:
            if step.deed == "throttle-registry":
                with _throttling(self.registry.port):
                    self.over.wait(step.value)
            else:
                self.over.wait(step.value)
        finally:
            self.registry.open()

    def _meddle(self, step: Step) -> None:
        """Change a child behind the operator's back, as a careless administrator or another controller would."""
        namespace, name = step.target.split("/")
        match step.deed:
            case "delete-child":
                self.api.delete(CHILDREN[int(step.value)], namespace, name)
            case "change-image":
                containers = {"spec": {"containers": [{"name": "app", "image": "intruder:1"}]}}
                self.api.merge("Deployment", namespace, name, {"spec": {"template": containers}})
            case "scale-deployment":
                self.api.patch("Deployment", namespace, name, {"spec": {"replicas": 4 + step.value}})
            case "change-service":
                change = {"spec": {"selector": {"containerapp.dev/app": "another"}}}
                self.api.patch("Service", namespace, name, change)
            case "strip-labels":
                self.api.patch(CHILDREN[int(step.value)], namespace, name, {"metadata": {"labels": None}})
            case "fight":
                self._fight(namespace, name)
            case unknown:
                raise ValueError(unknown)

    def _fight(self, namespace: str, name: str) -> None:
        """Write what the operator writes, again and again; what fails after the first time ends it."""
        self.api.patch("Deployment", namespace, name, {"spec": {"replicas": 5}})
        with suppress(*_UNTAKEN):
            for number in range(1, _FIGHTS):
                self.over.wait(0.1)
                self.api.patch("Deployment", namespace, name, {"spec": {"replicas": 5 + number % 2}})


_COMPONENTS = {
    "kill-apiserver": "kube-apiserver",
    "pause-apiserver": "kube-apiserver",
    "kill-etcd": "etcd",
    "pause-etcd": "etcd",
    "kill-controllers": "kube-controller-manager",
}


@contextmanager
def _throttling(port: int) -> Iterator[None]:
    """Answer in the registry's place, that too much is asked of it."""

    def refuse(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("400 Bad Request", [("Content-Type", "application/x-amz-json-1.1")])
        body: Manifest = {"__type": "ThrottlingException", "message": "Rate exceeded"}
        return [json.dumps(body).encode()]

    server = make_server("127.0.0.1", port, refuse)
    thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
