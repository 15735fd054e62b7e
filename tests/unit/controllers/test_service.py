"""The ports of the Service, above all while Pods of two versions run: `…containerapp.children.service`."""

from __future__ import annotations

from typing import Any

import pytest

from containerapp.controllers.containerapp.children.service import render
from containerapp.controllers.containerapp.inputs import Inputs
from containerapp.controllers.containerapp.rollout import Rollout
from containerapp.controllers.workloads.image import Pinned
from containerapp.core.model import Manifest
from tests.builders import DEPLOYMENT, SERVICE, an_app, live_children, pinned, with_rollout

HTTP = {"name": "http", "containerPort": 8080}
WEB = {"name": "web", "containerPort": 8080}
MOVED = {"name": "http", "containerPort": 9090}
ADMIN = {"name": "admin", "containerPort": 9000}
BEHIND_80 = {**HTTP, "servicePort": 80}
OTHER_BEHIND_80 = {"name": "web", "containerPort": 9090, "servicePort": 80}

UNSEEN = {"observed": 0}
STARTED = {"total": 2, "available": 1}
AVAILABLE = {"total": 2, "available": 2}
LOST = {"total": 2, "available": 1}


class Stage:
    """A Service and a Deployment that live; `reconcile` writes the Service for a spec."""

    def __init__(self, *ports: Manifest) -> None:
        """Begin with a rollout to `ports` that has ended."""
        self.service = live_children(an_app({"ports": list(ports)}))[SERVICE]
        self.roll(*ports)

    def roll(self, *ports: Manifest, **rollout: Any) -> None:
        """Let the Deployment have the template with `ports`, in some state of its rollout."""
        self.deployment = with_rollout(live_children(an_app({"ports": list(ports)}))[DEPLOYMENT], **rollout)

    def reconcile(self, *ports: Manifest) -> dict[str, tuple[int, str | int]]:
        """Write the Service, and return port and target by the name of each port."""
        inputs = Inputs(
            image=Pinned(pin=pinned()),
            rollout=Rollout.of(self.deployment),
            service=self.service,
            deployment=self.deployment,
        )
        (self.service,) = render(an_app({"ports": list(ports)}), inputs)
        listed = self.service["spec"]["ports"]
        by_name = {port["name"]: (port["port"], port["targetPort"]) for port in listed}
        assert len(by_name) == len(listed)
        return by_name


def test_a_renamed_port_is_targeted_by_number_until_the_rollout_has_ended() -> None:
    """Pods of both versions listen on it."""
    stage = Stage(HTTP)
    bridged = {"web": (8080, 8080)}
    assert stage.reconcile(WEB) == bridged
    for phase in (UNSEEN, STARTED, AVAILABLE):
        stage.roll(WEB, **phase)
        assert stage.reconcile(WEB) == bridged
    stage.roll(WEB)
    assert stage.reconcile(WEB) == {"web": (8080, "web")}


def test_two_ports_that_exchange_their_names_are_targeted_by_number() -> None:
    """By name, each would lead to the other on Pods of the other version."""
    one, two = {"name": "one", "containerPort": 1}, {"name": "two", "containerPort": 2}
    other_two, other_one = {**two, "name": "one"}, {**one, "name": "two"}
    stage = Stage(one, two)
    assert stage.reconcile(other_one, other_two) == {"two": (1, 1), "one": (2, 2)}


def test_a_changed_number_is_offered_beside_the_old_one_until_the_rollout_has_ended() -> None:
    """Both lead to either version, by name; clients of the old number are served until no Pod has it."""
    stage = Stage(HTTP)
    bridged = {"http": (9090, "http"), "old-8080-tcp": (8080, "http")}
    assert stage.reconcile(MOVED) == bridged
    for phase in (UNSEEN, STARTED, AVAILABLE):
        stage.roll(MOVED, **phase)
        assert stage.reconcile(MOVED) == bridged
    stage.roll(MOVED)
    assert stage.reconcile(MOVED) == {"http": (9090, "http")}


def test_a_removed_port_is_offered_until_the_rollout_has_ended() -> None:
    """Under its own name, which nothing else has."""
    stage = Stage(HTTP, ADMIN)
    assert stage.reconcile(HTTP) == {"http": (8080, "http"), "admin": (9000, "admin")}
    stage.roll(HTTP, **AVAILABLE)
    assert "admin" in stage.reconcile(HTTP)
    stage.roll(HTTP)
    assert stage.reconcile(HTTP) == {"http": (8080, "http")}


def test_a_port_that_changes_name_and_number_leads_to_old_pods_until_a_new_one_is_available() -> None:
    """No target can mean both; the new Pods take over as soon as one can, and for good."""
    stage = Stage(BEHIND_80)
    old, new = {"web": (80, "http")}, {"web": (80, "web")}
    assert stage.reconcile(OTHER_BEHIND_80) == old
    for phase, expected in ((UNSEEN, old), (STARTED, old), (AVAILABLE, new), (LOST, new), ({}, new)):
        stage.roll(OTHER_BEHIND_80, **phase)
        assert stage.reconcile(OTHER_BEHIND_80) == expected


def test_a_number_behind_another_port_is_targeted_by_name_all_the_while() -> None:
    """The name leads to the right number on each Pod."""
    stage = Stage(BEHIND_80)
    moved = {**BEHIND_80, "containerPort": 9090}
    assert stage.reconcile(moved) == {"http": (80, "http")}
    stage.roll(moved, **STARTED)
    assert stage.reconcile(moved) == {"http": (80, "http")}


def test_another_service_port_alone_is_changed_at_once() -> None:
    """No Pod changes with it, so there is nothing to wait for."""
    assert Stage(HTTP).reconcile({**HTTP, "servicePort": 80}) == {"http": (80, "http")}


@pytest.mark.parametrize("missing", ["service", "deployment"])
def test_a_new_service_or_a_new_deployment_bridges_nothing(missing: str) -> None:
    """There are no Pods of another version."""
    stage = Stage(HTTP)
    setattr(stage, missing, None)
    assert stage.reconcile(WEB) == {"web": (8080, "web")}


def test_ports_of_a_sidecar_are_none_of_ours() -> None:
    """With one in the template, the bridge ends all the same."""
    stage = Stage(HTTP)
    stage.reconcile(MOVED)
    stage.roll(MOVED)
    containers = stage.deployment["spec"]["template"]["spec"]["containers"]
    containers.append({"name": "proxy", "ports": [{"name": "metrics", "containerPort": 15090}]})
    containers.append({"name": "plain"})
    assert stage.reconcile(MOVED) == {"http": (9090, "http")}


def test_a_worker_that_gets_a_port_bridges_nothing() -> None:
    """Its Pods had none."""
    stage = Stage(HTTP)
    stage.deployment = with_rollout(live_children(an_app())[DEPLOYMENT])
    assert stage.reconcile(HTTP) == {"http": (8080, "http")}


def test_what_kubernetes_has_added_to_an_old_port_is_not_written() -> None:
    """The node port is assigned by it; a port may have no name where it was the only one."""
    stage = Stage(HTTP)
    stage.service["spec"]["ports"][0]["nodePort"] = 30080
    del stage.service["spec"]["ports"][0]["name"]
    stage.reconcile(MOVED)
    assert stage.service["spec"]["ports"][1] == {
        "name": "old-8080-tcp",
        "port": 8080,
        "targetPort": "http",
        "protocol": "TCP",
    }


def test_old_ports_of_one_number_and_two_protocols_have_names_of_their_own() -> None:
    """As of a resolver, which listens on both."""
    tcp, udp = (
        {"name": "dns", "containerPort": 53},
        {"name": "dns-udp", "containerPort": 53, "protocol": "UDP"},
    )
    moved = [{**port, "containerPort": 5353} for port in (tcp, udp)]
    assert Stage(tcp, udp).reconcile(*moved) == {
        "dns": (5353, "dns"),
        "dns-udp": (5353, "dns-udp"),
        "old-53-tcp": (53, "dns"),
        "old-53-udp": (53, "dns-udp"),
    }


def test_a_service_without_ports_bridges_nothing() -> None:
    """They may have been removed by hand."""
    stage = Stage(HTTP)
    del stage.service["spec"]["ports"]
    assert stage.reconcile(WEB) == {"web": (8080, "web")}
