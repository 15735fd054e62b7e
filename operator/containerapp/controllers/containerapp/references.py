"""ConfigMaps and Secrets that an app names: which they are, and whether a change of them makes a new revision. Pure.

Asked by `gather`, which gets their versions from the watches. What the Pods were started with is on record at the
Deployment, so that neither a restart of the operator nor a rollback looks like a change:

- a version other than the recorded one is a change, unless `reload` is false;
- an object that is deleted is none, and its record stays: new Pods wait for its return, old ones run on;
- an object that comes after Pods were made that need it is none: they wait for it and start by themselves. It is
  recorded, so that the next change counts;
- an object that is not watched, or not listed yet, keeps its record.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson

from containerapp.api.containerapp import ContainerApp
from containerapp.api.files import references as file_references
from containerapp.api.process import Process
from containerapp.controllers.pods.secrets import bundles, processes
from containerapp.controllers.workloads.secrets import DATA_HASH, SECRET
from containerapp.core.fingerprint import digest_of
from containerapp.core.model import Manifest, Resource, View, Watch

if TYPE_CHECKING:
    from containerapp.core.policy import Platform

CONFIG_MAP = Resource(api_version="v1", kind="ConfigMap", plural="configmaps", metadata_only=True)

ANNOTATION = "containerapp.dev/references"
"""On Pods: a hash that changes with what they name. On the Deployment: the record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The versions that the Pods were started with, by kind and name, and the hash that their template has of them."""

    version: str = ""
    seen: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, deployment: Manifest | None) -> Record:
        """Read the record of the live Deployment; an empty one where there is none."""
        text = ((deployment or {}).get("metadata", {}).get("annotations") or {}).get(ANNOTATION, "")
        version, _, seen = text.partition(" ")
        try:
            found = orjson.loads(seen)
        except orjson.JSONDecodeError:
            return cls()
        return cls(version=version, seen=found) if isinstance(found, dict) else cls()

    @property
    def annotations(self) -> dict[str, str]:
        """What `read` reads."""
        written = orjson.dumps(self.seen, option=orjson.OPT_SORT_KEYS).decode()
        return {ANNOTATION: f"{self.version} {written}"} if self.seen else {}

    @property
    def facts(self) -> dict[str, str]:
        """What the Pods depend on outside the spec."""
        return {"references": self.version} if self.seen else {}


def find_references(view: View, deployment: Manifest | None) -> Record:
    """Return the record as it should be; its version is another one where the Pods are to be replaced."""
    app: ContainerApp = view.obj
    old, seen, changed = Record.read(deployment), dict[str, str](), False
    for (kind, name), optional in sorted(_named(app).items()):
        label = f"{kind}/{name}"
        before = old.seen.get(label)
        now = view.watched.get((SECRET if kind == SECRET.kind else CONFIG_MAP).ref(name))
        if not now or (before and not app.spec.reload):
            now = before if now is None else before or ""
        if now is None:
            continue
        seen[label] = now
        changed = changed or (before is not None and now != before and (before != "" or optional))
    if changed and app.spec.reload:
        return Record(version=digest_of(seen), seen=seen)
    return Record(version=old.version or digest_of(seen), seen=seen)


def with_references(template: Manifest, record: Record) -> Manifest:
    """Return the Pod template with the hash of what it names."""
    if not record.seen:
        return template
    metadata = template["metadata"]
    annotations = {**metadata.get("annotations", {}), ANNOTATION: record.version}
    return {**template, "metadata": {**metadata, "annotations": annotations}}


def _named(app: ContainerApp) -> dict[tuple[str, str], bool]:
    """Return each object that the app names, and whether all that name it can do without it."""
    found: dict[tuple[str, str], bool] = {}
    for kind, name, optional in _references(app):
        found[kind, name] = found.get((kind, name), True) and optional
    return found


def _references(app: ContainerApp) -> Iterator[tuple[str, str, bool]]:
    yield from file_references(app.spec.files)
    for _, process in processes(app):
        yield from _of_process(process)


def _of_process(process: Process) -> Iterator[tuple[str, str, bool]]:
    sources = [variable.value_from for variable in process.env if variable.value_from is not None]
    for source in sources:
        if source.config_map_key_ref is not None:
            yield "ConfigMap", source.config_map_key_ref.name, bool(source.config_map_key_ref.optional)
        if source.secret_key_ref is not None:
            yield "Secret", source.secret_key_ref.name, bool(source.secret_key_ref.optional)
    for each in process.env_from:
        if each.config_map_ref is not None:
            yield "ConfigMap", each.config_map_ref.name, bool(each.config_map_ref.optional)
        if each.secret_ref is not None:
            yield "Secret", each.secret_ref.name, bool(each.secret_ref.optional)


def _config_maps(app: ContainerApp) -> Iterator[str]:
    return (name for kind, name in _named(app) if kind == CONFIG_MAP.kind)


def _secrets(app: ContainerApp) -> Iterator[str]:
    """Yield also those that are fetched for the app: `secrets` asks for their versions."""
    yield from (name for kind, name in _named(app) if kind == SECRET.kind)
    yield from (bundle.name for bundle in bundles(app))


def _may_watch_secrets(platform: Platform) -> bool:
    return platform.watch_secrets


WATCHES = (
    Watch(resource=CONFIG_MAP, refs=_config_maps),
    Watch(resource=SECRET, refs=_secrets, allowed=_may_watch_secrets, data_hash=DATA_HASH),
)
