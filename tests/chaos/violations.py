"""What the checkers of a run report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A way in which the cluster is not what was asked for, with the object that shows it."""

    subject: str
    complaint: str
    found: Any = None
    collectors: bool = False
    """Whether it is for Kubernetes' own controllers alone to mend: mostly for its garbage collector."""
    ground: bool = False
    """Whether the run itself went wrong, on a busy machine for instance, which says nothing of the operator."""

    @property
    def convicts(self) -> bool:
        """Whether it is the operator that it speaks against."""
        return not (self.collectors or self.ground)

    def __str__(self) -> str:
        return f"{self.subject}: {self.complaint}" + (
            f"; found {self.found!r}" if self.found is not None else ""
        )
