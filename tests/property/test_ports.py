"""Every port of the Service serves through a rollout that changes ports: `…containerapp.children.service`.

A rollout of one Pod is played phase by phase, with a reconcile in each.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from hypothesis import assume, given
from hypothesis import strategies as st

from containerapp.controllers.containerapp.children.service import render
from containerapp.controllers.containerapp.inputs import Inputs
from containerapp.controllers.containerapp.rollout import Rollout
from containerapp.controllers.workloads.image import Pinned
from containerapp.core.model import Manifest
from tests.builders import DEPLOYMENT, an_app, live_children, pinned, with_rollout
from tests.strategies import unhurried

_Ports: TypeAlias = list[Manifest]

_PORTS = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["http", "web", "admin"]), "containerPort": st.integers(8080, 8083)},
        optional={"servicePort": st.integers(80, 82)},
    ),
    min_size=1,
    max_size=3,
    unique_by=(
        lambda port: port["name"],
        lambda port: port["containerPort"],
        lambda port: port.get("servicePort", port["containerPort"]),
    ),
)


def _offers(ports: _Ports) -> dict[int, Manifest]:
    return {port.get("servicePort") or port["containerPort"]: port for port in ports}


def _container_ports(ports: _Ports) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for port in ports}


def _deployment(ports: _Ports, **rollout: Any) -> Manifest:
    deployment = live_children(an_app({"ports": ports}))[DEPLOYMENT]
    deployment["metadata"]["generation"] = 2
    return with_rollout(deployment, **rollout)


def _phases(old: _Ports, new: _Ports) -> Iterator[tuple[Manifest, list[_Ports]]]:
    """Yield the Deployment as it lives, and the ports of each Pod that is available."""
    yield _deployment(old), [old]
    yield _deployment(new, observed=1), [old]
    yield _deployment(new, total=2, updated=0), [old]
    yield _deployment(new, total=2), [old]
    yield _deployment(new, total=2, available=2), [old, new]


def _service(ports: _Ports, service: Manifest | None, deployment: Manifest) -> Manifest:
    inputs = Inputs(
        image=Pinned(pin=pinned()),
        rollout=Rollout.of(deployment),
        service=service,
        deployment=deployment,
    )
    (rendered,) = render(an_app({"ports": ports}), inputs)
    return rendered


def _reached(target: str | int, pod: _Ports) -> int | None:
    """Return the port of the Pod that a target leads to, as kube-proxy finds it."""
    return next(
        (each["containerPort"] for each in pod if target in {each["name"], each["containerPort"]}), None
    )


def _assert_serves(service: Manifest, pods: list[_Ports], offers: set[int]) -> None:
    """Each of these ports leads to a Pod, and on each Pod to the port that the Pod's version means."""
    targets = {port["port"]: port["targetPort"] for port in service["spec"]["ports"]}
    names = [port["name"] for port in service["spec"]["ports"]]
    assert len(set(names)) == len(names)
    for offer in offers:
        reached = [(pod, _reached(targets[offer], pod)) for pod in pods]
        assert any(number is not None for _, number in reached)
        assert all(
            number in {None, _offers(pod)[offer]["containerPort"]}
            for pod, number in reached
            if offer in _offers(pod)
        )


def _passes_a_name_on(old: _Ports, new: _Ports) -> bool:
    """Whether a port gets another name and number, and one of the names means another port in the other version.

    No single target can lead to the right port on Pods of both versions then.
    """
    before, after = _offers(old), _offers(new)
    return any(
        before[offer]["name"] != after[offer]["name"]
        and before[offer]["containerPort"] != after[offer]["containerPort"]
        and (before[offer]["name"] in _container_ports(new) or after[offer]["name"] in _container_ports(old))
        for offer in before.keys() & after.keys()
    )


@unhurried
@given(_PORTS, _PORTS)
def test_every_port_of_the_old_version_serves_until_the_rollout_has_ended(old: _Ports, new: _Ports) -> None:
    """Whatever is renamed, renumbered, added or removed; then the ports are those of the spec."""
    assume(_container_ports(old) != _container_ports(new))  # else no Pod changes
    assume(not _passes_a_name_on(old, new))
    service = _service(old, None, _deployment(old))
    for deployment, pods in _phases(old, new):
        _assert_serves(service, pods, set(_offers(old)))
        service = _service(new, service, deployment)
        _assert_serves(service, pods, set(_offers(old)))
    _assert_serves(service, [new], set(_offers(new)))
    assert _service(new, service, _deployment(new)) == _service(new, None, _deployment(new))
