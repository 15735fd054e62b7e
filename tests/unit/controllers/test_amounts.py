"""CPU and memory of a Pod's spec: `containerapp.controllers.pods.amounts`."""

from __future__ import annotations

from typing import Any

import pytest

from containerapp.controllers.pods.amounts import pod_change, shape_of, shrinks_memory, template_change


def a_container(name: str = "app", **amounts: Any) -> dict[str, Any]:
    """Return a container with requests and limits."""
    return {"name": name, "image": "shop:1", "resources": amounts}


def a_template(*containers: Any, **spec: Any) -> dict[str, Any]:
    """Return a template."""
    return {"metadata": {"labels": {}}, "spec": {"containers": list(containers), **spec}}


SMALL: dict[str, Any] = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "64Mi"}}
LARGE: dict[str, Any] = {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "1Gi"}}


def test_amounts_are_no_part_of_the_shape() -> None:
    """Of no container."""
    small = a_template(a_container(**SMALL), initContainers=[a_container("init", **SMALL)])
    large = a_template(a_container(**LARGE), initContainers=[a_container("init", **LARGE)])
    assert shape_of(small) == shape_of(large)


@pytest.mark.parametrize(
    "other",
    [
        a_template({**a_container(**SMALL), "image": "shop:2"}),
        a_template(a_container(requests=SMALL["requests"])),
        a_template(a_container(requests={"cpu": "100m"}, limits=SMALL["limits"])),
        a_template(a_container(**{**SMALL, "limits": {**SMALL["limits"], "nvidia.com/gpu": "1"}})),
        a_template(a_container(**SMALL), a_container("sidecar")),
        a_template(a_container(requests={"cpu": "much"}, limits=SMALL["limits"])),
        {"spec": "nothing"},
        a_template("no container", {"name": "app", "resources": {"requests": "none"}}),
    ],
)
def test_everything_else_is(other: dict[str, Any]) -> None:
    """Also which amounts there are, and what is no template that the API server would take."""
    assert shape_of(other) != shape_of(a_template(a_container(**SMALL)))


def test_the_quality_of_service_is_a_part_of_the_shape() -> None:
    """Kubernetes never changes it while a Pod runs."""
    both = {"cpu": "100m", "memory": "64Mi"}
    guaranteed = shape_of(a_template(a_container(requests=both, limits=both)))
    assert guaranteed == shape_of(
        a_template(a_container(requests=LARGE["requests"], limits=LARGE["requests"]))
    )
    assert guaranteed != shape_of(a_template(a_container(requests={**both, "cpu": "50m"}, limits=both)))


def test_a_container_that_is_told_of_its_amounts_starts_anew_with_others() -> None:
    """It reads them once."""
    env = [{"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}]
    shapes = {shape_of(a_template({**a_container(**amounts), "env": env})) for amounts in (SMALL, LARGE)}
    assert len(shapes) == 2


def test_a_smaller_memory_limit_is_noticed() -> None:
    """Whatever unit it is written in."""
    small, large = ({"containers": [a_container(**amounts)]} for amounts in (SMALL, LARGE))
    assert shrinks_memory(small, large)
    assert not shrinks_memory(large, small)
    assert not shrinks_memory(large, {"containers": [a_container(limits={"memory": "1024Mi"})]})
    assert not shrinks_memory(small, {"containers": [a_container("other", **LARGE), a_container()]})


def test_a_change_names_the_containers_that_differ_alone() -> None:
    """A template's init containers among them."""
    wanted = {
        "containers": [a_container(**LARGE), a_container("same", **SMALL), a_container("absent", **SMALL)],
        "initContainers": [a_container("init", **LARGE)],
    }
    live = {
        "containers": [
            a_container(requests={"cpu": "0.1", "memory": "64Mi"}, limits={"memory": "64Mi"}),
            a_container("same", requests={"cpu": "0.1", "memory": "65536Ki"}, limits={"memory": "64Mi"}),
        ],
        "initContainers": [a_container("init", **SMALL)],
    }
    assert template_change(wanted, live) == {
        "containers": [{"name": "app", "resources": LARGE}],
        "initContainers": [{"name": "init", "resources": LARGE}],
    }
    assert template_change(live, live) == {}


def test_a_pod_takes_other_amounts_for_what_still_runs() -> None:
    """Sidecars do, init containers have ended; a limit without a request is the request."""
    wanted = {
        "containers": [a_container(limits=LARGE["limits"])],
        "initContainers": [
            a_container("init", **LARGE),
            {**a_container("proxy", **LARGE), "restartPolicy": "Always"},
        ],
    }
    live = {
        "containers": [a_container(requests=SMALL["limits"], limits=SMALL["limits"])],
        "initContainers": [a_container("init", **SMALL), a_container("proxy", **SMALL)],
    }
    assert pod_change(wanted, live) == {
        "containers": [
            {"name": "app", "resources": {"requests": LARGE["limits"], "limits": LARGE["limits"]}}
        ],
        "initContainers": [{"name": "proxy", "resources": LARGE}],
    }
