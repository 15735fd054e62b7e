"""An app behind a load balancer in miniature, second by second: the Deployment controller, targets, the operator.

The operator's decisions are the real ones (`tests.rollouts`). Pods take a while to start, and their targets another
while to become healthy. Used by the tests of rollouts that wait for targets; nothing here is checked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from math import ceil
from random import Random

from containerapp.controllers.containerapp.exposure.served import ASK_EVERY, question
from containerapp.core.model import Manifest
from containerapp.core.policy import ExposeDefaults, Platform
from containerapp.core.targets import Answer, PodAt, Silence
from containerapp.errors import Blocked, ContainerAppError
from tests.rollouts import Cluster

DENIED = Blocked("AccessDenied", "The operator lacks elasticloadbalancing:DescribeTargetHealth.")
DRAIN = 20
REGISTERS = 10
_FRESH = 30.0


@dataclass(slots=True, kw_only=True)
class Pod:
    """Times are in seconds of the simulation; None is never."""

    address: str
    revision: int
    ready_at: float
    healthy_at: float | None
    registered_at: float
    ended_at: float | None = None


@dataclass(kw_only=True)
class Balanced(Cluster):
    """The app, its Pods and its targets. `slowest` are the seconds that a target takes to become healthy at most."""

    random: Random = field(default_factory=Random)
    slowest: int = 180
    never: bool = False
    """Whether the targets of new Pods never become healthy."""
    pods: list[Pod] = field(default_factory=list)
    time: float = 0.0
    alive: bool = True
    bound: bool = True
    """Whether a TargetGroupBinding names the app's Service."""
    error: ContainerAppError | None = None
    """What Elastic Load Balancing answers instead of the states."""
    asked_since: float | None = None
    asked_at: float = -100.0
    answer: Answer | None = None
    counted: dict[int, int] = field(default_factory=dict)
    """`minReadySeconds` of each ReplicaSet: the Deployment controller changes that of the newest alone."""
    fewest: int = 10**6
    """Healthy targets at the worst moment since the first version was served."""
    writes_of_deployment: int = 0
    calls: int = 0

    def __post_init__(self) -> None:
        expose = ExposeDefaults(via="alb", await_targets=True)
        self.platform = Platform(version="1", expose=expose, min_ready_seconds=30)
        self.spec = {"image": "shop:1", "port": 8080, "replicas": 4, "expose": {"public": True}, **self.spec}

    @property
    def wanted(self) -> int:
        """How many Pods are to run."""
        return int(self.spec["replicas"])

    @property
    def serving(self) -> int:
        """How many targets are healthy and get requests."""
        return sum(self._serves(pod) for pod in self.pods)

    def begin(self) -> Balanced:
        """Roll the first version out."""
        self.reconcile()
        self.reconcile()
        self._pods_of(self.running, self.wanted, ready=0.0, healthy=0.0)
        self.settle_for(60)
        self.fewest = self.serving
        return self

    def settle_for(self, seconds: int) -> None:
        """Let so many seconds pass."""
        for _ in range(seconds):
            self.tick()

    def until_served(self, within: int) -> float:
        """Let time pass until the status says that the rollout is over; return the seconds."""
        began = self.time
        while self.time - began < within:
            self.tick()
            if self.alive and self._says_over():
                return self.time - began
        raise AssertionError(f"not over within {within} s: {self.status['conditions']}")

    def kill(self) -> None:
        """End the operator; what it remembers is lost."""
        self.alive, self.asked_since, self.answer = False, None, None

    def tick(self) -> None:
        """Let one second pass."""
        self.time += 1
        self.now += timedelta(seconds=1)
        if self.alive and int(self.time) % 4 == 0:
            self._ask()
            before = self.deployment
            self.reconcile()
            self.writes_of_deployment += self.deployment != before
        self._roll()
        self.fewest = min(self.fewest, self.serving)

    def _says_over(self) -> bool:
        current = self.status.get("observedGeneration") == self.generation
        return current and self.condition("RolledOut")[0] == "True"

    def _ask(self) -> None:
        """Do what the engine does: ask while the controller asks it to."""
        if question(self.view(self.app), self.gathered.inputs.route if self.gathered else None) is None:
            self.targets = self.answer = self.asked_since = None
            return
        if self.asked_since is None:
            self.asked_since = self.time
        if self.time - self.asked_at >= ASK_EVERY:
            self.asked_at = self.time
            self.calls += 1
            if self.error is None:
                self.answer, self.asked_since = self._states(), self.time
        silent = self.time - self.asked_since
        fresh = self.answer is not None and silent < _FRESH
        self.targets = self.answer if fresh else Silence(seconds=silent, error=self.error)

    def _states(self) -> Answer:
        group = {pod.address: self._state(pod) for pod in self.pods if pod.registered_at <= self.time}
        seen = tuple(
            PodAt(
                address=pod.address,
                label=str(pod.revision),
                ready_since=self.now - timedelta(seconds=self.time - pod.ready_at)
                if pod.ready_at <= self.time
                else None,
            )
            for pod in self.pods
            if pod.ended_at is None
        )
        return Answer(pods=seen, groups=(group,) if self.bound else ())

    def _state(self, pod: Pod) -> str:
        if pod.ended_at is not None:
            return "draining"
        return "healthy" if self._serves(pod) else "initial"

    def _serves(self, pod: Pod) -> bool:
        return pod.ended_at is None and pod.healthy_at is not None and pod.healthy_at <= self.time

    def _roll(self) -> None:
        """Do what Kubernetes' Deployment controller does in a second, with maxUnavailable 0."""
        deployment = self.deployment
        assert deployment is not None
        revision = self.running
        self.counted[revision] = deployment["spec"].get("minReadySeconds", 0)
        self.pods = [pod for pod in self.pods if pod.ended_at is None or pod.ended_at + DRAIN > self.time]
        running = [pod for pod in self.pods if pod.ended_at is None]
        new = [pod for pod in running if pod.revision == revision]
        old = [pod for pod in running if pod.revision != revision]
        surge = ceil(self.wanted * 0.25)
        room = min(self.wanted - len(new), self.wanted + surge - len(running))
        self._pods_of(revision, max(0, room))
        spare = sum(map(self._is_available, running)) - self.wanted
        for pod in sorted(old, key=self._is_available)[: max(0, spare)]:
            pod.ended_at = self.time
        self._count(deployment, revision)

    def _is_available(self, pod: Pod) -> bool:
        return pod.ready_at + self.counted.get(pod.revision, 0) < self.time

    def _pods_of(
        self, revision: int, count: int, ready: float | None = None, healthy: float | None = None
    ) -> None:
        for _ in range(count):
            ready_at = self.time + self.random.randint(1, 20) if ready is None else ready
            registered = ready_at + self.random.randint(1, REGISTERS) if ready is None else ready
            slow = registered + self.random.randint(5, self.slowest - REGISTERS)
            healthy_at = None if self.never else slow if healthy is None else healthy
            address = f"10.0.{len(self.counted)}.{int(self.time)}-{len(self.pods)}"
            self.pods.append(
                Pod(
                    address=address,
                    revision=revision,
                    ready_at=ready_at,
                    registered_at=registered,
                    healthy_at=healthy_at,
                )
            )

    def _count(self, deployment: Manifest, revision: int) -> None:
        running = [pod for pod in self.pods if pod.ended_at is None]
        deployment["status"] = {
            "observedGeneration": deployment["metadata"]["generation"],
            "replicas": len(running),
            "updatedReplicas": sum(pod.revision == revision for pod in running),
            "readyReplicas": sum(pod.ready_at <= self.time for pod in running),
            "availableReplicas": sum(map(self._is_available, running)),
        }
