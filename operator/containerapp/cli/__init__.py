"""The command line: thin argument parsing over the core. `containerapp --help` tells what there is."""

from __future__ import annotations

from containerapp.cli.commands import main

__all__ = ["main"]
