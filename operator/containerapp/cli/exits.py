"""The exit codes of the command line, as docs/cli.md lists them, and the error that carries one."""

from __future__ import annotations

from typing import Final

import click

FAILED: Final = 1
"""The manifest is wrong, the app is not Ready, a run has failed, a check of `doctor` fails, a file would be written
over, or the API server refuses what it was asked."""
CHANGES: Final = 2
"""`plan` and `diff`: something differs."""
UNREACHABLE: Final = 3
"""No API server answers, or the credentials are not accepted."""
FORBIDDEN: Final = 4
"""The user may not do this."""
NOT_FOUND: Final = 5
"""The object, its namespace or the definition of its kind does not exist."""
USAGE: Final = 64
"""The command was called in a way that it does not know."""
TIMED_OUT: Final = 124
"""What was waited for has not come about in time."""
INTERRUPTED: Final = 130
"""Ctrl-C."""


class Failure(click.ClickException):
    """One clear line with the remedy, and the code that the process ends with."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code
