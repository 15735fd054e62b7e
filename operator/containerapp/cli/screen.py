"""Where progress is shown: below a spinner on a terminal that rich knows, else line by line."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click


@contextmanager
def screen() -> Iterator[Callable[[str], None]]:
    """Give what shows one line of progress."""
    try:
        from rich.console import Console
    except ImportError:  # the extra `cli` is not installed: lines do
        yield click.echo
        return
    if not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        yield click.echo
        return
    from rich.text import Text

    console = Console(highlight=False)
    with console.status("Waiting until it is Ready; Ctrl-C ends the command, not the app"):

        def say(line: str) -> None:
            console.print(Text.from_ansi(line))

        yield say
