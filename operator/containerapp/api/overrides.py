"""The escape hatch: patches that are laid over what the operator renders.

One field of the spec. What a patch may not change is for the controllers to judge, and whether the result is a valid
object for the API server.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from containerapp.api.schema.fields import ObjectName
from containerapp.api.schema.free import FreeObject
from containerapp.api.schema.rules import ApiModel, matches

_Kind = Annotated[
    str,
    Field(max_length=63),
    matches(r"[A-Z][A-Za-z0-9]*", "must be the kind of an object, as in Deployment"),
]


class Override(ApiModel):
    """A patch of one kind of object that is made for the app."""

    kind: _Kind
    """Kind of the object, for example `Deployment` or `Service`."""
    name: ObjectName | None = None
    """Name of the object, where several of the kind are made. Default: all of them."""
    patch: FreeObject
    """What is laid over the object, as a strategic merge patch: maps are merged, containers and the like by their
    name, `null` removes a field, `$patch: replace` and `$patch: delete` do what they do for `kubectl patch`. Names,
    selectors, owners, images and the operator's own labels cannot be changed."""


OverrideList = Annotated[tuple[Override, ...], Field(max_length=16)]
