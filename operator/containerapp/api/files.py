"""Files of an app: text of the manifest, ConfigMaps and Secrets, each at a path of the container.

One field of a custom kind's spec, with its rules. The docstring below each field is what `kubectl explain` shows. What
becomes of a file in the Pod is decided in `controllers.pods.volumes`.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from containerapp.api.schema.fields import Boolean, DataKey, ObjectName
from containerapp.api.schema.rules import ApiModel, ListMap, Rule, is_empty
from containerapp.api.schema.storage import FileMode, FileText, MountPath

MOST_BYTES = 1 << 20
"""What Kubernetes takes as the data of one ConfigMap."""


class File(ApiModel):
    """A file or a folder of the container, from exactly one of `content`, `configMap` and `secret`."""

    path: MountPath
    """Path in the container. With `content` or `key` it is a file, beside which the image's other files stay; with a
    whole ConfigMap or Secret, or with `keys`, it is a folder."""
    content: FileText | None = None
    """Text of the file, as it is, up to 256 KiB; all texts together up to 1 MiB. Keep passwords in a Secret."""
    config_map: ObjectName | None = None
    """ConfigMap in the app's namespace that the file or folder comes from."""
    secret: ObjectName | None = None
    """Secret in the app's namespace that the file or folder comes from."""
    key: DataKey | None = None
    """The one key of the ConfigMap or Secret that becomes the file at `path`."""
    keys: Annotated[tuple[DataKey, ...], Field(max_length=64)] = Field((), exclude_if=is_empty)
    """Keys of the ConfigMap or Secret that become files of the folder at `path`. Default: all."""
    mode: FileMode | None = None
    """Permissions of the files, as in 0400. In JSON, and in tools that read YAML 1.2, write them in decimal: 256.
    Default: 0644."""
    optional: Boolean | None = None
    """Whether the app may start without the ConfigMap or Secret, or without some of the `keys`. Default: false, a
    missing object or key keeps the Pods waiting."""

    rules = (
        Rule(
            cel="[has(self.content), has(self.configMap), has(self.secret)].filter(given, given).size() == 1",
            holds=lambda file: [file.content, file.config_map, file.secret].count(None) == 2,
            message="a file needs exactly one of content, configMap and secret: keep one of them",
        ),
        Rule(
            cel="!has(self.content) || !(has(self.key) || has(self.keys) || has(self.optional))",
            holds=lambda file: file.content is None or (file.key is file.optional is None and not file.keys),
            message="key, keys and optional go with configMap or secret: remove them beside content",
            path=".content",
        ),
        Rule(
            cel="!has(self.key) || !(has(self.keys) || has(self.optional))",
            holds=lambda file: file.key is None or (file.optional is None and not file.keys),
            message="a file by key must be there, as Kubernetes makes a folder of a missing one: for a file that may be"
            " missing, or for several, write keys, and a folder as the path",
            path=".key",
        ),
    )

    @property
    def is_folder(self) -> bool:
        """Whether the path is a folder that holds nothing else."""
        return self.content is self.key is None


def _total_bytes(files: tuple[File, ...]) -> int:
    return sum(len((file.content or "").encode()) for file in files)


def _apart(files: tuple[File, ...]) -> bool:
    folders = [file.path + "/" for file in files if file.is_folder]
    return not any(file.path.startswith(folder) for file in files for folder in folders)


_IS_FOLDER = "!has(a.content) && !has(a.key)"

Files = Annotated[
    tuple[File, ...],
    Field(max_length=32),
    ListMap("path"),
    Rule(
        cel=f"self.map(file, has(file.content) ? bytes(file.content).size() : 0).sum() <= {MOST_BYTES}",
        holds=lambda files: _total_bytes(files) <= MOST_BYTES,
        message="the contents of spec.files are too big: keep them below 1 MiB in all, or put the big ones into the"
        " image or on a volume",
    ),
    Rule(
        cel=f"self.all(a, !({_IS_FOLDER}) || !self.exists(b, b.path.startsWith(a.path + '/')))",
        holds=_apart,
        message="spec.files has a path inside of another entry's folder, where nothing can be added: choose a path"
        " outside of it",
    ),
]


def references(files: tuple[File, ...]) -> Any:
    """Yield the kind and the name of each object that files come from, and whether it may be missing."""
    for file in files:
        if file.config_map is not None:
            yield "ConfigMap", file.config_map, bool(file.optional)
        elif file.secret is not None:
            yield "Secret", file.secret, bool(file.optional)
