"""The status that an app deserves, by the rules of kstatus: `containerapp.controllers.containerapp.status`."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from containerapp.api import images
from containerapp.api.containerapp import ContainerApp
from containerapp.controllers.containerapp.exposure.condition import ADDRESS_BOUND
from containerapp.controllers.containerapp.failure import Finding
from containerapp.controllers.containerapp.inputs import Inputs
from containerapp.controllers.containerapp.status import compute_status
from containerapp.controllers.workloads.image import Image, Pinned, Resolving, Unavailable, by_tag
from containerapp.core.model import Child, Gathered, Manifest, ObjectRef, Outcome, Resource
from containerapp.errors import Blocked, ContainerAppError, InvalidSpec, Transient
from tests.builders import (
    BEFORE,
    DEPLOYMENT,
    DIGEST,
    LATER,
    NEW_DIGEST,
    NOW,
    REFERENCE,
    SERVICE,
    SERVICE_ACCOUNT,
    a_view,
    an_app,
    app_manifest,
    live_children,
    pinned,
    with_choice,
    with_rollout,
)
from tests.expectations import assert_follows_kstatus, conditions, summary

DEADLINE = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
QUOTA = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "Quota exceeded."}
NO_QUOTA = {**QUOTA, "status": "False"}


PINNED = Pinned(pin=pinned())


def _outcome(image: Pinned | Resolving | Unavailable = PINNED, **fields: Any) -> Outcome:
    return Outcome(gathered=Gathered(inputs=Inputs(image=image)), **fields)


def _live(app: ContainerApp, **rollout: Any) -> dict[ObjectRef, Manifest]:
    live = live_children(app)
    return {**live, DEPLOYMENT: with_rollout(live[DEPLOYMENT], **rollout)}


def _status(
    app: ContainerApp | None = None,
    outcome: Outcome | None = None,
    live: dict[ObjectRef, Manifest] | None = None,
    now: str = NOW,
    **world: Any,
) -> Manifest:
    app = app or an_app()
    view = a_view(app, _live(app) if live is None else live, now=now, **world)
    outcome = outcome or _outcome()
    inputs = with_choice(outcome.gathered.inputs, view)
    outcome = replace(outcome, gathered=replace(outcome.gathered, inputs=inputs))
    status = compute_status(view, outcome, now)
    assert_follows_kstatus(status)
    return status


def _ready(status: Manifest) -> tuple[str, str, str]:
    ready = conditions(status)["Ready"]
    return ready["status"], ready["reason"], ready["message"]


def test_an_image_that_runs_by_its_tag_has_no_digest() -> None:
    """It was loaded onto the nodes: nobody can say which one it is, and the status does not."""
    reference = images.parse("shop:dev", default_registry="docker.io")
    status = _status(an_app({"imagePullPolicy": "Never"}), _outcome(Pinned(pin=by_tag(reference, None))))
    assert conditions(status)["ImageResolved"]["reason"] == "ByTag"
    assert status["image"] == {"requested": "shop:1.4.2", "reference": "docker.io/library/shop:dev"}


def test_a_running_digest_that_is_gone_is_said_before_a_node_needs_it() -> None:
    """The app is Ready, and the next Pod could not start: the condition says so, with the remedy."""
    gone = _outcome(Pinned(pin=pinned(), latest_digest=NEW_DIGEST, running_gone=True))
    status = _status(outcome=gone)
    resolved = conditions(status)["ImageResolved"]
    assert (resolved["status"], resolved["reason"]) == ("True", "DigestGone")
    assert f"does not have {DIGEST} any more" in resolved["message"]
    assert "kubectl annotate containerapp shop" in resolved["message"]
    assert _ready(status)[0] == "True"


def test_an_app_that_runs_is_ready_and_says_so_in_full() -> None:
    """Every field of the status, for the smallest app with a port."""
    app = an_app({"port": 8080}, generation=4)
    status = _status(app, _outcome(resources=(SERVICE_ACCOUNT, SERVICE, DEPLOYMENT)))
    assert {condition["observedGeneration"] for condition in status["conditions"]} == {4}
    assert {condition["lastTransitionTime"] for condition in status.pop("conditions")} == {NOW}
    assert status == {
        "observedGeneration": 4,
        "image": {"requested": "shop:1.4.2", "reference": REFERENCE, "digest": DIGEST},
        "currentRevision": 1,
        "lastGoodRevision": 1,
        "revisions": [
            {
                "revision": 1,
                "image": "shop:1.4.2",
                "cause": "Created",
                "outcome": "Good",
                "createdAt": BEFORE,
            }
        ],
        "replicas": 1,
        "updatedReplicas": 1,
        "readyReplicas": 1,
        "selector": "containerapp.dev/app=shop,containerapp.dev/track=stable",
        "url": "http://shop.default.svc:8080",
        "resources": [
            {"apiVersion": "v1", "kind": "ServiceAccount", "name": "shop"},
            {"apiVersion": "v1", "kind": "Service", "name": "shop"},
            {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"},
        ],
    }


def test_what_the_api_server_says_of_a_new_app_has_no_time_of_its_own() -> None:
    """It has none to give; the same condition, said by the operator, begins to hold when it is said."""
    app = an_app()
    assert [(old.type, old.status) for old in app.status.conditions] == [("Ready", "Unknown")]
    status = _status(app, _outcome(Resolving()), live={})
    assert (conditions(status)["Ready"]["status"], conditions(status)["Ready"]["lastTransitionTime"]) == (
        "Unknown",
        NOW,
    )


def test_every_status_can_be_read_back() -> None:
    """What is written is what the models describe, so that the next reconcile can read it."""
    app = an_app({"port": 8080})
    again = ContainerApp.parse(app_manifest({"port": 8080}, status=_status(app)))
    assert [condition.type for condition in again.status.conditions] == [
        "Ready",
        "ImageResolved",
        "Available",
        "RolledOut",
    ]


@pytest.mark.parametrize(
    ("rollout", "message"),
    [
        (
            {"total": 3, "updated": 3, "available": 3, "observed": 0},
            "Waiting for the Deployment controller to see the change.",
        ),
        (
            {"total": 0, "updated": 0, "available": 0},
            "Waiting for Pods of the new version: 0 of 3 are available.",
        ),
        (
            {"total": 4, "updated": 1, "available": 3},
            "Waiting for Pods of the new version: 1 of 3 are available.",
        ),
        (
            {"total": 3, "updated": 3, "available": 2},
            "Waiting for Pods of the new version: 2 of 3 are available.",
        ),
        ({"total": 4, "updated": 3, "available": 3}, "Waiting for 1 Pod of the old version to end."),
        ({"total": 5, "updated": 3, "available": 5}, "Waiting for 2 Pods of the old version to end."),
        (
            {"total": 0, "updated": 0, "available": 0, "conditions": [QUOTA]},
            (
                "Waiting for Pods of the new version: 0 of 3 are available. No Pod is created: the API server refuses "
                "its Pods: Quota exceeded. Change what the message names."
            ),
        ),
        (
            {"total": 1, "updated": 1, "available": 1, "conditions": [NO_QUOTA]},
            "Waiting for Pods of the new version: 1 of 3 are available.",
        ),
        ({"total": 5, "updated": 5, "available": 5}, "Waiting for 2 Pods more than wanted to end."),
    ],
)
def test_is_not_ready_before_the_pods_of_this_generation_are(rollout: dict[str, Any], message: str) -> None:
    """Old Pods that still serve make an app available, not ready; the message says what is waited for."""
    app = an_app({"replicas": 3})
    status = _status(app, live=_live(app, **rollout))
    assert _ready(status) == ("False", "RollingOut", message)
    assert summary(status)["Reconciling"] == ("True", "RollingOut")
    assert summary(status)["RolledOut"] == ("False", "RollingOut")


def test_waits_for_the_deployment_where_there_is_none_yet() -> None:
    """Between the first reconcile and the answer to its writes."""
    status = _status(live={})
    assert _ready(status) == ("False", "RollingOut", "Waiting for the Deployment.")
    assert (status["replicas"], status["readyReplicas"]) == (0, 0)


def test_a_pods_complaint_stands_in_the_message() -> None:
    """It comes before the Deployment's own, as it is nearer to the cause."""
    app = an_app()
    live = _live(app, updated=1, available=0, conditions=[QUOTA])
    finding = Finding(sentence="Pod shop-1 is in CrashLoopBackOff.")
    _, _, message = _ready(_status(app, live=live, finding=finding))
    assert message == (
        "Waiting for Pods of the new version: 0 of 1 are available. Pod shop-1 is in CrashLoopBackOff."
    )


def test_a_rollout_past_its_deadline_is_stalled() -> None:
    """It needs an edit, so those who wait for Ready need not wait on."""
    app = an_app()
    status = _status(app, live=_live(app, available=0, conditions=[DEADLINE]))
    assert summary(status)["Ready"] == ("False", "ProgressDeadlineExceeded")
    assert summary(status)["Stalled"] == ("True", "ProgressDeadlineExceeded")
    assert summary(status)["RolledOut"] == ("False", "ProgressDeadlineExceeded")


def test_a_deadline_of_the_last_version_says_nothing_of_this_one() -> None:
    """Before the controller has seen the mended version, its verdict is about the broken one."""
    app = an_app(generation=2)
    status = _status(app, live=_live(app, available=0, observed=0, conditions=[DEADLINE]))
    assert summary(status)["Reconciling"] == ("True", "RollingOut")
    assert "Stalled" not in summary(status)


def test_a_rollout_that_came_through_after_its_deadline_is_ready() -> None:
    """A slow start is no failure once it has succeeded."""
    app = an_app()
    assert _ready(_status(app, live=_live(app, conditions=[DEADLINE])))[:2] == ("True", "Running")


@pytest.mark.parametrize(
    ("spec", "ready"),
    [
        ({}, ("True", "Running", "The Pod runs the wanted version and is available.")),
        ({"replicas": 3}, ("True", "Running", "All 3 Pods run the wanted version and are available.")),
        ({"replicas": 0}, ("True", "Running", "No Pod is wanted: spec.replicas is 0.")),
        (
            {"replicas": 3, "suspend": True},
            ("True", "Suspended", "Suspended: no Pod runs. Set spec.suspend to false to start again."),
        ),
    ],
)
def test_says_how_a_ready_app_is_ready(spec: Manifest, ready: tuple[str, str, str]) -> None:
    """Suspended, scaled to zero or running: each is as it was asked for."""
    app = an_app(spec)
    count = 0 if spec.get("suspend") else spec.get("replicas", 1)
    status = _status(app, live=_live(app, total=count, updated=count, available=count))
    assert _ready(status) == ready
    assert summary(status)["Available"] == ("True", "PodsAvailable")


def test_an_app_whose_last_pods_end_is_not_suspended_yet() -> None:
    """Suspended means that nothing runs, not that it was asked for."""
    app = an_app({"suspend": True})
    status = _status(app, live=_live(app, total=2, updated=2, available=2))
    assert _ready(status) == ("False", "RollingOut", "Waiting for 2 Pods more than wanted to end.")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (InvalidSpec("InvalidImage", "Correct it."), "Stalled"),
        (Blocked("AccessDenied", "Allow it."), "Stalled"),
        (Transient("Throttled", "Trying again."), "Reconciling"),
    ],
)
@pytest.mark.parametrize("where", ["image", "write"])
def test_an_error_that_needs_an_edit_is_stalled(error: ContainerAppError, kind: str, where: str) -> None:
    """A passing fault is work in progress; the running version is available all the while."""
    app = an_app()
    failed = _outcome(Unavailable(error=error, pin=pinned())) if where == "image" else _outcome(error=error)
    status = _status(app, failed)
    assert _ready(status) == ("False", error.reason, error.message)
    assert summary(status)[kind] == ("True", error.reason)
    assert summary(status)["Available"] == ("True", "PodsAvailable")
    assert summary(status)["ImageResolved"] == (
        ("False", error.reason) if where == "image" else ("True", "Resolved")
    )


def test_a_failed_write_is_named_before_a_failed_lookup() -> None:
    """One reason at a time, the one nearest to the Pods first."""
    both = _outcome(error=Blocked("NameTaken", "x"), image=Unavailable(error=Blocked("AccessDenied", "y")))
    assert _ready(_status(outcome=both))[1] == "NameTaken"


@pytest.mark.parametrize("pin", [None, pinned()])
def test_a_registry_that_takes_its_time_makes_ready_unknown(pin: Any) -> None:
    """Nobody can say yet whether this generation will run."""
    status = _status(outcome=_outcome(Resolving(pin=pin)))
    assert summary(status)["Ready"] == ("Unknown", "ResolvingImage")
    assert summary(status)["Reconciling"] == ("True", "ResolvingImage")
    assert summary(status)["ImageResolved"] == ("Unknown", "Resolving")


def test_a_moved_tag_is_reported_with_the_command_that_takes_it() -> None:
    """The app stays ready, and what runs stays what it was."""
    status = _status(outcome=_outcome(Pinned(pin=pinned(refresh="1"), latest_digest=NEW_DIGEST)))
    assert _ready(status)[:2] == ("True", "Running")
    resolved = conditions(status)["ImageResolved"]
    assert (resolved["status"], resolved["reason"]) == ("True", "TagMoved")
    assert (
        "kubectl annotate containerapp shop -n default containerapp.dev/refresh-image=" in resolved["message"]
    )
    assert status["image"] == {
        "requested": "shop:1.4.2",
        "reference": REFERENCE,
        "digest": DIGEST,
        "refresh": "1",
        "latestDigest": NEW_DIGEST,
    }


def test_a_registry_that_cannot_be_asked_for_news_is_mentioned_and_no_more() -> None:
    """What runs is resolved and stays ready; only whether the tag has moved is not known."""
    trouble = Transient("RegistryUnavailable", "ghcr.io does not answer.")
    status = _status(outcome=_outcome(Pinned(pin=pinned(), news_error=trouble)))
    assert _ready(status)[:2] == ("True", "Running")
    resolved = conditions(status)["ImageResolved"]
    assert (resolved["status"], resolved["reason"]) == ("True", "Resolved")
    assert resolved["message"].endswith("since is not known: ghcr.io does not answer.")


def test_what_was_said_of_a_digest_stands_until_a_registry_has_been_asked() -> None:
    """A restart of the operator, with the registry away, rewrites no status."""
    trouble = Transient("RegistryUnavailable", "ghcr.io does not answer.")
    said = _status(outcome=_outcome(Pinned(pin=pinned(), news_error=trouble)))
    unasked = Pinned(pin=pinned(), asked=False)
    assert _status(an_app(status=said), _outcome(unasked)) == said


@pytest.mark.parametrize("status", [None, "another digest", "no digest"])
def test_nothing_stands_that_was_said_of_another_digest(status: str | None) -> None:
    """What is pinned is said, where the status says nothing of it."""
    pins: dict[str, Image] = {
        "another digest": Pinned(pin=pinned(digest=NEW_DIGEST)),
        "no digest": Resolving(),
    }
    old = _status(outcome=_outcome(image=pins[status])) if status else None
    new = _status(an_app(status=old), _outcome(Pinned(pin=pinned(), asked=False)))
    assert conditions(new)["ImageResolved"]["message"] == f"{REFERENCE} is {DIGEST}."


def test_the_image_that_runs_stays_in_the_status_while_a_new_one_is_not_known() -> None:
    """A registry that is down hides nothing of what it had said before."""
    known = {"requested": "shop:1.4.1", "reference": "docker.io/library/shop:1.4.1", "digest": DIGEST}
    failed = _outcome(Unavailable(error=Blocked("ImageNotFound", "x")))
    assert _status(an_app(status={"image": known}), failed)["image"] == known
    assert _status(an_app(), failed)["image"] == {"requested": "shop:1.4.2"}


def test_the_children_of_a_former_app_make_nothing_ready() -> None:
    """Until they are gone, nothing of the new app can be written."""
    gone = (SERVICE, DEPLOYMENT)
    status = _status(outcome=_outcome(terminating=gone), live={})
    message = "Waiting until the former Service shop, Deployment shop is deleted."
    assert _ready(status) == ("False", "PredecessorTerminating", message)
    assert summary(status)["Reconciling"] == ("True", "PredecessorTerminating")
    assert status["replicas"] == 0
    assert "url" not in status


def test_a_former_child_that_is_being_deleted_is_named_before_the_rollout() -> None:
    """The Deployment may run well, and the Service that is to be replaced keep Ready away."""
    status = _status(outcome=_outcome(terminating=(SERVICE,)))
    assert _ready(status)[1:] == (
        "PredecessorTerminating",
        "Waiting until the former Service shop is deleted.",
    )
    assert summary(status)["RolledOut"] == ("True", "RolloutComplete")


def test_a_deployment_that_was_paused_by_hand_is_stalled_and_the_remedy_is_named() -> None:
    """Kubernetes rolls nothing out, and reports no deadline either."""
    app = an_app()
    live = _live(app, updated=0)
    live[DEPLOYMENT]["spec"]["paused"] = True
    status = _status(app, live=live)
    assert _ready(status) == (
        "False",
        "DeploymentPaused",
        "The Deployment shop is paused: kubectl rollout resume deployment/shop -n default",
    )
    assert summary(status)["Stalled"] == ("True", "DeploymentPaused")
    assert summary(status)["Available"] == ("True", "PodsAvailable")


# --- times ----------------------------------------------------------------------------------------


def test_a_condition_keeps_its_time_until_its_status_changes() -> None:
    """Another reason or message is no transition."""
    rolling = _status(live={}, now=BEFORE)
    app = an_app(status=rolling)
    later = _status(app, live=_live(app, available=0, conditions=[DEADLINE]), now=LATER)
    times = {kind: condition["lastTransitionTime"] for kind, condition in conditions(later).items()}
    assert times == {
        "Ready": BEFORE,
        "Stalled": LATER,
        "ImageResolved": BEFORE,
        "Available": BEFORE,
        "RolledOut": BEFORE,
    }
    done = _status(an_app(status=later), now=NOW)
    assert {kind: condition["lastTransitionTime"] for kind, condition in conditions(done).items()} == {
        "Ready": NOW,
        "ImageResolved": BEFORE,
        "Available": NOW,
        "RolledOut": NOW,
    }


# --- the address ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("port", "url"),
    [
        ({"containerPort": 8080}, "http://shop.default.svc:8080"),
        ({"containerPort": 8080, "servicePort": 80}, "http://shop.default.svc"),
        ({"containerPort": 8443, "servicePort": 443}, "https://shop.default.svc"),
        ({"containerPort": 8443, "appProtocol": "https"}, "https://shop.default.svc:8443"),
        ({"containerPort": 5353, "servicePort": 53, "protocol": "UDP"}, "udp://shop.default.svc:53"),
    ],
)
def test_the_url_is_that_of_the_first_port(port: Manifest, url: str) -> None:
    """Default ports are left out, as a browser does."""
    assert _status(an_app({"ports": [{"name": "first", **port}]}))["url"] == url


@pytest.mark.parametrize(
    ("balancer", "url"),
    [
        ({}, None),
        ({"loadBalancer": {}}, None),
        ({"loadBalancer": {"ingress": []}}, None),
        (
            {"loadBalancer": {"ingress": [{"hostname": "k8s-shop.elb.amazonaws.com"}]}},
            "k8s-shop.elb.amazonaws.com",
        ),
        ({"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}}, "192.0.2.7"),
        ({"loadBalancer": {"ingress": [{"ip": "2001:db8::7"}]}}, "[2001:db8::7]"),
    ],
)
def test_the_url_is_the_load_balancers_as_soon_as_it_has_one(balancer: Manifest, url: str | None) -> None:
    """Until then there is none, rather than one that will not do from outside."""
    app = an_app({"port": 80, "service": {"type": "LoadBalancer"}})
    live = _live(app)
    live[SERVICE]["status"] = balancer
    status = _status(app, live=live)
    assert (_ready(status)[0] == "True") is (url is not None)
    assert status.get("url") == (f"http://{url}" if url else None)


def _balanced(age: timedelta, **service: Any) -> Manifest:
    """Return the status of an app with a load balancer whose Service is of some age."""
    app = an_app({"port": 80, "service": {"type": "LoadBalancer"}})
    live = _live(app)
    created = datetime.fromisoformat(NOW) - age
    live[SERVICE]["metadata"]["creationTimestamp"] = created.strftime("%Y-%m-%dT%H:%M:%SZ")
    live[SERVICE] |= service
    return _status(app, live=live)


WITH_ADDRESS = {"loadBalancer": {"ingress": [{"hostname": "lb.example.com"}]}}
SECOND = timedelta(seconds=1)


def test_an_app_waits_for_the_address_of_its_load_balancer() -> None:
    """It takes some minutes; nobody can reach the app until then."""
    status = _balanced(ADDRESS_BOUND - SECOND)
    message = "The load balancer of Service shop has no address yet."
    assert _ready(status) == ("False", "WaitingForLoadBalancer", message)
    assert summary(status)["Reconciling"] == ("True", "WaitingForLoadBalancer")
    assert summary(status)["RolledOut"] == ("True", "RolloutComplete")
    assert "url" not in status


def test_a_load_balancer_without_an_address_for_long_is_stalled() -> None:
    """As where no controller makes load balancers."""
    status = _balanced(ADDRESS_BOUND)
    assert summary(status)["Ready"] == ("False", "LoadBalancerPending")
    assert summary(status)["Stalled"] == ("True", "LoadBalancerPending")
    assert _ready(status)[2] == (
        "The load balancer of Service shop has no address yet. See kubectl describe service shop -n default, "
        "and check that the cluster has a controller for such Services."
    )


@pytest.mark.parametrize("age", [SECOND, ADDRESS_BOUND + SECOND])
def test_a_load_balancer_with_an_address_is_waited_for_no_more(age: timedelta) -> None:
    """Whatever its age."""
    assert _ready(_balanced(age, status=WITH_ADDRESS))[:2] == ("True", "Running")


def test_a_rollout_is_named_before_the_address() -> None:
    """One reason at a time, the one nearest to the Pods first."""
    app = an_app({"port": 80, "service": {"type": "LoadBalancer"}})
    assert _ready(_status(app, live=_live(app, available=0)))[1] == "RollingOut"


def test_the_address_of_another_service_type_is_never_waited_for() -> None:
    """It has one from the start."""
    for kind in ("ClusterIP", "NodePort"):
        app = an_app({"port": 80, "service": {"type": kind}})
        assert _ready(_status(app))[:2] == ("True", "Running")


def test_a_port_that_others_put_before_ours_is_not_the_apps_address() -> None:
    """A Service that was taken over keeps what its other owners set."""
    app = an_app({"port": 8080})
    live = live_children(app)
    service = live[SERVICE]
    theirs = {"name": "old", "port": 80, "targetPort": "old", "protocol": "TCP"}
    live[SERVICE] = {**service, "spec": {**service["spec"], "ports": [theirs, *service["spec"]["ports"]]}}
    assert _status(app, live=live)["url"] == "http://shop.default.svc:8080"


def test_a_worker_has_no_url() -> None:
    """It has no Service; and a Service without ports has no address either."""
    assert "url" not in _status()
    app = an_app({"port": 80})
    live = _live(app)
    live[SERVICE]["spec"]["ports"] = []
    assert "url" not in _status(app, live=live)


# --- kinds that the cluster may lack ----------------------------------------------------------------


def test_an_optional_kind_has_a_condition_and_keeps_nothing_from_being_ready() -> None:
    """The app runs without it; the condition says what is missing."""
    kind = Resource(
        api_version="keda.sh/v1alpha1", kind="ScaledObject", plural="scaledobjects", install="Install it."
    )
    child = Child(
        resource=kind, render=lambda _app, _inputs: iter(()), condition="Scaled", purpose="Nothing scales."
    )
    wanted = _outcome(optional=(child,))
    missing = _status(outcome=wanted, absent=frozenset({kind}))
    assert summary(missing)["Scaled"] == ("False", "KindNotInstalled")
    assert summary(_status(outcome=wanted))["Scaled"] == ("True", "Applied")
    assert _ready(missing)[:2] == ("True", "Running")
    assert "Scaled" not in summary(_status())
