"""The conditions Placed and Overridden, and what Fargate cannot run."""

from __future__ import annotations

from typing import Any

import pytest

from containerapp.controllers.containerapp.controller import CONTAINER_APP
from containerapp.core.model import Gathered, Manifest, Outcome
from containerapp.errors import InvalidSpec
from tests.builders import NOW, a_view, an_app, inputs, live_children
from tests.expectations import conditions

_FARGATE = {"placement": {"fargate": True}}


def _override(pod: Manifest) -> Manifest:
    return {"overrides": [{"kind": "Deployment", "patch": {"spec": {"template": {"spec": pod}}}}]}


def _container(fields: Manifest) -> Manifest:
    return _override({"containers": [{"name": "app", **fields}]})


def _conditions(spec: dict[str, Any], live: dict[Any, Manifest] | None = None) -> dict[str, Manifest]:
    view = a_view(an_app(spec), live)
    return conditions(CONTAINER_APP.status(view, Outcome(gathered=Gathered(inputs=inputs())), NOW))


def test_fargate_says_the_size_that_is_billed() -> None:
    """By the containers of the Deployment that lives."""
    spec = {**_FARGATE, "resources": {"requests": {"cpu": "1", "memory": "8Gi"}}}
    placed = _conditions(spec)["Placed"]
    assert (placed["status"], placed["reason"]) == ("True", "Fargate")
    assert "2 vCPU and 9 GB" in placed["message"]


def test_there_is_no_size_without_fargate_or_without_a_deployment() -> None:
    """And none where an older template lives that is too big."""
    assert "Placed" not in _conditions({"placement": {"capacity": "Spot"}})
    assert "Placed" not in _conditions({})
    assert "Placed" not in _conditions(_FARGATE, {})
    older = live_children(an_app({"resources": {"requests": {"cpu": "17"}}}))
    assert "Placed" not in _conditions(_FARGATE, older)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"resources": {"requests": {"cpu": "17"}}}, "17 vCPU"),
        (_override({"volumes": [{"name": "x", "ephemeral": {}}]}), "EBS volumes (volume x)"),
        (
            _override({"volumes": [{"name": "x", "csi": {"driver": "d"}}]}),
            "External Secrets Operator works there",
        ),
        (_override({"hostNetwork": True}), "host network"),
        (_container({"securityContext": {"privileged": True}}), "privileged containers (container app)"),
        (_container({"ports": [{"containerPort": 1, "hostPort": 1}]}), "host ports (container app)"),
        (_container({"resources": {"limits": {"nvidia.com/gpu": 1}}}), "nvidia.com/gpu (container app)"),
    ],
)
def test_what_fargate_does_not_have_is_refused(spec: Manifest, words: str) -> None:
    """Such a Pod would be Pending for ever, whichever field has asked for it."""
    with pytest.raises(InvalidSpec) as caught:
        inputs(app=an_app({**_FARGATE, **spec}))
    assert caught.value.reason == "NotOnFargate"
    assert words in caught.value.message
    assert inputs(app=an_app(spec)).choice is not None
    assert inputs(app=an_app(_FARGATE)).choice is not None


def test_overrides_are_listed_with_the_kinds_that_are_not_there() -> None:
    """A worker has no Service."""
    annotations = {f"a{number}": "x" for number in range(25)}
    spec = {
        "overrides": [
            {"kind": "Deployment", "patch": {"metadata": {"annotations": annotations}}},
            {"kind": "Service", "patch": {"spec": {"sessionAffinity": "ClientIP"}}},
        ]
    }
    message = _conditions(spec)["Overridden"]["message"]
    assert "metadata.annotations.a19 and 5 more; Service: spec.sessionAffinity." in message
    assert "There is no Service to change." in message
    assert "Overridden" not in _conditions({})
