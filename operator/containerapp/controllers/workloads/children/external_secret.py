"""ExternalSecret: has External Secrets fetch what the app takes from one store into the Secret of the same name.

Many keys of one secret are one read of AWS: the controller keeps what it has fetched for as long as it works on an
ExternalSecret (docs/decisions/0020-secrets.md). Its labels and annotations stay as they are, since a change fetches
again.
"""

from __future__ import annotations

from collections.abc import Iterator

from containerapp.api.secrets import Parameter, Secret, Source
from containerapp.controllers.pods.metadata import labels, metadata
from containerapp.controllers.pods.secrets import Bundle, bundles
from containerapp.controllers.pods.workload import Workload
from containerapp.controllers.workloads.inputs import PodInputs
from containerapp.controllers.workloads.secrets import EXTERNAL_SECRET
from containerapp.core.model import Child, Manifest
from containerapp.core.policy import SecretStores

_PLAIN = "_-:"
"""Signs of a JSON key that mean nothing in the language by which the controller finds it (gjson)."""


def render(app: Workload, inputs: PodInputs) -> Iterator[Manifest]:
    """Yield an ExternalSecret for each store that the app takes secrets from."""
    if inputs.secrets.backend != "external-secrets":
        return
    for bundle in bundles(app):
        yield {
            "apiVersion": "external-secrets.io/v1",
            "kind": "ExternalSecret",
            "metadata": {**metadata(app), "name": bundle.name},
            "spec": {
                "refreshInterval": inputs.platform.secrets.refresh_interval,
                "secretStoreRef": _store(bundle, inputs.platform.secrets),
                "target": {
                    "creationPolicy": "Owner",
                    "deletionPolicy": "Retain",
                    "template": {"metadata": {"labels": labels(app)}},
                },
                "data": [
                    {"secretKey": entry.key, "remoteRef": _remote(entry.source)} for entry in bundle.entries
                ],
            },
        }


def _store(bundle: Bundle, stores: SecretStores) -> Manifest:
    names = {"secrets-manager": stores.secrets_manager, "parameter-store": stores.parameter_store}
    return {"name": names[bundle.service], "kind": stores.kind}


def _remote(source: Source) -> Manifest:
    match source:
        case Parameter(name=name, selector=selector):
            return {"key": name, **({"version": selector} if selector else {})}
        case Secret() as secret:
            version = f"uuid/{secret.version_id}" if secret.version_id else secret.version_stage
            return {
                "key": secret.arn,
                **({"property": _property(secret.json_key)} if secret.json_key else {}),
                **({"version": version} if version else {}),
            }


def _property(key: str) -> str:
    """Write a JSON key so that each of its signs means itself."""
    return "".join(
        sign if not sign.isascii() or sign.isalnum() or sign in _PLAIN else f"\\{sign}" for sign in key
    )


CHILD = Child(resource=EXTERNAL_SECRET, render=render, eager=True)
