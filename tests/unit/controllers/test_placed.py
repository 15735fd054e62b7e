"""The conditions Placed and Overridden, and what Fargate cannot run."""

from __future__ import annotations

from typing import Any

import pytest

from containerapp.controllers.containerapp.controller import CONTAINER_APP
from containerapp.core.account import FARGATE, Account, FargateProfile
from containerapp.core.model import Gathered, Manifest, Outcome
from containerapp.core.policy import Platform
from containerapp.errors import Blocked, InvalidSpec
from tests.builders import DEPLOYMENT, NOW, a_view, an_app, inputs, live_children, with_choice, with_rollout
from tests.expectations import conditions

_FARGATE = {"placement": {"fargate": True}}


def _override(pod: Manifest) -> Manifest:
    return {"overrides": [{"kind": "Deployment", "patch": {"spec": {"template": {"spec": pod}}}}]}


def _container(fields: Manifest) -> Manifest:
    return _override({"containers": [{"name": "app", **fields}]})


def _conditions(spec: dict[str, Any], live: dict[Any, Manifest] | None = None) -> dict[str, Manifest]:
    view = a_view(an_app(spec), live)
    return conditions(CONTAINER_APP.status(view, Outcome(gathered=Gathered(inputs=inputs())), NOW))


def _watched(spec: Manifest, account: Account | None, status: Manifest | None = None) -> dict[str, Manifest]:
    """Return the conditions of an app that runs, where the Fargate profiles of a cluster are looked at."""
    app = an_app(spec, status=status)
    live = live_children(app)
    live[DEPLOYMENT] = with_rollout(live[DEPLOYMENT])
    view = a_view(app, live, platform=Platform(fargate_cluster="blue"), account=account)
    gathered = Gathered(inputs=with_choice(inputs(app=app), view))
    return conditions(CONTAINER_APP.status(view, Outcome(gathered=gathered), NOW))


def test_fargate_says_the_size_that_is_billed() -> None:
    """By the containers of the Deployment that lives."""
    spec = {**_FARGATE, "resources": {"requests": {"cpu": "1", "memory": "8Gi"}}}
    placed = _conditions(spec)["Placed"]
    assert (placed["status"], placed["reason"]) == ("True", "Fargate")
    assert "2 vCPU and 9 GB" in placed["message"]


def test_there_is_no_size_without_fargate_or_without_a_deployment() -> None:
    """And none where an older template lives that is too big."""
    assert "Placed" not in _conditions({"placement": {"capacity": "Spot"}})
    assert "Placed" not in _conditions({})
    assert "Placed" not in _conditions(_FARGATE, {})
    older = live_children(an_app({"resources": {"requests": {"cpu": "17"}}}))
    assert "Placed" not in _conditions(_FARGATE, older)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"resources": {"requests": {"cpu": "17"}}}, "17 vCPU"),
        (_override({"volumes": [{"name": "x", "ephemeral": {}}]}), "EBS volumes (volume x)"),
        (
            _override({"volumes": [{"name": "x", "csi": {"driver": "d"}}]}),
            "External Secrets Operator works there",
        ),
        (_override({"hostNetwork": True}), "host network"),
        (_container({"securityContext": {"privileged": True}}), "privileged containers (container app)"),
        (_container({"ports": [{"containerPort": 1, "hostPort": 1}]}), "host ports (container app)"),
        (_container({"resources": {"limits": {"nvidia.com/gpu": 1}}}), "nvidia.com/gpu (container app)"),
    ],
)
def test_what_fargate_does_not_have_is_refused(spec: Manifest, words: str) -> None:
    """Such a Pod would be Pending for ever, whichever field has asked for it."""
    with pytest.raises(InvalidSpec) as caught:
        inputs(app=an_app({**_FARGATE, **spec}))
    assert caught.value.reason == "NotOnFargate"
    assert words in caught.value.message
    assert inputs(app=an_app(spec)).choice is not None
    assert inputs(app=an_app(_FARGATE)).choice is not None


def test_overrides_are_listed_with_the_kinds_that_are_not_there() -> None:
    """A worker has no Service."""
    annotations = {f"a{number}": "x" for number in range(25)}
    spec = {
        "overrides": [
            {"kind": "Deployment", "patch": {"metadata": {"annotations": annotations}}},
            {"kind": "Service", "patch": {"spec": {"sessionAffinity": "ClientIP"}}},
        ]
    }
    message = _conditions(spec)["Overridden"]["message"]
    assert "metadata.annotations.a19 and 5 more; Service: spec.sessionAffinity." in message
    assert "There is no Service to change." in message
    assert "Overridden" not in _conditions({})


def _profile(
    name: str = "web", status: str = "ACTIVE", namespace: str = "default", **labels: str
) -> FargateProfile:
    """Return a profile as EKS describes it."""
    selectors = [{"namespace": "other"}, {"namespace": namespace, "labels": labels}]
    return FargateProfile.of({"fargateProfileName": name, "status": status, "selectors": selectors})


def _placed(*profiles: FargateProfile, **placement: object) -> Manifest:
    spec = {"placement": {"fargate": True, **placement}, "podLabels": {"tier": "web"}}
    found = _watched(spec, Account(profiles=profiles))
    assert (found["Ready"]["status"] == "True") is (found["Placed"]["status"] == "True")
    return found["Placed"]


@pytest.mark.parametrize("profile", [_profile(), _profile(namespace="d?fa*"), _profile(tier="web")])
def test_the_profile_that_selects_the_pods_is_named(profile: FargateProfile) -> None:
    """By the namespace, which may be a pattern, and by all labels that it asks for."""
    placed = _placed(_profile("other", tier="batch"), profile)
    assert (placed["status"], placed["reason"]) == ("True", "Fargate")
    assert placed["message"].startswith(
        "The Fargate profile web selects the Pods. Fargate bills each Pod as "
    )
    named = _placed(_profile("a"), profile, fargateProfile="web")
    assert named["message"].startswith("The Fargate profile web selects")


@pytest.mark.parametrize(
    ("profiles", "placement", "reason", "words"),
    [
        (
            [],
            {},
            "NoFargateProfile",
            "No Fargate profile of the cluster blue selects Pods of the namespace default",
        ),
        (
            [_profile(namespace="dev")],
            {},
            "NoFargateProfile",
            "--selectors namespace=default ...), or remove",
        ),
        (
            [_profile(tier="batch"), _profile(a="b", c="d")],
            {},
            "NoFargateProfile",
            ", set podLabels to what one asks for (tier=batch or a=b,c=d), or remove spec.placement.fargate",
        ),
        (
            [_profile()],
            {"fargateProfile": "api"},
            "NoFargateProfile",
            "The cluster blue has no Fargate profile api:",
        ),
        (
            [_profile(tier="batch")],
            {"fargateProfile": "web"},
            "NoFargateProfile",
            "The Fargate profile web does not select Pods of the namespace default with this app's labels:",
        ),
        (
            [_profile(status="CREATING")],
            {},
            "FargateProfileNotActive",
            "web selects the Pods and is CREATING",
        ),
    ],
)
def test_without_a_profile_the_pods_are_not_on_fargate(
    profiles: list[FargateProfile], placement: Manifest, reason: str, words: str
) -> None:
    """They start all the same, elsewhere, so that the app is not Ready."""
    placed = _placed(*profiles, **placement)
    assert (placed["status"], placed["reason"]) == ("False", reason)
    assert words in placed["message"]


def test_a_profile_that_is_not_known_yet_is_waited_for_and_one_that_nobody_says_is_not() -> None:
    """The platform team reads why in each app."""
    pending = _watched(_FARGATE, Account(pending=True))
    assert (pending["Placed"]["status"], pending["Placed"]["reason"]) == ("Unknown", "AskingForProfiles")
    assert pending["Ready"]["status"] == "False"
    denied = Account(profiles_error=Blocked("AccessDenied", "Allow it."))
    found = _watched(_FARGATE, denied)
    assert found["Placed"]["message"].endswith("Whether a profile selects the Pods is not known: Allow it.")
    assert found["Ready"]["status"] == "True"


def test_the_profile_is_asked_for_until_it_is_known() -> None:
    """Then no more, also after a restart of the operator or an edit that no Pod sees, until the revision changes."""
    placed = _watched(_FARGATE, Account(profiles=(_profile(),)))["Placed"]
    known = {"observedGeneration": 0, "conditions": [placed], "currentRevision": 1}
    assert _watched(_FARGATE, None, known)["Placed"]["message"] == placed["message"]
    former = {
        **known,
        "currentRevision": 7,
    }  # the status is from before a before-job: new Pods may have other labels
    assert not _watched(_FARGATE, None, former)["Placed"]["message"].startswith("The Fargate profile")
    unknown = {**known, "conditions": [{**placed, "message": "Fargate bills each Pod."}]}
    for spec, status, cluster, wanted in (
        (_FARGATE, None, "blue", FARGATE),
        (_FARGATE, known, "blue", frozenset()),
        (_FARGATE, former, "blue", FARGATE),
        (_FARGATE, unknown, "blue", FARGATE),
        (_FARGATE, None, "", frozenset()),
        ({"placement": {"capacity": "Spot"}}, None, "blue", frozenset()),
        ({}, None, "blue", frozenset()),
    ):
        view = a_view(an_app(spec, status=status), platform=Platform(fargate_cluster=cluster))
        assert CONTAINER_APP.account(view) == wanted


@pytest.mark.parametrize(
    ("profiles", "wanted"),
    [((_profile(),), frozenset()), ((_profile(status="CREATING"),), FARGATE), ((), FARGATE)],
)
def test_an_answer_that_will_do_ends_the_asking(
    profiles: tuple[FargateProfile, ...], wanted: frozenset[str]
) -> None:
    """At once, not with the next look at the app. Before there are Pods no profile is known to select them."""
    app, platform, account = an_app(_FARGATE), Platform(fargate_cluster="blue"), Account(profiles=profiles)
    assert CONTAINER_APP.account(a_view(app, platform=platform, account=account)) == wanted
    assert CONTAINER_APP.account(a_view(app, {}, platform=platform, account=account)) == FARGATE
