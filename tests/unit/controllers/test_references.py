"""Which changes of ConfigMaps and Secrets make a new revision: `containerapp.controllers.containerapp.references`."""

from __future__ import annotations

from typing import Any

import pytest

from containerapp.controllers.containerapp.references import (
    ANNOTATION,
    CONFIG_MAP,
    WATCHES,
    Record,
    find_references,
    with_references,
)
from containerapp.controllers.workloads.secrets import SECRET
from containerapp.core.model import Manifest, ObjectRef
from containerapp.core.policy import Platform
from tests.builders import a_view, an_app

CONFIG = CONFIG_MAP.ref("shop")
NEEDED: Manifest = {"envFrom": [{"configMapRef": {"name": "shop"}}]}
OPTIONAL: Manifest = {"envFrom": [{"configMapRef": {"name": "shop", "optional": True}}]}


def _deployment(record: Record) -> Manifest:
    return {"metadata": {"annotations": record.annotations}}


def _found(spec: Manifest, *steps: dict[ObjectRef, str]) -> list[Record]:
    """Return the records after each step, by what the watches show; each one is read back from the Deployment."""
    records: list[Record] = []
    for watched in steps:
        live = _deployment(records[-1]) if records else None
        records.append(find_references(a_view(an_app(spec), {}, watched=watched), live))
    return records


def test_a_change_makes_a_revision_and_a_restart_of_the_operator_does_not() -> None:
    """What runs is on record at the Deployment."""
    first, again, changed = _found(NEEDED, {CONFIG: "1"}, {CONFIG: "1"}, {CONFIG: "2"})
    assert first == again
    assert first.facts == {"references": first.version}
    assert changed.version != first.version


def test_a_record_that_was_removed_by_hand_is_found_again() -> None:
    """In the usual case: nothing was missing, and no change left out."""
    (first,) = _found(NEEDED, {CONFIG: "1"})
    assert find_references(a_view(an_app(NEEDED), {}, watched={CONFIG: "1"}), {"metadata": {}}) == first


@pytest.mark.parametrize("text", ["", "v1", "v1 {", "v1 []"])
def test_what_is_no_record_is_none(text: str) -> None:
    """Anybody with the right to can write annotations of a Deployment."""
    assert Record.read({"metadata": {"annotations": {ANNOTATION: text}}}) == Record()


@pytest.mark.parametrize("spec", [NEEDED, OPTIONAL])
def test_a_deletion_is_no_change_and_another_object_of_the_name_is_one(spec: Manifest) -> None:
    """The Pods run on with what they have; new ones wait."""
    first, deleted, again = _found(spec, {CONFIG: "1"}, {CONFIG: ""}, {CONFIG: "2"})
    assert deleted == first
    assert again.version != first.version


def test_pods_that_wait_for_an_object_are_not_replaced_when_it_comes() -> None:
    """The kubelet starts them by itself; the next change counts."""
    missing, there, changed = _found(NEEDED, {CONFIG: ""}, {CONFIG: "1"}, {CONFIG: "2"})
    assert missing.version == there.version != changed.version
    assert missing.seen != there.seen


def test_pods_that_run_without_an_optional_object_are_replaced_when_it_comes() -> None:
    """They do not see it otherwise."""
    missing, there = _found(OPTIONAL, {CONFIG: ""}, {CONFIG: "1"})
    assert missing.version != there.version


def test_what_is_needed_once_is_needed() -> None:
    """Another container can do without it."""
    spec = {**NEEDED, "files": [{"path": "/etc/shop", "configMap": "shop", "optional": True}]}
    missing, there = _found(spec, {CONFIG: ""}, {CONFIG: "1"})
    assert missing.version == there.version


def test_what_is_not_watched_keeps_its_record() -> None:
    """As when the platform stops to watch Secrets, or the right to it is lost."""
    first, unknown, again = _found(NEEDED, {CONFIG: "1"}, {}, {CONFIG: "1"})
    assert first == unknown == again
    (never,) = _found(NEEDED, {})
    assert never.facts == {}


def test_without_reload_changes_wait_until_it_is_set_again() -> None:
    """To set it back restarts nothing, unless something has changed meanwhile."""
    (first,) = _found(NEEDED, {CONFIG: "1"})
    still = find_references(
        a_view(an_app({**NEEDED, "reload": False}), {}, watched={CONFIG: "2"}), _deployment(first)
    )
    assert still == first
    same, changed = (
        find_references(a_view(an_app(NEEDED), {}, watched={CONFIG: version}), _deployment(still))
        for version in ("1", "2")
    )
    assert same.version == first.version != changed.version


def test_without_reload_an_object_that_comes_is_recorded() -> None:
    """Pods wait for it; it is no change."""
    (missing,) = _found(OPTIONAL, {CONFIG: ""})
    there = find_references(
        a_view(an_app({**OPTIONAL, "reload": False}), {}, watched={CONFIG: "1"}), _deployment(missing)
    )
    assert there.version == missing.version


def test_every_way_to_name_an_object_counts() -> None:
    """In each container."""
    sources = [
        {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "env-map", "key": "a"}}},
        {"name": "B", "valueFrom": {"secretKeyRef": {"name": "env-secret", "key": "b"}}},
        {"name": "C", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "D", "value": "d"},
    ]
    spec: dict[str, Any] = {
        "env": sources,
        "envFrom": [{"configMapRef": {"name": "all-map"}}, {"secretRef": {"name": "all-secret"}}],
        "files": [
            {"path": "/a", "configMap": "file-map"},
            {"path": "/b", "secret": "file-secret"},
            {"path": "/c", "content": ""},
        ],
        "sidecars": [
            {"name": "proxy", "image": "proxy:1", "envFrom": [{"secretRef": {"name": "sidecar-secret"}}]}
        ],
        "secrets": [
            {"name": "E", "valueFrom": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop-AbCdEf"}
        ],
    }
    maps, secrets = (set(watch.refs(an_app(spec))) for watch in WATCHES)
    assert maps == {"env-map", "all-map", "file-map"}
    assert {"env-secret", "all-secret", "file-secret", "sidecar-secret"} < secrets
    assert len(secrets) == 5, "and the Secret that is fetched for the app"


def test_the_platform_says_whether_secrets_are_watched() -> None:
    """To list them is to be able to read them."""
    watch = next(watch for watch in WATCHES if watch.resource == SECRET)
    assert watch.allowed(Platform())
    assert not watch.allowed(Platform(watch_secrets=False))
    assert all(each.allowed(Platform(watch_secrets=False)) for each in WATCHES if each is not watch)


def test_the_template_has_the_version_beside_the_users_annotations() -> None:
    """A new one makes new Pods."""
    template = {"metadata": {"annotations": {"a": "b"}}, "spec": {}}
    record = Record(version="v1", seen={"ConfigMap/shop": "1"})
    assert with_references(template, record)["metadata"]["annotations"] == {"a": "b", ANNOTATION: "v1"}
    assert with_references(template, Record()) is template
