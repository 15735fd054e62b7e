"""Files and volumes in the Pod, the ConfigMap and the claims behind them, and the condition VolumesReady."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from containerapp.api.files import MOST_BYTES
from containerapp.controllers.containerapp.status import compute_status
from containerapp.controllers.pods.files import texts, texts_name
from containerapp.controllers.workloads.children import config_map, persistent_volume_claim
from containerapp.core.conditions import by_type
from containerapp.core.diff import differs
from containerapp.core.model import Gathered, Manifest, ObjectRef, Outcome
from containerapp.core.policy import Platform
from containerapp.errors import InvalidSpec
from tests.builders import NOW, a_view, an_app, inputs, live_children, rendered

CLAIM = ObjectRef(api_version="v1", kind="PersistentVolumeClaim", name="shop-data")


def _volume(source: Manifest, **fields: Any) -> Manifest:
    return {"volumes": [{"name": "data", "mountPath": "/data", **source, **fields}]}


def _file(**file: Any) -> Manifest:
    return {"files": [{"path": "/etc/shop.yaml", **file}]}


def _claim(claim: Manifest, live: Manifest | None = None, storage_class: str | None = None) -> Manifest:
    claims = {"shop-data": live} if live else {}
    given = replace(inputs(), claims=claims, platform=Platform(storage_class=storage_class))
    (manifest,) = persistent_volume_claim.CHILD.render(an_app(_volume({"claim": claim})), given)
    return manifest


def _live_claim(size: str = "10Gi", phase: str = "Bound") -> Manifest:
    made = _claim({"size": size, "storageClass": "gp3"})
    return {**made, "spec": {**made["spec"], "volumeName": "pvc-1"}, "status": {"phase": phase}}


def _pod(spec: Manifest) -> Manifest:
    app = an_app(spec)
    (deployment,) = [each for each in rendered(app, inputs(app=app)) if each["kind"] == "Deployment"]
    pod: Manifest = deployment["spec"]["template"]["spec"]
    return pod


def test_another_text_is_another_config_map() -> None:
    """The Pods of an older revision go on finding theirs."""
    one, other = (an_app(_file(content=content)) for content in ("a", "b"))
    assert texts_name(one) != texts_name(other)
    assert texts_name(one) == texts_name(an_app(_file(content="a")))


def test_paths_that_look_alike_have_keys_of_their_own() -> None:
    """A key has fewer characters than a path may have."""
    files = [{"path": path, "content": path} for path in ("/a/b c", "/a/b_c", "/b/b c", "/" + "x" * 300)]
    data = texts(an_app({"files": files}))
    assert sorted(data.values()) == sorted(file["content"] for file in files)
    assert max(map(len, data)) <= 253


def test_of_a_config_map_that_lives_only_metadata_is_written() -> None:
    """It is immutable, and the watches keep no more of it."""
    app = an_app(_file(content="a"))
    (whole,) = config_map.CHILD.render(app, inputs())
    (known,) = config_map.CHILD.render(app, replace(inputs(), config_maps=frozenset({texts_name(app)})))
    assert whole["immutable"] is True
    assert set(known) == {"apiVersion", "kind", "metadata"}
    assert known["metadata"] == whole["metadata"]


@pytest.mark.parametrize(("bytes_", "accepted"), [(MOST_BYTES, True), (MOST_BYTES + 1, False)])
def test_the_texts_fit_into_one_config_map(bytes_: int, *, accepted: bool) -> None:
    """Bytes, not characters: an umlaut has two of them."""
    sizes = [MOST_BYTES // 4] * 3 + [bytes_ - 3 * (MOST_BYTES // 4)]
    files = [
        {"path": f"/{n}", "content": "ä" * (size // 2) + "a" * (size % 2)} for n, size in enumerate(sizes)
    ]
    if accepted:
        an_app({"files": files})
    else:
        with pytest.raises(InvalidSpec, match="keep them below 1 MiB in all"):
            an_app({"files": files})


@pytest.mark.parametrize(
    ("security", "group"),
    [({}, 65532), ({"runAsGroup": 7}, 7), ({"runAsGroup": 7, "fsGroup": 0}, 0)],
)
@pytest.mark.parametrize("source", [{"claim": {}}, {"ephemeral": {"size": "1Gi"}}])
def test_the_program_may_write_to_storage_that_is_made_for_it(
    source: Manifest, security: Manifest, group: int
) -> None:
    """A fresh disk belongs to root, and no app runs as root."""
    context = _pod({**_volume(source), "security": security})["securityContext"]
    assert (context["fsGroup"], context["fsGroupChangePolicy"]) == (group, "OnRootMismatch")


def test_the_owner_of_what_others_have_made_is_left_alone() -> None:
    """Files that other programs read, too."""
    assert "fsGroup" not in _pod(_volume({"existingClaim": {"name": "media"}}))["securityContext"]


@pytest.mark.parametrize(
    ("rollout", "mode", "strategy"),
    [
        ({}, "ReadWriteOnce", "Recreate"),
        ({}, "ReadWriteOncePod", "Recreate"),
        ({}, "ReadWriteMany", "RollingUpdate"),
        ({"strategy": "Rolling"}, "ReadWriteOnce", "RollingUpdate"),
        ({"maxSurge": 0, "maxUnavailable": 1}, "ReadWriteOnce", "RollingUpdate"),
        ({"strategy": "Recreate"}, "ReadWriteMany", "Recreate"),
    ],
)
def test_a_claim_of_one_node_recreates_pods_unless_the_app_says_otherwise(
    rollout: Manifest, mode: str, strategy: str
) -> None:
    """A new Pod on another node would wait for the old one for ever."""
    app = an_app({**_volume({"claim": {"accessMode": mode}}), "rollout": rollout})
    (deployment,) = [each for each in rendered(app, inputs()) if each["kind"] == "Deployment"]
    assert deployment["spec"]["strategy"]["type"] == strategy


@pytest.mark.parametrize(
    ("claim", "storage_class", "expected"),
    [
        ({}, None, None),
        ({}, "gp3", "gp3"),
        ({"storageClass": "io2"}, "gp3", "io2"),
    ],
)
def test_the_class_is_the_apps_the_platforms_or_the_clusters(
    claim: Manifest, storage_class: str | None, expected: str | None
) -> None:
    """In this order."""
    assert _claim(claim, storage_class=storage_class)["spec"].get("storageClassName") == expected


def test_a_claim_grows_and_keeps_what_never_changes() -> None:
    """What Kubernetes would refuse is not asked for, so that all else is still written."""
    live = _live_claim("10Gi")
    assert not differs(_claim({"size": "10240Mi"}, live), live)
    assert not differs(
        _claim({"size": "1Gi", "storageClass": "io2", "accessMode": "ReadWriteMany"}, live), live
    )
    grown = _claim({"size": "20Gi"}, live)["spec"]
    assert grown["resources"]["requests"]["storage"] == "20Gi"
    assert grown["storageClassName"] == "gp3"


def _condition(claim: Manifest, live: Manifest | None) -> tuple[Manifest, Manifest]:
    """Return VolumesReady and Ready."""
    app = an_app(_volume({"claim": claim}))
    view = a_view(app, live_children(app) | ({CLAIM: live} if live else {}))
    if live is None:
        view = replace(view, live={ref: each for ref, each in view.live.items() if ref != CLAIM})
    outcome = Outcome(gathered=Gathered(inputs=inputs()))
    conditions = by_type(compute_status(view, outcome, NOW))
    return conditions["VolumesReady"], conditions["Ready"]


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        ({"size": "5Gi"}, "no claim shrinks: set size back to 10Gi"),
        ({"size": "10Gi", "storageClass": "io2"}, "StorageClass gp3, which never changes"),
        ({"size": "10Gi", "accessMode": "ReadWriteMany"}, "access mode ReadWriteOnce, which never changes"),
    ],
)
def test_what_a_claim_never_changes_is_refused_with_the_remedy(claim: Manifest, message: str) -> None:
    """The app runs on with the claim as it is."""
    condition, ready = _condition(claim, _live_claim())
    assert (condition["status"], condition["reason"]) == ("False", "ClaimCannotChange")
    assert message in condition["message"]
    assert "shop-data" in condition["message"]
    assert ready["reason"] != "Running"


@pytest.mark.parametrize(
    ("live", "reason"),
    [(None, "ClaimPending"), (_live_claim(phase="Pending"), "ClaimPending"), (_live_claim(), "ClaimsBound")],
)
def test_the_condition_says_whether_claims_have_their_volumes(live: Manifest | None, reason: str) -> None:
    """And where to look."""
    condition, _ = _condition({"size": "10Gi"}, live)
    assert condition["reason"] == reason
    assert (condition["status"] == "True") is (reason == "ClaimsBound")


def test_an_app_without_claims_has_no_such_condition() -> None:
    """A condition exists for what is asked for."""
    app = an_app(_volume({"emptyDir": {}}))
    conditions = by_type(compute_status(a_view(app), Outcome(gathered=Gathered(inputs=inputs())), NOW))
    assert "VolumesReady" not in conditions
