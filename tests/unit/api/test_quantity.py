"""The value of a quantity: `containerapp.api.schema.quantity`."""

from __future__ import annotations

import re
from fractions import Fraction

import pytest

from containerapp.api.schema.quantity import BYTES_PATTERN, COUNT_PATTERN, is_quantity, quantity


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


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.1n", Fraction(1, 10**9)),
        ("-0.1n", Fraction(-1, 10**9)),
        ("1.00000000001", 1 + Fraction(1, 10**9)),
        ("8Ei", 2**63 - 1),
        ("9Ei", 2**63 - 1),
        ("-9Ei", 1 - 2**63),
        ("9e18", 9 * 10**18),
        ("1e30", 10**30),
    ],
)
def test_a_quantity_is_rounded_and_capped_as_kubernetes_does_it(text: str, value: Fraction) -> None:
    """The API server compares requests with limits after rounding; the operator must find them equal where it does."""
    assert quantity(text) == value


@pytest.mark.parametrize(
    "text",
    ["1.5Gi", "0.5Gi", "1.0Gi", ".5Gi", "512.0Mi", "1.1Gi", "1.5G", "1e9", "2E3", "1024", "512.0", "0"],
)
def test_an_amount_of_bytes_may_have_a_fraction_of_a_unit(text: str) -> None:
    """As a Deployment's may: Kubernetes rounds up to whole bytes."""
    assert re.fullmatch(BYTES_PATTERN, text)


@pytest.mark.parametrize("text", ["256m", "1000m", "7u", "0.5", ".5", "1e-3", "-1"])
def test_an_amount_of_bytes_has_no_parts_of_a_byte(text: str) -> None:
    """256m is a slip for 256M: a program with a quarter of a byte of memory never starts."""
    assert not re.fullmatch(BYTES_PATTERN, text)


@pytest.mark.parametrize(
    ("text", "whole"), [("1", True), ("2.0", True), ("1k", True), ("0.5Ki", False), ("1m", False)]
)
def test_devices_are_counted(text: str, *, whole: bool) -> None:
    """Half of a GPU cannot be had."""
    assert bool(re.fullmatch(COUNT_PATTERN, text)) is whole


def test_a_quantity_is_no_longer_than_a_line() -> None:
    """Reading thousands of digits costs more than their number, and no amount needs them."""
    assert is_quantity("9" * 64)
    assert not is_quantity("9" * 65)
