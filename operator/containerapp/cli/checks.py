"""What is wrong with manifests, each mistake with its place: the models' own errors, and what YAML hides.

Called by `validate`, and by the commands that apply, before they ask a cluster. The rules are those that the API server
has in CEL; their twins in Python are asked here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from containerapp.api.schema.problems import Mistake, mistakes
from containerapp.cli.exits import Failure
from containerapp.cli.kinds import controller_of
from containerapp.cli.reading import Document, Place
from containerapp.controllers import CONTROLLERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One mistake: where it stands, the field, and the remedy."""

    document: Document
    place: Place
    field: str
    remedy: str

    def __str__(self) -> str:
        place = f"{self.document.file}:{self.place.line}:{self.place.column}"
        return f"{place}: {self.document.title}: {self.field}: {self.remedy}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What was checked, what is of other kinds, and all that was found."""

    checked: tuple[Document, ...]
    skipped: tuple[Document, ...]
    mistakes: tuple[Finding, ...]


def check(documents: Iterable[Document]) -> Result:
    """Check each object of our kinds."""
    checked, skipped, found = [], [], []
    for document in documents:
        if _is_foreign(document.value):
            skipped.append(document)
            continue
        checked.append(document)
        found += sorted(_findings(document), key=lambda finding: finding.place)
    return Result(checked=tuple(checked), skipped=tuple(skipped), mistakes=tuple(found))


def require_valid(documents: Iterable[Document]) -> None:
    """End the command with all mistakes, where there is one."""
    found = check(documents).mistakes
    if found:
        raise Failure("The manifest cannot be used.\n" + "\n".join(map(str, found)))


def _is_foreign(value: Any) -> bool:
    """Whether an object is of a kind that is none of ours; one with a mistake in its kind is not."""
    if not isinstance(value, dict):
        return False
    group = CONTROLLERS[0].resource.group
    kinds = {controller.resource.kind for controller in CONTROLLERS}
    ours = str(value.get("apiVersion", "")).startswith(f"{group}/") or value.get("kind") in kinds
    return not ours and "kind" in value and "apiVersion" in value


def _findings(document: Document) -> Iterator[Finding]:
    for key, place in document.duplicates():
        remedy = "is given twice: keep one of the two"
        yield Finding(document=document, place=place, field=key, remedy=remedy)
    for mistake in _mistakes(document.value):
        place = document.place(mistake.steps)
        yield Finding(document=document, place=place, field=mistake.field, remedy=mistake.remedy)


def _mistakes(value: Any) -> Iterable[Mistake]:
    if not isinstance(value, dict):
        return [
            Mistake(steps=(), field="the object", remedy="must be an object with apiVersion, kind and spec")
        ]
    controller = controller_of(value)
    model = (controller or CONTROLLERS[0]).definition.model
    try:
        model.model_validate(value, by_alias=True, by_name=False)
    except ValidationError as error:
        return mistakes(error)
    return []
