"""SecretProviderClass: has the Secrets Store CSI driver fetch what the app takes from one service, for each Pod.

The driver copies what it has fetched into the Secret of the same name while a Pod mounts the volume; the variables read
that Secret. Many keys of one secret are one object, and so one read of AWS.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import orjson

from containerapp.api.secrets import Parameter, Secret, Source
from containerapp.controllers.pods.metadata import labels, metadata
from containerapp.controllers.pods.secrets import Bundle, bundles
from containerapp.controllers.pods.workload import Workload
from containerapp.controllers.workloads.inputs import PodInputs
from containerapp.controllers.workloads.secrets import SECRET_PROVIDER_CLASS
from containerapp.core.model import Child, Manifest


def render(app: Workload, inputs: PodInputs) -> Iterator[Manifest]:
    """Yield a SecretProviderClass for each service that the app takes secrets from."""
    if inputs.secrets.backend != "csi":
        return
    for bundle in bundles(app):
        objects, aliases = _objects(bundle)
        yield {
            "apiVersion": "secrets-store.csi.x-k8s.io/v1",
            "kind": "SecretProviderClass",
            "metadata": {**metadata(app), "name": bundle.name},
            "spec": {
                "provider": "aws",
                "parameters": {
                    "objects": orjson.dumps(objects, option=orjson.OPT_INDENT_2).decode(),
                    "usePodIdentity": str(inputs.platform.secrets.pod_identity).lower(),
                },
                "secretObjects": [
                    {
                        "secretName": bundle.name,
                        "type": "Opaque",
                        "labels": labels(app),
                        "data": [
                            {"objectName": alias, "key": entry.key}
                            for entry, alias in zip(bundle.entries, aliases, strict=True)
                        ],
                    }
                ],
            },
        }


def _objects(bundle: Bundle) -> tuple[list[Manifest], list[str]]:
    """Return what is to be read, each version of a secret once, and by which alias each entry finds its value."""
    objects: dict[Source, Manifest] = {}
    aliases = []
    for entry in bundle.entries:
        whole, key = _whole(entry.source)
        found = objects.setdefault(whole, {**_object(whole), "objectAlias": f"object-{len(objects)}"})
        alias = found["objectAlias"]
        if key:
            alias = f"{alias}.{len(found.setdefault('jmesPath', []))}"
            found["jmesPath"].append({"path": json.dumps(key), "objectAlias": alias})
        aliases.append(alias)
    return list(objects.values()), aliases


def _whole(source: Source) -> tuple[Source, str]:
    """Return the whole of which the source is a key, and the key."""
    match source:
        case Parameter():
            return source, ""
        case Secret(arn=arn, json_key=key, version_stage=stage, version_id=version):
            return Secret(arn=arn, version_stage=stage, version_id=version), key


def _object(whole: Source) -> Manifest:
    match whole:
        case Parameter(name=name, selector=selector):
            field = "objectVersion" if selector.isdigit() else "objectVersionLabel"
            return {
                "objectName": name,
                "objectType": "ssmparameter",
                **({field: selector} if selector else {}),
            }
        case Secret(arn=arn, version_stage=stage, version_id=version):
            return {
                "objectName": arn,
                "objectType": "secretsmanager",
                **({"objectVersion": version} if version else {}),
                **({"objectVersionLabel": stage} if stage else {}),
            }


CHILD = Child(resource=SECRET_PROVIDER_CLASS, render=render)
