"""In which order sidecars and init containers start: `containerapp.controllers.pods.sidecars`."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from containerapp.controllers.pods.sidecars import in_order
from containerapp.core.model import Manifest
from tests.builders import an_app, desired_children
from tests.expectations import of_kind


def _containers(*names: str, **after: str) -> list[Manifest]:
    given = [{"name": name, "image": "tool:1"} for name in names]
    return given + [{"name": name, "image": "tool:1", "after": sidecar} for name, sidecar in after.items()]


def _order(sidecars: list[Manifest], init_containers: list[Manifest]) -> list[str]:
    spec = an_app({"sidecars": sidecars, "initContainers": init_containers}).spec
    return [each.name for each in in_order(spec)]


@pytest.mark.parametrize(
    ("sidecars", "init_containers", "order"),
    [
        ((), (), []),
        (("proxy", "router"), (), ["proxy", "router"]),
        ((), _containers("files", "schema"), ["files", "schema"]),
        (("proxy",), _containers("files"), ["files", "proxy"]),
        (("proxy", "router"), _containers("files", schema="proxy"), ["files", "proxy", "schema", "router"]),
        (("proxy", "router"), _containers(schema="router"), ["proxy", "router", "schema"]),
        (("proxy", "router"), _containers(a="router", b="proxy"), ["proxy", "router", "a", "b"]),
    ],
)
def test_init_containers_come_first_unless_they_need_a_sidecar(
    sidecars: tuple[str, ...], init_containers: Any, order: list[str]
) -> None:
    """That is the order of ECS' dependsOn, written as two lists."""
    assert _order(_containers(*sidecars), list(init_containers)) == order


@given(st.lists(st.sampled_from(["", "s0", "s1", "s2"]), max_size=6))
def test_all_start_once_in_the_order_of_their_lists_and_after_what_they_name(after: list[str]) -> None:
    """Whatever the lists, none is lost and none is moved within its list."""
    init = [
        {"name": f"i{n}", "image": "tool:1", **({"after": name} if name else {})}
        for n, name in enumerate(after)
    ]
    order = _order(_containers("s0", "s1", "s2"), init)
    assert [name for name in order if name[0] == "s"] == ["s0", "s1", "s2"]
    assert [name for name in order if name[0] == "i"] == [each["name"] for each in init]
    for each, name in zip(init, after, strict=True):
        assert not name or order.index(name) < order.index(str(each["name"]))


def test_a_rollout_waits_as_long_as_the_startup_probes_of_the_sidecars_may_take() -> None:
    """Each of them starts after the one before: their times add up."""
    probe = {"exec": {"command": ["check"]}, "periodSeconds": 5, "failureThreshold": 20}
    sidecars = [{**each, "startupProbe": probe} for each in _containers("proxy", "router")]
    children = desired_children(an_app({"sidecars": sidecars, "startupProbe": probe}))
    assert of_kind(children, "Deployment")["spec"]["progressDeadlineSeconds"] == 600 + 3 * 100
