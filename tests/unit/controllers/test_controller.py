"""The decisions that are peculiar to a ContainerApp: `containerapp.controllers.containerapp.controller`."""

from __future__ import annotations

from typing import Any

import pytest

from containerapp.api.containerapp import ContainerApp
from containerapp.api.images import ImageReference
from containerapp.controllers.containerapp.controller import (
    CONTAINER_APP,
    gather,
    listing,
    retained,
    settled,
)
from containerapp.controllers.containerapp.status import compute_status
from containerapp.controllers.workloads.image import Pinned, Resolving
from containerapp.core.model import Failed, Gathered, Lookup, Manifest, Outcome, Pending, Resolved, View
from containerapp.errors import Blocked
from tests.builders import (
    DEPLOYMENT,
    DIGEST,
    NOW,
    SERVICE,
    SERVICE_ACCOUNT,
    a_view,
    an_app,
    app_manifest,
    inputs,
    live_children,
    pinned,
    unresolved,
    with_rollout,
)
from tests.rollouts import Cluster

MISSING = Blocked("ImageNotFound", "There is none.")


class Answering:
    """Digests that give one answer."""

    def __init__(self, answer: Lookup) -> None:
        """Take the answer."""
        self.answer = answer

    def lookup(self, *_: object, **__: object) -> Lookup:
        """Return the answer."""
        return self.answer

    def forget(self, *_: object, **__: object) -> None:
        """Nothing is kept."""

    def runs_by_tag(self, _reference: ImageReference) -> bool:
        """No registry's tags are left alone."""
        return False


def _view(app: ContainerApp, **rollout: Any) -> View:
    live = live_children(app)
    return a_view(app, {**live, DEPLOYMENT: with_rollout(live[DEPLOYMENT], **rollout)})


def test_the_inputs_are_the_image_and_what_lives() -> None:
    """The Service is rendered from its own ports and those of the Deployment."""
    view = _view(an_app({"port": 80}))
    gathered = gather(view, Answering(Resolved(digest=DIGEST, resolved_at=0.0)))
    assert gathered == Gathered(inputs=gathered.inputs)
    assert gathered.inputs.image == Pinned(pin=pinned())
    assert gathered.inputs.service == view.live[SERVICE]
    assert gathered.inputs.deployment == view.live[DEPLOYMENT]
    assert gathered.inputs.rollout.complete


def test_a_new_app_has_no_live_ports() -> None:
    """There is no Deployment; while its image is not known, none is rendered."""
    gathered = gather(a_view(an_app(), {}), Answering(Pending()))
    assert gathered == Gathered(inputs=gathered.inputs, complete=False, waits=True)
    assert gathered.inputs.image == Resolving()
    assert (gathered.inputs.live_ports, gathered.inputs.pin) == (None, None)


def test_an_image_that_is_not_to_be_had_is_the_error() -> None:
    """Nothing that lives is changed for it."""
    gathered = gather(a_view(an_app(), {}), Answering(Failed(error=MISSING)))
    assert gathered == Gathered(inputs=gathered.inputs, complete=False, error=MISSING)


@pytest.mark.parametrize(("generation", "shown"), [(1, True), (2, False)])
def test_an_error_that_the_status_shows_stands_while_the_registry_is_asked_again(
    generation: int, *, shown: bool
) -> None:
    """Else each retry would change the status twice; of a former generation it says nothing."""
    failed = gather(a_view(an_app(), {}), Answering(Failed(error=MISSING)))
    status = compute_status(a_view(an_app(), {}), Outcome(gathered=failed), NOW)
    again = gather(a_view(an_app(status=status, generation=generation), {}), Answering(Pending()))
    assert again.error_shown is shown


@pytest.mark.parametrize(
    ("rollout", "expected"),
    [
        ({}, True),
        ({"observed": 0}, False),
        ({"total": 2}, False),
        ({"available": 0}, False),
    ],
)
def test_a_rollout_is_settled_once_no_pod_of_the_old_version_is_left(
    rollout: Manifest, *, expected: bool
) -> None:
    """What the old version needs is deleted then."""
    assert settled(_view(an_app(), **rollout), inputs()) is expected
    assert not settled(a_view(an_app(), {}), inputs())
    assert not settled(_view(an_app()), unresolved())


@pytest.mark.parametrize(
    ("rollout", "watched"),
    [
        ({"available": 0}, True),
        ({"total": 2}, True),
        ({}, False),
        ({"observed": 0}, False),
        ({"updated": 0}, False),
    ],
)
def test_pods_are_watched_while_a_rollout_goes_on(rollout: Manifest, *, watched: bool) -> None:
    """By the selector of the Deployment that lives."""
    view = _view(an_app(), **rollout)
    labels = view.live[DEPLOYMENT]["spec"]["selector"]["matchLabels"]
    assert len(labels) > 1
    labels |= {"containerapp.dev/revision": "1"}
    expected = ",".join(f"{name}={value}" for name, value in labels.items())
    asked = listing(view)
    assert (asked and asked.selector) == (expected if watched else None)
    assert listing(a_view(an_app(), {})) is None


@pytest.mark.parametrize(
    ("spec", "expected"), [({}, frozenset()), ({"serviceAccountName": "shop"}, frozenset({SERVICE_ACCOUNT}))]
)
def test_the_account_that_the_user_names_is_retained(spec: Manifest, expected: frozenset[Any]) -> None:
    """It may be the very one that was made for the app before."""
    assert retained(an_app(spec), unresolved()) == expected


def test_what_the_last_good_revision_needs_stays_until_another_one_is_good() -> None:
    """Without Pods nothing shows that the new one is good: if it fails once it runs, the old one runs again."""
    volume = {"name": "data", "mountPath": "/data", "claim": {"size": "1Gi", "retain": False}}
    cluster = Cluster(spec={"image": "shop:1", "volumes": [volume]}).settle()
    cluster.edit(suspend=True, volumes=None, serviceAccountName="other").settle()
    assert cluster.gathered is not None
    kept = {(ref.kind, ref.name) for ref in retained(cluster.app, cluster.gathered.inputs)}
    assert kept >= {("ServiceAccount", "shop"), ("PersistentVolumeClaim", "shop-data")}
    cluster.edit(suspend=None).settle()
    kept = {(ref.kind, ref.name) for ref in retained(cluster.app, cluster.gathered.inputs)}
    assert not kept & {("ServiceAccount", "shop"), ("PersistentVolumeClaim", "shop-data")}


def test_the_controller_parses_its_own_kind() -> None:
    """The engine gives it the object as it is."""
    assert CONTAINER_APP.parse(app_manifest()) == an_app()
    assert CONTAINER_APP.definition.name == "containerapps.containerapp.dev"
