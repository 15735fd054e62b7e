"""How an app is reached: annotations, the condition `Exposed`, the URL, and who has a host first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from containerapp.api.containerapp import ContainerApp
from containerapp.controllers.containerapp.controller import CONTAINER_APP, OWNS
from containerapp.controllers.containerapp.exposure.claims import claims
from containerapp.controllers.containerapp.exposure.failures import ingress_failure
from containerapp.controllers.containerapp.exposure.names import refused_by_auto_mode
from containerapp.controllers.containerapp.exposure.route import (
    HTTP_ROUTE,
    TARGET_GROUP_CONFIGURATION,
    choose_route,
)
from containerapp.core.model import Gathered, Manifest, ObjectRef, Outcome, Resource, View
from containerapp.core.policy import ExposeDefaults, Platform
from containerapp.errors import Blocked, Transient
from tests.builders import (
    DEPLOYMENT,
    NOW,
    SERVICE,
    a_view,
    an_app,
    app_manifest,
    as_stored,
    by_ref,
    inputs,
    rendered,
    with_rollout,
)
from tests.expectations import summary
from tests.unit.controllers.aws_annotations import KNOWN, REFUSED_BY_AUTO_MODE

INGRESS = ObjectRef(api_version="networking.k8s.io/v1", kind="Ingress", name="shop")
ROUTE = HTTP_ROUTE.ref("shop")
HOST: Manifest = {"hosts": ["shop.example.com"]}
ALB = ExposeDefaults(via="alb")
AWS = frozenset(["alb.ingress.kubernetes.io/", "service.beta.kubernetes.io/"])
ADDRESS = {"loadBalancer": {"ingress": [{"hostname": "k8s-shop.elb.amazonaws.com"}]}}
GATEWAY = ExposeDefaults(via="gateway", gateway=("infra", "shared"))


class Stage:
    """An app that is exposed, what lives of it, and its status."""

    def __init__(
        self,
        expose: Manifest | None,
        defaults: ExposeDefaults = ALB,
        absent: frozenset[Resource] = frozenset(),
        peers: tuple[Manifest, ...] = (),
        **spec: Any,
    ) -> None:
        """Let all children live, and the rollout have ended."""
        exposed = {"expose": expose} if expose is not None else {}
        self.app = an_app({"port": 8080, **exposed, **spec}, creationTimestamp=NOW)
        self.view = a_view(self.app, {}, platform=Platform(expose=defaults), absent=absent, peers=peers)
        self.inputs = replace(
            inputs(app=self.app), platform=self.view.platform, route=choose_route(self.view)
        )
        manifests = [each for each in rendered(self.app, self.inputs) if _resource(each) not in absent]
        self.live = by_ref(as_stored(each) for each in manifests)
        self.live[DEPLOYMENT] = with_rollout(self.live[DEPLOYMENT])

    def status(
        self, *, age: timedelta = timedelta(0), warnings: Mapping[ObjectRef, str] | None = None
    ) -> Manifest:
        """Return the status when the children are of some age."""
        outcome = Outcome(gathered=Gathered(inputs=self.inputs))
        return CONTAINER_APP.status(self._at(age, warnings or {}), outcome, NOW)

    def asks(self, age: timedelta) -> tuple[ObjectRef, ...]:
        """Return whose events are asked for."""
        return CONTAINER_APP.asks(self._at(age, {}), self.inputs)

    def _at(self, age: timedelta, warnings: Mapping[ObjectRef, str]) -> View:
        born = datetime.fromisoformat(NOW) - age
        for child in self.live.values():
            child["metadata"]["creationTimestamp"] = born.strftime("%Y-%m-%dT%H:%M:%SZ")
        return replace(self.view, live=self.live, warnings=warnings)


def _resource(manifest: Manifest) -> Resource:
    return next(child.resource for child in OWNS if child.resource.kind == manifest["kind"])


def _exposed(status: Manifest) -> tuple[str, str]:
    return summary(status)["Exposed"]


def _message(status: Manifest) -> str:
    return next(str(each["message"]) for each in status["conditions"] if each["type"] == "Exposed")


FULL: Manifest = {
    "hosts": ["shop.example.com"],
    "public": True,
    "certificateArn": "arn:aws:acm:eu-west-1:123456789012:certificate/0b7e4c1a",
    "sslPolicy": "ELBSecurityPolicy-TLS13-1-2-2021-06",
    "inboundCidrs": ["192.0.2.0/24"],
    "attributes": {"deletion_protection.enabled": "true"},
}
ALB_ONLY: Manifest = {
    "via": "alb",
    "path": "/api",
    "idleTimeoutSeconds": 30,
    "wafAclArn": "arn:aws:wafv2:eu-west-1:123456789012:regional/webacl/shop/1",
}
READY: Manifest = {"readinessProbe": {"httpGet": {"path": "/ready", "port": 9000}}}


@pytest.mark.parametrize("auto_mode", [False, True])
@pytest.mark.parametrize("fields", [ALB_ONLY, {**ALB_ONLY, "group": "shops"}, {"via": "nlb", "port": "http"}])
def test_every_annotation_is_one_of_the_controllers_own(fields: Manifest, auto_mode: bool) -> None:  # noqa: FBT001
    """Any other is ignored without a word; and one that Auto Mode refuses may keep an Ingress from being deleted."""
    stage = Stage({**FULL, **fields}, ExposeDefaults(auto_mode=auto_mode), **READY)
    written = {
        name
        for manifest in rendered(stage.app, stage.inputs)
        for name in manifest["metadata"].get("annotations", {})
        if name.startswith(tuple(AWS))
    }
    assert bool(written) is (not (auto_mode and "group" in fields))
    assert written <= KNOWN
    if auto_mode:
        assert not written & REFUSED_BY_AUTO_MODE


def test_what_auto_mode_refuses_is_known() -> None:
    """The user's own annotations are refused by it, too."""
    assert set(refused_by_auto_mode(REFUSED_BY_AUTO_MODE)) == REFUSED_BY_AUTO_MODE
    assert refused_by_auto_mode(["example.com/team"]) == []


@pytest.mark.parametrize(
    ("expose", "order"),
    [
        (HOST, None),
        ({**HOST, "path": "/api"}, "-3"),
        ({**HOST, "paths": [{"path": "/a"}, {"path": "/longer"}]}, "-1"),
        ({"hosts": ["*.example.com"]}, "400"),
        ({}, "800"),
        ({**HOST, "groupOrder": 12}, "12"),
    ],
)
def test_the_more_specific_app_comes_first_in_a_shared_load_balancer(
    expose: Manifest, order: str | None
) -> None:
    """The controller sorts the Ingresses of a group, and not their paths."""
    annotations = Stage(expose).live[INGRESS]["metadata"]["annotations"]
    assert annotations.get("alb.ingress.kubernetes.io/group.order") == order


@pytest.mark.parametrize(("grace", "delay"), [(30, "20"), (10, "5"), (0, "0"), (7200, "3600")])
def test_a_leaving_pod_lives_longer_than_the_load_balancer_waits(grace: int, delay: str) -> None:
    """A Pod that is killed in between answers with an error."""
    annotations = Stage(HOST, terminationGracePeriodSeconds=grace).live[INGRESS]["metadata"]["annotations"]
    attributes = annotations["alb.ingress.kubernetes.io/target-group-attributes"]
    assert attributes == f"deregistration_delay.timeout_seconds={delay}"


def test_an_address_makes_the_app_ready() -> None:
    """The URL is the host's; the message says what DNS has to know."""
    stage = Stage({**HOST, "path": "/shop"})
    assert _exposed(stage.status()) == ("False", "WaitingForLoadBalancer")
    assert summary(stage.status())["Reconciling"] == ("True", "WaitingForLoadBalancer")
    assert _exposed(stage.status(age=timedelta(minutes=10))) == ("False", "LoadBalancerPending")
    stage.live[INGRESS]["status"] = ADDRESS
    status = stage.status()
    assert summary(status)["Ready"] == ("True", "Running")
    assert _exposed(status) == ("True", "AddressAssigned")
    assert status["url"] == "https://shop.example.com/shop"
    assert "k8s-shop.elb.amazonaws.com; shop.example.com must lead there" in _message(status)


@pytest.mark.parametrize(
    ("expose", "url"),
    [
        ({}, "http://k8s-shop.elb.amazonaws.com"),
        ({"hosts": ["*.example.com"], "path": "/a"}, "https://k8s-shop.elb.amazonaws.com/a"),
        ({"via": "ingress", **HOST}, "http://shop.example.com"),
        ({"via": "ingress", **HOST, "tlsSecretName": "tls"}, "https://shop.example.com"),
        ({"via": "gateway", "gateway": {"name": "g"}, **HOST}, "https://shop.example.com"),
        ({"via": "gateway", "gateway": {"name": "g"}}, None),
    ],
)
def test_the_url_follows_from_hosts_certificate_and_path(expose: Manifest, url: str | None) -> None:
    """The first host that is no wildcard; else the load balancer's own address."""
    stage = Stage(expose)
    for child in stage.live.values():
        if child["kind"] == "Ingress":
            child["status"] = ADDRESS
    assert stage.status().get("url") == url


def test_a_service_of_a_network_load_balancer_is_the_address() -> None:
    """Its port follows."""
    stage = Stage({"via": "nlb"})
    assert _exposed(stage.status()) == ("False", "WaitingForLoadBalancer")
    stage.live[SERVICE]["status"] = ADDRESS
    assert _exposed(stage.status()) == ("True", "AddressAssigned")
    assert stage.status()["url"] == "http://k8s-shop.elb.amazonaws.com:8080"
    assert _message(stage.status()).endswith("The address is k8s-shop.elb.amazonaws.com.")


def test_an_ingress_without_an_address_is_not_held_against_any_controller() -> None:
    """Some never publish one."""
    status = Stage({"via": "ingress", **HOST}).status(age=timedelta(hours=1))
    assert _exposed(status) == ("Unknown", "NoAddress")
    assert summary(status)["Ready"] == ("True", "Running")


def test_the_events_of_a_silent_ingress_are_asked_for() -> None:
    """An Ingress controller says why it fails by Events alone; they are asked for when it has had its time."""
    stage = Stage(HOST)
    assert stage.asks(timedelta(seconds=29)) == ()
    assert stage.asks(timedelta(seconds=30)) == (INGRESS,)
    stage.live[INGRESS]["status"] = ADDRESS
    assert stage.asks(timedelta(seconds=30)) == ()
    assert Stage(None).asks(timedelta(seconds=30)) == ()


@pytest.mark.parametrize(
    ("warning", "reason", "remedy"),
    [
        (
            "FailedBuildModel: ingress: shop/shop: no certificate found for host: shop.example.com",
            "CertificateNotFound",
            "covers shop.example.com: request one, name one in expose.certificateArn",
        ),
        (
            "FailedDeployModel: CertificateNotFound: Certificate ARN '…' not found",
            "CertificateNotFound",
            "expose.certificateArn cannot be used",
        ),
        (
            "FailedBuildModel: couldn't auto-discover subnets: unable to resolve at least one subnet",
            "SubnetsNotFound",
            "kubernetes.io/role/elb",
        ),
        ("FailedDeployModel: TooManyRules: Rule quota reached", "QuotaExceeded", "expose.group"),
        (
            "FailedBuildModel: conflicting scheme: map[internal:{} internet-facing:{}]",
            "GroupConflict",
            "same public",
        ),
        ("FailedDeployModel: AccessDenied: not authorized to perform", "AccessDenied", "extend its role"),
        ("FailedAddFinalizer: odd", "LoadBalancerFailed", "FailedAddFinalizer: odd"),
    ],
)
def test_an_event_becomes_a_sentence_with_the_remedy(warning: str, reason: str, remedy: str) -> None:
    """It stands in the way of Ready until it is mended."""
    status = Stage(HOST).status(age=timedelta(minutes=1), warnings={INGRESS: warning})
    assert _exposed(status) == ("False", reason)
    assert summary(status)["Stalled"] == ("True", reason)
    assert remedy in _message(status)


def test_a_limited_rate_passes() -> None:
    """AWS limits calls now and then; the controller tries again."""
    assert isinstance(
        ingress_failure("FailedDeployModel: Throttling: Rate exceeded", "Ingress shop"), Transient
    )


def _parent(kind: str, status: str, reason: str, generation: int = 1) -> Manifest:
    condition = {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": "As it says.",
        "observedGeneration": generation,
    }
    return {"parents": [{"conditions": [condition]}]}


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        ({}, "WaitingForGateway", "No controller has taken the route for Gateway shared yet"),
        (_parent("Accepted", "True", "Accepted", 0), "WaitingForGateway", "last change"),
        (
            _parent("Accepted", "False", "NoMatchingListenerHostname"),
            "NoMatchingListenerHostname",
            "expose.hosts",
        ),
        (_parent("Accepted", "False", "NotAllowedByListeners"), "NotAllowedByListeners", "allowedRoutes"),
        (_parent("Accepted", "False", "NoMatchingParent"), "NoMatchingParent", "expose.gateway.sectionName"),
        (_parent("Accepted", "False", "UnsupportedValue"), "UnsupportedValue", "As it says."),
        (_parent("ResolvedRefs", "False", "BackendNotFound"), "BackendNotFound", "Service"),
        (_parent("ResolvedRefs", "False", "RefNotPermitted"), "RefNotPermitted", "ReferenceGrant"),
    ],
)
def test_a_route_says_why_its_gateway_does_not_serve_it(status: Manifest, reason: str, words: str) -> None:
    """By the reasons of the Gateway API, with the remedy."""
    stage = Stage(HOST, GATEWAY)
    stage.live[ROUTE]["status"] = status
    found = stage.status()
    assert _exposed(found) == ("False", reason)
    assert summary(found)["Ready"][1] == reason
    assert words in _message(found)


def test_an_accepted_route_is_served() -> None:
    """The condition names the Gateway and who chose it."""
    stage = Stage(HOST, GATEWAY)
    stage.live[ROUTE]["status"] = _parent("Accepted", "True", "Accepted")
    assert _exposed(stage.status()) == ("True", "RouteAccepted")
    assert _message(stage.status()) == "The Gateway infra/shared has accepted the route, the platform's way."
    assert stage.asks(timedelta(hours=1)) == ()


@pytest.mark.parametrize(
    ("absent", "kind"), [(HTTP_ROUTE, "HTTPRoute"), (TARGET_GROUP_CONFIGURATION, "TargetGroupConfiguration")]
)
def test_a_kind_that_is_absent_is_named(absent: Resource, kind: str) -> None:
    """With the way to get it."""
    status = Stage(HOST, replace(GATEWAY, aws_gateway=True), frozenset({absent})).status()
    assert _exposed(status) == ("False", "KindNotInstalled")
    assert f"The cluster has no kind {kind}" in _message(status)
    assert summary(status)["Stalled"] == ("True", "KindNotInstalled")


def test_a_route_that_is_not_there_yet_is_waited_for() -> None:
    """Its write comes with the same reconcile, or fails with a reason of its own."""
    stage = Stage(HOST)
    del stage.live[INGRESS]
    assert _exposed(stage.status()) == ("False", "Pending")


def test_what_the_way_lacks_is_refused_by_name() -> None:
    """And the app goes on without a route."""
    stage = Stage({**HOST, "public": True}, ExposeDefaults())
    status = stage.status()
    assert INGRESS not in stage.live
    assert _exposed(status) == ("False", "ExposeUnsupported")
    assert "expose.public: ingress (as the platform names no way and no Gateway is named)" in _message(status)
    assert status["url"] == "http://shop.default.svc:8080"


def _peer(
    expose: Manifest, name: str = "old", created: str = "2025-01-01T00:00:00Z", **metadata: Any
) -> Manifest:
    return app_manifest({"expose": expose}, name=name, creationTimestamp=created, **metadata)


@pytest.mark.parametrize(
    ("mine", "theirs", "defaults"),
    [
        (HOST, HOST, ALB),
        ({**HOST, "path": "/"}, {"hosts": ["a.example.com", "shop.example.com"]}, ALB),
        ({"group": "g"}, {"group": "g"}, ALB),
        (HOST, {**HOST, "gateway": {"name": "shared", "namespace": "infra"}}, GATEWAY),
    ],
)
def test_the_older_app_has_the_host(mine: Manifest, theirs: Manifest, defaults: ExposeDefaults) -> None:
    """Whatever its namespace. The later one learns who has it, since when, and its route is not made."""
    stage = Stage(
        mine, defaults, peers=(_peer(theirs, "b", namespace="z"), _peer(theirs, "a", "2025-06-01T00:00:00Z"))
    )
    status = stage.status()
    assert _exposed(status) == ("False", "HostTaken")
    assert summary(status)["Stalled"] == ("True", "HostTaken")
    assert "is served by ContainerApp z/b, which exists since 2025-01-01T00:00:00Z" in _message(status)
    assert not {INGRESS, ROUTE} & set(stage.live)


@pytest.mark.parametrize(
    ("mine", "theirs", "created"),
    [
        (HOST, HOST, "2027-01-01T00:00:00Z"),
        (HOST, {**HOST, "group": "g"}, "2025-01-01T00:00:00Z"),
        (HOST, {**HOST, "via": "ingress"}, "2025-01-01T00:00:00Z"),
        (HOST, {**HOST, "className": "other"}, "2025-01-01T00:00:00Z"),
    ],
)
def test_a_younger_app_or_one_of_another_load_balancer_is_in_nobodys_way(
    mine: Manifest, theirs: Manifest, created: str
) -> None:
    """The older one is unaffected."""
    assert INGRESS in Stage(mine, peers=(_peer(theirs, created=created),)).live


def test_apps_without_a_host_or_group_have_a_load_balancer_each() -> None:
    """Every host of their own address is theirs."""
    assert INGRESS in Stage({}, peers=(_peer({}),)).live


@pytest.mark.parametrize(
    ("expose", "places"),
    [
        (None, set()),
        ({}, {"every host/"}),
        ({"group": "g"}, {"every host/", "group g"}),
        ({**HOST, "path": "/a"}, {"shop.example.com/a"}),
        (
            {"hosts": ["a", "b"], "paths": [{"path": "/x", "type": "Exact"}, {"path": "/x"}]},
            {"a/x exactly", "a/x", "b/x exactly", "b/x"},
        ),
    ],
)
def test_an_app_claims_its_hosts_and_paths(expose: Manifest | None, places: set[str]) -> None:
    """One that is not exposed claims nothing."""
    assert claims(app_manifest({"expose": expose} if expose is not None else {})) == places


def test_the_same_app_is_parsed_and_dumped_alike() -> None:
    """Claims are read from JSON as it was written, and from what the operator has parsed."""
    app: ContainerApp = an_app({"port": 80, "expose": {**HOST, "path": "/a"}})
    dumped = app.model_dump(by_alias=True, mode="json", exclude_none=True)
    assert claims(dumped) == {"shop.example.com/a"}


def test_an_unknown_failure_blocks() -> None:
    """Its text is quoted, to a length."""
    failure = ingress_failure("Odd: " + "x" * 1000, "Ingress shop")
    assert isinstance(failure, Blocked)
    assert len(failure.message) < 400
