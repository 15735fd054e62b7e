"""The result of a proof: its claims, whether each holds, and the numbers behind them, as a table and as JSON.

Made by every proof, printed and kept by the command, asserted by the short tests. It decides nothing itself.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One sentence that must be true, and what was measured."""

    claim: str
    measured: str
    holds: bool


@dataclass(kw_only=True)
class Verdict:
    """The result of one proof. `numbers` has the measurements behind the claims."""

    proof: str
    claims: list[Claim] = field(default_factory=list)
    numbers: dict[str, Any] = field(default_factory=dict)

    def add(self, claim: str, measured: str, *, holds: bool) -> None:
        """Add a claim."""
        self.claims.append(Claim(claim=claim, measured=measured, holds=holds))

    @property
    def holds(self) -> bool:
        """Whether all claims are true."""
        return all(claim.holds for claim in self.claims)

    def __str__(self) -> str:
        return table(
            ("", self.proof, "measured"),
            [("ok" if claim.holds else "FAILED", claim.claim, claim.measured) for claim in self.claims],
        )

    def write(self, directory: Path) -> None:
        """Keep it as JSON."""
        directory.mkdir(parents=True, exist_ok=True)
        content = {"machine": machine.describe(), "holds": self.holds, **asdict(self)}
        (directory / f"{self.proof}.json").write_text(json.dumps(content, indent=1, default=str) + "\n")


def hold(verdict: Verdict) -> None:
    """Fail with the table, unless there are claims and all of them are true."""
    assert verdict.claims
    assert verdict.holds, f"\n{verdict}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
