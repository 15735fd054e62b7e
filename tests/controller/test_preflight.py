"""Two hundred apps on shared load balancers, ten of them bad: the engine runs in this process, the test plays AWS."""

from __future__ import annotations

import json
import time
from collections import Counter

import pytest

from containerapp.core.account import FARGATE, Account, Certificate, FargateProfile
from containerapp.engine import account as account_watch
from tests.controller.api import Manifest
from tests.controller.test_identity import Stage
from tests.controller.test_identity import stage as stage  # noqa: PLC0414 - a fixture
from tests.controller.world import World

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

_GOOD, _GROUPS = 190, 5
_ROUNDS = 1.0
"""Seconds in which AWS would be asked five times."""
_RULES = _GOOD // _GROUPS + 1
"""What a load balancer takes: one more than its good apps need."""


async def _account(_wanted: frozenset[str]) -> Account:
    arn = "arn:aws:acm:eu-west-1:123456789012:certificate/0b7e4c1a"
    return Account(
        limits={"rules-per-application-load-balancer": _RULES},
        certificates=(Certificate(arn=arn, domains=("*.example.com",)),),
    )


def _app(world: World, name: str, group: int, host: str, **expose: object) -> Manifest:
    return world.app(
        name,
        port=8080,
        replicas=0,
        imagePullPolicy="Never",
        expose={"via": "alb", "group": f"group-{group}", "hosts": [host], **expose},
    )


def _ingresses(world: World) -> dict[str, str]:
    listed = json.loads(world.kubectl("get", "ingress", "--output=json"))["items"]
    return {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in listed}


@pytest.mark.timeout(500)
def test_bad_apps_of_many_are_refused_and_the_others_unaffected(stage: Stage) -> None:
    """By clashing hosts, absent certificates, other settings than the group's, and a quota that is reached."""
    world = stage.world
    stage.settings["expose_preflight"] = True
    stage.ask_account = _account
    stage.start()
    for number in range(_GOOD):
        world.api.apply(
            _app(world, f"app-{number:03}", number % _GROUPS, f"app-{number}-{world.namespace}.example.com")
        )
    world.until("all have an Ingress", lambda: len(_ingresses(world)) == _GOOD, timeout=200)
    before = _ingresses(world)
    bad = [
        *(_app(world, f"clash-{n}", n, f"app-{n}-{world.namespace}.example.com") for n in range(3)),
        *(_app(world, f"bare-{n}", n, f"bare-{n}.example.org") for n in range(3)),
        *(_app(world, f"other-{n}", n, f"other-{n}.example.com", public=True) for n in range(2)),
        *(
            _app(world, f"much-{n}", n, f"much-{n}.example.com", paths=[{"path": "/a"}, {"path": "/b"}])
            for n in range(2)
        ),
    ]
    for app in bad:
        world.api.apply(app)
    reasons = {
        "clash": "HostTaken",
        "bare": "CertificateNotFound",
        "other": "GroupConflict",
        "much": "QuotaExceeded",
    }
    for app in bad:
        name = app["metadata"]["name"]
        world.await_condition(name, "Exposed", "False", reasons[name.partition("-")[0]])
    assert Counter(app["metadata"]["name"].partition("-")[0] for app in bad).total() == 10
    assert _ingresses(world) == before, "no Ingress of a good app was written again, and no bad app has one"
    world.patch("ContainerApp", "bare-0", {"spec": {"expose": {"hosts": ["bare-0.example.com"]}}})
    world.until("the app that was mended joins", lambda: "bare-0" in _ingresses(world))


def test_an_app_on_fargate_waits_for_its_profile_and_then_asks_no_more(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Pods start on other nodes meanwhile, which nothing else would say."""
    world, asked = stage.world, list[frozenset[str]]()
    profiles: list[FargateProfile] = []

    async def ask(wanted: frozenset[str]) -> Account:
        asked.append(wanted)
        return Account(profiles=tuple(profiles))

    monkeypatch.setattr(account_watch, "INTERVAL", 0.2)
    stage.settings["fargate_check_profiles"] = True
    stage.ask_account = ask
    stage.start()
    world.apply("serverless", port=8080, imagePullPolicy="Never", placement={"fargate": True})
    said = world.await_condition("serverless", "Placed", "False", "NoFargateProfile")
    assert f"--selectors namespace={world.namespace}" in said["message"]
    world.await_condition("serverless", "Ready", "False", "NoFargateProfile")
    profiles.append(FargateProfile(name="all", status="ACTIVE", selectors=(("*", {}),)))
    world.await_ready("serverless")
    assert world.conditions("serverless")["Placed"]["message"].startswith("The Fargate profile all selects")
    assert set(asked) == {FARGATE}
    time.sleep(_ROUNDS)  # a question that was on its way has come
    count = len(asked)
    world.kubectl("label", "capp/serverless", "looked=again")
    time.sleep(_ROUNDS)
    assert len(asked) == count
