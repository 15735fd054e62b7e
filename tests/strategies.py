"""Any app that the API accepts, any image it may run, any state a Deployment may be in: for the property tests.

Every draw is legal by construction, so that hypothesis shrinks to something that a user could have written.
"""

from __future__ import annotations

import string
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from containerapp.api import images
from containerapp.api.containerapp import APP_NAME
from containerapp.controllers.containerapp.inputs import Inputs
from containerapp.controllers.workloads.image import Pinned, Resolving, Unavailable, pin
from containerapp.core.model import Gathered, Manifest, ObjectRef, Outcome, PinnedImage
from containerapp.errors import Blocked, InvalidSpec, Transient
from tests.builders import DIGEST, NEW_DIGEST, with_rollout

unhurried = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""An app is a large value: fewer of them, and no judgement on how fast they are drawn."""

_WORD = st.text(string.ascii_lowercase, min_size=1, max_size=8)
_TEXT = st.sampled_from(["", "0", "true", "$(NAME)", "Grüße", "two\nlines", "x" * 63])
_OBJECT_NAME = st.sampled_from(["a", "0", "shop-config", "x" * 63])
_TAG = st.sampled_from(["1", "1.4.2", "latest", "_nightly", "V1-", "x" * 63, "x" * 128])
_CPU = st.sampled_from(["100m", "0.5", "1", "1500m", "2", "1e0"])
_MEMORY = st.sampled_from(["64Mi", "128Mi", "0.5Gi", "1Gi", "1G", "1e9"])

names = st.from_regex(APP_NAME, fullmatch=True)
"""Any name that an app may have."""


@st.composite
def pinned_images(draw: st.DrawFn) -> PinnedImage:
    """Any image that was resolved, with or without a tag."""
    digest = draw(st.sampled_from([DIGEST, NEW_DIGEST]))
    suffix = draw(st.one_of(_TAG.map(":{}".format), st.just(f"@{digest}")))
    reference = images.parse(f"{draw(_WORD)}{suffix}", default_registry="ghcr.io/team")
    return pin(reference, digest, draw(st.one_of(st.none(), _TEXT)))


def _optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Manifest]:
    return st.fixed_dictionaries({}, optional=fields)


_KEY = st.sampled_from([{"name": "shop", "key": "key"}, {"name": "shop", "key": "key", "optional": False}])
_VALUE_FROM = st.one_of(
    st.fixed_dictionaries({"configMapKeyRef": _KEY}),
    st.fixed_dictionaries({"secretKeyRef": _KEY}),
    st.just({"fieldRef": {"fieldPath": "status.podIP"}}),
    st.just({"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}),
)
_ENV_NAME = st.sampled_from(["A", "B", "_C", "D_1", "e.f"])
_ENV = st.lists(
    st.one_of(
        st.fixed_dictionaries({"name": _ENV_NAME}, optional={"value": _TEXT}),
        st.fixed_dictionaries({"name": _ENV_NAME, "valueFrom": _VALUE_FROM}),
    ),
    max_size=3,
    unique_by=lambda item: str(item["name"]),
)
_ENV_FROM = st.lists(
    st.fixed_dictionaries(
        {"configMapRef": st.sampled_from([{"name": "shop"}, {"name": "shop", "optional": False}])},
        optional={"prefix": st.sampled_from(["", "DB_"])},
    ),
    max_size=2,
)
_PORTS = st.lists(
    st.fixed_dictionaries(
        {"name": _WORD, "containerPort": st.integers(1, 65535)},
        optional={"protocol": st.sampled_from(["TCP", "UDP", "SCTP"]), "appProtocol": st.just("http")},
    ),
    min_size=1,
    max_size=3,
    unique_by=(lambda item: item["name"], lambda item: item["containerPort"]),
)

_ASKING_NO_PORT: list[Manifest] = [{"exec": {"command": ["/check"]}}, {"grpc": {"port": 9000}}]
_ASKING_THE_FIRST: list[Manifest] = [{"httpGet": {"path": "/healthz"}}, {"tcpSocket": {}}, {"grpc": {}}]
_NUMBERS = _optional(initialDelaySeconds=st.integers(0, 2), failureThreshold=st.integers(1, 9))


def _probes(handlers: list[Manifest]) -> st.SearchStrategy[Manifest]:
    probe = st.builds(lambda handler, given: handler | given, st.sampled_from(handlers), _NUMBERS)
    return _optional(readinessProbe=probe, livenessProbe=probe, startupProbe=probe)


_PROBES_OF_A_WORKER = _probes(_ASKING_NO_PORT)
_PROBES_OF_A_SERVER = _probes(_ASKING_NO_PORT + _ASKING_THE_FIRST)
_SERVICE = _optional(
    service=_optional(
        type=st.sampled_from(["ClusterIP", "NodePort", "LoadBalancer"]),
        annotations=st.dictionaries(_WORD, _TEXT, max_size=2),
    )
)


@st.composite
def _networks(draw: st.DrawFn) -> Manifest:
    """Ports and what depends on them: probes and the Service."""
    form = draw(st.sampled_from(["worker", "port", "ports"]))
    if form == "worker":
        return draw(_PROBES_OF_A_WORKER)
    given: Manifest = {"port": draw(st.integers(1, 65535))} if form == "port" else {"ports": draw(_PORTS)}
    tcp = form == "port" or any(port.get("protocol", "TCP") == "TCP" for port in given["ports"])
    probes = draw(_PROBES_OF_A_SERVER if tcp else _PROBES_OF_A_WORKER)
    return {**given, **draw(_SERVICE), **probes}


_RESOURCES = st.one_of(
    st.builds(
        lambda cpu, memory: {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": memory}},
        _CPU,
        _MEMORY,
    ),
    st.fixed_dictionaries({"requests": _optional(cpu=_CPU, memory=_MEMORY)}),
    st.fixed_dictionaries({"limits": _optional(cpu=_CPU, memory=_MEMORY)}),
)
_NUMBER = st.sampled_from([0, 1, 1000, 65534])
_SECURITY = _optional(
    runAsUser=st.sampled_from([1, 1000]),
    runAsGroup=_NUMBER,
    fsGroup=_NUMBER,
    supplementalGroups=st.lists(_NUMBER, max_size=2),
    readOnlyRootFilesystem=st.booleans(),
    allowPrivilegeEscalation=st.booleans(),
    capabilities=_optional(
        add=st.just(["NET_BIND_SERVICE"]), drop=st.sampled_from([[], ["ALL"], ["CHOWN", "KILL"]])
    ),
    seccompProfile=st.just({"type": "Unconfined"}),
)
_AUTOSCALING = st.builds(
    lambda bounds, more: {"minReplicas": min(bounds), "maxReplicas": max(bounds), **more},
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    _optional(
        cpu=st.integers(1, 200),
        memory=st.integers(1, 100),
        behavior=st.sampled_from([{}, {"scaleDown": {"stabilizationWindowSeconds": 0}}]),
    ),
)
_DISRUPTION = st.sampled_from([{}, {"maxUnavailable": 1}, {"maxUnavailable": "25%"}, {"minAvailable": 0}])
_ROLLOUT = st.sampled_from(
    [{}, {"strategy": "Recreate"}, {"maxSurge": 0, "maxUnavailable": 1}, {"progressDeadlineSeconds": 7200}]
)
_METRICS = st.sampled_from([{"port": 9100}, {"port": 9100, "path": "/stats", "labels": {"release": "p"}}])
_NETWORK = _optional(
    allowFrom=st.sampled_from([[], [{"app": "web"}], [{"cidr": "10.0.0.0/8"}, {"loadBalancer": True}]]),
    egress=st.sampled_from([[], [{"namespace": "search", "ports": [9200]}]]),
)
_FIELDS = _optional(
    network=_NETWORK,
    autoscaling=_AUTOSCALING,
    disruption=_DISRUPTION,
    rollout=_ROLLOUT,
    metrics=_METRICS,
    imagePullPolicy=st.sampled_from(["IfNotPresent", "Always", "Never"]),
    imagePullSecrets=st.lists(_OBJECT_NAME, max_size=2, unique=True).map(
        lambda secrets: [{"name": name} for name in secrets]
    ),
    command=st.lists(_TEXT, max_size=2),
    args=st.lists(_TEXT, max_size=3),
    workingDir=st.just("/srv"),
    env=_ENV,
    envFrom=_ENV_FROM,
    resources=_RESOURCES,
    replicas=st.integers(0, 4),
    terminationGracePeriodSeconds=st.integers(0, 7200),
    security=_SECURITY,
    serviceAccountName=_OBJECT_NAME,
    podLabels=st.dictionaries(_WORD, st.sampled_from(["", "checkout"]), max_size=2),
    podAnnotations=st.dictionaries(_WORD, _TEXT, max_size=2),
    suspend=st.booleans(),
)


_CONTAINER = _optional(
    imagePullPolicy=st.sampled_from(["IfNotPresent", "Always", "Never"]),
    command=st.lists(_TEXT, max_size=2),
    args=st.lists(_TEXT, max_size=2),
    env=_ENV,
    envFrom=_ENV_FROM,
    resources=_RESOURCES,
    security=_optional(runAsUser=st.just(7), runAsNonRoot=st.booleans(), privileged=st.just(False)),
)
_EXEC = st.builds(lambda given: {"exec": {"command": ["/check"]}, **given}, _NUMBERS)


@st.composite
def _containers(draw: st.DrawFn) -> Manifest:
    """Sidecars and init containers, some of which come after a sidecar."""
    sidecars = [
        {"name": name, "image": "proxy:1", **draw(_CONTAINER), **draw(_optional(startupProbe=_EXEC))}
        for name in draw(st.sampled_from([[], ["proxy"], ["b", "a"]]))
    ]
    after = st.sampled_from([{}, *({"after": each["name"]} for each in sidecars)])
    init = [
        {"name": name, "image": "files:1", **draw(_CONTAINER), **draw(after)}
        for name in draw(st.sampled_from([[], ["files"], ["z", "y"]]))
    ]
    return {**({"sidecars": sidecars} if sidecars else {}), **({"initContainers": init} if init else {})}


@st.composite
def specs(draw: st.DrawFn) -> Manifest:
    """Any spec, from an image alone to every field."""
    spec = {**draw(_FIELDS), **draw(_networks()), **draw(_containers())}
    if any(port["name"] == "metrics" for port in spec.get("ports", ())):
        spec.pop("metrics", None)  # by number it would be another port of that name
    return spec


_COUNT = st.integers(0, 4)
_DEADLINE = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
_PROGRESSING = {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated"}
_FAILURE = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "Quota."}


@st.composite
def live_states(draw: st.DrawFn, children: dict[ObjectRef, Manifest]) -> dict[ObjectRef, Manifest]:
    """Any moment in the life of `children`: not there, on the way, stuck, done, or going."""
    kept = {ref: child for ref, child in children.items() if draw(st.integers(0, 4)) > 0}
    for ref, child in kept.items():
        if ref.kind == "Deployment":
            kept[ref] = with_rollout(
                child,
                total=draw(_COUNT),
                updated=draw(_COUNT),
                available=draw(_COUNT),
                observed=draw(st.sampled_from([0, 1])),
                conditions=draw(st.sampled_from([[], [_DEADLINE], [_PROGRESSING], [_PROGRESSING, _FAILURE]])),
            )
        if ref.kind == "Service":
            ingress = draw(st.sampled_from([[], [{"hostname": "lb.example.com"}], [{"ip": "2001:db8::1"}]]))
            kept[ref] = {**child, "status": {"loadBalancer": {"ingress": ingress}}}
    return kept


_ERRORS = (
    InvalidSpec("InvalidImage", "Correct it."),
    Blocked("AccessDenied", "Allow it."),
    Transient("Throttled", "Trying again."),
)
_CHILD = ObjectRef(api_version="v1", kind="Service", name="shop")


def outcomes() -> st.SearchStrategy[Outcome]:
    """Any way a reconcile can go."""
    error = st.sampled_from(_ERRORS)
    maybe_error, maybe_pin = st.one_of(st.none(), error), st.one_of(st.none(), pinned_images())
    image = st.one_of(
        st.builds(
            Pinned,
            pin=pinned_images(),
            latest_digest=st.one_of(st.none(), st.just(NEW_DIGEST)),
            news_error=maybe_error,
            asked=st.booleans(),
        ),
        st.builds(Resolving, pin=maybe_pin),
        st.builds(Unavailable, error=error, pin=maybe_pin),
    )
    return st.builds(
        Outcome,
        gathered=image.map(lambda found: Gathered(inputs=Inputs(image=found))),
        error=maybe_error,
        resources=st.just((_CHILD,)),
        terminating=st.sampled_from([(), (_CHILD,)]),
    )
