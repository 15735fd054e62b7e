"""The value of a quantity: `containerapp.api.schema.quantity`."""

from __future__ import annotations

from fractions import Fraction

import pytest

from containerapp.api.schema.quantity import is_quantity, quantity


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("2", 2),
        ("+2", 2),
        ("-2", -2),
        ("0.5", Fraction(1, 2)),
        (".5", Fraction(1, 2)),
        ("5.", 5),
        ("500m", Fraction(1, 2)),
        ("100n", Fraction(1, 10**7)),
        ("7u", Fraction(7, 10**6)),
        ("1k", 1000),
        ("1Ki", 1024),
        ("1.5Gi", 3 * 2**29),
        ("1E", 10**18),
        ("1Ei", 2**60),
        ("1e3", 1000),
        ("1E3", 1000),
        ("12e-1", Fraction(6, 5)),
    ],
)
def test_a_quantity_has_an_exact_value(text: str, value: Fraction) -> None:
    """No rounding: 0.1 and 100m are equal."""
    assert is_quantity(text)
    assert quantity(text) == value


@pytest.mark.parametrize("text", ["", "m", "1 Gi", "256MB", "1e", "1.2.3", "0x10", "1mi", "--1", "1\n"])
def test_other_text_is_no_quantity(text: str) -> None:
    """And asking for its value is a mistake of the caller."""
    assert not is_quantity(text)
    with pytest.raises(ValueError, match="is no quantity"):
        quantity(text)
