"""Nodes that are to go, and whose Pods are on them: `containerapp.kube.nodes`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from containerapp.controllers.containerapp.controller import CONTAINER_APP
from containerapp.core.model import Key, Manifest
from containerapp.errors import Transient
from containerapp.kube import nodes
from containerapp.kube.client import Client
from containerapp.kube.nodes import Nodes, goes
from containerapp.kube.store import Listed
from containerapp.tasks import end

SHOP, BLOG = Key("ContainerApp", "x", "shop"), Key("ContainerApp", "y", "blog")
KARPENTER = {"key": "karpenter.sh/disrupted", "effect": "NoSchedule"}


def a_node(name: str = "n1", *, version: int = 1, **spec: Any) -> Manifest:
    """Return a node."""
    return {"metadata": {"name": name, "resourceVersion": str(version)}, "spec": spec}


CORDONED = a_node(unschedulable=True)


@dataclass(kw_only=True)
class _Pods:
    """The API server's lists of the Pods of a node; the first ones may fail."""

    failures: int = 0
    owners: list[Key] = field(default_factory=lambda: [SHOP, BLOG, SHOP])
    asked: list[dict[str, str]] = field(default_factory=list)
    meanwhile: Callable[[], object] = lambda: None

    async def get(self, url: str, *, metadata_only: bool, **query: str) -> Manifest:
        self.asked.append({"url": url, **query})
        self.meanwhile()
        if len(self.asked) <= self.failures:
            raise Transient("Away", "The API server is away.")
        assert metadata_only
        items = [
            {"metadata": {"namespace": key.namespace, "labels": {"containerapp.dev/app": key.name}}}
            for key in self.owners
        ]
        return {"items": items or None}


def _nodes(pods: _Pods, notified: list[Key]) -> Nodes:
    return Nodes(client=cast("Client", pods), controllers=(CONTAINER_APP,), notify=notified.append)


async def _run(watched: Nodes, until: Callable[[], object]) -> None:
    task = asyncio.create_task(watched.run())
    async with asyncio.timeout(5):
        while not until():  # noqa: ASYNC110 - a test
            await asyncio.sleep(0.001)
    await end([task])


@pytest.mark.parametrize(
    ("node", "going"),
    [
        (a_node(), False),
        (CORDONED, True),
        (a_node(unschedulable=False, taints=[{"key": "dedicated", "effect": "NoSchedule"}]), False),
        (a_node(taints=[{"key": "dedicated"}, KARPENTER]), True),
        (a_node(taints=[{"key": "ToBeDeletedByClusterAutoscaler"}]), True),
        ({"metadata": {"name": "n1"}}, False),
    ],
)
def test_what_says_that_a_node_is_to_go(node: Manifest, *, going: bool) -> None:
    """Each of them comes before the node's Pods are evicted."""
    assert goes(node) is going


def test_whose_pods_are_on_a_node_is_asked_once() -> None:
    """And they are notified; the next changes of the node are no news."""
    pods, notified = _Pods(), list[Key]()
    watched = _nodes(pods, notified)

    async def scenario() -> None:
        assert watched.put(a_node()) == set()
        assert watched.put(CORDONED) == set()
        assert watched.leaving(SHOP) == frozenset()
        await _run(watched, lambda: len(notified) == 2)
        assert watched.put(CORDONED) == set()
        await _run(watched, lambda: True)

    asyncio.run(scenario())
    assert pods.asked == [
        {"url": "/api/v1/pods", "labelSelector": "containerapp.dev/app", "fieldSelector": "spec.nodeName=n1"}
    ]
    assert set(notified) == {SHOP, BLOG}
    assert watched.leaving(SHOP) == watched.leaving(BLOG) == {"n1"}
    assert watched.leaving(Key("ContainerApp", "x", "other")) == frozenset()
    assert len(watched) == 1


@pytest.mark.parametrize("how", ["uncordoned", "deleted", "not in the list", "gone"])
def test_a_node_that_stays_after_all_is_news_to_those_it_concerned(how: str) -> None:
    """Their second Pods are too many now."""
    pods, notified = _Pods(), list[Key]()
    watched = _nodes(pods, notified)

    async def scenario() -> None:
        watched.put(CORDONED)
        await _run(watched, lambda: notified)

    asyncio.run(scenario())
    listed = Listed(store=watched)
    listed.add([a_node("n2")], 7)
    ends: dict[str, Callable[[], set[Key]]] = {
        "uncordoned": lambda: watched.put(a_node()),
        "deleted": lambda: watched.drop(CORDONED),
        "not in the list": lambda: watched.replace(None, listed),
        "gone": lambda: watched.clear(None),
    }
    assert ends[how]() == {SHOP, BLOG}
    assert watched.leaving(SHOP) == frozenset()
    assert watched.put(a_node()) == set()


def test_a_list_of_nodes_begins_where_another_operator_ended() -> None:
    """Those that are to go are asked for; those that are known already are not asked again."""
    pods, notified = _Pods(), list[Key]()
    watched = _nodes(pods, notified)

    async def scenario() -> None:
        for _ in range(2):
            listed = Listed(store=watched)
            listed.add([CORDONED, a_node("n2")], 7)
            assert watched.replace(None, listed) == set()
            await _run(watched, lambda: notified)

    asyncio.run(scenario())
    assert len(pods.asked) == 1


def test_a_list_of_pods_that_fails_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Pods of the node are still to be saved."""
    monkeypatch.setattr(nodes, "_RETRY", 0.001)
    pods, notified = _Pods(failures=2), list[Key]()
    watched = _nodes(pods, notified)

    async def scenario() -> None:
        watched.put(CORDONED)
        await _run(watched, lambda: notified)

    asyncio.run(scenario())
    assert len(pods.asked) == 3


def test_an_answer_about_a_node_that_is_gone_is_dropped() -> None:
    """And a node without Pods of ours concerns nobody."""
    pods, notified = _Pods(), list[Key]()
    watched = _nodes(pods, notified)
    pods.meanwhile = lambda: watched.drop(CORDONED)

    async def scenario() -> None:
        watched.put(CORDONED)
        await _run(watched, lambda: pods.asked)
        pods.meanwhile, pods.owners = lambda: None, []
        watched.put(CORDONED)
        await _run(watched, lambda: len(pods.asked) == 2)

    asyncio.run(scenario())
    assert notified == []
    assert watched.leaving(SHOP) == frozenset()
    assert watched.drop(CORDONED) == set()
