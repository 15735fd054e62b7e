"""What custom objects depend on and others own: the versions of ConfigMaps, Secrets and the like, and who names them.

Fed by informers of metadata, read by the reconcile. Of an object it keeps a hash of who has set its data, and when: a
label that changes is no news, and a value is never seen. It never asks the API server anything.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import orjson

from containerapp.core.model import Controller, Key, Manifest, ObjectRef, Resource
from containerapp.core.policy import Platform
from containerapp.kube.store import Identity, Listed, Packed, identity_of

_QUIET = 1.2
"""Seconds without a change after which a change counts: times in metadata are whole seconds, so that of two changes
within one second the last must be seen. And a ConfigMap and a Secret that change together cost one rollout."""

_LONGEST = 10.0
"""Seconds after which a change counts although others follow."""

_DATA = ("f:data", "f:binaryData", "f:stringData")


def data_version(metadata: Manifest, data_hash: str = "") -> str:
    """Return what changes with the data of an object, as its metadata tells; else, with the object.

    The annotation `data_hash` wins: the writer of the data may label the object under the same name. The uid is the
    salt, so that nobody who sees the version of a Secret can guess a value by it.
    """
    said = (metadata.get("annotations") or {}).get(data_hash)
    entries = [
        [entry.get("time", ""), data]
        for entry in metadata.get("managedFields") or ()
        if (data := {key: value for key, value in entry.get("fieldsV1", {}).items() if key in _DATA})
    ]
    written = sorted(orjson.dumps(entry, option=orjson.OPT_SORT_KEYS).decode() for entry in entries)
    content = [metadata["uid"], *([said] if said else written or [metadata["resourceVersion"]])]
    return hashlib.sha256(orjson.dumps(content)).hexdigest()[:16]


@dataclass(slots=True, kw_only=True)
class _Pending:
    """A version that does not count yet, and when the object began to change, and changed last."""

    version: str
    first: float
    last: float


@dataclass(kw_only=True)
class Versions:
    """The versions of the objects of one resource. Calls `notify` for who names an object that has changed."""

    reads_managed_fields: ClassVar[bool] = True

    resource: Resource
    notify: Callable[[Key], None]
    data_hash: str = ""
    clock: Callable[[], float] = time.monotonic
    _known: dict[Identity, str] = field(default_factory=dict)
    _pending: dict[Identity, _Pending] = field(default_factory=dict)
    _users: defaultdict[Identity, set[Key]] = field(default_factory=lambda: defaultdict(set))
    _names: dict[Key, frozenset[str]] = field(default_factory=dict)
    _listed: set[str | None] = field(default_factory=set)

    def track(self, key: Key, names: frozenset[str]) -> None:
        """Note which objects of its namespace a custom object names now."""
        before = self._names.get(key, frozenset())
        for name in before - names:
            users = self._users[key.namespace, name]
            users.discard(key)
            if not users:
                del self._users[key.namespace, name]
        for name in names - before:
            self._users[key.namespace, name].add(key)
        if names:
            self._names[key] = names
        else:
            self._names.pop(key, None)

    def of(self, key: Key) -> dict[str, str]:
        """Return the version of each object that is named, empty where there is none; nothing before the first list."""
        if self._listed.isdisjoint({None, key.namespace}):
            return {}
        return {name: self._known.get((key.namespace, name), "") for name in self._names.get(key, ())}

    def put(self, manifest: Manifest) -> set[Key]:
        """Take a version; return whom it concerns at once: an object that is new."""
        identity, version = identity_of(manifest), data_version(manifest["metadata"], self.data_hash)
        known, pending = self._known.get(identity), self._pending.get(identity)
        if known is None:
            self._known[identity] = version
            return self._users_of(identity)
        if pending is not None:
            pending.version, pending.last = version, self.clock()
        elif version != known:
            now = self.clock()
            self._pending[identity] = _Pending(version=version, first=now, last=now)
            self._settle_later(identity, _QUIET)
        return set()

    def drop(self, manifest: Manifest) -> set[Key]:
        """Forget an object that was deleted; return whom that concerns."""
        identity = identity_of(manifest)
        self._known.pop(identity, None)
        self._pending.pop(identity, None)
        return self._users_of(identity)

    def replace(self, namespace: str | None, listed: Listed) -> set[Key]:
        """Take a fresh list for all there was (in `namespace`); return whom it concerns."""
        self._listed.add(namespace)
        old = {each: version for each, version in self._known.items() if namespace in {None, each[0]}}
        new = {identity: packed.text.decode() for identity, packed in listed.items.items()}
        for identity in old:
            del self._known[identity]
            self._pending.pop(identity, None)
        self._known |= new
        changed = {identity for identity in old.keys() | new.keys() if old.get(identity) != new.get(identity)}
        return {key for identity in changed for key in self._users_of(identity)}

    def clear(self, namespace: str | None) -> set[Key]:
        """Forget everything (in `namespace`): the kind is not served."""
        return self.replace(namespace, Listed(store=self))

    def pack(self, manifest: Manifest) -> Packed:
        """Return an object as it is kept while its list comes in: by its version."""
        metadata = manifest["metadata"]
        return Packed(int(metadata["resourceVersion"]), data_version(metadata, self.data_hash).encode(), None)

    def __len__(self) -> int:
        return len(self._known)

    def _users_of(self, identity: Identity) -> set[Key]:
        return set(self._users.get(identity, ()))

    def _settle_later(self, identity: Identity, seconds: float) -> None:
        asyncio.get_running_loop().call_later(seconds, self._settle, identity)

    def _settle(self, identity: Identity) -> None:
        """Let a change count, unless another one has followed a moment ago."""
        pending = self._pending.get(identity)
        if pending is None:
            return
        wait = min(pending.last + _QUIET, pending.first + _LONGEST) - self.clock()
        if wait > 0:
            self._settle_later(identity, wait)
            return
        del self._pending[identity]
        if self._known.get(identity) != pending.version:
            self._known[identity] = pending.version
            for key in self._users_of(identity):
                self.notify(key)


class References:
    """All of them: one `Versions` for each kind that a controller watches and the platform allows."""

    def __init__(
        self,
        controllers: Iterable[Controller] = (),
        platform: Platform | None = None,
        notify: Callable[[Key], None] = lambda _: None,
    ) -> None:
        allowed = platform or Platform()
        self.versions: Mapping[Resource, Versions] = {
            watch.resource: Versions(resource=watch.resource, notify=notify, data_hash=watch.data_hash)
            for controller in controllers
            for watch in controller.watches
            if watch.allowed(allowed)
        }

    def track(self, controller: Controller, key: Key, obj: object) -> None:
        """Note what a custom object names now."""
        for watch in controller.watches:
            if (versions := self.versions.get(watch.resource)) is not None:
                versions.track(key, frozenset(watch.refs(obj)))

    def forget(self, key: Key) -> None:
        """Note that a custom object is gone."""
        for versions in self.versions.values():
            versions.track(key, frozenset())

    def of(self, key: Key) -> dict[ObjectRef, str]:
        """Return the versions of what a custom object names; of what is not watched there is none."""
        return {
            resource.ref(name): version
            for resource, versions in self.versions.items()
            for name, version in versions.of(key).items()
        }
