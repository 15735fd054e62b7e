"""`containerapp` itself: which commands there are, and what every failure of theirs looks like.

The entry point of the console scripts. A command is a line in SECTIONS and a module with a `command` in `commands`; the
module is imported when the command is called. No failure shows a traceback but one that is a bug.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from containerapp.cli.exits import FAILED, INTERRUPTED, USAGE, Failure
from containerapp.cli.lazy import LazyGroup

SECTIONS: dict[str, dict[str, str]] = {
    "Describe": {
        "init": "Write the manifest of a new app.",
        "import": "Make manifests of what runs elsewhere.",
        "validate": "Check manifests; name the line and the column of each mistake.",
        "render": "Print the objects that apps and jobs become, offline.",
        "explain": "Explain a field of a manifest, offline.",
        "schema": "Print the JSON Schema of a kind, for editors.",
        "cost": "Estimate what apps cost in a month by what they request.",
    },
    "Review and apply": {
        "plan": "Show what an apply would change, and which Pods restart.",
        "up": "Review, apply, and follow until the app is Ready; print its URL.",
        "down": "Delete an app or a job, after showing what goes and what stays.",
    },
    "Look": {
        "list": "List the apps, or the jobs, with their state.",
        "status": "Show one page about an app or a job.",
        "events": "Show the Events of an app or a job, of its objects and of its Pods.",
        "history": "Show the revisions of an app, the newest first.",
        "diff": "Show what differs between the Pods of two revisions of an app.",
        "logs": "Show the logs of all Pods of an app or a job.",
        "top": "Show what the Pods of an app use.",
        "wait": "Wait until an app or a job is Ready, or another condition is True.",
    },
    "Act": {
        "rollback": "Run an earlier revision of an app.",
        "restart": "Replace the Pods of an app by new ones of the same version.",
        "scale": "Set the number of an app's Pods.",
        "open": "Open an app in the browser.",
        "exec": "Run a command in a Pod of an app.",
        "run": "Run a job now, and follow its logs.",
    },
    "The cluster": {
        "doctor": "Check whether the cluster is ready for apps, or what ails an app.",
    },
    "Run the operator": {
        "operator": "Run the operator until SIGTERM or Ctrl-C.",
        "crd": "Print the CustomResourceDefinition of a kind.",
        "rules": "Print the RBAC rules that the operator needs.",
        "settings": "List the operator's settings.",
    },
    "This command": {
        "completion": "Print the tab completion for a shell.",
    },
}
"""The commands by section, with what the list in `--help` says of each."""


class Commands(LazyGroup):
    """The commands, and how the process ends."""

    def main(  # type: ignore[override]  # click names each option of `named`
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        **named: Any,
    ) -> Any:
        """Run, and end the process with one clear line and the documented code where something is wrong."""
        name = prog_name or _program()
        if not named.pop("standalone_mode", True):
            return super().main(args, name, complete_var, standalone_mode=False, **named)
        try:
            code = super().main(args, name, complete_var, standalone_mode=False, **named)
        except click.UsageError as error:
            error.show()
            sys.exit(USAGE)
        except click.ClickException as error:
            error.show()
            sys.exit(error.code if isinstance(error, Failure) else error.exit_code)
        except click.Abort:
            click.echo("Interrupted.", err=True)
            sys.exit(INTERRUPTED)
        except BrokenPipeError:
            sys.stderr.close()  # the reader has seen enough, as `head` has
            sys.exit(FAILED)
        sys.exit(code if isinstance(code, int) else 0)


def _program() -> str:
    """Return the name by which the user has called: kubectl finds its plug-ins by their file names."""
    name = Path(sys.argv[0]).name
    return name.replace("kubectl-", "kubectl ") if name.startswith("kubectl-") else "containerapp"


def _show_version(ctx: click.Context, _parameter: click.Parameter, given: bool) -> None:  # noqa: FBT001 - click's
    if given and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"containerapp, version {version('containerapp-operator')}")
        ctx.exit()


@click.group(
    cls=Commands,
    package="containerapp.cli.commands",
    sections=SECTIONS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Ends with 0 when done; 1 on a failure, or where an app is not Ready; 2 where plan or diff find a "
    "difference; 3 where no API server answers; 4 without the right; 5 where an object does not exist; 64 on a wrong "
    "call; 124 on a time-out; 130 on Ctrl-C.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
@click.pass_context
def main(ctx: click.Context) -> None:
    """Run containers on Amazon EKS from a short manifest."""
    if os.environ.get("NO_COLOR"):  # https://no-color.org
        ctx.color = False
