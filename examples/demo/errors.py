"""How the demo fails: with a sentence that says what failed, and the end of the log that tells why."""

from __future__ import annotations


class DemoError(Exception):
    """A step of the demo could not be done; `evidence` is the tail of the log that belongs to it."""

    def __init__(self, message: str, evidence: str = "") -> None:
        super().__init__(message)
        self.evidence = evidence
