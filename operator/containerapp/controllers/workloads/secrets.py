"""Which backend fetches the secrets of an app, and how far it has come. Pure.

Asked by `gather`: until a Secret of this very spec is there no new revision is made, so new Pods never wait for a key.
Of a Secret the metadata alone is seen. The version changes with the values, and is no hash that a reader of Pods could
guess a value by: it is salted with the Secret's uid, which only those see who may read Secrets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from containerapp.controllers.pods.secrets import Bundle, bundles
from containerapp.core.model import ObjectRef, Resource, View
from containerapp.core.policy import SecretStores

EXTERNAL_SECRET = Resource(
    api_version="external-secrets.io/v1",
    kind="ExternalSecret",
    plural="externalsecrets",
    optional=True,
    install="Install External Secrets 0.16 or later, for example with its Helm chart external-secrets.",
)
SECRET_PROVIDER_CLASS = Resource(
    api_version="secrets-store.csi.x-k8s.io/v1",
    kind="SecretProviderClass",
    plural="secretproviderclasses",
    optional=True,
    install="Install the Secrets Store CSI driver with syncSecret.enabled=true, and its AWS provider.",
)
SECRET = Resource(api_version="v1", kind="Secret", plural="secrets", metadata_only=True)
DATA_HASH = "reconcile.external-secrets.io/data-hash"
"""On a Secret that External Secrets fills: a hash of what it holds."""

Backend = Literal["external-secrets", "csi"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretsState:
    """The backend, None where none is installed; what has not been fetched yet, and the version of what has."""

    backend: Backend | None = "external-secrets"
    missing: tuple[Bundle, ...] = ()
    version: str = ""

    @property
    def ready(self) -> bool:
        """Whether Pods that read the Secrets can start."""
        return not self.missing

    @property
    def facts(self) -> dict[str, str]:
        """What the Pods depend on outside the spec."""
        return {"secrets": self.version} if self.version else {}


def find_secrets(view: View) -> SecretsState:
    """Return how far the secrets of the app are fetched."""
    wanted = bundles(view.obj)
    backend = _backend(view.platform.secrets, view.absent)
    if not wanted or (view.preview and backend == "external-secrets"):
        return SecretsState(backend=backend)
    match backend:
        case None:
            return SecretsState(backend=None, missing=wanted)
        case "csi":  # the driver fetches for each Pod, while it starts
            return SecretsState(backend="csi", version="csi")
        case _:  # External Secrets
            versions = {bundle: _version(view, bundle) for bundle in wanted}
            missing = tuple(bundle for bundle, version in versions.items() if version is None)
            known = "".join(version for version in versions.values() if version)
            version = "" if missing or not known else _digest(known)
            return SecretsState(backend=backend, missing=missing, version=version)


def possible(stores: SecretStores) -> tuple[Resource, ...]:
    """Return the kinds of the backends that the settings allow, the preferred one first."""
    kinds = {"external-secrets": (EXTERNAL_SECRET,), "csi": (SECRET_PROVIDER_CLASS,)}
    return kinds.get(stores.backend, (EXTERNAL_SECRET, SECRET_PROVIDER_CLASS))


def external_secret(bundle: Bundle) -> ObjectRef:
    """Return the reference of the ExternalSecret that fetches the bundle."""
    return EXTERNAL_SECRET.ref(bundle.name)


def kept(names: Iterable[str]) -> Iterator[ObjectRef]:
    """Yield what fetches the secrets of these names, by either backend."""
    for name in names:
        yield EXTERNAL_SECRET.ref(name)
        yield SECRET_PROVIDER_CLASS.ref(name)


def _backend(stores: SecretStores, absent: frozenset[Resource]) -> Backend | None:
    names: dict[Resource, Backend] = {EXTERNAL_SECRET: "external-secrets", SECRET_PROVIDER_CLASS: "csi"}
    return next((names[kind] for kind in possible(stores) if kind not in absent), None)


def _version(view: View, bundle: Bundle) -> str | None:
    """Return the version of the Secret, empty where nothing watches it; None until the ExternalSecret has made it."""
    source = view.live.get(external_secret(bundle))
    if source is None or not (source.get("status") or {}).get("refreshTime"):
        return None
    version = view.watched.get(SECRET.ref(bundle.name))
    if version is None:
        return ""
    return _digest(version) if version else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
