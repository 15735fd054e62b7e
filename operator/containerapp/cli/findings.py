"""What a check of `doctor` has found: a grade, a sentence, and what mends it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

import click


class Grade(Enum):
    """How a check went."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


_COLOURS = {Grade.OK: "green", Grade.WARN: "yellow", Grade.FAIL: "red", Grade.SKIP: "cyan"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check: how it went, what was found, and what mends it."""

    grade: Grade
    said: str
    remedy: str = ""

    def line(self) -> str:
        """Return it for a terminal."""
        remedy = f"\n      {self.remedy}" if self.remedy else ""
        return f"{click.style(self.grade.value.ljust(4), fg=_COLOURS[self.grade])}  {self.said}{remedy}"

    def as_json(self) -> dict[str, str]:
        """Return it for a script."""
        return {"grade": self.grade.value, "finding": self.said, "remedy": self.remedy}

    def naming(self, cluster: str | None) -> Finding:
        """Return it with the cluster's name in the remedy, where that is known."""
        return replace(self, remedy=self.remedy.replace("CLUSTER", cluster or "CLUSTER"))


def ok(said: str) -> Finding:
    """Return that a check is passed."""
    return Finding(grade=Grade.OK, said=said)


def warn(said: str, remedy: str = "") -> Finding:
    """Return that something optional is missing, or will be."""
    return Finding(grade=Grade.WARN, said=said, remedy=remedy)


def fail(said: str, remedy: str = "") -> Finding:
    """Return that something is missing that apps need."""
    return Finding(grade=Grade.FAIL, said=said, remedy=remedy)


def skip(said: str, remedy: str = "") -> Finding:
    """Return that a check could not be made."""
    return Finding(grade=Grade.SKIP, said=said, remedy=remedy)
