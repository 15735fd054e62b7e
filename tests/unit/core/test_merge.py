"""Strategic merge patches: `containerapp.core.merge`."""

from __future__ import annotations

from typing import Any

import pytest

from containerapp.core.merge import merge

_POD: dict[str, Any] = {
    "containers": [
        {"name": "app", "image": "a", "env": [{"name": "X", "value": "1"}], "args": ["a", "b"]},
        {"name": "log", "image": "b"},
    ],
    "tolerations": [{"key": "old"}],
    "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}},
}
_PORTS = {"ports": [{"containerPort": 53}, {"containerPort": 53, "protocol": "UDP"}]}


@pytest.mark.parametrize(
    ("base", "patch", "expected"),
    [
        pytest.param({"a": {"b": 1}}, {"a": {"c": 2}}, {"a": {"b": 1, "c": 2}}, id="maps-are-merged"),
        pytest.param({"a": {"b": 1}, "c": 2}, {"a": None, "d": None}, {"c": 2}, id="null-removes"),
        pytest.param({"a": 1}, {"a": {"b": 2}}, {"a": {"b": 2}}, id="a-map-replaces-a-value"),
        pytest.param({"a": {"b": 1}}, {"a": {"$patch": "replace", "c": 2}}, {"a": {"c": 2}}, id="map-replaced"),
        pytest.param({"a": 1}, {"$patch": "merge", "b": 2}, {"a": 1, "b": 2}, id="merge-is-what-is-done-anyway"),
        pytest.param(
            {"a": [{"b": 1}]}, {"a": [{"c": None, "d": 2}]}, {"a": [{"d": 2}]}, id="a-list-without-a-key-is-replaced"
        ),
        pytest.param(_PORTS, {"ports": [{"containerPort": 53, "protocol": "UDP", "name": "dns"}]}, {
            "ports": [{"containerPort": 53}, {"containerPort": 53, "protocol": "UDP", "name": "dns"}]
        }, id="ports-by-number-and-protocol"),
        pytest.param({"ports": [{"port": 80}]}, {"ports": [{"port": 80, "nodePort": 30000}]}, {
            "ports": [{"port": 80, "nodePort": 30000}]
        }, id="ports-of-a-service"),
        pytest.param(
            {"strategy": _POD["strategy"]},
            {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}},
            {"strategy": {"type": "Recreate"}},
            id="retain-keys",
        ),
    ],
)  # fmt: skip
def test_lays_the_patch_over_the_manifest(base: Any, patch: Any, expected: Any) -> None:
    """As `kubectl patch --type=strategic` does."""
    assert merge(base, patch) == expected


def test_merges_lists_of_containers_by_name_and_leaves_the_original_alone() -> None:
    """One variable of one container is changed, another added, and the order stays."""
    patch = {
        "containers": [{"name": "app", "env": [{"name": "Y", "value": "2"}], "args": ["c"]}, {"name": "new"}]
    }
    merged = merge(_POD, patch)
    app, log, new = merged["containers"]
    assert app["env"] == [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}]
    assert app["args"] == ["c"]
    assert (log, new) == ({"name": "log", "image": "b"}, {"name": "new"})
    assert _POD["containers"][0]["env"] == [{"name": "X", "value": "1"}]


def test_deletes_and_replaces_items_by_directive() -> None:
    """`$patch` in an item of the list."""
    assert [
        item["name"]
        for item in merge(_POD, {"containers": [{"name": "log", "$patch": "delete"}]})["containers"]
    ] == ["app"]
    replaced = merge(_POD, {"containers": [{"$patch": "replace"}, {"name": "only"}]})
    assert replaced["containers"] == [{"name": "only"}]


def test_replaces_every_list_of_a_kind_that_kubernetes_does_not_define() -> None:
    """The API server has no merge keys for custom resources."""
    assert merge(_POD, {"containers": [{"name": "app"}]}, strategic=False)["containers"] == [{"name": "app"}]


@pytest.mark.parametrize(
    ("patch", "words"),
    [
        ({"$setElementOrder/env": []}, r"\$setElementOrder/env is no directive"),
        ({"a": {"$patch": "delete"}}, "removed by null"),
        ({"containers": [{"image": "x"}]}, "each item of containers needs its name"),
        ({"containers": ["x"]}, "each item of containers needs its name"),
    ],
)
def test_refuses_what_it_cannot_carry_out(patch: Any, words: str) -> None:
    """A directive that does nothing would be taken for one that did."""
    with pytest.raises(ValueError, match=words):
        merge(_POD, patch)
