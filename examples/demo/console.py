"""What the demo tells its user: numbered steps with the ECS step each stands for, notes below them, and durations.

Every module of the demo writes through a `Console`, so that lines come in order also when they go to a file.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

_INDENT = "      "


class Console:
    """Prints the demo's progress to standard output."""

    def __init__(self) -> None:
        self.steps = 0
        """How many there will be."""
        self.number = 0
        self._bold, self._plain = ("\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "")
        self.current = "start"

    @contextmanager
    def step(self, title: str, ecs: str) -> Iterator[None]:
        """Announce a step in one line; when it is done, say how long it took."""
        self.number += 1
        self.current = title
        self.say(f"{self._bold}[{self.number}/{self.steps}] {title}{self._plain}  (ECS: {ecs})")
        begun = time.monotonic()
        yield
        self.note(f"done in {time.monotonic() - begun:.0f} s")

    @property
    def at_the_last_step(self) -> bool:
        """Whether no step is left."""
        return self.number == self.steps

    def repeat(self, reason: str) -> None:
        """Say why the current step failed; the next one takes its place."""
        self.note(reason)
        self.number -= 1

    def note(self, text: str) -> None:
        """Print one or more lines that belong to the current step."""
        for line in text.splitlines():
            self.say(f"{_INDENT}{line}")

    def say(self, text: str) -> None:
        """Print one line at once."""
        print(text, flush=True)  # noqa: T201 - the demo talks to a person

    def complain(self, reason: str, evidence: str) -> None:
        """Say which step failed and why, the evidence first, on standard error."""
        paragraphs = [evidence, f"demo: FAILED at step {self.number}, “{self.current}”: {reason}"]
        print("\n".join(["", *filter(None, paragraphs)]), file=sys.stderr, flush=True)  # noqa: T201 - likewise
