"""Overrides laid over what is rendered, and what they cannot do: `controllers.overrides`, `controllers.restrictions`.

What they cannot change by field stands in the golden cases `error_overrides-*`.
"""

from __future__ import annotations

from typing import Any

import pytest

from containerapp.controllers.containerapp.controller import CONTAINER_APP, OWNS
from containerapp.controllers.overrides import overridden_fields
from containerapp.core.model import Manifest
from containerapp.core.policy import Platform, Policy
from containerapp.errors import InvalidSpec
from containerapp.settings import load
from tests.builders import a_view, an_app, inputs, live_children, with_choice
from tests.expectations import of_kind
from tests.platform_cases import SETTINGS

_ALL = Policy.of(load(**SETTINGS))


def _override(kind: str, patch: Manifest, **fields: Any) -> Manifest:
    return {"port": 8080, "overrides": [{"kind": kind, "patch": patch, **fields}]}


def _pod(patch: Manifest) -> Manifest:
    return _override("Deployment", {"spec": {"template": {"spec": patch}}})


def _container(**security: Any) -> Manifest:
    return _pod({"containers": [{"name": "app", "securityContext": security}]})


def _rendered(spec: Manifest, policy: Policy = _ALL) -> list[Manifest]:
    app = an_app(spec)
    children = CONTAINER_APP.render(app, inputs(app=app, platform=Platform(policy=policy)))
    return [manifest for _, manifest in children]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (_container(privileged=True), "privileged true in the container app"),
        (_container(allowPrivilegeEscalation=None), "allowPrivilegeEscalation true in the container app"),
        (_container(runAsNonRoot=False), "runAsNonRoot false in the container app"),
        (
            _pod({"securityContext": None}),
            "runAsNonRoot false in the container app; seccompProfile Unconfined in",
        ),
        (_pod({"securityContext": {"runAsNonRoot": False}}), "runAsNonRoot false in the container app"),
        (_container(capabilities={"add": ["SYS_ADMIN"]}), "capabilities other than drop ALL"),
        (_container(capabilities={"drop": None}), "capabilities other than drop ALL"),
        (_container(capabilities="x"), "capabilities is a map"),
        (_container(seccompProfile={"type": "Unconfined"}), "seccompProfile Unconfined in the container app"),
        (_container(seccompProfile={"type": "Localhost"}), "seccompProfile Localhost in the container app"),
        (
            _container(appArmorProfile={"type": "Unconfined"}),
            "appArmorProfile Unconfined in the container app",
        ),
        (_container(procMount="Unmasked"), "procMount Unmasked in the container app"),
        (
            _container(windowsOptions={"hostProcess": True}),
            "windowsOptions.hostProcess true in the container app",
        ),
        (
            _pod({"containers": [{"name": "app", "ports": [{"containerPort": 8080, "hostPort": 80}]}]}),
            "hostPort in the container app",
        ),
        (_pod({"hostNetwork": True, "hostPID": True}), "forbids hostNetwork; hostPID, which spec.overrides"),
        (
            _override(
                "Deployment", {"spec": {"template": {"metadata": {"annotations": {"sidecar.x": "y"}}}}}
            ),
            "the Pod annotation sidecar.x",
        ),
        (_override("Service", {"spec": {"type": "LoadBalancer"}}), "spec.type LoadBalancer"),
        (_override("Service", {"spec": {"externalIPs": ["10.0.0.1"]}}), "spec.externalIPs"),
        (
            _override("Service", {"metadata": {"annotations": {"example.com/public": "yes"}}}),
            "the annotation example.com/public",
        ),
    ],
)
def test_an_override_is_no_way_around_what_the_platform_forbids(spec: Manifest, words: str) -> None:
    """The rendered object counts, with Kubernetes' defaults for what the override has removed."""
    with pytest.raises(InvalidSpec) as caught:
        _rendered(spec)
    assert words in caught.value.message


@pytest.mark.parametrize(
    "spec",
    [
        _container(privileged=True),
        _pod({"hostNetwork": True}),
        _override("Service", {"spec": {"type": "LoadBalancer", "externalIPs": ["10.0.0.1"]}}),
    ],
)
def test_a_platform_that_forbids_nothing_lets_it_pass(spec: Manifest) -> None:
    """The API server and Pod Security have their say."""
    assert _rendered(spec, Policy())


@pytest.mark.parametrize(
    "spec",
    [
        _container(readOnlyRootFilesystem=True, capabilities={"add": ["NET_BIND_SERVICE"]}),
        _pod({"initContainers": {"not": "a list"}, "volumes": "nor this"}),
        _pod(
            {
                "volumes": [
                    {"name": "x", "emptyDir": {}},
                    {"name": "y", "persistentVolumeClaim": {"claimName": "y"}},
                ]
            }
        ),
        _override("Service", {"spec": {"sessionAffinity": "ClientIP"}}),
        _override("ServiceAccount", {"imagePullSecrets": [{"name": "registry"}]}),
        _override("Deployment", {"spec": {"minReadySeconds": 3}}, name="other"),
        _override("Deployment", {"metadata": {"labels": {"team": "x"}}}),
        _override("Deployment", {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}),
    ],
)
def test_what_is_not_forbidden_passes_under_the_strictest_platform(spec: Manifest) -> None:
    """What is malformed is for the API server to refuse."""
    assert _rendered(spec)


def test_the_pod_template_is_overridden_once_and_the_rest_of_the_deployment_beside_it() -> None:
    """The template belongs to a revision: it has its overrides when it is rendered, and no others later."""
    deployment = of_kind(
        _rendered(
            _override("Deployment", {"spec": {"minReadySeconds": 3, "template": {"spec": {"hostname": "x"}}}})
        ),
        "Deployment",
    )
    assert deployment["spec"]["template"]["spec"]["hostname"] == "x"
    assert deployment["spec"]["minReadySeconds"] == 3


@pytest.mark.parametrize(
    ("spec", "number"),
    [
        (_pod({"hostname": "x"}), 2),
        (_override("Deployment", {"spec": {"minReadySeconds": 3}}), 1),
        (_override("Service", {"spec": {"sessionAffinity": "ClientIP"}}), 1),
    ],
)
def test_an_override_of_the_pod_template_is_a_revision_and_no_other_is(spec: Manifest, number: int) -> None:
    """It restarts the Pods and goes back with a rollback; the rest is changed in place."""
    live = live_children(an_app({"port": 8080}))
    choice = with_choice(inputs(), a_view(an_app(spec), live)).choice
    assert choice is not None
    assert choice.wanted is not None
    assert choice.wanted.number == number


def test_fields_are_listed_without_values() -> None:
    """Values may be secret; items of lists are named where they have names."""
    spec = _override(
        "Deployment",
        {
            "metadata": {"annotations": {"a/b": "secret"}},
            "spec": {
                "template": None,
                "empty": {},
                "args": ["secret"],
                "containers": [{"name": "app", "env": [{"name": "X", "value": "secret"}]}, {"name": "log"}],
            },
        },
    )
    assert overridden_fields(an_app(spec)) == {
        "Deployment": [
            "metadata.annotations.a/b",
            "spec.template",
            "spec.empty",
            "spec.args",
            "spec.containers[app].env[X].value",
            "spec.containers[log]",
        ]
    }


def test_a_kind_that_cannot_be_overridden_is_refused_with_those_that_can() -> None:
    """A patch that has no effect would be taken for one that has."""
    refusal = CONTAINER_APP.forbidden(an_app(_override("Secret", {})), Platform())
    assert refusal is not None
    assert (
        "spec.overrides[0].kind Secret cannot be overridden: it is one of ServiceAccount, Service"
        in refusal.message
    )
    assert CONTAINER_APP.forbidden(an_app(_override("Service", {})), Platform()) is None


def test_each_kind_is_deliberately_overridable_or_not() -> None:
    """A new kind is not, until a maintainer has thought about what an override of it could reach."""
    assert {child.resource.kind for child in OWNS if child.overridable} == {
        "Deployment",
        "HorizontalPodAutoscaler",
        "PodDisruptionBudget",
        "PodMonitor",
        "Service",
        "ServiceAccount",
    }
