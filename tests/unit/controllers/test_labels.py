"""Which Pods a selector chooses, for apps that could be mistaken for each other: docs/decisions/0014-labels.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from containerapp.core.model import Manifest
from containerapp.errors import InvalidSpec
from tests.builders import an_app, desired_children
from tests.expectations import of_kind

SPEC = {"port": 8080, "replicas": 3, "metrics": {"port": "http"}}
FOREIGN = {"app.kubernetes.io/name": "shop", "app.kubernetes.io/managed-by": "containerapp-operator"}
JOB = {"containerapp.dev/job": "shop", **FOREIGN}
CANARY = {"containerapp.dev/app": "shop", "containerapp.dev/track": "canary", **FOREIGN}


def _children(name: str) -> list[Manifest]:
    return list(desired_children(an_app(SPEC, name=name)))


def _pod_labels(name: str) -> dict[str, str]:
    labels: dict[str, str] = of_kind(_children(name), "Deployment")["spec"]["template"]["metadata"]["labels"]
    return labels


def _selectors(value: Any) -> Iterator[dict[str, str]]:
    if isinstance(value, list):
        for item in value:
            yield from _selectors(item)
    elif isinstance(value, dict):
        for key, part in value.items():
            if key in {"selector", "labelSelector"}:
                yield part.get("matchLabels", part)
            else:
                yield from _selectors(part)


@pytest.mark.parametrize(
    "labels",
    [FOREIGN, JOB, _pod_labels("shop-api"), _pod_labels("sho")],
    ids=["foreign", "job", "longer", "shorter"],
)
def test_no_selector_chooses_pods_of_another_object(labels: dict[str, str]) -> None:
    """Neither by a name that begins alike nor by the recommended labels."""
    selectors = list(_selectors(_children("shop")))
    assert len(selectors) >= 4
    for selector in selectors:
        assert selector.items() <= _pod_labels("shop").items()
        assert not selector.items() <= labels.items()


def test_service_and_monitor_alone_choose_the_pods_of_every_track() -> None:
    """A Deployment that chose the canary's Pods would delete them, and two budgets for a Pod block every drain."""
    for child in _children("shop"):
        for selector in _selectors(child):
            assert (selector.items() <= CANARY.items()) == (child["kind"] in {"Service", "PodMonitor"})


def test_every_child_carries_the_label_by_which_it_is_found() -> None:
    """The operator finds the app of a child without owner reference by it."""
    for child in _children("shop"):
        assert child["metadata"]["labels"]["containerapp.dev/app"] == "shop"


@pytest.mark.parametrize("key", ["containerapp.dev/app", "containerapp.dev/track", "app.kubernetes.io/name"])
def test_users_cannot_set_what_selectors_use(key: str) -> None:
    """A Pod of one app must not be able to pass for one of another."""
    with pytest.raises(InvalidSpec, match="podLabels must not set"):
        an_app({"podLabels": {key: "other"}})
