"""Runs the programs that the demo needs: quiet while they work, with their last words when they fail.

Used for what takes long (docker, make, mmdebstrap); kubectl and helm are run by the cluster itself.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from examples.demo.console import Console
from examples.demo.errors import DemoError

ROOT = Path(__file__).parents[2]
"""The repository."""

_TAIL_LINES = 20
_TICK_SECONDS = 15.0
_LIMIT_SECONDS = 1200.0


def run(
    command: Sequence[str],
    *,
    console: Console,
    doing: str,
    log: Path,
    env: Mapping[str, str] | None = None,
    output: Path | None = None,
) -> None:
    """Run a command in the repository; say every now and then that it still works.

    What it prints goes into the log, except for its standard output where a file for that is named.
    """
    begun = time.monotonic()
    with log.open("ab") as messages, (output or log).open("ab") as printed:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(env or {}),
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=messages,
        )
        try:
            while (code := _wait(process)) is None:
                elapsed = time.monotonic() - begun
                if elapsed > _LIMIT_SECONDS:
                    raise DemoError(
                        f"{doing} did not end within {_LIMIT_SECONDS / 60:.0f} minutes", tail(log)
                    )
                console.note(f"… still {doing} ({elapsed:.0f} s)")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if code:
        raise DemoError(f"{doing} failed: `{' '.join(command)}` exited with {code}", tail(log))


def environment(additions: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment with what a cluster or a build adds to it."""
    return {**os.environ, **additions}


def tail(log: Path, lines: int = _TAIL_LINES) -> str:
    """Return the last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def _wait(process: subprocess.Popen[bytes]) -> int | None:
    try:
        return process.wait(timeout=_TICK_SECONDS)
    except subprocess.TimeoutExpired:
        return None
