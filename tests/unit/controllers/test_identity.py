"""How the role of an app's Pods stands, and what waits for it: `containerapp.controllers.workloads.identity`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from unittest.mock import Mock

import pytest

from containerapp.controllers.containerapp.children import deployment
from containerapp.controllers.containerapp.controller import CONTAINER_APP, gather
from containerapp.controllers.containerapp.status import compute_status
from containerapp.controllers.workloads import identity
from containerapp.controllers.workloads.identity import KIND, Denied, Granted, Waiting
from containerapp.core.external import Awaited, Place, Record, Refused, Standing, State
from containerapp.core.model import Failed, Gathered, Manifest, Outcome, Pending, View
from containerapp.core.policy import IdentityPolicy, Platform
from containerapp.errors import Blocked
from tests.builders import DEPLOYMENT, DIGEST, NOW, a_view, an_app, app_manifest, live_children, with_rollout
from tests.expectations import assert_follows_kstatus, conditions, summary

ROLE = "arn:aws:iam::123456789012:role/shop"
POD_IDENTITY = Platform(identity=IdentityPolicy(cluster="prod"))
IRSA = Platform(identity=IdentityPolicy(method="IRSA"))
DENIED = Blocked("AccessDenied", "The operator lacks eks:CreatePodIdentityAssociation.")
RECORD = Record(id="a-1", place=Place("default", "shop"), digest="abc")


def _view(
    state: State | None = None,
    *,
    platform: Platform = POD_IDENTITY,
    spec: Manifest | None = None,
    live: Mapping[Any, Manifest] | None = None,
    **options: Any,
) -> View:
    given = {"image": f"shop@{DIGEST}", "identity": {"roleArn": ROLE}, **(spec or {})}
    app = an_app({name: value for name, value in given.items() if value is not None}, **options)
    external = {KIND: state} if state else {}
    return a_view(app, live or {}, platform=platform, external=external)


def _gathered(view: View) -> Gathered:
    digests = Mock(runs_by_tag=Mock(return_value=False))
    digests.lookup.return_value = Pending()
    return gather(view, digests)


def _status(view: View, gathered: Gathered | None = None) -> Manifest:
    outcome = Outcome(gathered=gathered or _gathered(view))
    status = compute_status(view, outcome, NOW)
    assert_follows_kstatus(status)
    return status


def _running(view: View) -> View:
    live = live_children(view.obj)
    return replace(view, live={**live, DEPLOYMENT: with_rollout(live[DEPLOYMENT])})


def test_without_an_identity_there_is_no_role() -> None:
    """No condition, nothing in the status, nothing in the template."""
    view = _view(spec={"identity": None})
    gathered = _gathered(view)
    assert (gathered.inputs.role, gathered.inputs.facts) == (None, {})
    status = _status(view, gathered)
    assert "identity" not in status
    assert "IdentityReady" not in conditions(status)


def test_the_first_pod_waits_for_its_association() -> None:
    """A Pod that starts before stays without its role: the Deployment is not made yet."""
    view = _view(Awaited(message="It is being made or changed."))
    gathered = _gathered(view)
    assert (gathered.complete, gathered.waits, gathered.error) == (False, True, None)
    assert list(deployment.render(view.obj, gathered.inputs)) == []
    status = _status(view, gathered)
    assert summary(status)["IdentityReady"] == ("Unknown", "AssociationPending")
    assert summary(status)["Ready"][0] == "False"


def test_an_app_that_runs_is_not_stopped_by_a_missing_association() -> None:
    """What runs stays as it is, and the condition says what is missing."""
    view = _running(_view(Refused(error=DENIED)))
    gathered = _gathered(view)
    assert (gathered.complete, gathered.error) == (False, DENIED)
    status = _status(view, gathered)
    assert summary(status)["IdentityReady"] == ("False", "AccessDenied")
    assert summary(status)["Stalled"] == ("True", "AccessDenied")
    assert summary(status)["Available"] == ("True", "PodsAvailable")


def test_a_denied_role_is_why_a_new_app_is_stalled() -> None:
    """And not that its Deployment is missing."""
    assert summary(_status(_view(Refused(error=DENIED))))["Stalled"] == ("True", "AccessDenied")


def test_pods_of_another_association_are_replaced() -> None:
    """Its id and what was written to it stand in the template."""
    view = _view(Standing(record=RECORD))
    gathered = _gathered(view)
    assert (gathered.complete, gathered.inputs.facts) == (True, {"identity": "a-1.abc"})
    (manifest,) = deployment.render(view.obj, gathered.inputs)
    annotations = manifest["spec"]["template"]["metadata"]["annotations"]
    assert annotations == {"containerapp.dev/identity": "a-1.abc"}


def test_annotations_of_the_pods_stay_beside_the_roles() -> None:
    """They are the user's."""
    view = _view(Standing(record=RECORD), spec={"podAnnotations": {"team": "till"}})
    (manifest,) = deployment.render(view.obj, _gathered(view).inputs)
    annotations = manifest["spec"]["template"]["metadata"]["annotations"]
    assert annotations == {"team": "till", "containerapp.dev/identity": "a-1.abc"}


def test_the_status_keeps_what_was_made() -> None:
    """It is read back after a restart."""
    view = _running(_view(Standing(record=RECORD)))
    status = _status(view)
    assert status["identity"] == {"associationId": "a-1", "serviceAccount": "shop", "applied": "abc"}
    assert summary(status)["IdentityReady"] == ("True", "Associated")
    assert identity.recorded(app_manifest(status=status)) == RECORD


@pytest.mark.parametrize("state", [Awaited(message="It is being made."), Refused(error=DENIED)])
def test_the_record_stays_while_the_association_changes(state: State) -> None:
    """A create that is repeated after a crash has to know which one was there before."""
    known = {"associationId": "a-1", "serviceAccount": "shop", "applied": "abc"}
    view = _view(state, status={"identity": known})
    assert _status(view)["identity"] == known
    assert "identity" not in _status(_view(state))


def test_the_record_goes_with_the_association() -> None:
    """Nothing is wanted, and nothing is left."""
    known = {"associationId": "a-1", "serviceAccount": "shop", "applied": "abc"}
    assert "identity" not in _status(_view(spec={"identity": None}, status={"identity": known}))


@pytest.mark.parametrize("status", [None, {}, {"identity": {"associationId": "a-1"}}])
def test_half_a_record_is_none(status: Manifest | None) -> None:
    """It is read from the association again."""
    assert identity.recorded(app_manifest(status=status)) is None


def test_by_irsa_the_service_account_is_annotated() -> None:
    """Nothing is asked of AWS; the condition says what the role's trust policy needs."""
    view = _view(platform=IRSA)
    assert identity.wanted(view.obj, IRSA) is None
    status = _status(view)
    condition = conditions(status)["IdentityReady"]
    assert condition["reason"] == "Annotated"
    assert "system:serviceaccount:default:shop" in condition["message"]
    assert "identity" not in status


def test_by_irsa_another_role_makes_another_revision() -> None:
    """The webhook of EKS acts as a Pod is created."""
    one = identity.find_role(_view(platform=IRSA))
    other = identity.find_role(_view(platform=IRSA, spec={"identity": {"roleArn": ROLE + "2"}}))
    assert isinstance(one, Granted)
    assert isinstance(other, Granted)
    assert one.fact != other.fact


def test_irsa_waits_until_the_association_is_gone() -> None:
    """With both, the Pods would get the association's credentials."""
    view = _view(Awaited(message="It is being deleted."), platform=IRSA)
    assert isinstance(_gathered(view).inputs.role, Waiting)
    assert _gathered(view).inputs.account_annotations == {}


def test_an_operator_without_its_clusters_name_says_so() -> None:
    """The platform team has to set it."""
    view = _view(platform=Platform())
    role = identity.find_role(view)
    assert isinstance(role, Denied)
    assert role.error.reason == "IdentityNotConfigured"
    assert identity.wanted(view.obj, Platform()) is None


def test_a_missing_image_comes_before_a_missing_role() -> None:
    """One thing after the other."""
    missing = Blocked("ImageNotFound", "There is no such image.")
    view = _view(Refused(error=DENIED), spec={"image": "shop:1.0"})
    digests = Mock(runs_by_tag=Mock(return_value=False))
    digests.lookup.return_value = Failed(error=missing)
    assert gather(view, digests).error is missing
    assert gather(replace(view, external={KIND: Awaited(message="…")}), digests).waits is False


def test_what_is_left_behind_is_deleted_by_a_command() -> None:
    """The event has it, ready to be pasted."""
    (external,) = CONTAINER_APP.external
    assert external.remedy("a-1").endswith("--association-id a-1")
