"""Whether an app may join its load balancer: `exposure.preflight`. What is refused changes nothing for others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from containerapp.controllers.containerapp.controller import CONTAINER_APP
from containerapp.controllers.containerapp.exposure.preflight import checked_route
from containerapp.core.account import LOAD_BALANCERS, Account, Certificate
from containerapp.core.model import Gathered, Manifest, ObjectRef, Outcome, View
from containerapp.core.policy import ExposeDefaults, Platform
from containerapp.errors import Blocked, Transient
from tests.builders import NOW, a_view, an_app, app_manifest, as_stored, by_ref, inputs, rendered
from tests.expectations import conditions

INGRESS = ObjectRef(api_version="networking.k8s.io/v1", kind="Ingress", name="shop")
ARN = "arn:aws:acm:eu-west-1:123456789012:certificate/0b7e4c1a"
SHOP = Certificate(arn=ARN, domains=("shop.example.com", "*.Shop.example.com"))
RULES, GROUPS, TARGETS = (
    f"{what}-per-application-load-balancer" for what in ("rules", "target-groups", "targets")
)
PLATFORM = Platform(expose=ExposeDefaults(via="alb", preflight=True))


def _peer(expose: Manifest, name: str = "old", *, served: bool = False, **metadata: Any) -> Manifest:
    status = {"resources": [{"kind": "Ingress", "name": name}]} if served else {}
    born = {"creationTimestamp": "2025-01-01T00:00:00Z", **metadata}
    return app_manifest({"expose": expose}, name=name, status=status, **born)


def _view(
    expose: Manifest | None,
    *peers: Manifest,
    account: Account | None = None,
    platform: Platform = PLATFORM,
    live: dict[ObjectRef, Manifest] | None = None,
    **spec: Any,
) -> View:
    exposed = {"expose": expose} if expose is not None else {}
    app = an_app({"port": 8080, **exposed, **spec}, creationTimestamp=NOW)
    return a_view(app, live or {}, platform=platform, peers=peers, account=account)


def _obstacle(view: View) -> tuple[str, str]:
    route = checked_route(view)
    error = route.obstacle if route else None
    return (error.reason, error.message) if error else ("", "")


@pytest.mark.parametrize(
    ("mine", "theirs", "named"),
    [
        ({"public": True}, {}, "expose.public is true here and false in ContainerApp default/old"),
        ({"sslPolicy": "ELB-1"}, {"sslPolicy": "ELB-2"}, "expose.sslPolicy is ELB-1 here and ELB-2"),
        ({"inboundCidrs": ["10.0.0.0/8"]}, {"inboundCidrs": ["10.1.0.0/16"]}, "expose.inboundCidrs is"),
        ({"attributes": {"a.b": "1"}}, {"attributes": {"a.b": "2"}}, "expose.attributes a.b is 1 here and 2"),
        ({"idleTimeoutSeconds": 30}, {}, ""),
        ({"attributes": {"a.b": "1"}}, {"attributes": {"c.d": "2"}}, ""),
    ],
)
def test_apps_of_a_group_say_the_same_of_their_load_balancer(
    mine: Manifest, theirs: Manifest, named: str
) -> None:
    """The controller fails for the whole group otherwise; nothing has to be asked of AWS for that."""
    platform = replace(PLATFORM, expose=ExposeDefaults(via="alb"))
    view = _view(
        {"group": "g", "hosts": ["a.example.com"], **mine},
        _peer({"group": "g", "hosts": ["b.example.com"], **theirs}),
        platform=platform,
    )
    reason, message = _obstacle(view)
    assert reason == ("GroupConflict" if named else "")
    assert named in message


def test_a_younger_app_of_a_group_counts_once_it_is_served() -> None:
    """Of two new ones the older is first; one that changes does not take it from those that are there."""
    mine = {"group": "g", "hosts": ["a.example.com"], "public": True}
    for served, reason in ((False, ""), (True, "GroupConflict")):
        younger = _peer({"group": "g"}, served=served, creationTimestamp="2027-01-01T00:00:00Z")
        assert _obstacle(_view(mine, younger))[0] == reason
    other = _peer({"group": "h", "hosts": ["a.example.com"]}, served=True)
    assert _obstacle(_view(mine, other)) == ("", "")
    assert _obstacle(_view({"hosts": ["a.example.com"]}, _peer({"hosts": ["b.example.com"]}))) == ("", "")


def _stored(expose: Manifest, **spec: Any) -> dict[ObjectRef, Manifest]:
    view = _view(expose, **spec)
    given = replace(inputs(app=view.obj), platform=PLATFORM, route=checked_route(view))
    return by_ref(as_stored(manifest) for manifest in rendered(view.obj, given))


def test_what_stands_is_not_judged_again_and_stays_when_its_change_is_refused() -> None:
    """An app that is served stays served: by the Ingress that it had."""
    expose = {
        "group": "g",
        "hosts": ["shop.example.com"],
        "annotations": {"alb.ingress.kubernetes.io/x": "1"},
    }
    live, none = _stored(expose), Account(certificates=())
    peer = _peer({"group": "g", "public": True}, served=True)
    view = _view(expose, peer, account=none, live=live)
    assert _obstacle(view) == ("", "")
    assert not CONTAINER_APP.account(view)
    for change in ({"hosts": ["new.example.com"]}, {"path": "/new"}, {"sslPolicy": "ELB-1"}):
        changed = _view({**expose, **change}, account=none, live=live)
        assert _obstacle(changed)[0] == "CertificateNotFound"
        assert CONTAINER_APP.account(changed)
        kept = CONTAINER_APP.retained(
            changed.obj, replace(inputs(app=changed.obj), route=checked_route(changed))
        )
        assert INGRESS in kept
    kept = CONTAINER_APP.retained(view.obj, replace(inputs(app=view.obj), route=checked_route(view)))
    assert INGRESS not in kept


@pytest.mark.parametrize(
    ("expose", "reason"),
    [
        ({"hosts": ["shop.example.com", "a.shop.example.com", "*.shop.example.com"]}, ""),
        ({"hosts": ["shop.example.com", "till.example.com"]}, "CertificateNotFound"),
        ({"hosts": ["a.b.shop.example.com"]}, "CertificateNotFound"),
        ({"hosts": ["till.example.com"], "https": False}, ""),
        ({"hosts": ["till.example.com"], "certificateArn": ARN}, ""),
        ({"hosts": ["till.example.com"], "certificateArn": f"{ARN}f"}, "CertificateNotFound"),
        ({"certificateArn": "arn:aws:iam::123456789012:server-certificate/shop"}, ""),
    ],
)
def test_a_certificate_covers_every_host(expose: Manifest, reason: str) -> None:
    """A wildcard stands for one label; those of IAM are not known."""
    found, message = _obstacle(_view(expose, account=Account(certificates=(SHOP,))))
    assert found == reason
    assert ("the load balancer stays as it is" in message) is bool(reason)


def test_auto_mode_has_certificates_that_are_not_known() -> None:
    """They are in the IngressClassParams."""
    auto = Platform(expose=ExposeDefaults(via="alb", preflight=True, auto_mode=True))
    view = _view({"hosts": ["till.example.com"]}, account=Account(certificates=()), platform=auto)
    assert _obstacle(view) == ("", "")


@pytest.mark.parametrize(
    ("expose", "spec", "limits", "named"),
    [
        ({"hosts": ["a.shop.example.com"]}, {}, {RULES: 3}, ""),
        (
            {"hosts": ["a.shop.example.com"]},
            {},
            {RULES: 2},
            "needs 1 rules of its load balancer, which has 2",
        ),
        ({"hosts": ["a.shop.example.com"], "redirect": False}, {}, {RULES: 3}, "needs 2 rules"),
        (
            {"hosts": ["a.shop.example.com"], "paths": [{"path": "/a"}, {"path": "/b"}]},
            {},
            {RULES: 3},
            "needs 2",
        ),
        ({"hosts": ["a.shop.example.com"]}, {}, {GROUPS: 1}, "needs 1 target groups"),
        ({"hosts": ["a.shop.example.com"]}, {"replicas": 8}, {TARGETS: 11}, "needs 10 targets"),
        ({"hosts": ["a.shop.example.com"]}, {"autoscaling": {"maxReplicas": 9}}, {TARGETS: 11}, "needs 12"),
    ],
)
def test_quotas_count_the_apps_that_came_first(
    expose: Manifest, spec: Manifest, limits: dict[str, int], named: str
) -> None:
    """Rules by host and path, on both listeners without a redirect; target groups by port; targets in a rollout."""
    account = Account(certificates=(SHOP,), limits=limits)
    older = _peer({"group": "g", "hosts": ["a", "b"]}, served=True)
    too_big = _peer({"group": "g", "hosts": [str(number) for number in range(16)]}, name="big")
    reason, message = _obstacle(_view({"group": "g", **expose}, older, too_big, account=account, **spec))
    assert reason == ("QuotaExceeded" if named else "")
    assert named in message


def test_what_is_refused_for_its_own_sake_takes_nothing_from_others() -> None:
    """As long as it is refused, and has no Ingress of before; one that finds no room is first when there is some."""
    account = Account(certificates=(SHOP,), limits={RULES: 2})
    mine = {"group": "g", "hosts": ["a.shop.example.com", "b.shop.example.com"]}
    refused = {"type": "Exposed", "status": "False", "observedGeneration": 1}
    for reason, generation, served, found in (
        ("CertificateNotFound", 1, False, ""),
        ("HostTaken", 1, False, ""),
        ("HostTaken", 2, False, "QuotaExceeded"),
        ("HostTaken", 1, True, "QuotaExceeded"),
        ("QuotaExceeded", 1, False, "QuotaExceeded"),
    ):
        older = _peer({"group": "g", "hosts": ["till.example.com"]}, served=served, generation=generation)
        older.setdefault("status", {})["conditions"] = [{**refused, "reason": reason}]
        assert _obstacle(_view(mine, older, account=account))[0] == found
        assert CONTAINER_APP.state(older) == (reason if not found else "")


def test_nothing_joins_before_the_answer_and_all_join_without_one() -> None:
    """A right that is missing in IAM stops nobody: the controller says what fails, as without the preflight."""
    waiting = _view({"hosts": ["shop.example.com"]}, account=Account(pending=True))
    route = checked_route(waiting)
    assert route is not None
    assert isinstance(route.obstacle, Transient)
    denied = Account(errors=(Blocked("AccessDenied", "Allow it."),))
    assert _obstacle(_view({"hosts": ["shop.example.com"]}, account=denied)) == ("", "")
    assert _obstacle(_view({"hosts": ["shop.example.com"]})) == ("", "")


@pytest.mark.parametrize(
    ("expose", "asked"),
    [
        (None, frozenset()),
        ({}, LOAD_BALANCERS),
        ({"via": "nlb"}, frozenset()),
        ({"via": "ingress"}, frozenset()),
    ],
)
def test_aws_is_asked_for_application_load_balancers_alone(
    expose: Manifest | None, asked: frozenset[str]
) -> None:
    """And for none where the platform has not switched it on."""
    assert CONTAINER_APP.account(_view(expose)) == asked
    assert not CONTAINER_APP.account(_view(expose, platform=Platform(expose=ExposeDefaults(via="alb"))))
    assert _obstacle(_view(expose, account=Account(certificates=(), limits={RULES: 0})))[0] == (
        "QuotaExceeded" if asked else ""
    )


def test_the_status_says_what_is_missing() -> None:
    """By the condition of the group of fields."""
    view = _view({"hosts": ["till.example.com"]}, account=Account(certificates=(SHOP,)))
    given = replace(inputs(app=view.obj), route=checked_route(view))
    status = CONTAINER_APP.status(view, Outcome(gathered=Gathered(inputs=given)), NOW)
    assert conditions(status)["Exposed"]["reason"] == "CertificateNotFound"
