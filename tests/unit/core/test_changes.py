"""What differs between two versions of an object: `containerapp.core.changes`."""

from __future__ import annotations

from typing import Any

import pytest

from containerapp.core.changes import FieldChange, changes
from containerapp.core.model import HASH_ANNOTATION


def deployment(container: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    """Return an object with a list that Kubernetes keys by name."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "shop", **metadata},
        "spec": {"template": {"spec": {"containers": [{"name": "app", **container}]}}},
    }


CONTAINER = "spec.template.spec.containers[app]"


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ({"image": "a"}, {"image": "a"}, []),
        ({"image": "a"}, {"image": "b"}, [("image", "a", "b")]),
        ({"args": ["a"]}, {"args": ["a", "b"]}, [("args", ["a"], ["a", "b"])]),
        ({}, {"args": ["a"]}, [("args", None, ["a"])]),
        (
            {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
            {"env": [{"name": "B", "value": "3"}]},
            [("env[A]", {"name": "A", "value": "1"}, None), ("env[B].value", "2", "3")],
        ),
        (
            {"ports": [{"containerPort": 80, "protocol": "TCP"}]},
            {"ports": [{"containerPort": 80, "protocol": "TCP", "name": "http"}]},
            [("ports[80/TCP].name", None, "http")],
        ),
    ],
)
def test_each_field_is_named_by_its_path(
    before: dict[str, Any], after: dict[str, Any], found: list[tuple[str, Any, Any]]
) -> None:
    """Items of keyed lists by their keys; other lists are one value."""
    wanted = tuple(FieldChange(path=f"{CONTAINER}.{path}", before=a, after=b) for path, a, b in found)
    assert changes(deployment(before), deployment(after)) == wanted


def test_what_the_api_server_and_the_tools_write_is_left_out() -> None:
    """Versions, managers, hashes and the status change with every write."""
    before = deployment({}, resourceVersion="1", annotations={HASH_ANNOTATION: "1"})
    after = {
        **deployment({}, resourceVersion="2", annotations={HASH_ANNOTATION: "2"}),
        "status": {"replicas": 1},
    }
    assert changes(before, after) == ()


def test_a_key_with_dots_stands_in_brackets() -> None:
    """Else it would read as several fields."""
    (change,) = changes(deployment({}), deployment({}, annotations={"example.com/team": "shop"}))
    assert change.path == "metadata.annotations"
    before = deployment({}, annotations={"example.com/team": "shop", "a": "1"})
    (change,) = changes(before, deployment({}, annotations={"example.com/team": "till", "a": "1"}))
    assert change.path == "metadata.annotations[example.com/team]"


def test_an_object_that_comes_or_goes_has_all_its_fields() -> None:
    """A plan shows them on request."""
    assert {change.path for change in changes(None, deployment({}))} == {"metadata.name", "spec"}
    assert all(change.after is None for change in changes(deployment({}), None))
