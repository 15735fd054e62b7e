"""Values that reach the Pods as the app has them, whatever reads them on the way."""

from __future__ import annotations

import pytest

from tests.controller.world import World

pytestmark = pytest.mark.cluster

_ODD = "a\x85b \u2028 c\u2029 it\x92s \x7f \ufeff end"
"""What the API server's YAML parser folds or refuses."""


def test_characters_names_and_amounts_arrive_as_they_are(world: World) -> None:
    """An app that is taken runs with its own values: no other text, no conflict with nobody, nothing to mend again."""
    app = world.run(
        "odd",
        port=8080,
        env=[{"name": "ODD", "value": _ODD}, {"name": "Logging:LogLevel:Default", "value": "Debug"}],
        args=[_ODD],
        resources={"requests": {"memory": "1.5Gi"}},
    )
    (container,) = world.get("Deployment", "odd")["spec"]["template"]["spec"]["containers"]
    assert [item["value"] for item in container["env"]] == [_ODD, "Debug"]
    assert container["args"] == [_ODD]
    assert container["resources"]["requests"]["memory"] == "1536Mi"
    assert app["status"]["conditions"][0]["reason"] == "Running"
    generation = world.get("Deployment", "odd")["metadata"]["generation"]
    world.settle()
    assert world.get("Deployment", "odd")["metadata"]["generation"] == generation


def test_two_ports_of_the_service_lead_to_one_of_the_container(world: World) -> None:
    """As for a load balancer that ends TLS on one of them; a probe may name either."""
    world.run(
        "two",
        ports=[
            {"name": "http", "containerPort": 8080, "servicePort": 80},
            {"name": "https", "containerPort": 8080, "servicePort": 443},
        ],
        livenessProbe={"tcpSocket": {"port": "https"}},
    )
    (container,) = world.get("Deployment", "two")["spec"]["template"]["spec"]["containers"]
    assert [port["name"] for port in container["ports"]] == ["http"]
    assert container["livenessProbe"]["tcpSocket"]["port"] == "http"
    ports = world.get("Service", "two")["spec"]["ports"]
    assert [(port["port"], port["targetPort"]) for port in ports] == [(80, "http"), (443, "http")]
