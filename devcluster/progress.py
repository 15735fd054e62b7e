"""One line of progress on standard error, for what takes minutes: downloads and builds.

On a terminal the line is rewritten in place; in a log it is repeated now and then. It decides nothing.
"""

from __future__ import annotations

import sys
import time

_LOG_SECONDS = 15.0
_SETTLED_SECONDS = 5.0


class Progress:
    """One task, and how much of it is done."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._on_terminal = sys.stderr.isatty()
        self._begun = time.monotonic()
        self._shown = self._begun

    @property
    def elapsed(self) -> float:
        """Seconds since the task began."""
        return time.monotonic() - self._begun

    def show(self, text: str, fraction: float | None = None) -> None:
        """Say how far the task is, and how long the rest takes at the pace so far."""
        now = time.monotonic()
        if not self._on_terminal and now - self._shown < _LOG_SECONDS:
            return
        self._shown = now
        line = f"devcluster: {self._title}: {text}{self._rest(fraction)}"
        print(
            *([f"\r{line}\033[K"] if self._on_terminal else [line]),
            end=self._end,
            file=sys.stderr,
            flush=True,
        )

    def close(self) -> None:
        """Leave the line as it is and go on below it."""
        if self._on_terminal and self._shown > self._begun:
            print(file=sys.stderr, flush=True)

    @property
    def _end(self) -> str:
        return "" if self._on_terminal else "\n"

    def _rest(self, fraction: float | None) -> str:
        if not fraction or self.elapsed < _SETTLED_SECONDS:
            return ""
        return f", {_duration(self.elapsed * (1 - fraction) / fraction)} left"


def _duration(seconds: float) -> str:
    """Return a duration as precisely as an estimate deserves."""
    return (
        f"about {round(seconds / 60)} min" if seconds >= 90 else f"about {max(5, round(seconds / 5) * 5)} s"
    )
