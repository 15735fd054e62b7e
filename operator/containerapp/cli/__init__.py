"""The command line: thin commands over the operator's own core. `containerapp --help` lists them.

One file a command in `commands`, imported when it is called, so that `--help` and tab completion are quick. What
decides (parse, render, plan, status, diagnosis) is below; here arguments are read and answers shown.
"""

from __future__ import annotations

from containerapp.cli.main import main

__all__ = ["main"]
