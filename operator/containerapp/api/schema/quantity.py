"""Kubernetes quantities (`500m`, `256Mi`, `1e3`): exact values to compare, nothing more.

Called by the rules that weigh requests against limits and by the comparison of manifests. Text that is no
quantity has no value here: the caller decides what to say about it.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from functools import lru_cache

QUANTITY_PATTERN = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]{1,3})?"

MAX_LENGTH = 64

_QUANTITY = re.compile(r"(?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))(?P<suffix>[A-Za-z].*)?")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
# Kubernetes rounds away from zero to billionths, and caps amounts with a binary suffix.
_NANO = 10**9
_MOST_BINARY = 2**63 - 1

_NUMBER = r"([0-9]+(\.[0-9]*)?|\.[0-9]+)"
BYTES_PATTERN = rf"[+]?([0-9]+(\.0*)?|{_NUMBER}([KMGTPE]i|[kMGTPE]|[eE][+]?[0-9]{{1,3}}))"
"""Amounts of bytes: whole numbers, or any number with a unit of 1000 bytes or more."""
COUNT_PATTERN = r"[+]?[0-9]+(\.0*)?([KMGTPE]i|[kMGTPE]|[eE][+]?[0-9]{1,3})?"
"""Amounts of what cannot be divided."""


def is_quantity(text: str) -> bool:
    """Whether Kubernetes would read the text as a quantity. No amount needs more digits than fit into a line."""
    return len(text) <= MAX_LENGTH and re.fullmatch(QUANTITY_PATTERN, text) is not None


@lru_cache(maxsize=1024)
def quantity(text: str) -> Fraction:
    """The value that Kubernetes gives to a quantity; the text must be one.

    Remembered, since all apps ask for the same few.
    """
    found = _QUANTITY.fullmatch(text)
    if found is None or not is_quantity(text):
        raise ValueError(f"{text!r} is no quantity")
    number, suffix = Fraction(found["number"]), found["suffix"] or ""
    if suffix in _BINARY:
        value = _rounded(number * (1 << 10 * _BINARY[suffix]))
        return max(min(value, Fraction(_MOST_BINARY)), Fraction(-_MOST_BINARY))
    exponent = _DECIMAL[suffix] if suffix in _DECIMAL else int(suffix[1:] or 0)
    return _rounded(Fraction(number * 10**exponent if exponent >= 0 else number / 10**-exponent))


def _rounded(value: Fraction) -> Fraction:
    billionths = math.ceil(abs(value) * _NANO)
    return Fraction(billionths if value >= 0 else -billionths, _NANO)
