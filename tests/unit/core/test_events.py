"""Events that any kind may have, and the object that is written: `containerapp.core.events`."""

from __future__ import annotations

import pytest

from containerapp.controllers.containerapp.controller import CONTAINER_APP
from containerapp.core.events import adopted, event_manifest, left_behind, rate_limited, stalled
from containerapp.core.external import External
from tests.builders import DEPLOYMENT, KEY, NOW, UID, app_manifest


def test_an_event_stands_under_its_app() -> None:
    """`kubectl describe` finds it by kind, name and uid; names and messages keep within Kubernetes' bounds."""
    app = app_manifest(name="s" * 63)
    manifest = event_manifest(stalled("AccessDenied", "x" * 5000), CONTAINER_APP.resource, app, NOW)
    assert manifest["involvedObject"] == {
        "apiVersion": "containerapp.dev/v1alpha1",
        "kind": "ContainerApp",
        "name": "s" * 63,
        "namespace": "default",
        "uid": UID,
        "resourceVersion": "1",
    }
    assert manifest["metadata"] == {"generateName": f"{'s' * 50}-", "namespace": "default"}
    assert (manifest["type"], manifest["reason"]) == ("Warning", "AccessDenied")
    assert len(manifest["message"]) == 1000
    assert manifest["firstTimestamp"] == manifest["lastTimestamp"] == NOW
    assert manifest["source"]["component"] == manifest["reportingComponent"] == "containerapp-operator"


def test_the_event_of_a_limited_object_names_who_else_writes_to_it() -> None:
    """The other managers are the first place to look."""
    event = rate_limited(DEPLOYMENT, ["kubectl-edit", "keda"])
    assert (event.type, event.reason) == ("Warning", "RateLimited")
    assert event.message.startswith(
        "Deployment shop is written too often; the next write waits. "
        "Other field managers of it: kubectl-edit, keda. Find out"
    )


def test_the_event_of_a_limited_object_without_other_managers_names_none() -> None:
    """It may be the custom object itself that is edited again and again."""
    message = rate_limited(DEPLOYMENT, []).message
    assert message.startswith("Deployment shop is written too often; the next write waits. Find out")


def test_the_event_of_an_adoption_says_that_the_object_stays() -> None:
    """Its former owner reads it, too."""
    assert adopted(DEPLOYMENT, KEY).message == (
        "ContainerApp default/shop has adopted Deployment shop. It stays when ContainerApp shop is deleted."
    )


@pytest.mark.parametrize(("id_", "named"), [("a-1", "a-1"), (None, "<id>")])
def test_what_is_left_behind_is_named_with_the_command_that_deletes_it(id_: str | None, named: str) -> None:
    """Nobody else knows of it any more."""
    external = External(
        kind="Thing",
        finalizer="example.com/thing",
        wanted=lambda _obj, _platform: None,
        record=lambda _manifest: None,
        remedy=lambda id_: f"thing delete {id_}",
    )
    event = left_behind(external, id_, "It is denied.")
    assert (event.type, event.reason) == ("Warning", "LeftBehind")
    assert "Thing" in event.message
    assert "It is denied." in event.message
    assert event.message.endswith(f"thing delete {named}")
