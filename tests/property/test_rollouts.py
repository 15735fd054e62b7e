"""Whatever users, Kubernetes and crashes do: a good spec comes to run, and beside a bad one the last good revision."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.resizes import DEFERRED, IN_PROGRESS, INFEASIBLE
from tests.rollouts import Cluster, image_of

_IMAGES = st.sampled_from(["shop:1", "shop:2", "shop:bad", "shop:worse"])
_STEPS = st.one_of(
    st.tuples(st.just("image"), _IMAGES),
    st.tuples(st.just("replicas"), st.integers(0, 3)),
    st.tuples(st.just("suspend"), st.booleans()),
    st.tuples(st.just("resources"), st.sampled_from(["100m", "200m", "300m"])),
    st.tuples(st.just("node"), st.sampled_from([None, INFEASIBLE, DEFERRED, IN_PROGRESS])),
    st.tuples(st.just("crash"), st.sampled_from(["ControllerRevision", "Deployment", "Job", "Patch"])),
    st.tuples(st.just("turn"), st.none()),
    st.tuples(st.just("work"), st.none()),
    st.tuples(st.just("lose status"), st.none()),
    st.tuples(st.just("before"), st.booleans()),
)
_BAD = {"shop:bad", "shop:worse"}


def _take(cluster: Cluster, step: str, value: object) -> None:
    match step:
        case "crash":
            cluster.reconcile(crash_after=str(value))
        case "turn":
            cluster.reconcile()
        case "work":
            cluster.work()
        case "resources":
            cluster.edit(resources={"requests": {"cpu": value, "memory": "64Mi"}})
        case "node":
            cluster.below.said = value  # type: ignore[assignment]
        case "lose status":
            cluster.status = {}
        case "before":
            cluster.edit(rollout={"before": {"args": ["migrate"]}} if value else None)
        case _:
            cluster.edit(**{step: value})


@settings(max_examples=150, deadline=None)
@given(st.lists(_STEPS, max_size=14))
def test_a_good_spec_runs_and_a_bad_one_leaves_the_last_good_revision(
    steps: list[tuple[str, object]],
) -> None:
    """From any state that such a history leaves; and no before-job runs twice."""
    cluster = Cluster(bad=_BAD)
    for step, value in steps:
        _take(cluster, step, value)
    cluster.edit(suspend=None, replicas=2, rollout=None).settle()
    wanted = cluster.spec["image"]
    assert cluster.deployment is not None
    runs = image_of(cluster.deployment)
    good = cluster.status.get("lastGoodRevision")
    if wanted not in _BAD:
        assert runs == wanted
        requested = cluster.spec.get("resources", {}).get("requests", {}).get("cpu", "100m")
        assert cluster.below.cpus == {requested}
        assert cluster.condition("Ready") == ("True", "Running")
    elif good is not None:
        assert cluster.running == good
        assert runs not in _BAD
    else:
        assert cluster.condition("Stalled")[0] == "True"
    assert len(set(cluster.jobs)) == len(cluster.jobs)
    cluster.writes.clear()
    cluster.settle(2)
    assert cluster.writes == [], "at rest"


@settings(max_examples=100, deadline=None)
@given(st.lists(_STEPS, max_size=14), _IMAGES)
def test_no_app_runs_a_revision_that_neither_the_spec_nor_a_rollback_asked_for(
    steps: list[tuple[str, object]], last: str
) -> None:
    """At every moment: what runs is the wanted revision, the one before, or the last good one."""
    cluster = Cluster(bad=_BAD)
    asked = set[str]()
    for step, value in [*steps, ("image", last), ("turn", None)]:
        asked.add(cluster.spec["image"])
        _take(cluster, step, value)
        asked.add(cluster.spec["image"])
        if cluster.deployment is not None:
            assert image_of(cluster.deployment) in asked
