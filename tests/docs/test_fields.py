"""The README explains every field of the spec in a row of its table, and its defaults are those of the models."""

from __future__ import annotations

import re

import pytest

from containerapp.api.containerapp import ContainerAppSpec
from tests.docs.pages import ROOT

_TABLE = re.search(r"^\| Field \|.*?\n\n", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
_ROWS = [row.split("|")[1:3] for row in (_TABLE[0].strip() if _TABLE else "").splitlines()[2:]]
_FIELDS = [str(field.alias) for field in ContainerAppSpec.model_fields.values()]


def test_every_field_has_its_row_and_no_other_has_one() -> None:
    """A new field is not done before the README names it."""
    named = [name for names, _ in _ROWS for name in re.findall(r"`(\w+)`", names)]
    assert sorted(named) == sorted(_FIELDS)


@pytest.mark.parametrize(
    ("field", "default"),
    [
        (str(field.alias), str(field.default).lower())
        for field in ContainerAppSpec.model_fields.values()
        if isinstance(field.default, bool | int | str)
    ],
)
def test_plain_defaults_are_listed(field: str, default: str) -> None:
    """Numbers, booleans and words, as they stand in the model."""
    (stated,) = [text for names, text in _ROWS if f"`{field}`" in names]
    assert default in stated.lower()
