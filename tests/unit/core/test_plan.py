"""Which writes a reconcile needs, and above all which it does not: `containerapp.core.plan`."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from containerapp.core.model import HASH_ANNOTATION, Manifest, ObjectRef
from containerapp.core.plan import Plan, differs, make_plan, stamped
from tests.builders import (
    DEPLOYMENT,
    NAME,
    OTHER_UID,
    SERVICE,
    SERVICE_ACCOUNT,
    UID,
    an_app,
    as_stored,
    desired_children,
    live_children,
)
from tests.expectations import of_kind

WEB = an_app(
    {
        "port": 8080,
        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": ""}],
        "imagePullSecrets": [{"name": "registry"}],
        "resources": {"requests": {"cpu": "1000m", "memory": "1024Mi"}},
        "podLabels": {"team": ""},
        "security": {"runAsUser": 0, "runAsNonRoot": False},
        "readinessProbe": {"tcpSocket": {}, "initialDelaySeconds": 0},
        "service": {"annotations": {"example.com/owner": "checkout"}},
    }
)


def _plan(live: dict[ObjectRef, Manifest], *, adopt: bool = False) -> Plan:
    return make_plan(desired=desired_children(WEB), live=live, owner=(NAME, UID), adopt=adopt)


def _refs(manifests: tuple[Manifest, ...]) -> list[ObjectRef]:
    return [ObjectRef.of(manifest) for manifest in manifests]


def _container(deployment: Manifest) -> Manifest:
    container: Manifest = deployment["spec"]["template"]["spec"]["containers"][0]
    return container


def test_creates_every_child_in_the_order_of_the_table() -> None:
    """The account must be there before a Pod names it, the Service before its variables are wanted."""
    plan = _plan({})
    assert _refs(plan.creates) == [SERVICE_ACCOUNT, SERVICE, DEPLOYMENT]
    assert not plan.empty
    assert (plan.updates, plan.deletes, plan.foreign, plan.waiting) == ((), (), (), ())


def test_writes_nothing_when_everything_lives_as_wanted() -> None:
    """A resync or a restart of the operator costs no request."""
    assert _plan(live_children(WEB)) == Plan()
    assert _plan(live_children(WEB)).empty


def _stores_quantities_canonically(deployment: Manifest) -> None:
    _container(deployment)["resources"] = {
        "requests": {"cpu": "1", "memory": "1Gi"},
        "limits": {"memory": "1Gi"},
    }


def _omits_empty_values(deployment: Manifest) -> None:
    del _container(deployment)["env"][1]["value"]
    del _container(deployment)["readinessProbe"]["initialDelaySeconds"]


def _has_a_sidecar_injected(deployment: Manifest) -> None:
    pod = deployment["spec"]["template"]["spec"]
    pod["containers"].insert(0, {"name": "proxy", "image": "proxy:1"})
    pod["initContainers"] = [{"name": "proxy-init", "image": "proxy:1"}]
    pod["volumes"] = [{"name": "certificates"}]


def _has_variables_injected(deployment: Manifest) -> None:
    _container(deployment)["env"].insert(1, {"name": "AWS_REGION", "value": "eu-west-1"})
    _container(deployment)["volumeMounts"] = [{"name": "token", "mountPath": "/var/run/secrets"}]


def _has_list_items_of_others(deployment: Manifest) -> None:
    pod = deployment["spec"]["template"]["spec"]
    pod["imagePullSecrets"].append({"name": "mirror"})
    pod["topologySpreadConstraints"].append(
        {"topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule"}
    )
    _container(deployment)["ports"].append({"name": "http3", "containerPort": 8080, "protocol": "UDP"})
    deployment["metadata"]["ownerReferences"].append({"uid": OTHER_UID, "kind": "Team", "name": "checkout"})


def _carries_annotations_of_others(deployment: Manifest) -> None:
    deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "3"
    deployment["spec"]["template"]["metadata"]["annotations"] = {"kubectl.kubernetes.io/restartedAt": "now"}
    deployment["metadata"]["labels"]["argocd.argoproj.io/instance"] = "shop"


@pytest.mark.parametrize(
    "happens",
    [
        _stores_quantities_canonically,
        _omits_empty_values,
        _has_a_sidecar_injected,
        _has_variables_injected,
        _has_list_items_of_others,
        _carries_annotations_of_others,
    ],
)
def test_leaves_alone_what_others_own(happens: Callable[[Manifest], None]) -> None:
    """Defaults, canonical forms, webhooks' and controllers' additions are no drift."""
    live = live_children(WEB)
    happens(live[DEPLOYMENT])
    assert _plan(live).empty


def _another_image(deployment: Manifest) -> None:
    _container(deployment)["image"] = "evil:1"


def _another_replica_count(deployment: Manifest) -> None:
    deployment["spec"]["replicas"] = 7


def _a_label_gone(deployment: Manifest) -> None:
    del deployment["metadata"]["labels"]["app.kubernetes.io/managed-by"]


def _an_empty_pod_label_gone(deployment: Manifest) -> None:
    del deployment["spec"]["template"]["metadata"]["labels"]["team"]


def _a_user_of_zero_gone(deployment: Manifest) -> None:
    del deployment["spec"]["template"]["spec"]["securityContext"]["runAsUser"]


def _a_false_gone(deployment: Manifest) -> None:
    del _container(deployment)["securityContext"]["allowPrivilegeEscalation"]


def _a_false_turned(deployment: Manifest) -> None:
    deployment["spec"]["template"]["spec"]["automountServiceAccountToken"] = True


def _a_variable_gone(deployment: Manifest) -> None:
    del _container(deployment)["env"][0]


def _a_variable_changed(deployment: Manifest) -> None:
    _container(deployment)["env"][0]["value"] = "2"


def _variables_in_another_order(deployment: Manifest) -> None:
    _container(deployment)["env"].reverse()


def _all_variables_gone(deployment: Manifest) -> None:
    del _container(deployment)["env"]


def _less_memory(deployment: Manifest) -> None:
    _container(deployment)["resources"]["limits"]["memory"] = "1000Mi"


def _no_memory_limit(deployment: Manifest) -> None:
    _container(deployment)["resources"]["limits"] = {}


def _no_security_context(deployment: Manifest) -> None:
    del _container(deployment)["securityContext"]


def _a_capability_kept(deployment: Manifest) -> None:
    _container(deployment)["securityContext"]["capabilities"]["drop"] = ["ALL", "CHOWN"]


def _another_port(deployment: Manifest) -> None:
    _container(deployment)["ports"][0]["containerPort"] = 9090


def _another_protocol(deployment: Manifest) -> None:
    _container(deployment)["ports"][0]["protocol"] = "UDP"


def _another_owner(deployment: Manifest) -> None:
    deployment["metadata"]["ownerReferences"][0]["controller"] = False


def _a_hash_of_another_manifest(deployment: Manifest) -> None:
    deployment["metadata"]["annotations"][HASH_ANNOTATION] = "0000"


@pytest.mark.parametrize(
    "drift",
    [
        _another_image,
        _another_replica_count,
        _a_label_gone,
        _an_empty_pod_label_gone,
        _a_user_of_zero_gone,
        _a_false_gone,
        _a_false_turned,
        _a_variable_gone,
        _a_variable_changed,
        _variables_in_another_order,
        _all_variables_gone,
        _less_memory,
        _no_memory_limit,
        _no_security_context,
        _a_capability_kept,
        _another_port,
        _another_protocol,
        _another_owner,
        _a_hash_of_another_manifest,
    ],
)
def test_repairs_what_is_ours(drift: Callable[[Manifest], None]) -> None:
    """Whatever field of ours was edited, removed or put in another order is written again, and nothing else."""
    live = live_children(WEB)
    drift(live[DEPLOYMENT])
    plan = _plan(live)
    assert _refs(plan.updates) == [DEPLOYMENT]
    assert (plan.creates, plan.deletes) == ((), ())


def test_repairs_the_ports_of_the_service_alone() -> None:
    """One child's drift is one write."""
    live = live_children(WEB)
    live[SERVICE]["spec"]["ports"][0]["targetPort"] = 80
    assert _refs(_plan(live).updates) == [SERVICE]


def test_writes_again_when_a_field_is_no_longer_wanted() -> None:
    """What the user took out of the manifest is still on the live object; only the hash tells."""
    before = desired_children(an_app({"command": ["/app/shop"]}))
    after = desired_children(an_app())
    assert differs(of_kind(after, "Deployment"), as_stored(of_kind(before, "Deployment")))
    assert not differs(of_kind(after, "ServiceAccount"), as_stored(of_kind(before, "ServiceAccount")))


def test_the_stamp_tells_manifests_apart_and_changes_nothing_else() -> None:
    """The same manifest has the same stamp, whatever the order of its keys; the given one is not touched."""
    manifest = {
        "kind": "X",
        "metadata": {"name": "x", "annotations": {"a": "b"}},
        "spec": {"a": 1, "b": 2},
    }
    original = deepcopy(manifest)
    turned = {key: manifest[key] for key in reversed(manifest)}
    stamp = stamped(manifest)["metadata"]["annotations"].pop(HASH_ANNOTATION)
    assert manifest == original
    assert stamped(turned)["metadata"]["annotations"][HASH_ANNOTATION] == stamp
    other = stamped({**manifest, "spec": {"a": 1, "b": 3}})
    assert other["metadata"]["annotations"][HASH_ANNOTATION] != stamp
    assert stamped({"metadata": {"name": "x"}})["metadata"]["annotations"].keys() == {HASH_ANNOTATION}


def test_refuses_an_object_that_belongs_to_nobody() -> None:
    """A Service that somebody made by hand under the app's name is not overwritten."""
    live = live_children(WEB)
    live[SERVICE]["metadata"]["ownerReferences"] = []
    plan = _plan(live)
    assert plan.foreign == (SERVICE,)
    assert plan.empty


def test_takes_over_a_foreign_object_when_told_to() -> None:
    """The annotation on the app is the user's word; what is right already needs the owner reference only."""
    live = live_children(WEB)
    del live[SERVICE]["metadata"]["ownerReferences"]
    plan = _plan(live, adopt=True)
    assert _refs(plan.updates) == [SERVICE]
    assert plan.foreign == ()


@pytest.mark.parametrize("adopt", [False, True])
def test_clears_away_what_an_earlier_app_of_the_same_name_left_behind(*, adopt: bool) -> None:
    """It is garbage, collected or not; to write over it would bind the new app to what dies."""
    live = live_children(an_app({"port": 8080}, uid=OTHER_UID))
    children = (SERVICE_ACCOUNT, SERVICE, DEPLOYMENT)
    plan = _plan(live, adopt=adopt)
    assert plan == Plan(waiting=children, leftovers=tuple(sorted(children)))
    assert not plan.empty


def test_clears_away_what_an_earlier_app_wanted_and_this_one_does_not() -> None:
    """Whether or not the image of the new app is known yet: it was never the new app's."""
    live = {SERVICE: live_children(an_app({"port": 8080}, uid=OTHER_UID))[SERVICE]}
    assert _worker_plan(live, keep=None).leftovers == (SERVICE,)


def test_leaves_what_an_earlier_app_shared_with_somebody() -> None:
    """The garbage collector only takes the earlier app's name off it; then it is somebody else's."""
    live = live_children(an_app({"port": 8080}, uid=OTHER_UID))
    live[SERVICE]["metadata"]["ownerReferences"].append({"kind": "Team", "name": "t", "uid": "team"})
    plan = _plan(live)
    assert plan.leftovers == (DEPLOYMENT, SERVICE_ACCOUNT)
    assert plan.waiting == (SERVICE_ACCOUNT, SERVICE, DEPLOYMENT)


def test_leaves_what_an_earlier_app_left_behind_and_is_going() -> None:
    """A second deletion tells the API server nothing new."""
    live = live_children(an_app({"port": 8080}, uid=OTHER_UID))
    live[SERVICE]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert _plan(live).leftovers == (DEPLOYMENT, SERVICE_ACCOUNT)


def test_waits_for_a_child_that_is_being_deleted() -> None:
    """Writing to it would be lost; it is made again once it is gone."""
    live = live_children(WEB)
    live[DEPLOYMENT]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    plan = _plan(live)
    assert plan.waiting == (DEPLOYMENT,)
    assert plan.empty


def _worker_plan(live: dict[ObjectRef, Manifest], *, keep: frozenset[ObjectRef] | None = frozenset()) -> Plan:
    return make_plan(desired=desired_children(an_app()), live=live, owner=(NAME, UID), adopt=False, keep=keep)


def test_deletes_what_is_no_longer_wanted() -> None:
    """An app that has become a worker loses its Service."""
    live = live_children(an_app()) | {SERVICE: live_children(WEB)[SERVICE]}
    assert _worker_plan(live).deletes == (SERVICE,)
    assert not _worker_plan(live).empty


def test_deletes_nothing_while_not_everything_could_be_rendered() -> None:
    """An unknown digest hides the Deployment from what is wanted; that must not cost the running Pods."""
    live = live_children(an_app()) | {SERVICE: live_children(WEB)[SERVICE]}
    assert _worker_plan(live, keep=None).deletes == ()


@pytest.mark.parametrize(
    ("desired", "live", "different"),
    [
        ("1000m", "1", False),
        ("0.5", "500m", False),
        (".5", "500m", False),
        ("1.", "1", False),
        ("1e3", "1k", False),
        ("1E3", "1e3", False),
        ("1E", "1000P", False),
        ("1024Mi", "1Gi", False),
        ("1.5Gi", "1536Mi", False),
        ("1024", "1Ki", False),
        ("0.1m", "1m", False),
        ("1500u", "2m", False),
        ("0", "0", False),
        ("1", "1001m", True),
        ("1G", "1Gi", True),
        ("0", None, True),
    ],
)
def test_compares_quantities_as_kubernetes_stores_them(
    desired: str, live: str | None, *, different: bool
) -> None:
    """The API server rewrites 1000m as 1 and rounds up to thousandths; that is no drift."""
    amounts = {} if live is None else {"cpu": live}
    assert differs({"requests": {"cpu": desired}}, {"requests": amounts}) is different


@pytest.mark.parametrize(
    ("desired", "live", "different"),
    [
        ({}, None, False),
        ({"a": 1}, None, True),
        ({"a": {}}, {}, False),
        ([], None, False),
        (["a"], None, True),
        (["a", "b"], ["b", "a"], True),
        (["a"], ["a", "b"], True),
        ([], ["a"], True),
        ({"enabled": False}, {}, True),
        ({"enabled": False}, {"enabled": False}, False),
        ({"runAsUser": 0}, {}, True),
        ({"value": ""}, {}, False),
        ({"value": ""}, {"value": "x"}, True),
        ({"labels": {"value": ""}}, {"labels": {}}, True),
        ({"prefix": ""}, {}, False),
        ({"env": []}, {"env": [{"name": "INJECTED"}]}, False),
        ({"replicas": 1}, {"replicas": "1"}, True),
    ],
)
def test_tells_absence_from_difference(desired: Any, live: Any, *, different: bool) -> None:
    """Kubernetes omits some empty fields and keeps others; only the latter are missed."""
    assert differs(desired, live) is different


def test_keeps_what_the_pods_still_need() -> None:
    """A user may name the very account that was made for the app before."""
    live = live_children(WEB)
    assert _worker_plan(live, keep=frozenset({SERVICE})).deletes == ()
