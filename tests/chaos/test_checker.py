"""What the checker sees: each way in which a cluster that is as it was asked for can be made wrong."""

from __future__ import annotations

from copy import deepcopy
from typing import Any
from unittest.mock import Mock

import pytest

from tests.chaos.checker import Checker
from tests.chaos.wanted import Foreign, Wanted, WantedApp
from tests.controller.api import Manifest

_SPEC = {
    "image": "shop:v0",
    "replicas": 0,
    "env": [{"name": "SERIAL", "value": "1"}],
    "serviceAccountName": "default",
}
_STATUS = {
    "observedGeneration": 1,
    "currentRevision": 3,
    "conditions": [{"type": "Ready", "status": "True", "observedGeneration": 1}],
    "image": {"digest": "sha256:0"},
    "resources": [{"kind": "Deployment", "name": "web"}],
}
_SELECTOR = {"containerapp.dev/app": "web", "containerapp.dev/track": "stable"}
_LABELS = {
    "containerapp.dev/app": "web",
    "app.kubernetes.io/name": "web",
    "app.kubernetes.io/managed-by": "containerapp-operator",
}
_POD = {
    "containers": [{"image": "ecr/shop@sha256:0", "env": _SPEC["env"]}],
    "serviceAccountName": "default",
}


def _object(name: str, uid: str, metadata: Manifest, **more: Any) -> Manifest:
    return {"metadata": {"namespace": "shop", "name": name, "uid": uid, **metadata}, **more}


def _complaints(status: Manifest, stranger: Manifest) -> list[str]:
    """Return what is wrong with an app of this status, beside somebody else's object of this metadata."""
    owned = {"labels": _LABELS, "ownerReferences": [{"kind": "ContainerApp", "uid": "1"}]}
    template = {"metadata": {"labels": _SELECTOR}, "spec": _POD}
    deployment = {"replicas": 0, "selector": {"matchLabels": _SELECTOR}, "template": template}
    runs = {**owned, "annotations": {"containerapp.dev/revision": "3"}}
    listed = {
        "ContainerApp": [_object("web", "1", {"generation": 1}, spec=_SPEC, status=status)],
        "Deployment": [_object("web", "2", runs, spec=deployment)],
        "ControllerRevision": [_object("web-3", "5", owned, revision=3, data={"template": template})],
        "Service": [_object("other", "3", stranger)],
        "ServiceAccount": [_object("default", "4", {})],
    }
    app = WantedApp(namespace="shop", name="web", uid="1", spec=_SPEC, images=("shop:v0",), specs=(_SPEC,))
    foreign = Foreign(kind="Service", namespace="shop", name="other", uid="3")
    wanted = Wanted(apps={("shop", "web"): app}, foreign={("shop", "other"): foreign})
    api = Mock(list=lambda kind, _: deepcopy(listed.get(kind, [])))
    checker = Checker(api=api, wanted=wanted, repository="ecr/shop", digests={"v0": "sha256:0"})
    return [violation.complaint for violation in checker.check(["shop"])]


def _stranger(**metadata: Any) -> Manifest:
    return {"labels": {"chaos/foreign": "yes"}, "managedFields": [{"manager": "kubectl"}], **metadata}


def test_a_cluster_that_is_as_it_was_asked_for_is_not_complained_of() -> None:
    """Counts of no Pods may be left out."""
    assert _complaints(_STATUS, _stranger()) == []
    assert _complaints(_STATUS | dict.fromkeys(("replicas", "readyReplicas"), 0), _stranger()) == []


@pytest.mark.parametrize(
    "metadata",
    [
        {"labels": {"chaos/foreign": "no"}},
        {"labels": {"chaos/foreign": "yes", "one": "more"}},
        {"managedFields": [{"manager": "kubectl"}, {"manager": "containerapp-operator"}]},
        {"ownerReferences": [{"kind": "ContainerApp", "uid": "1"}]},
    ],
)
def test_another_ones_object_that_was_touched_is_seen(metadata: Manifest) -> None:
    """Whatever was written to it: the API server notes who has written."""
    assert _complaints(_STATUS, _stranger(**metadata)) == ["somebody else's object was changed"]


def test_another_ones_object_that_has_lost_all_labels_is_seen() -> None:
    """The API server leaves the field out then."""
    assert _complaints(_STATUS, {}) == ["somebody else's object was changed"]


@pytest.mark.parametrize("count", ["replicas", "updatedReplicas", "readyReplicas"])
def test_a_count_that_is_not_true_is_seen(count: str) -> None:
    """Each of them speaks of the same Pods, where all is well."""
    assert _complaints(_STATUS | {count: 1}, _stranger()) == ["the counts should be 0"]


@pytest.mark.parametrize("names", [["web", "web"], ["other"], []])
def test_an_inventory_that_is_not_true_is_seen(names: list[str]) -> None:
    """A double is, too."""
    resources = [{"kind": "Deployment", "name": name} for name in names]
    (complaint,) = _complaints(_STATUS | {"resources": resources}, _stranger())
    assert complaint == "the inventory should be [('Deployment', 'web')]"


def _job_complaints(triggers: list[str], **status: Any) -> list[str]:
    """Return what is wrong with a job of two wanted runs that has these."""
    owner = {"ownerReferences": [{"kind": "ContainerJob", "uid": "1", "controller": True}]}
    runs = [
        _object(
            f"job-{number}",
            f"run-{number}",
            {**owner, "annotations": {"containerapp.dev/trigger": trigger}},
            status={"succeeded": 1},
        )
        for number, trigger in enumerate(triggers)
    ]
    pods = [
        _object(f"pod-{number}", "", {"ownerReferences": [{"uid": f"run-{number}", "controller": True}]})
        for number in range(len(runs))
    ]
    known = {"phase": "Succeeded", "answered": ["a"]}
    listed = {
        "ContainerJob": [_object("job", "1", {}, status={**known, **status})],
        "Job": runs,
        "Pod": pods,
    }
    wanted = Wanted()
    wanted.created_job("shop", "job", "1")
    wanted.asked("shop", "job", "a")
    api = Mock(list=lambda kind, _: deepcopy(listed.get(kind, [])))
    checker = Checker(api=api, wanted=wanted, repository="", digests={})
    return [violation.complaint for violation in checker.check(["shop"])]


def test_each_trigger_of_a_job_has_one_run() -> None:
    """One that is lost is seen, and one that is doubled."""
    assert _job_complaints(["Spec", "run/a"]) == []
    for triggers in (["Spec"], ["Spec", "run/a", "run/a"], ["Spec", "run/b"]):
        assert _job_complaints(triggers) == ["its runs should be ['Spec', 'run/a']"]


def test_the_status_of_a_job_is_true() -> None:
    """It names what was answered."""
    assert _job_complaints(["Spec", "run/a"], answered=[]) == ["it should have answered ['a']"]
    assert _job_complaints(["Spec", "run/a"], phase="Running") == ["it should have succeeded"]
