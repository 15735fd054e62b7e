"""The scalars of files and volumes: paths, names, sizes and permissions, with bounds.

Used by the models in `api.files` and `api.volumes`, and by those of further containers that mount the same volumes.
Nothing here knows which object a value belongs to.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, Strict

from containerapp.api.schema.rules import matches, never

_PATH_PART = r"[^/:\x00-\x1f\x7f]+"

MountPath = Annotated[
    str,
    Field(max_length=512),
    matches(
        rf"(/{_PATH_PART})+",
        "must be an absolute path below '/', with no '/' at its end and no ':', as in /etc/shop/shop.yaml",
    ),
    never(r"/\.\.?(/|$)", "must be a plain path: write it without '.' and '..' between slashes"),
]
SubPath = Annotated[
    str,
    Field(max_length=512),
    matches(
        rf"{_PATH_PART}(/{_PATH_PART})*", "must be a relative path, with no '/' at either end, as in data"
    ),
    never(r"(^|/)\.\.?(/|$)", "must be a plain path: write it without '.' and '..' between slashes"),
]
VolumeName = Annotated[
    str,
    Field(max_length=63),
    matches(
        r"[a-z0-9]([-a-z0-9]*[a-z0-9])?",
        "a volume's name has lower-case letters, digits and '-', begins and ends with a letter or digit, and is at most"
        " 63 characters long, as in data",
    ),
    never("^containerapp-", "a volume's name must not begin with containerapp-, which the operator uses"),
]
StorageSize = Annotated[
    str,
    Field(max_length=16),
    matches(r"[1-9][0-9]{0,8}([KMGTP]i|[kMGTP])", "must be a whole number with a unit, as in 10Gi or 512Mi"),
]
FileMode = Annotated[int, Strict(), Field(ge=0, le=0o777)]
FileText = Annotated[str, Field(max_length=1 << 18)]
ImageName = Annotated[
    str,
    Field(max_length=600),
    matches(r"[^ \t\r\n]+", "must be an image with its registry, as in ghcr.io/acme/model:1"),
]
