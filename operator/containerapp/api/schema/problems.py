"""What is wrong with a manifest, in words for its author: the field, and the remedy.

Turns pydantic's errors into the sentence that stands in the app's status or on the command line. Only what
did not pass an API server meets it; the wording follows the API server's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

# By pydantic's names: https://docs.pydantic.dev/latest/errors/validation_errors/
_REMEDIES = {
    "missing": "Required value: add the field",
    "extra_forbidden": "unknown field: correct its name or remove it",
    "literal_error": "Unsupported value: write {expected}",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
    "string_too_short": "must not be empty",
    "string_too_long": "Too long: at most {max_length} characters",
    "too_short": "must have at least {min_length} item",
    "too_long": "Too many: at most {max_length} items",
    "string_type": "must be text: put it in quotes",
    "int_type": "must be a whole number, without quotes",
    "bool_type": "must be true or false, without quotes",
    "tuple_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
}
_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One thing that is wrong: the steps that lead to it, the field's path in words, and the remedy."""

    steps: tuple[int | str, ...]
    field: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.field}: {self.remedy}"


def describe(error: ValidationError) -> str:
    """One line for up to five mistakes, each with the field's path."""
    found = mistakes(error)
    more = len(found) - _SHOWN
    return "; ".join(map(str, found[:_SHOWN])) + (f"; and {more} more" if more > 0 else "")


def mistakes(error: ValidationError) -> list[Mistake]:
    """All that is wrong, in the order of the fields."""
    return [_mistake(detail) for detail in error.errors(include_url=False, include_input=False)]


def _mistake(detail: ErrorDetails) -> Mistake:
    context = detail.get("ctx", {})
    below = context.get("path", "")
    path = _path(detail["loc"]) + below
    template = _REMEDIES.get(detail["type"])
    return Mistake(
        steps=(*detail["loc"], *filter(None, below.split("."))),
        field=path.lstrip(".") or "the object",
        remedy=template.format(**context) if template else detail["msg"],
    )


def _path(location: tuple[int | str, ...]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)
