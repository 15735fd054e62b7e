"""What the watches have seen: the newest version of every custom object and every child, by resource.

Fed by kopf's watch of the custom objects, by the informers of the children and by the answers to our own writes; read
by the reconcile, so that a look at the cluster costs no request. It never asks the API server anything. Objects are
kept as JSON text: as Python values they take four times the memory.
"""

from __future__ import annotations

import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar, NamedTuple, Protocol, TypeAlias

import orjson

from containerapp.core.conditions import state_of
from containerapp.core.model import Controller, Key, Manifest, ObjectRef, Resource
from containerapp.core.ownership import Owners
from containerapp.kube.claims import Claims

_REMEMBERED = 120.0
"""Seconds for which the end of an object is known: longer than the answer to any write of ours takes."""

_READ = 256
"""Objects kept as they were read last: one reconcile reads each of them several times."""

Identity: TypeAlias = tuple[str, str]
"""Namespace and name of an object within its resource."""


class Packed(NamedTuple):
    """An object as JSON text, its resourceVersion, and the custom object that it belongs to."""

    version: int
    text: bytes
    owner: Key | None

    def read(self) -> Manifest:
        """Return the object; it is shared."""
        return _read(self.text)


@lru_cache(maxsize=_READ)
def _read(text: bytes) -> Manifest:
    manifest: Manifest = orjson.loads(text)
    return manifest


@dataclass(kw_only=True)
class Store:
    """The objects of one resource, the newest version of each, with an index by owner. What it returns is shared.

    `owner_of` names the custom object that an object belongs to; one of None is not kept.
    """

    reads_managed_fields: ClassVar[bool] = False

    resource: Resource
    owner_of: Callable[[Manifest], Key | None]
    clock: Callable[[], float] = time.monotonic
    _objects: dict[Identity, Packed] = field(default_factory=dict)
    _by_owner: defaultdict[Key, set[Identity]] = field(default_factory=lambda: defaultdict(set))
    _ended: OrderedDict[Identity, tuple[int, float]] = field(default_factory=OrderedDict)
    """Version at which an object ended, and when this was seen."""
    _listed: dict[str | None, int] = field(default_factory=dict)
    """Version of the newest list, by namespace (None: all)."""

    def get(self, namespace: str, name: str) -> Manifest | None:
        """Return an object, or None where there is none."""
        known = self._objects.get((namespace, name))
        return known.read() if known else None

    def owned(self, key: Key) -> Iterator[Manifest]:
        """Yield what belongs to a custom object."""
        for identity in self._by_owner.get(key, ()):
            yield self._objects[identity].read()

    def owners(self) -> Iterable[Key]:
        """Return the custom objects that something belongs to."""
        return self._by_owner.keys()

    def put(self, manifest: Manifest) -> set[Key]:
        """Store an object; return the owners to which this is news.

        A version that is no newer than what is known changes nothing. Nor does an unknown object that is no newer than
        the last list, or than its own end: it is gone again.
        """
        identity, version = identity_of(manifest), _version(manifest)
        known = self._objects.get(identity)
        if version <= (known.version if known else self._gone_at(identity)):
            return set()
        return self._replace(identity, self._pack(manifest))

    def drop(self, manifest: Manifest) -> set[Key]:
        """Forget an object that was deleted, unless a newer one of the name is known; return the owners that lose it.

        The version of its end is kept for a while: the answer to an earlier write of ours may arrive later.
        """
        identity, version = identity_of(manifest), _version(manifest)
        self._remember_end(identity, version)
        known = self._objects.get(identity)
        if known is None or known.version > version:
            return set()
        return self._replace(identity, None)

    def lose(self, namespace: str, name: str) -> None:
        """Forget an object that the API server does not find."""
        self._replace((namespace, name), None)

    def replace(self, namespace: str | None, listed: Listed) -> set[Key]:
        """Take a fresh list for all there was (in `namespace`); return the owners that it changes.

        Objects that are newer than the list stay: the answer to a write of ours came before it.
        """
        gone = [
            identity
            for identity, known in self._objects.items()
            if namespace in {None, identity[0]}
            and identity not in listed.items
            and known.version <= listed.version
        ]
        changed = set[Key]()
        for identity in gone:
            changed |= self._replace(identity, None)
        for identity, item in listed.items.items():
            known = self._objects.get(identity)
            if known is None or item.version > known.version:
                changed |= self._replace(identity, item)
        self._listed[namespace] = listed.version
        return changed

    def clear(self, namespace: str | None) -> set[Key]:
        """Forget everything (in `namespace`): the definition is gone. Return the owners that it changes."""
        newest = max((known.version for known in self._objects.values()), default=0)
        return self.replace(namespace, Listed(store=self, version=newest))

    def pack(self, manifest: Manifest) -> Packed:
        """Return an object as it is kept: what is known already, where that is of the same version."""
        known = self._objects.get(identity_of(manifest))
        return known if known and known.version == _version(manifest) else self._pack(manifest)

    def __len__(self) -> int:
        return len(self._objects)

    def __iter__(self) -> Iterator[Manifest]:
        return (stored.read() for stored in list(self._objects.values()))

    def _pack(self, manifest: Manifest) -> Packed:
        kept = _metadata(manifest) if self.resource.metadata_only else manifest
        return Packed(_version(manifest), orjson.dumps(kept), self.owner_of(manifest))

    def _replace(self, identity: Identity, new: Packed | None) -> set[Key]:
        """Put `new` into the place of what is known; return the owners of both."""
        old = self._objects.pop(identity, None)
        if old is not None and old.owner is not None:
            self._by_owner[old.owner].discard(identity)
            if not self._by_owner[old.owner]:
                del self._by_owner[old.owner]
        if new is not None and new.owner is not None:
            self._objects[identity] = new
            self._by_owner[new.owner].add(identity)
        return {each.owner for each in (old, new) if each is not None and each.owner is not None}

    def _gone_at(self, identity: Identity) -> int:
        """Return the newest version at which an unknown object was certainly absent."""
        ended = self._ended.get(identity, (0, 0.0))[0]
        return max(ended, self._listed.get(identity[0], 0), self._listed.get(None, 0))

    def _remember_end(self, identity: Identity, version: int) -> None:
        now = self.clock()
        self._ended[identity] = version, now
        self._ended.move_to_end(identity)
        while next(iter(self._ended.values()))[1] < now - _REMEMBERED:
            self._ended.popitem(last=False)


class Packer(Protocol):
    """What keeps the objects of one resource."""

    def pack(self, manifest: Manifest) -> Packed:
        """Return an object as it is kept."""


@dataclass(kw_only=True)
class Listed:
    """A list of one resource, page by page, and the resourceVersion that it stands for.

    Packed as it comes: thousands of objects as Python values would be the peak of the process's memory.
    """

    store: Packer
    version: int = 0
    items: dict[Identity, Packed] = field(default_factory=dict)

    def add(self, items: Iterable[Manifest], version: int) -> None:
        """Take one page."""
        for item in items:
            self.items[identity_of(item)] = self.store.pack(item)
        self.version = version


class Stores:
    """All stores of a replica: one for each custom kind, and one for each kind that they own."""

    def __init__(
        self, controllers: Iterable[Controller], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.owners = Owners.of(controllers)
        self.absent: set[Resource] = set()
        """Optional kinds whose definitions are not installed."""
        self._custom: dict[str, Store] = {}
        self._children: dict[Resource, Store] = {}
        self._owned: dict[str, tuple[Store, ...]] = {}
        self._states: dict[Key, str] = {}
        self._claims = Claims()
        self._controllers = {each.resource.kind: each for each in controllers}
        for controller in controllers:
            kind = controller.resource.kind
            self._custom[kind] = Store(resource=controller.resource, owner_of=_itself(kind), clock=clock)
            for child in controller.owns:
                store = Store(resource=child.resource, owner_of=self.owners.key, clock=clock)
                self._children.setdefault(child.resource, store)
            self._owned[kind] = tuple(self._children[child.resource] for child in controller.owns)

    def object(self, key: Key) -> Manifest | None:
        """Return a custom object as last seen, or None where there is none."""
        return self._custom[key.kind].get(key.namespace, key.name)

    def children(self, key: Key) -> dict[ObjectRef, Manifest]:
        """Return what lives under a custom object's name."""
        return {ObjectRef.of(child): child for store in self._owned[key.kind] for child in store.owned(key)}

    def of(self, manifest_or_ref: Manifest | ObjectRef) -> Store:
        """Return the store of a child's kind."""
        ref = manifest_or_ref if isinstance(manifest_or_ref, ObjectRef) else ObjectRef.of(manifest_or_ref)
        return next(
            store
            for resource, store in self._children.items()
            if (resource.api_version, resource.kind) == (ref.api_version, ref.kind)
        )

    def child_stores(self) -> Mapping[Resource, Store]:
        """Return the stores of the child kinds."""
        return self._children

    def put_object(self, key: Key, manifest: Manifest) -> bool:
        """Store a custom object; False where this is no news."""
        changed = bool(self._custom[key.kind].put(manifest))
        if changed:
            self._states[key] = state_of(manifest)
        return changed

    def drop_object(self, key: Key, manifest: Manifest) -> bool:
        """Forget a custom object that was deleted; False where this is no news."""
        changed = bool(self._custom[key.kind].drop(manifest))
        if changed:
            self._states.pop(key, None)
        return changed

    def lose_object(self, key: Key) -> None:
        """Forget a custom object that the API server does not find."""
        self._custom[key.kind].lose(key.namespace, key.name)
        self._states.pop(key, None)

    def claim(self, key: Key) -> set[Key]:
        """Note what a custom object claims and follows as it is now; return the others to which that is news."""
        manifest, controller = self.object(key), self._controllers[key.kind]
        if manifest is None:
            return self._claims.update(key, frozenset())
        follows = controller.follows(manifest) if controller.follows else None
        return self._claims.update(key, controller.claims(manifest), follows, controller.state(manifest))

    def peers(self, key: Key) -> tuple[Manifest, ...]:
        """Return the other custom objects that share a claim with this one, or those that it follows in a chain.

        Those that are gone are left out; a ring has the object itself in its chain.
        """
        if self._controllers[key.kind].follows is None:
            keys = self._claims.followed(key) - {key}
        else:
            keys = self._claims.chain(key)
        found = map(self.object, sorted(keys))
        return tuple(peer for peer in found if peer is not None)

    def states(self) -> Mapping[Key, str]:
        """Return how all custom objects fare, as their statuses say: ready, progressing or stalled."""
        return self._states


def without_managed_fields(manifest: Manifest) -> Manifest:
    """Drop what is half of an object's size and of no use here."""
    manifest["metadata"].pop("managedFields", None)
    return manifest


def _metadata(manifest: Manifest) -> Manifest:
    return {key: manifest[key] for key in ("apiVersion", "kind", "metadata")}


def _itself(kind: str) -> Callable[[Manifest], Key]:
    return lambda manifest: Key(kind, *identity_of(manifest))


def identity_of(manifest: Manifest) -> Identity:
    """Return the namespace, empty for what has none, and the name of an object."""
    return manifest["metadata"].get("namespace", ""), manifest["metadata"]["name"]


def _version(manifest: Manifest) -> int:
    """Read a resourceVersion, which Kubernetes keeps in numeric order (guaranteed from 1.35 on)."""
    return int(manifest["metadata"].get("resourceVersion", 0))
