"""`containerapp operator`: the operator's process. Reads the settings, and hands over to `main`."""

from __future__ import annotations

import faulthandler
import gc
from pathlib import Path

import click


@click.command("operator")
@click.option(
    "--namespace",
    "-n",
    "namespaces",
    multiple=True,
    metavar="NAME",
    help="Namespace to serve; may be repeated. Without it, the whole cluster is served.",
)
@click.option(
    "--config",
    "config_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML file with settings; the environment (CONTAINERAPP_…) wins over it.",
)
@click.option("--log-format", type=click.Choice(["json", "text"]), help="Format of the log lines.")
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), help="Least severe level."
)
@click.option("--http-port", type=click.IntRange(0, 65535), help="Port for metrics and health; 0 picks one.")
@click.option(
    "--leader-election/--no-leader-election", default=None, help="Whether to take a Lease before acting."
)
def command(config_file: Path | None, **options: object) -> None:
    """Run the operator until SIGTERM or Ctrl-C.

    Speaks to the cluster as the Pod's ServiceAccount, or as KUBECONFIG says. All settings can be given as
    environment variables: see `containerapp settings`.
    """
    import asyncio

    from pydantic import ValidationError

    from containerapp import logs
    from containerapp import main as operator
    from containerapp.settings import load

    given = {name: value for name, value in options.items() if value not in {None, ()}}
    try:
        settings = load(config_file, **given)
    except ValidationError as error:
        lines = [
            f"  {'.'.join(str(part) for part in problem['loc']) or 'settings'}: {problem['msg']}"
            for problem in error.errors()
        ]
        raise click.ClickException(
            "These settings cannot be used (see `containerapp settings`):\n" + "\n".join(lines)
        ) from None
    logs.configure(settings.log_format, settings.log_level)
    faulthandler.enable()  # a crash below Python says where it was
    gc.freeze()  # what was imported stays, and need not be looked through for garbage again
    asyncio.run(operator.run(settings))
