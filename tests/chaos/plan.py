"""What is going to happen in a run: every user's deed and every fault, drawn from one seed. Pure.

Called by the run before anything starts. The same seed and shape give the same plan to the letter; who carries a
step out, and whether it succeeds, is none of its business.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.chaos.kinds import CHILDREN

TAGS = tuple(f"v{number}" for number in range(6))
"""The tags that the registry knows; every other one is missing."""

OPERATOR_FAULTS = (
    "kill-operator",
    "kill-leader",
    "kill-all-operators",
    "stop-operator",
    "pause-operator",
    "pause-leader",
)
CONTROL_FAULTS = (
    "kill-apiserver",
    "restart-apiserver",
    "pause-apiserver",
    "pause-etcd",
    "kill-etcd",
    "kill-controllers",
    "compact-history",
)
NETWORK_FAULTS = ("trouble-requests", "cut-watches", "expire-watches", "kill-proxy")
REGISTRY_FAULTS = ("close-registry", "throttle-registry")
MEDDLINGS = ("delete-child", "change-image", "scale-deployment", "change-service", "strip-labels", "fight")
ALL_FAULTS = (
    *(*OPERATOR_FAULTS, *CONTROL_FAULTS, *NETWORK_FAULTS, *REGISTRY_FAULTS, *MEDDLINGS),
    "raze-namespace",
)

_LANES = {
    "operator": OPERATOR_FAULTS,
    "control": CONTROL_FAULTS,
    "network": NETWORK_FAULTS,
    "registry": REGISTRY_FAULTS,
    "meddler": MEDDLINGS,
}
_LONGEST = {
    "pause-operator": (7.0, 12.0),
    "pause-leader": (7.0, 12.0),
    "restart-apiserver": (1.0, 30.0),
    "kill-apiserver": (0.1, 5.0),
    "pause-apiserver": (1.0, 12.0),
    "pause-etcd": (1.0, 12.0),
    "kill-etcd": (0.1, 4.0),
    "kill-controllers": (0.1, 8.0),
    "compact-history": (0.1, 5.0),
    "trouble-requests": (3.0, 15.0),
    "kill-proxy": (0.1, 4.0),
    "close-registry": (2.0, 20.0),
    "throttle-registry": (2.0, 20.0),
}
"""How long a fault lasts, in seconds: from, to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How large a run is, and which faults may strike."""

    seconds: float
    namespaces: int = 3
    apps: int = 6
    """Ordinary apps a namespace; two whose images are missing at times come on top."""
    squatted: int = 2
    """Apps a namespace under whose names somebody else has put an object first; those end by a slow retry."""
    moved: int = 1
    """Apps a namespace whose tag, which nobody else uses, is pushed anew now and then."""
    jobs: int = 2
    """ContainerJobs a namespace, of which runs are asked for now and then."""
    faults: tuple[str, ...] = ALL_FAULTS
    user_gap: float = 0.7
    """Mean seconds between two deeds in one namespace."""
    fault_gap: float = 8.0
    """Mean seconds between two faults of one lane."""
    longest_fault: float = 30.0
    settling: float = 240.0
    """Seconds of peace after which what is still wrong is a violation."""
    replicas: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One deed or fault: when, in whose thread, what, to whom."""

    at: float
    lane: str
    deed: str
    target: str = ""
    value: Any = None

    def __str__(self) -> str:
        return f"{self.at:7.2f} {self.lane:<9} {self.deed} {self.target} {self.value or ''}".rstrip()


def namespaces(shape: Shape) -> tuple[str, ...]:
    """Return the names of the namespaces in which everything happens."""
    return tuple(f"chaos-{number}" for number in range(shape.namespaces))


def moving_tags(shape: Shape) -> tuple[str, ...]:
    """Return the tags that do not stay where they are."""
    return tuple(
        f"moved-{number}-{namespace}" for namespace in namespaces(shape) for number in range(shape.moved)
    )


def make_plan(seed: int, shape: Shape) -> tuple[Step, ...]:
    """Return all steps of the run, in order of time."""
    steps: list[Step] = []
    for namespace in namespaces(shape):
        users = _Users(random=Random(f"{seed}/{namespace}"), shape=shape, lane=namespace)  # noqa: S311 - replayable
        steps += users.steps()
    for lane, known in _LANES.items():
        allowed = [fault for fault in known if fault in shape.faults]
        if allowed:
            steps += _faults(Random(f"{seed}/{lane}"), shape, lane, allowed)  # noqa: S311 - replayable
    return tuple(sorted(steps, key=lambda step: (step.at, step.lane)))


def _faults(random: Random, shape: Shape, lane: str, allowed: list[str]) -> Iterator[Step]:
    """Draw from a deck that is shuffled anew when it is used up, so that every fault has its turn."""
    now = random.uniform(0.2, 0.6) * shape.fault_gap
    deck: list[str] = []
    while now < shape.seconds:
        deck = deck or random.sample(allowed, len(allowed))
        fault = deck.pop()
        low, high = _LONGEST.get(fault, (0.0, 0.0))
        high = min(high, shape.longest_fault)
        lasting = round(min(random.triangular(low, max(low, high), low), shape.longest_fault), 2)
        if lane == "meddler":
            target = f"{random.choice(namespaces(shape))}/app-{random.randrange(shape.apps)}"
            yield Step(at=now, lane=lane, deed=fault, target=target, value=random.randrange(len(CHILDREN)))
            now += random.expovariate(1 / shape.user_gap)
        else:
            target = str(random.randrange(shape.replicas)) if lane == "operator" else ""
            yield Step(at=now, lane=lane, deed=fault, target=target, value=lasting)
            now += lasting + random.expovariate(1 / shape.fault_gap)


@dataclass(kw_only=True)
class _Users:
    """Draws the deeds of one namespace's users, who do nothing impossible: none updates what it has not created."""

    random: Random
    shape: Shape
    lane: str
    _specs: dict[str, dict[str, Any]] = field(default_factory=dict)
    _squatted: set[str] = field(default_factory=set)
    _serial: int = 0

    def steps(self) -> Iterator[Step]:
        """Yield the deeds in order of time."""
        names = [f"app-{number}" for number in range(self.shape.apps)]
        names += [f"bad-{number}" for number in range(2)]
        names += [f"squat-{number}" for number in range(self.shape.squatted)]
        names += [f"moved-{number}" for number in range(self.shape.moved)] * 3
        names += [f"job-{number}" for number in range(self.shape.jobs)] * 2
        now = 0.0
        razed_at = self._razed_at()
        while now < self.shape.seconds:
            if razed_at is not None and now >= razed_at:
                razed_at = None
                self._specs.clear()
                self._squatted.clear()
                yield Step(at=now, lane=self.lane, deed="raze-namespace")
            else:
                name = self.random.choice(names)
                deed, value = self._deed(name)
                yield Step(at=now, lane=self.lane, deed=deed, target=name, value=value)
            now += self.random.expovariate(1 / self.shape.user_gap)

    def _razed_at(self) -> float | None:
        if "raze-namespace" not in self.shape.faults or self.random.random() < 0.4:
            return None
        return self.random.uniform(0.3, 0.9) * self.shape.seconds

    def _deed(self, name: str) -> tuple[str, Any]:
        if name.startswith("job"):
            return self._job_deed(name)
        if name not in self._specs:
            if name.startswith("squat") and name not in self._squatted:
                self._squatted.add(name)
                return "squat", self.random.choice(("Deployment", "Service", "ServiceAccount"))
            self._specs[name] = self._spec(name)
            return "create", self._specs[name]
        if name in self._squatted and self.random.random() < 0.4:
            self._squatted.discard(name)
            return "unsquat", None
        deed = self.random.choices(("update", "scale", "suspend", "delete", "recreate"), (8, 3, 2, 2, 3))[0]
        if name.startswith("moved") and self.random.random() < 0.6:
            self._serial += 1
            return self.random.choice(("push", "push", "refresh")), self._serial
        return deed, self._apply(deed, name)

    def _job_deed(self, name: str) -> tuple[str, Any]:
        self._serial += 1
        if name not in self._specs:
            self._specs[name] = {}
            return "create-job", self._serial
        if self.random.random() < 0.1:
            del self._specs[name]
            return "delete-job", None
        return "ask", [f"r{self._serial}-{number}" for number in range(self.random.choice((1, 1, 2)))]

    def _apply(self, deed: str, name: str) -> Any:
        spec = self._specs[name]
        match deed:
            case "delete":
                del self._specs[name]
                if name in self._squatted:
                    self._squatted.discard(name)
                return None
            case "scale":
                self._specs[name] = spec | {"replicas": self.random.randrange(4)}
                return self._specs[name]["replicas"]
            case "suspend":
                self._specs[name] = spec | {"suspend": not spec.get("suspend", False)}
            case _:
                self._specs[name] = self._spec(name)
        return self._specs[name]

    def _spec(self, name: str) -> dict[str, Any]:
        """Return a spec that is unlike every other by its serial number, so that no update can be lost unseen."""
        self._serial += 1
        random = self.random
        tag = random.choice(TAGS)
        if name.startswith("bad") and random.random() < 0.5:
            tag = f"missing-{random.randrange(3)}"
        if name.startswith("moved"):
            tag = f"{name}-{self.lane}"
        spec: dict[str, Any] = {
            "image": f"shop:{tag}",
            "replicas": random.choice((0, 1, 1, 2, 3)),
            "env": [{"name": "SERIAL", "value": str(self._serial)}],
        }
        spec |= random.choice(
            (
                {},
                {"port": 8080},
                {"port": random.randrange(9000, 9004)},
                {
                    "ports": [
                        {"name": "web", "containerPort": 8080, "servicePort": 80},
                        {"name": "dns", "containerPort": 5353, "protocol": "UDP"},
                    ]
                },
            )
        )
        if random.random() < 0.15:
            spec["serviceAccountName"] = "default"
        if name.startswith("app") and random.random() < 0.1:
            spec["podAnnotations"] = {"devcluster/behaviour": "crash-loop"}
        return spec
