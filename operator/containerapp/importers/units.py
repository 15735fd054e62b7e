"""Numbers with units as Compose, Copilot and ECS write them, and Kubernetes' own. Pure and total."""

from __future__ import annotations

import re
import shlex

_SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_DURATION = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,9})?(?:d|h|ms|us|µs|ns|m|s))+")
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(d|h|ms|us|µs|ns|m|s)")
_BYTES = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,9})?) ?([kmgt]?)i?b?", re.IGNORECASE)
_EXPONENT = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def is_number(text: str) -> bool:
    """Whether a text is a whole number that a field of Kubernetes can hold."""
    return re.fullmatch("[0-9]{1,9}", text) is not None


def duration(text: str) -> int | None:
    """Return the whole seconds, at least 1 for any time, of a text such as `1m30s`, or of a number of seconds."""
    if is_number(text):
        return int(text)
    if not _DURATION.fullmatch(text):
        return None
    total = sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
    return max(1, round(total)) if total else 0


def memory(text: str) -> int | None:
    """Return the bytes of a text such as `512m` or `1.5gb`, whose units are powers of 1024."""
    found = _BYTES.fullmatch(text)
    if found is None:
        return None
    return int(float(found[1]) * 1024 ** _EXPONENT[found[2].lower()])


def quantity(size: int) -> str:
    """Return a number of bytes as Kubernetes writes it, as in `512Mi`."""
    for unit, factor in (("Gi", 1024**3), ("Mi", 1024**2), ("Ki", 1024)):
        if size and size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)


def words(text: str) -> list[str]:
    """Return the words of a command line as a shell reads them; one that is not closed is its own only word."""
    try:
        return shlex.split(text)
    except ValueError:
        return [text]
