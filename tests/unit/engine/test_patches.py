"""What a controller asks on demand, and patches of objects that are no children: `engine.gather`, `engine.patches`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from containerapp.controllers.containerapp.controller import CONTAINER_APP
from containerapp.core.model import Digests, Gathered, Manifest, Patch, Query, View
from containerapp.errors import Blocked, ContainerAppError, Transient
from containerapp.kube.client import Conflict, NamespaceTerminating, NotFound
from tests.builders import KEY
from tests.unit.engine.fake_api import Request
from tests.unit.engine.test_reconcile import World

QUESTION = Query(path="/api/v1/namespaces/default/pods", selector="app=shop")
VERSION = Query(path="/version")
PATH = "/api/v1/namespaces/default/pods/shop-1/resize"


@dataclass(kw_only=True)
class _Asking:
    """A controller that asks two queries and has two patches to make, as long as `active`."""

    active: bool = True
    views: list[View] = field(default_factory=list)

    def gather(self, view: View, digests: Digests) -> Gathered:
        found = CONTAINER_APP.gather(view, digests)
        self.views.append(view)
        if not self.active:
            return found
        patches = (Patch(path=PATH, body={"spec": {}}), Patch(path=f"{PATH}d", body={"spec": {}}))
        known = QUESTION in view.answers
        return replace(found, queries=(QUESTION, VERSION), patches=patches if known else (), again_after=2.0)

    def answers(self) -> dict[Query, Manifest | None]:
        """Return what the last view had."""
        return dict(self.views[-1].answers)


@pytest.fixture
def asking() -> tuple[World, _Asking]:
    """An app that runs, whose controller asks."""
    asking = _Asking()
    world = World(controller=replace(CONTAINER_APP, gather=asking.gather))
    world.edit()
    for path in (PATH, f"{PATH}d"):
        world.api.store(path, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "shop-1"}})
    world.api.store(VERSION.path, {"metadata": {}, "minor": "35"})
    world.api.lists[QUESTION.path] = [{"metadata": {"name": "shop-1"}}]
    return world, asking


def _refuse(world: World, verb: str, url: str, error: Exception) -> None:
    def refuse(request: Request) -> None:
        if (request.verb, request.url) == (verb, url):
            raise error

    world.api.refuse = refuse


def _patches(world: World) -> list[Any]:
    return [request.url for request in world.api.find("patch")]


async def test_questions_are_asked_once_a_reconcile_and_patches_made_before_children(
    asking: tuple[World, _Asking],
) -> None:
    """What is patched is no longer what the children stand for once they are written."""
    world, controller = asking
    await world.run()
    verbs = [request.verb for request in world.api.requests]
    assert verbs[:5] == ["get", "get", "patch", "patch", "apply"]
    assert world.api.requests[0].options == {"metadata_only": False, "labelSelector": "app=shop"}
    assert world.api.requests[1].options == {"metadata_only": False}
    answers = controller.answers()
    assert answers[QUESTION] == {"items": [{"metadata": {"name": "shop-1"}}]}
    assert (answers[VERSION] or {})["minor"] == "35"
    following = await world.run()
    assert following.after == 2.0


async def test_who_asks_nothing_costs_nothing(asking: tuple[World, _Asking]) -> None:
    """As ever."""
    world, controller = asking
    controller.active = False
    await world.settle()
    await world.run()
    assert world.log == []


async def test_an_answer_that_is_refused_is_none(asking: tuple[World, _Asking]) -> None:
    """The controller does without; a cluster that is away is waited for."""
    world, controller = asking
    _refuse(world, "get", VERSION.path, Blocked("Forbidden", "No."))
    await world.run()
    assert controller.answers()[VERSION] is None
    for error in (Transient("Away", "Not now."), NamespaceTerminating("Ending", "It ends.")):
        _refuse(world, "get", VERSION.path, error)
        following = await world.run()
        assert _patches(world) == []
        assert following.error == (error if isinstance(error, Transient) else None)


async def test_a_patch_that_is_refused_is_told_and_not_repeated(asking: tuple[World, _Asking]) -> None:
    """The next ones are not made; the controller looks again at once, and the refusal is forgotten when it is done."""
    world, controller = asking
    await world.run()
    world.api.requests.clear()
    _refuse(world, "patch", PATH, Blocked("Rejected", "No resize."))
    following = await world.run()
    assert _patches(world) == [PATH]
    assert following.after == 0.0
    following = await world.run()
    assert controller.views[-1].refused == "No resize."
    assert following.after == 2.0, "the same refusal is no news"
    controller.active = False
    await world.run()
    assert controller.views[-1].refused == "No resize."
    await world.run()
    assert controller.views[-1].refused == ""


@pytest.mark.parametrize("error", [NotFound("NotFound", "Gone."), Conflict("Conflict", "Another one.")])
async def test_an_object_that_is_gone_needs_no_patch(
    asking: tuple[World, _Asking], error: ContainerAppError
) -> None:
    """Nor one that has taken its name."""
    world, controller = asking
    _refuse(world, "patch", PATH, error)
    following = await world.run()
    assert _patches(world) == [PATH, f"{PATH}d"]
    assert (following.error, controller.views[-1].refused) == (None, "")


async def test_a_patch_that_has_no_answer_is_tried_again(asking: tuple[World, _Asking]) -> None:
    """Before any child is written."""
    world, _ = asking
    error = Transient("Away", "Not now.")
    _refuse(world, "patch", PATH, error)
    following = await world.run()
    assert following.error == error
    assert world.api.find("apply")[0].url.endswith("/status")
    _refuse(world, "patch", PATH, NamespaceTerminating("Ending", "It ends."))
    assert (await world.run()).error is None
    assert KEY.kind == "ContainerApp"
