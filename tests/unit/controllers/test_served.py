"""Rollouts behind load balancers of AWS: held until targets are healthy, never for ever, and over when they serve."""

from __future__ import annotations

from math import ceil
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from containerapp.controllers.containerapp.controller import CONTAINER_APP
from containerapp.controllers.containerapp.exposure.served import BOUND, SILENCE, counted_after
from containerapp.core.policy import ExposeDefaults, Platform
from tests.balanced import DENIED, DRAIN, Balanced
from tests.builders import a_view, an_app

_SLACK = 60


def _longest(cluster: Balanced) -> int:
    """Return the seconds that a rollout may take, whatever is away: each batch for the bound, and then to be served."""
    batches = ceil(cluster.wanted / ceil(cluster.wanted * 0.25))
    return batches * (20 + BOUND + _SLACK) + cluster.slowest + DRAIN + _SLACK + int(SILENCE)


@pytest.mark.parametrize("seed", range(20))
def test_a_rollout_never_serves_fewer_and_is_over_when_it_serves(seed: int) -> None:
    """Targets take up to three minutes; Kubernetes alone would end old Pods 30 s after new ones are ready."""
    random = Random(seed)  # noqa: S311 - a seed, no secret
    cluster = Balanced(random=random, spec={"replicas": random.choice([1, 2, 4, 10])}).begin()
    cluster.edit(image="shop:2")
    cluster.until_served(_longest(cluster))
    assert cluster.fewest >= cluster.wanted
    assert cluster.condition("RolledOut") == ("True", "RolloutComplete")
    assert {pod.revision for pod in cluster.pods} == {2}
    assert cluster.serving == cluster.wanted
    calls = cluster.calls
    cluster.settle_for(60)
    assert cluster.calls == calls, "a rollout that is over asks nothing"
    assert cluster.deployment is not None
    assert cluster.deployment["spec"]["minReadySeconds"] == 30


@pytest.mark.parametrize("seed", range(20))
def test_short_absences_of_the_operator_cost_no_capacity(seed: int) -> None:
    """It is killed at any moment, and is back within the time that a new leader takes."""
    random = Random(seed)  # noqa: S311
    cluster = Balanced(random=random, spec={"replicas": random.choice([2, 4, 10])}).begin()
    cluster.edit(image="shop:2")
    cluster.settle_for(4)
    for _ in range(12):
        cluster.settle_for(random.randint(5, 60))
        cluster.kill()
        cluster.settle_for(random.randint(1, 15))
        cluster.alive = True
    cluster.until_served(_longest(cluster))
    assert cluster.fewest >= cluster.wanted
    assert cluster.serving == cluster.wanted


@pytest.mark.parametrize("seed", range(20))
def test_no_rollout_waits_longer_than_the_bound_for_what_is_away(seed: int) -> None:
    """The operator is away for minutes, and AWS denies: the rollout goes on, and does not claim to serve."""
    random = Random(seed)  # noqa: S311
    cluster = Balanced(random=random, spec={"replicas": random.choice([1, 4, 10])}).begin()
    cluster.edit(image="shop:2")
    cluster.settle_for(4)
    began = cluster.time
    while cluster.time - began < 400:
        cluster.error = random.choice([None, DENIED, DENIED])
        if random.random() < 0.3:
            cluster.kill()
        cluster.settle_for(random.randint(10, 120))
        cluster.alive = True
    cluster.until_served(_longest(cluster))
    reason = cluster.condition("RolledOut")[1]
    assert reason in {"RolloutComplete", "RolloutUnverified"}
    assert reason == "RolloutUnverified" or cluster.serving == cluster.wanted


def test_a_denied_right_opens_and_says_so() -> None:
    """A wrong IAM policy must not stop the deployments of a whole company."""
    cluster = Balanced(random=Random(1), error=DENIED).begin()  # noqa: S311
    cluster.edit(image="shop:2")
    cluster.settle_for(100)
    assert "It does not wait for the load balancer's target groups" in cluster.message("RolledOut")
    seconds = cluster.until_served(_longest(cluster))
    assert seconds < SILENCE + 4 * (20 + 30 + 10)
    assert cluster.condition("RolledOut") == ("True", "RolloutUnverified")
    assert "elasticloadbalancing:DescribeTargetHealth" in cluster.message("RolledOut")
    cluster.settle_for(30)
    assert cluster.condition("RolledOut") == ("True", "RolloutUnverified"), "until the next rollout"


def test_the_operator_away_from_the_start_opens_by_kubernetes_own_clock() -> None:
    """Nobody has to be there for the seconds to pass."""
    cluster = Balanced(random=Random(2)).begin()  # noqa: S311
    cluster.edit(image="shop:2")
    cluster.settle_for(4)
    cluster.kill()
    cluster.settle_for(4 * (20 + BOUND + 2))
    assert {pod.revision for pod in cluster.pods if pod.ended_at is None} == {2}


def test_targets_that_never_become_healthy_fail_the_rollout_and_roll_it_back() -> None:
    """As on ECS: the old version serves on, and the reason names the health check."""
    cluster = Balanced(random=Random(3)).begin()  # noqa: S311
    cluster.settle_for(10)
    cluster.never = True
    cluster.edit(image="shop:2")
    cluster.settle_for(700)
    assert cluster.fewest == cluster.wanted
    assert cluster.condition("RolledOut") == ("False", "RolledBack")
    assert "Check the health check's path and port" in cluster.message("RolledOut")
    assert cluster.running == 1


def test_a_rollout_costs_few_writes_and_calls() -> None:
    """One write to lengthen and one to go on for each batch, and a call every eight seconds."""
    cluster = Balanced(random=Random(4)).begin()  # noqa: S311
    before, calls = cluster.writes_of_deployment, cluster.calls
    cluster.edit(image="shop:2")
    seconds = cluster.until_served(_longest(cluster))
    assert cluster.writes_of_deployment - before <= 4 * 4 + 2
    assert cluster.calls - calls <= seconds / 8 + 2


_AGES = st.lists(st.integers(0, 900), max_size=6)


@given(_AGES, _AGES, st.integers(0, 900), st.sampled_from([0, 30, 90]), st.integers(91, 900))
def test_no_unserved_pod_counts_and_what_counts_is_settled(
    waiting: list[int], healthy: list[int], current: int, least: int, limit: int
) -> None:
    """Whatever the ages: no Pod counts that waits, all count that are served, and asked again the answer stays."""
    seconds = counted_after(waiting, healthy, current=min(current, limit), least=least, limit=limit)
    assert least <= seconds <= limit
    assert all(age < seconds for age in waiting if age < limit)
    assert waiting or all(age >= seconds for age in healthy if age > least + 2)
    assert counted_after(waiting, healthy, current=seconds, least=least, limit=limit) == seconds


def test_an_app_that_no_target_group_is_bound_to_waits_for_none() -> None:
    """The load balancer's controller may be another one, or have nothing to do yet."""
    cluster = Balanced(random=Random(5), bound=False).begin()  # noqa: S311
    cluster.edit(image="shop:2")
    seconds = cluster.until_served(_longest(cluster))
    assert seconds < 4 * (20 + 30 + 10)
    assert cluster.message("RolledOut") == "Every Pod runs the newest template."


def test_the_status_counts_what_is_missing() -> None:
    """While Pods of the new version wait, and while those of the old one drain."""
    cluster = Balanced(random=Random(6)).begin()  # noqa: S311
    cluster.edit(image="shop:2")
    said: set[str] = set()
    while cluster.status.get("lastGoodRevision") != 2 or cluster.condition("RolledOut")[0] != "True":
        cluster.tick()
        if cluster.condition("RolledOut")[1] == "WaitingForTargets":
            said.add(cluster.message("RolledOut").partition(",")[0])
    assert "Of the targets of the old version" in said


@pytest.mark.parametrize(
    ("expose", "platform", "bindings"),
    [
        ({"via": "alb"}, {}, "elbv2.k8s.aws/v1beta1"),
        ({"via": "nlb"}, {"auto_mode": True}, "eks.amazonaws.com/v1"),
        ({"via": "gateway", "gateway": {"name": "edge"}}, {"aws_gateway": True}, "elbv2.k8s.aws/v1beta1"),
        ({"via": "gateway", "gateway": {"name": "edge"}}, {}, None),
        ({"via": "ingress"}, {}, None),
        (None, {}, None),
    ],
)
def test_load_balancers_of_aws_are_asked_by_their_controllers_bindings(
    expose: dict[str, object] | None, platform: dict[str, Any], bindings: str | None
) -> None:
    """Auto Mode has a kind of its own, and what does not lead to Pods' addresses by AWS is not asked."""
    spec = {"port": 8080, **({"expose": expose} if expose else {})}
    app = an_app(spec)
    defaults = ExposeDefaults(await_targets=True, **platform)
    view = a_view(app, platform=Platform(expose=defaults))
    found = CONTAINER_APP.targets(view)
    assert (found.bindings if found else None) == bindings
    suspended = a_view(an_app({**spec, "suspend": True}), platform=Platform(expose=defaults))
    assert CONTAINER_APP.targets(suspended) is None
    assert CONTAINER_APP.targets(a_view(app, {}, platform=Platform(expose=defaults))) is None
