"""Invariants of the comparison: at rest nothing differs, others' fields are never seen, and no drift is missed."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from random import Random
from typing import Any, TypeAlias

from hypothesis import given
from hypothesis import strategies as st

from containerapp.api.schema.quantity import quantity
from containerapp.core.diff import differs, repair
from containerapp.core.model import Manifest, PinnedImage, Prune
from containerapp.core.plan import Owner, Plan, make_plan
from tests.builders import KEY, UID, an_app, desired_children, live_children
from tests.strategies import pinned_images, specs, unhurried

_Path: TypeAlias = tuple[str | int, ...]

_SHARED_LISTS = {
    "containers",
    "env",
    "imagePullSecrets",
    "ownerReferences",
    "ports",
    "topologySpreadConstraints",
}


_ATOMIC = {"selector", "labelSelector", "podSelector", "namespaceSelector"}


def _with_others_fields(value: Any, chance: Random, key: str = "") -> Any:
    """Lay over `value` what others may add: fields almost everywhere, items in lists that are merged by key."""
    if key in _ATOMIC:
        return value
    if isinstance(value, dict):
        noise = {name: 1 for name in ("x-first", "x-second") if chance.random() < 0.3}
        return noise | {name: _with_others_fields(item, chance, name) for name, item in value.items()}
    if isinstance(value, list):
        items = [_with_others_fields(item, chance) for item in value]
        if key in _SHARED_LISTS:
            injected = {"name": "x-injected", "uid": "x", "topologyKey": "x", "containerPort": 0, "port": 0}
            items.insert(chance.randint(0, len(items)), injected)
        return items
    return value


def _leaves(value: Any, path: _Path = ()) -> Iterator[_Path]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _leaves(item, (*path, index))
    else:
        yield path


def _parent(manifest: Manifest, path: _Path) -> Any:
    parent: Any = manifest
    for step in path[:-1]:
        parent = parent[step]
    return parent


def _another(value: Any, path: _Path) -> Any:
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case _:
            return "77777m" if {"requests", "limits"} & set(path) else f"{value}-x"


@unhurried
@given(specs(), pinned_images())
def test_what_lives_as_it_was_wanted_does_not_differ(spec: Manifest, image: PinnedImage) -> None:
    """A no-op costs no request."""
    app = an_app(spec)
    for manifest in desired_children(app, image):
        assert not differs(manifest, manifest)
    live = live_children(app, image)
    desired = desired_children(app, image)
    plan = make_plan(
        desired=desired, live=live, owner=Owner(key=KEY, uid=UID), prune=lambda _: Prune.AFTER_ROLLOUT
    )
    assert plan == Plan(live=live)


@unhurried
@given(specs(), pinned_images(), st.randoms(use_true_random=False))
def test_fields_of_others_are_never_seen(spec: Manifest, image: PinnedImage, chance: Random) -> None:
    """Defaults, annotations, sidecars and variables that somebody injects are theirs."""
    for manifest in desired_children(an_app(spec), image):
        assert not differs(manifest, _with_others_fields(manifest, chance))


@unhurried
@given(specs(), pinned_images(), st.data())
def test_any_changed_value_of_ours_is_seen(spec: Manifest, image: PinnedImage, data: st.DataObject) -> None:
    """Whichever field of whichever child somebody edits is repaired."""
    manifest = data.draw(st.sampled_from(desired_children(an_app(spec), image)))
    path = data.draw(st.sampled_from(list(_leaves(manifest))))
    edited = deepcopy(manifest)
    parent = _parent(edited, path)
    parent[path[-1]] = _another(parent[path[-1]], path)
    assert differs(manifest, edited)


@unhurried
@given(specs(), pinned_images(), st.randoms(use_true_random=False), st.data())
def test_a_repair_changes_what_differs_and_nothing_of_others(
    spec: Manifest, image: PinnedImage, chance: Random, data: st.DataObject
) -> None:
    """It names the fields on the way to ours, and none that others have added."""
    manifest = data.draw(st.sampled_from(desired_children(an_app(spec), image)))
    path = data.draw(st.sampled_from(list(_leaves(manifest))))
    edited = deepcopy(manifest)
    parent = _parent(edited, path)
    parent[path[-1]] = _another(parent[path[-1]], path)
    live = _with_others_fields(edited, chance)
    change = repair(manifest, live)
    assert change
    assert "x-" not in {str(step)[:2] for leaf in _leaves(change) for step in leaf}
    assert repair(manifest, _with_others_fields(manifest, chance)) == {}


@unhurried
@given(specs(), pinned_images(), st.data())
def test_any_removed_value_of_ours_is_seen(spec: Manifest, image: PinnedImage, data: st.DataObject) -> None:
    """Unless it is empty and Kubernetes leaves it out itself."""
    manifest = data.draw(st.sampled_from(desired_children(an_app(spec), image)))
    path = data.draw(st.sampled_from(list(_leaves(manifest))))
    edited = deepcopy(manifest)
    parent = _parent(edited, path)
    value = parent.pop(path[-1])
    omitted = path[-1] in {"value", "prefix", "initialDelaySeconds"} and not value and "labels" not in path
    assert differs(manifest, edited) is not omitted


@unhurried
@given(specs(), pinned_images())
def test_a_label_added_to_a_selector_is_seen(spec: Manifest, image: PinnedImage) -> None:
    """It would select other Pods: none, as a rule."""
    for manifest in desired_children(an_app(spec), image):
        if "selector" in manifest.get("spec", {}):
            edited = deepcopy(manifest)
            selector = edited["spec"]["selector"]
            selector.get("matchLabels", selector)["track"] = "canary"
            assert differs(manifest, edited)


@unhurried
@given(st.integers(0, 10**9), st.sampled_from(["", "m", "k", "M", "Ki", "Mi", "Gi", "e3"]))
def test_a_quantity_in_thousandths_is_the_same_quantity(number: int, suffix: str) -> None:
    """However Kubernetes chooses to write it."""
    text = f"{number}{suffix}"
    canonical = f"{quantity(text) * 1000}m"
    assert not differs({"limits": {"cpu": text}}, {"limits": {"cpu": canonical}})
    assert differs({"limits": {"cpu": text}}, {"limits": {"cpu": f"{quantity(text) * 1000 + 1}m"}})
