"""Who scales an app with triggers, and what the condition `Autoscaled` says of KEDA."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import Any
from unittest.mock import Mock

import pytest

from containerapp.controllers.containerapp.cluster_version import VERSION
from containerapp.controllers.containerapp.controller import CONTAINER_APP, forbidden
from containerapp.controllers.containerapp.scaling import SCALED_OBJECT
from containerapp.core.model import Digests, Gathered, Manifest, ObjectRef, Outcome
from containerapp.core.policy import IdentityPolicy, Platform
from containerapp.errors import InvalidSpec
from tests.builders import (
    DEPLOYMENT,
    DIGEST,
    NAME,
    NOW,
    a_view,
    an_app,
    inputs,
    live_children,
    rendered,
    with_rollout,
)
from tests.expectations import conditions, summary

QUEUE = {"sqs": {"queueUrl": "https://sqs.eu-west-1.amazonaws.com/123456789012/orders"}}
SCALED: Manifest = {"autoscaling": {"minReplicas": 0, "maxReplicas": 9, "triggers": [QUEUE]}}
REF = SCALED_OBJECT.ref(NAME)


def _status(keda: str | None, *, absent: bool = False, pods: int = 1, **fields: Any) -> Manifest:
    app = an_app(SCALED)
    live = live_children(app)
    live[DEPLOYMENT]["spec"]["replicas"] = pods
    live[DEPLOYMENT] = with_rollout(live[DEPLOYMENT], total=pods, updated=pods, available=pods)
    if keda is None:
        del live[REF]
    elif keda:
        live[REF]["status"] = {"conditions": [{"type": "Ready", "status": keda, "message": "Triggers fail."}]}
    missing = frozenset({SCALED_OBJECT} if absent else ())
    view = a_view(app, live, absent=missing, **fields)
    return CONTAINER_APP.status(view, Outcome(gathered=Gathered(inputs=inputs(app=app))), NOW)


@pytest.mark.parametrize(
    ("keda", "expected"),
    [
        (None, ("Unknown", "WaitingForKeda")),
        ("", ("Unknown", "WaitingForKeda")),
        ("True", ("True", "ScaledByKeda")),
        ("False", ("False", "TriggerFailed")),
        ("Unknown", ("False", "TriggerFailed")),
    ],
)
def test_the_condition_follows_keda_and_the_app_stays_ready(
    keda: str | None, expected: tuple[str, str]
) -> None:
    """An app whose queue cannot be read serves with the Pods that it has."""
    said = summary(_status(keda))
    assert said["Autoscaled"] == expected
    assert said["Ready"] == ("True", "Running")


def test_without_keda_the_condition_names_the_remedy() -> None:
    """The number of Pods stays as it is, and says so."""
    found = conditions(_status(None, absent=True))["Autoscaled"]
    assert (found["status"], found["reason"]) == ("False", "KindNotInstalled")
    assert "ScaledObject (keda.sh/v1alpha1). Install KEDA" in found["message"]


def test_what_keda_says_in_an_event_is_the_reason_of_a_failure() -> None:
    """Its condition says only that triggers fail."""
    warning = "KEDAScalerFailed: AccessDenied: sqs:GetQueueAttributes"
    found = conditions(_status("False", warnings={REF: warning}))["Autoscaled"]
    assert "sqs: KEDAScalerFailed: AccessDenied: sqs:GetQueueAttributes" in found["message"]
    assert "Triggers fail." in conditions(_status("False"))["Autoscaled"]["message"]


@pytest.mark.parametrize(("keda", "asked"), [("True", ()), ("False", (REF,)), (None, ())])
def test_events_are_asked_for_where_keda_fails(keda: str | None, asked: tuple[ObjectRef, ...]) -> None:
    """A question is a request: what scales well is not asked about."""
    app = an_app(SCALED)
    live = live_children(app)
    live[REF]["status"] = {"conditions": [{"type": "Ready", "status": keda}]}
    if keda is None:
        del live[REF]
    assert CONTAINER_APP.asks(a_view(app, live), inputs(app=app)) == asked


def test_an_app_that_its_triggers_have_ended_is_ready() -> None:
    """No Pod is what was asked for."""
    status = _status("True", pods=0)
    assert summary(status)["Ready"] == ("True", "Running")
    assert "have nothing to do" in conditions(status)["Ready"]["message"]


def test_an_app_has_one_autoscaler() -> None:
    """Kubernetes acts on neither of two for the same Pods."""
    for spec, kind in (
        (SCALED, "ScaledObject"),
        ({"autoscaling": {"maxReplicas": 9}}, "HorizontalPodAutoscaler"),
    ):
        app = an_app(spec)
        kinds = {each["kind"] for each in rendered(app, inputs(app=app))}
        assert kinds & {"ScaledObject", "HorizontalPodAutoscaler"} == {kind}


WAITING = {
    "type": "External",
    "external": {"metric": {"name": "waiting"}, "target": {"type": "Value", "value": "5"}},
}
TO_NONE: Manifest = {
    "image": f"shop@{DIGEST}",
    "autoscaling": {"minReplicas": 0, "maxReplicas": 9, "metrics": [WAITING]},
}


@pytest.mark.parametrize(
    ("spec", "version", "refused"),
    [
        (TO_NONE, {"major": "1", "minor": "37"}, False),
        (TO_NONE, {"major": "1", "minor": "36+"}, True),
        (TO_NONE, None, False),
        (SCALED | {"image": f"shop@{DIGEST}"}, {"major": "1", "minor": "36"}, False),
    ],
)
def test_kubernetes_ends_the_last_pod_where_it_can(
    spec: Manifest, version: Manifest | None, *, refused: bool
) -> None:
    """By a metric that is there without Pods; an older cluster would refuse the autoscaler in its own words."""
    digests = Mock(spec=Digests, runs_by_tag=Mock(return_value=False))
    view = a_view(an_app(spec))
    queries = CONTAINER_APP.gather(view, digests).queries
    assert [query.path for query in queries] == (["/version"] if spec is TO_NONE else [])
    answered = replace(view, answers={VERSION: version} if version else {})
    with (
        pytest.raises(InvalidSpec, match=r"needs Kubernetes 1\.37 or later, and this is 1\.36\+")
        if refused
        else nullcontext()
    ):
        CONTAINER_APP.gather(answered, digests)


def test_a_worker_that_its_metrics_have_ended_is_ready() -> None:
    """And begins with a Pod, which the autoscaler may end."""
    app = an_app(TO_NONE)
    live = live_children(app)
    assert live[DEPLOYMENT]["metadata"]["annotations"]["containerapp.dev/initial-replicas"] == "1"
    live[DEPLOYMENT]["spec"]["replicas"] = 0
    live[DEPLOYMENT] = with_rollout(live[DEPLOYMENT], total=0, updated=0, available=0)
    status = CONTAINER_APP.status(a_view(app, live), Outcome(gathered=Gathered(inputs=inputs(app=app))), NOW)
    assert "the metrics of spec.autoscaling have nothing to do" in conditions(status)["Ready"]["message"]


@pytest.mark.parametrize("role", [None, "arn:aws:iam::123456789012:role/apps/default/keda"])
def test_a_role_for_keda_must_be_one_of_the_namespace(role: str | None) -> None:
    """KEDA may assume roles of every team: one app could read another's queues by them."""
    platform = Platform(
        identity=IdentityPolicy(allowed_roles=("arn:aws:iam::123456789012:role/apps/{namespace}/*",))
    )
    given = {"roleArn": role} if role else {}
    assert forbidden(an_app({"autoscaling": {**SCALED["autoscaling"], **given}}), platform) is None
    other = {"roleArn": "arn:aws:iam::123456789012:role/apps/other/keda"}
    refusal = forbidden(an_app({"autoscaling": {**SCALED["autoscaling"], **other}}), platform)
    assert isinstance(refusal, InvalidSpec)
    assert "spec.autoscaling.roleArn" in refusal.message
