"""What the platform forbids is said in an app's status, whatever has let the app in."""

from __future__ import annotations

import pytest

from tests.controller.operators import Operator
from tests.controller.world import World

pytestmark = pytest.mark.cluster


def test_an_app_that_asks_for_something_forbidden_is_stalled_and_gets_nothing(
    world: World, own_operator: Operator
) -> None:
    """No admission policy is installed here: the operator itself writes nothing, and says which field it is."""
    own_operator.environment["CONTAINERAPP_FORBIDDEN_SECURITY"] = "runAsRoot"
    own_operator.start()
    world.apply("rooted", port=8080, security={"runAsNonRoot": False})
    world.run("modest", port=8080)
    stalled = world.await_condition("rooted", "Stalled", "True", "ForbiddenByPlatform")
    assert "spec.security.runAsNonRoot false" in stalled["message"]
    assert world.find("Deployment", "rooted") is None
    world.apply("rooted", port=8080)
    world.await_ready("rooted")


def test_what_ran_before_the_platform_forbade_it_runs_on(world: World, own_operator: Operator) -> None:
    """A stricter platform must not take services off the network: it says so, and changes nothing."""
    own_operator.start()
    world.run("older", port=8080, service={"type": "NodePort"})
    before = world.get("Deployment", "older")["metadata"]["generation"]
    own_operator.stop()
    own_operator.environment["CONTAINERAPP_FORBIDDEN_SERVICE_TYPES"] = "NodePort"
    own_operator.start()
    world.await_condition("older", "Stalled", "True", "ForbiddenByPlatform")
    assert world.get("Service", "older")["spec"]["type"] == "NodePort"
    assert world.get("Deployment", "older")["metadata"]["generation"] == before
