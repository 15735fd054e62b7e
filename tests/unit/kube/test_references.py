"""The versions of what custom objects name, and who names it: `containerapp.kube.references`."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from containerapp.controllers.containerapp.controller import CONTAINER_APP
from containerapp.core.model import Key, Manifest, Resource
from containerapp.core.policy import Platform
from containerapp.kube import references
from containerapp.kube.references import References, Versions, data_version
from containerapp.kube.store import Listed
from tests.builders import an_app

RESOURCE = Resource(api_version="v1", kind="ConfigMap", plural="configmaps", metadata_only=True)
A, B, ELSEWHERE = Key("ContainerApp", "x", "a"), Key("ContainerApp", "x", "b"), Key("ContainerApp", "y", "a")


def _entry(manager: str, time: str, **fields: Any) -> Manifest:
    return {
        "manager": manager,
        "time": time,
        "fieldsV1": {f"f:{key}": value for key, value in fields.items()},
    }


def _metadata(*entries: Manifest, version: str = "1", **more: Any) -> Manifest:
    known = {"name": "shop", "namespace": "x", "uid": "u", "resourceVersion": version}
    return {**known, "managedFields": [*entries], **more}


DATA = _entry("kubectl", "10:00", data={"f:a": {}})


@pytest.mark.parametrize(
    ("metadata", "changed"),
    [
        (_metadata(DATA, version="2"), False),
        (_metadata(DATA, _entry("team", "11:00", metadata={"f:labels": {}}), version="2"), False),
        (_metadata(_entry("kubectl", "11:00", data={"f:a": {}})), True),
        (_metadata(_entry("kubectl", "10:00", data={})), True),
        (_metadata(DATA, _entry("other", "10:00", binaryData={"f:b": {}})), True),
        (_metadata(DATA, uid="another"), True),
    ],
)
def test_the_version_follows_the_data_and_not_the_labels(metadata: Manifest, *, changed: bool) -> None:
    """Who has set the data, when, and which keys; and another object of the name is another."""
    assert (data_version(metadata) != data_version(_metadata(DATA))) is changed


def test_an_object_that_does_not_say_who_set_it_goes_by_its_version() -> None:
    """Another client has removed managedFields."""
    assert data_version(_metadata(version="1")) != data_version(_metadata(version="2"))
    bare = {key: value for key, value in _metadata().items() if key != "managedFields"}
    assert data_version(bare) == data_version(_metadata())


def test_an_annotation_with_a_hash_of_the_data_wins_and_is_salted() -> None:
    """A tool may label what it fills, under the same name; and the hash alone could be guessed."""

    def version(value: str, time: str, uid: str = "u") -> str:
        entry = _entry("filler", time, data={})
        return data_version(_metadata(entry, annotations={"hash": value}, uid=uid), "hash")

    assert version("aa", "10:00") == version("aa", "11:00")
    assert version("aa", "10:00") != version("bb", "10:00")
    assert version("aa", "10:00") != version("aa", "10:00", uid="v")


def _object(name: str, time: str, namespace: str = "x") -> Manifest:
    return {"metadata": {**_metadata(_entry("m", time, data={})), "name": name, "namespace": namespace}}


def _listed(versions: Versions, *objects: Manifest) -> Listed:
    listed = Listed(store=versions)
    listed.add(objects, 1)
    return listed


@pytest.fixture
def notified() -> list[Key]:
    """Who was notified of a change that counts."""
    return []


@pytest.fixture
def versions(notified: list[Key], monkeypatch: pytest.MonkeyPatch) -> Versions:
    """Versions of a list with one object, which A and B name."""
    monkeypatch.setattr(references, "_QUIET", 0.05)
    monkeypatch.setattr(references, "_LONGEST", 0.2)
    found = Versions(resource=RESOURCE, notify=notified.append)
    found.track(A, frozenset({"shop"}))
    found.track(B, frozenset({"shop", "missing"}))
    assert found.of(A) == {}, "not listed yet"
    assert found.replace(None, _listed(found, _object("shop", "1"), _object("other", "1"))) == {A, B}
    return found


def test_versions_are_those_of_the_namespace(versions: Versions) -> None:
    """Another namespace has other objects; of what is not there the version is empty."""
    versions.track(ELSEWHERE, frozenset({"shop"}))
    assert versions.of(ELSEWHERE) == {"shop": ""}
    assert versions.of(B)["missing"] == ""
    assert versions.of(B)["shop"] == versions.of(A)["shop"] != ""
    assert len(versions) == 2


async def test_a_change_counts_after_a_moment_and_concerns_only_who_names_it(
    versions: Versions, notified: list[Key]
) -> None:
    """Of several at once the last one counts."""
    before = versions.of(A)
    assert versions.put(_object("shop", "2")) == set()
    assert versions.put(_object("shop", "3")) == set()
    assert versions.put(_object("other", "2")) == set()
    assert versions.of(A) == before
    await asyncio.sleep(0.15)
    assert sorted(notified) == [A, B]
    after = versions.of(A)["shop"]
    assert after == data_version(_object("shop", "3")["metadata"])


async def test_changes_without_end_count_in_the_end(versions: Versions, notified: list[Key]) -> None:
    """An object that changes all the time must not hide that it has."""
    for number in range(20):
        versions.put(_object("shop", str(number + 2)))
        await asyncio.sleep(0.02)
    assert A in notified


async def test_a_change_that_is_taken_back_or_deleted_notifies_nobody(
    versions: Versions, notified: list[Key]
) -> None:
    """At least not of the change."""
    versions.put(_object("shop", "2"))
    versions.put(_object("shop", "1"))
    versions.put(_object("other", "2"))
    assert versions.drop(_object("other", "2")) == set()
    await asyncio.sleep(0.15)
    assert notified == []


def test_what_comes_and_goes_is_news_at_once(versions: Versions) -> None:
    """Pods may wait for it."""
    assert versions.put(_object("missing", "1")) == {B}
    assert versions.drop(_object("shop", "1")) == {A, B}
    assert versions.of(A) == {"shop": ""}
    assert versions.put(_object("other", "1")) == set()


def test_a_fresh_list_concerns_those_whose_objects_have_changed(versions: Versions) -> None:
    """After a watch that has broken."""
    assert versions.replace(None, _listed(versions, _object("shop", "1"))) == set()
    assert versions.replace("x", _listed(versions, _object("shop", "1"), _object("missing", "1"))) == {B}
    assert versions.clear(None) == {A, B}


def test_who_names_nothing_any_more_is_forgotten(versions: Versions) -> None:
    """Its memory, too."""
    versions.track(A, frozenset())
    assert versions.drop(_object("shop", "1")) == {B}
    versions.track(B, frozenset())
    assert versions.of(B) == {}


def test_references_are_those_of_the_controllers_watches() -> None:
    """As far as the platform allows them."""
    app = an_app({"envFrom": [{"configMapRef": {"name": "c"}}, {"secretRef": {"name": "s"}}]})
    both, one = References([CONTAINER_APP]), References([CONTAINER_APP], Platform(watch_secrets=False))
    for found, kinds in ((both, ["ConfigMap", "Secret"]), (one, ["ConfigMap"])):
        for versions in found.versions.values():
            versions.replace(None, Listed(store=versions))
        found.track(CONTAINER_APP, A, app)
        assert [ref.kind for ref in sorted(found.of(A))] == kinds
        found.forget(A)
        assert found.of(A) == {}
