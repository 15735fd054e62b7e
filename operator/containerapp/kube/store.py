"""What the watches have seen: every app and every child, newest resourceVersion wins.

Fed by kopf's watch of the apps, by the reflectors of the children and by the answers to our own writes; read by the
reconcile, so that looking at the world costs no request. Never asks the API server anything itself. Objects are kept
as JSON text: read as Python values they take four times the memory.
"""

from __future__ import annotations

import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Self, TypeAlias

import orjson

from containerapp.controllers.containerapp.status import state_of
from containerapp.core.model import APP_LABEL, AppKey, Manifest, ObjectRef, Resource
from containerapp.core.ownership import is_app

_REMEMBERED = 120.0
"""Seconds for which the end of an object is known: longer than the answer to any write of ours takes."""

_READ = 256
"""Objects that are held as they were read last, since one reconcile looks at each several times."""

_Identity: TypeAlias = tuple[AppKey, ObjectRef]


@dataclass(frozen=True, slots=True)
class _Packed:
    """An object as JSON text, and its resourceVersion."""

    version: int
    text: bytes

    @classmethod
    def of(cls, manifest: Manifest) -> Self:
        return cls(_version(manifest), orjson.dumps(manifest))

    def read(self) -> Manifest:
        return _read(self.text)


class Listed:
    """A list of one kind, page by page, and the resourceVersion that it stands for.

    Packed as it comes: thousands of objects as Python values would be the peak of the process's memory. What `cache`
    holds in the same version is not held twice.
    """

    def __init__(self, cache: Cache) -> None:
        self.items: dict[_Identity, _Packed] = {}
        self.version = 0
        self._cache = cache

    def add(self, items: Iterable[Manifest], version: int) -> None:
        """Take one page."""
        for item in items:
            if (identity := _identity(item)) is not None:
                self.items[identity] = self._cache.packed(identity, item)
        self.version = version


@lru_cache(maxsize=_READ)
def _read(text: bytes) -> Manifest:
    manifest: Manifest = orjson.loads(text)
    return manifest


class Cache:
    """Apps by key, children by the key of their app. What it returns is shared: nobody may change it.

    `clock` is monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._apps: dict[AppKey, _Packed] = {}
        self._states: dict[AppKey, str] = {}
        self._children: defaultdict[AppKey, dict[ObjectRef, _Packed]] = defaultdict(dict)
        self._strays: dict[tuple[str, ObjectRef], AppKey] = {}
        """Children that stand under an app of another name than their own, by namespace and reference."""
        self._tombstones: OrderedDict[_Identity | AppKey, tuple[int, float]] = OrderedDict()
        """Of children and apps: the version of the end, and when it was heard of."""
        self._floors: dict[tuple[str, str, str | None], int] = {}

    def app(self, key: AppKey) -> Manifest | None:
        """Return the app as last seen, or None when there is none."""
        known = self._apps.get(key)
        return known.read() if known else None

    def app_states(self) -> Mapping[AppKey, str]:
        """Return how all apps fare, as their statuses say: ready, progressing or stalled."""
        return self._states

    def children(self, key: AppKey) -> Mapping[ObjectRef, Manifest]:
        """Return the live children that stand under the app's name."""
        return {ref: child.read() for ref, child in self._children.get(key, {}).items()}

    def packed(self, identity: _Identity, manifest: Manifest) -> _Packed:
        """Return a child as text: the one that is held, where it is of the same version."""
        known = self._known(*identity)
        return known if known and known.version == _version(manifest) else _Packed.of(manifest)

    def put_app(self, manifest: Manifest) -> bool:
        """Store an app; False when what is stored is as new or newer, or this one has ended already."""
        key, version = _key(manifest), _version(manifest)
        known = self._apps.get(key)
        if not _newer(version, known) or (known is None and version <= self._ended_at(key)):
            return False
        self._apps[key] = _Packed.of(manifest)
        self._states[key] = state_of(manifest)
        return True

    def drop_app(self, key: AppKey, uid: str | None = None, *, ended_at: int = 0) -> bool:
        """Forget an app, unless another one of the same name has taken its place.

        The version of its end, where it is known, is kept for a while: the answer to an earlier write of ours may
        arrive later.
        """
        known = self._apps.get(key)
        if ended_at:
            self._bury(key, ended_at)
        if known is None or (uid is not None and known.read()["metadata"]["uid"] != uid):
            return False
        del self._apps[key], self._states[key]
        return True

    def put_child(self, manifest: Manifest) -> set[AppKey]:
        """Store a child; return the key of its app if this was news, and of the app that has lost it.

        An unknown child that is no newer than the last list of its kind was missing there: it is gone again.
        """
        key, ref, version = app_key(manifest), ObjectRef.of(manifest), _version(manifest)
        changed, holder = set[AppKey](), self._holder(manifest["metadata"]["namespace"], ref)
        if holder is not None and holder != key:
            if not _newer(version, self._known(holder, ref)):
                return changed
            self._remove(holder, ref)
            changed.add(holder)
        if key is None:
            return changed
        known = self._known(key, ref)
        gone = known is None and version <= max(self._floor(key, ref), self._ended_at((key, ref)))
        if not gone and _newer(version, known):
            changed.add(self._store(key, ref, _Packed.of(manifest)))
        return changed

    def drop_child(self, manifest: Manifest) -> set[AppKey]:
        """Forget a child that the API server says is gone; return its app's key if it was known.

        The version of its end is kept for a while: the answer to an earlier write of ours may arrive later.
        """
        ref = ObjectRef.of(manifest)
        key = self._holder(manifest["metadata"]["namespace"], ref) or app_key(manifest)
        if key is None:
            return set()
        self._bury((key, ref), _version(manifest))
        known = self._known(key, ref)
        if known is None or known.version > _version(manifest):
            return set()
        self._remove(key, ref)
        return {key}

    def replace_children(self, kind: Resource, namespace: str | None, listed: Listed) -> set[AppKey]:
        """Take a fresh list of one kind for all there was (in `namespace`); return the keys it changes.

        Children that are newer than the list stay: the answer to a write of ours came before it.
        """
        gone = [
            (key, ref)
            for key, children in self._children.items()
            for ref, child in children.items()
            if (ref.api_version, ref.kind) == (kind.api_version, kind.kind)
            and namespace in {None, key[0]}
            and (key, ref) not in listed.items
            and child.version <= listed.version
        ]
        for key, ref in gone:
            self._remove(key, ref)
        changed = {
            self._store(key, ref, item)
            for (key, ref), item in listed.items.items()
            if _newer(item.version, self._known(key, ref))
        }
        self._floors[kind.api_version, kind.kind, namespace] = listed.version
        return changed | {key for key, _ in gone}

    def _known(self, key: AppKey, ref: ObjectRef) -> _Packed | None:
        return self._children.get(key, {}).get(ref)

    def _holder(self, namespace: str, ref: ObjectRef) -> AppKey | None:
        """Return the key under which a child is held now: mostly its own name's."""
        key = self._strays.get((namespace, ref), (namespace, ref.name))
        return key if self._known(key, ref) else None

    def _store(self, key: AppKey, ref: ObjectRef, child: _Packed) -> AppKey:
        self._children[key][ref] = child
        if key[1] != ref.name:
            self._strays[key[0], ref] = key
        return key

    def _floor(self, key: AppKey, ref: ObjectRef) -> int:
        kind = (ref.api_version, ref.kind)
        return max(self._floors.get((*kind, key[0]), 0), self._floors.get((*kind, None), 0))

    def _remove(self, key: AppKey, ref: ObjectRef) -> None:
        del self._children[key][ref]
        self._strays.pop((key[0], ref), None)
        if not self._children[key]:
            del self._children[key]

    def _bury(self, identity: _Identity | AppKey, version: int) -> None:
        now = self._clock()
        self._tombstones[identity] = version, now
        self._tombstones.move_to_end(identity)
        while next(iter(self._tombstones.values()))[1] < now - _REMEMBERED:
            self._tombstones.popitem(last=False)

    def _ended_at(self, identity: _Identity | AppKey) -> int:
        """Return the version at which something ended, 0 where that is long ago or not known."""
        return self._tombstones.get(identity, (0, 0.0))[0]


def app_key(child: Manifest) -> AppKey | None:
    """Tell by its owner reference, else by its label, which app a child belongs to."""
    metadata = child["metadata"]
    for owner in metadata.get("ownerReferences") or ():
        if is_app(owner):
            return metadata["namespace"], owner["name"]
    name = (metadata.get("labels") or {}).get(APP_LABEL)
    return (metadata["namespace"], name) if name else None


def without_managed_fields(manifest: Manifest) -> Manifest:
    """Drop what is half of an object's size and of no use here."""
    manifest["metadata"].pop("managedFields", None)
    return manifest


def _identity(manifest: Manifest) -> _Identity | None:
    key = app_key(manifest)
    return None if key is None else (key, ObjectRef.of(manifest))


def _key(manifest: Manifest) -> AppKey:
    return manifest["metadata"]["namespace"], manifest["metadata"]["name"]


def _version(manifest: Manifest) -> int:
    return int(manifest["metadata"].get("resourceVersion", 0))


def _newer(version: int, known: _Packed | None) -> bool:
    """Compare resource versions, which Kubernetes 1.35 and every version before it keep in numeric order."""
    return known is None or version > known.version
