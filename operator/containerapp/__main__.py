"""`python -m containerapp`: the same as the `containerapp` command."""

from __future__ import annotations

from containerapp.cli import main

main(prog_name="containerapp")
