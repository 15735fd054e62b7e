"""What `spec.files` becomes: one ConfigMap of all texts, and a volume for each ConfigMap or Secret.

Called by `volumes` and by the ConfigMap's child kind. The ConfigMap's name has a hash of its content, so that the Pods
of each revision find the texts of their own, also after a rollback.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator

import orjson

from containerapp.api.files import File
from containerapp.controllers.pods.workload import Workload
from containerapp.core.model import Manifest

_TEXTS = "containerapp-files"
_FILE = "containerapp-file-"
_NO_KEY = re.compile(r"[^-._a-zA-Z0-9]")
_LONGEST = 200


def texts(app: Workload) -> dict[str, str]:
    """Return the data of the ConfigMap that holds the texts; empty where there are none."""
    return {_text_key(file): file.content for file in app.spec.files if file.content is not None}


def texts_name(app: Workload) -> str:
    """Return the name of the ConfigMap that holds the texts; empty where there are none."""
    data = texts(app)
    if not data:
        return ""
    digest = hashlib.sha256(orjson.dumps(data, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return f"{app.metadata.name}-{digest[:10]}"


def file_volumes(app: Workload) -> Iterator[Manifest]:
    """Yield the volumes that files come from."""
    written = [file for file in app.spec.files if file.content is not None]
    if written:
        items = [_item(_text_key(file), file.mode) for file in written]
        yield {"name": _TEXTS, "configMap": {"name": texts_name(app), "items": items}}
    for file in app.spec.files:
        if file.content is None:
            yield {"name": _volume_name(file), **_source(file)}


def file_mounts(files: Iterable[File]) -> Iterator[Manifest]:
    """Yield where a container finds the files: a folder as a whole, a file beside what the image has there."""
    for file in files:
        name, key = (_volume_name(file), file.key) if file.content is None else (_TEXTS, _text_key(file))
        part = {"subPath": key} if key is not None else {}
        yield {"name": name, "mountPath": file.path, **part, "readOnly": True}


def _source(file: File) -> Manifest:
    keys = (file.key,) if file.key is not None else file.keys
    options = {
        "items": [_item(key) for key in keys] or None,
        "defaultMode": file.mode,
        "optional": file.optional,
    }
    given = {key: value for key, value in options.items() if value is not None}
    if file.secret is not None:
        return {"secret": {"secretName": file.secret, **given}}
    return {"configMap": {"name": file.config_map, **given}}


def _item(key: str, mode: int | None = None) -> Manifest:
    return {"key": key, "path": key, **({"mode": mode} if mode is not None else {})}


def _text_key(file: File) -> str:
    """Return a key that is the path's own, whatever characters the path has."""
    name = _NO_KEY.sub("_", file.path.rpartition("/")[2])[-_LONGEST:]
    return f"{_hash(file.path)}.{name}"


def _volume_name(file: File) -> str:
    return _FILE + _hash(file.path)


def _hash(path: str) -> str:
    return hashlib.sha256(path.encode()).hexdigest()[:8]
