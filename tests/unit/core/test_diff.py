"""Whether what lives says what we would write, and the patch that makes it so: `containerapp.core.diff`."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from containerapp.core.diff import difference, differs, repair, stamped
from containerapp.core.model import HASH_ANNOTATION, Manifest
from tests.builders import DEPLOYMENT, OTHER_UID, an_app, as_stored, desired_children, live_children
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
DESIRED = of_kind(desired_children(WEB), "Deployment")


def _live() -> Manifest:
    return live_children(WEB)[DEPLOYMENT]


def _container(deployment: Manifest) -> Manifest:
    return next(each for each in _pod(deployment)["containers"] if each["name"] == "app")


def _pod(deployment: Manifest) -> Manifest:
    pod: Manifest = deployment["spec"]["template"]["spec"]
    return pod


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
def test_never_looks_at_what_others_own(happens: Callable[[Manifest], None]) -> None:
    """Defaults, canonical forms, webhooks' and controllers' additions are no drift."""
    deployment = _live()
    happens(deployment)
    assert not differs(DESIRED, deployment)


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
def test_sees_what_is_ours(drift: Callable[[Manifest], None]) -> None:
    """Whatever field of ours was edited, removed or put in another order differs."""
    deployment = _live()
    drift(deployment)
    assert differs(DESIRED, deployment)


def test_writes_again_when_a_field_is_no_longer_wanted() -> None:
    """What the user took out of the manifest is still on the live object; only the hash tells."""
    before = desired_children(an_app({"command": ["/app/shop"]}))
    after = desired_children(an_app())
    assert differs(of_kind(after, "Deployment"), as_stored(of_kind(before, "Deployment")))
    assert not differs(of_kind(after, "ServiceAccount"), as_stored(of_kind(before, "ServiceAccount")))


def test_the_stamp_differs_between_manifests_and_changes_nothing_else() -> None:
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
        ({"target": {"policy": "Owner"}}, {"target": {"policy": "Owner", "name": "x"}}, False),
        ({"target": {"policy": "Owner"}}, {"target": {"policy": "Merge"}}, True),
        ({"target": {"policy": "Owner"}}, {"target": {}}, True),
        ({"target": {"template": {"a": 1}}}, {"target": {"template": {"a": 1, "engine": "v2"}}}, False),
    ],
)
def test_distinguishes_absence_from_difference(desired: Any, live: Any, *, different: bool) -> None:
    """Kubernetes omits some empty fields and keeps others; only the latter are missed."""
    assert differs(desired, live) is different


# --- the patch that repairs ------------------------------------------------------------------------


def _patch_of_the_container(deployment: Manifest) -> Manifest:
    """Return what the patch changes in our container, and check that it changes nothing else."""
    change = repair(DESIRED["spec"], deployment["spec"])
    assert change.keys() == {"template"}
    assert change["template"].keys() == {"spec"}
    assert change["template"]["spec"].keys() == {"containers"}
    (container,) = change["template"]["spec"]["containers"]
    assert container.pop("name") == "app"
    changed: Manifest = container
    return changed


def test_nothing_is_repaired_where_nothing_differs() -> None:
    """Whatever others have added."""
    deployment = _live()
    for happens in (
        _has_a_sidecar_injected,
        _has_variables_injected,
        _has_list_items_of_others,
        _stores_quantities_canonically,
    ):
        happens(deployment)
    assert repair(DESIRED["spec"], deployment["spec"]) == {}


def test_another_handler_of_a_probe_is_removed() -> None:
    """A probe can have one; Kubernetes refuses ours beside it."""
    deployment = _live()
    probe = _container(deployment)["readinessProbe"]
    probe["httpGet"] = {"path": "/", "port": 80}
    del probe["tcpSocket"]
    probe["terminationGracePeriodSeconds"] = 9
    assert _patch_of_the_container(deployment) == {
        "readinessProbe": {"tcpSocket": {"port": "http"}, "httpGet": None}
    }


def test_another_source_of_a_variable_is_removed() -> None:
    """A value and a source exclude each other; the variables of others stay."""
    deployment = _live()
    _has_variables_injected(deployment)
    variable = _container(deployment)["env"][0]
    del variable["value"]
    variable["valueFrom"] = {"fieldRef": {"fieldPath": "status.podIP"}}
    assert _patch_of_the_container(deployment) == {
        "env": [{"name": "A", "value": "1", "valueFrom": None}],
    }


def test_another_kind_of_source_of_a_variable_is_removed() -> None:
    """A Secret's key that became a field of the Pod is the Secret's key again."""
    desired = {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "shop", "key": "a"}}}]}
    live = {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]}
    assert repair(desired, live) == {
        "env": [
            {"name": "A", "valueFrom": {"secretKeyRef": {"name": "shop", "key": "a"}, "fieldRef": None}},
        ]
    }


@pytest.mark.parametrize(
    ("desired", "live", "change"),
    [
        (
            {"type": "RuntimeDefault"},
            {"type": "Localhost", "localhostProfile": "x"},
            {"type": "RuntimeDefault", "localhostProfile": None},
        ),
        (
            {"type": "Recreate"},
            {"type": "RollingUpdate", "rollingUpdate": {}},
            {"type": "Recreate", "rollingUpdate": None},
        ),
        (
            {"type": "RollingUpdate", "rollingUpdate": {"a": 1}},
            {"type": "Recreate"},
            {"type": "RollingUpdate", "rollingUpdate": {"a": 1}},
        ),
        ({"maxUnavailable": 1}, {"minAvailable": 1, "other": 2}, {"maxUnavailable": 1, "minAvailable": None}),
    ],
)
def test_a_field_that_excludes_ours_is_removed(desired: Manifest, live: Manifest, change: Manifest) -> None:
    """One of them alone is legal, so a patch without the removal would be refused."""
    assert repair(desired, live) == change


def test_what_others_add_stays_beside_a_field_of_ours_that_is_missing() -> None:
    """A sidecar, its volume and its variable are theirs, whatever else was removed."""
    deployment = _live()
    _has_a_sidecar_injected(deployment)
    _has_variables_injected(deployment)
    deployment["spec"]["paused"] = True
    del _pod(deployment)["securityContext"]
    del _pod(deployment)["containers"][1]["securityContext"]
    del _pod(deployment)["containers"][1]["env"][0]
    change = repair(DESIRED["spec"], deployment["spec"])
    assert change == {
        "template": {
            "spec": {
                "securityContext": _pod(DESIRED)["securityContext"],
                "containers": [
                    {
                        "name": "app",
                        "securityContext": _container(DESIRED)["securityContext"],
                        "env": [{"name": "A", "value": "1"}],
                    }
                ],
            }
        }
    }


def test_labels_and_annotations_of_others_stay() -> None:
    """Also where one of ours is missing; one of ours may be called like a field."""
    desired = {"labels": {"team": "shop", "selector": "x", "value": ""}}
    live = {"labels": {"team": "other", "tier": "web"}}
    assert repair(desired, live) == {"labels": {"team": "shop", "selector": "x", "value": ""}}


def test_a_selector_is_written_whole() -> None:
    """Kubernetes takes it as one value."""
    desired = {"selector": {"matchLabels": {"app": "shop"}}}
    assert repair(desired, {"selector": {"matchLabels": {"app": "shop", "track": "x"}}}) == desired


@pytest.mark.parametrize("live", [{}, {"ports": None}, {"ports": []}])
def test_a_list_that_is_missing_is_written_whole(live: Manifest) -> None:
    """There is nothing to merge it with."""
    desired = {"ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}]}
    assert repair(desired, live) == desired


def test_a_list_that_kubernetes_replaces_is_written_whole() -> None:
    """The arguments are one value."""
    assert repair({"args": ["a", "b"]}, {"args": ["a"]}) == {"args": ["a", "b"]}


@pytest.mark.parametrize(
    ("number", "port"),
    [
        ("containerPort", {"name": "http", "protocol": "TCP"}),
        ("port", {"name": "http", "protocol": "TCP", "targetPort": "http"}),
    ],
)
def test_a_port_of_others_that_has_taken_the_name_of_ours_is_removed(number: str, port: Manifest) -> None:
    """Two ports of one name are refused, and a Service's second port without one; others stay."""
    ours, edited = {number: 8080, **port}, {number: 9090, **port}
    injected = {number: 15090, "name": "metrics", "protocol": "TCP"}
    nameless = {number: 15091, "protocol": "TCP"}
    removed = [edited, nameless] if number == "port" else [edited]
    assert repair({"ports": [ours]}, {"ports": [edited, injected, nameless]}) == {
        "ports": [*({"$patch": "delete", number: port[number]} for port in removed), ours]
    }


def test_a_quantity_is_repaired_alone() -> None:
    """The amounts of other resources are those of others."""
    desired = {"requests": {"cpu": "1000m", "memory": "1Gi"}}
    live = {"requests": {"cpu": "1", "memory": "2Gi", "ephemeral-storage": "1Gi"}}
    assert repair(desired, live) == {"requests": {"memory": "1Gi"}}


@pytest.mark.parametrize(
    ("desired", "live", "path"),
    [
        ({"a": 1}, {"a": 1}, ""),
        ({"a": {"b": {"c": 1}}}, {"a": {"b": {"c": 2}}}, "a.b.c"),
        ({"a": {"b": 1}}, {}, "a"),
        ({"a": 1, "selector": {"b": 1}}, {"a": 1, "selector": {"b": 1, "c": 2}}, "selector"),
        ({"a": [1]}, {"a": [2]}, "a"),
    ],
)
def test_names_the_first_field_that_differs(desired: Manifest, live: Manifest, path: str) -> None:
    """For the message of a write that did not come out as written."""
    assert difference(desired, live) == path
