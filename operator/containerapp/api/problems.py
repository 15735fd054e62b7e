"""What is wrong with a manifest, in words for its author: the field, and the remedy.

Turns pydantic's errors into the sentence that stands in the app's status or on the command line. Only what
did not pass an API server meets it; the wording follows the API server's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_REMEDIES = {
    "missing": "Required value: add the field",
    "extra_forbidden": "unknown field: correct its name or remove it",
}
_SHOWN = 5


def describe(error: ValidationError) -> str:
    """One line for up to five mistakes, each with the field's path."""
    mistakes = [_mistake(detail) for detail in error.errors(include_url=False, include_input=False)]
    more = len(mistakes) - _SHOWN
    return "; ".join(mistakes[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")


def _mistake(detail: ErrorDetails) -> str:
    context = detail.get("ctx", {})
    path = _path(detail["loc"]) + context.get("path", "")
    remedy = _REMEDIES.get(detail["type"], detail["msg"])
    return f"{path.lstrip('.') or 'the object'}: {remedy}"


def _path(location: tuple[int | str, ...]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)
