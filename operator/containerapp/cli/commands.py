"""The commands of `containerapp`: each parses its arguments and calls one function below.

Imports what a command needs inside of it, so that `--help` and tab completion are quick. Decides nothing.
"""

from __future__ import annotations

import faulthandler
import gc
import sys
from importlib.metadata import version
from pathlib import Path

import click
from click.shell_completion import get_completion_class


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("containerapp-operator"), prog_name="containerapp")
def main() -> None:
    """Run containers on Amazon EKS from a short manifest."""


@main.command()
@click.option(
    "--namespace",
    "-n",
    "namespaces",
    multiple=True,
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
def run(config_file: Path | None, **options: object) -> None:
    """Run the operator until SIGTERM or Ctrl-C.

    Speaks to the cluster as the Pod's ServiceAccount, or as KUBECONFIG says. All settings can be given as
    environment variables: see `containerapp settings`.
    """
    import asyncio  # noqa: PLC0415 - see above

    from pydantic import ValidationError  # noqa: PLC0415 - see above

    from containerapp import logs  # noqa: PLC0415 - see above
    from containerapp import main as operator  # noqa: PLC0415 - see above
    from containerapp.settings import load  # noqa: PLC0415 - see above

    given = {name: value for name, value in options.items() if value not in {None, ()}}
    try:
        settings = load(config_file, **given)
    except ValidationError as error:
        raise click.ClickException(_explain(error)) from None
    logs.configure(settings.log_format, settings.log_level)
    faulthandler.enable()  # a crash below Python says where it was
    gc.freeze()  # what was imported stays, and need not be looked through for garbage again
    asyncio.run(operator.run(settings))


@main.command()
@click.argument("kind", default="ContainerApp", type=click.Choice(["ContainerApp"]))
@click.option("--reference", is_flag=True, help="Print the reference of all fields (Markdown) instead.")
def crd(kind: str, *, reference: bool) -> None:
    """Print the CustomResourceDefinition of KIND, for `kubectl apply --server-side -f -`."""
    from containerapp.api import crd as generator  # noqa: PLC0415 - see above
    from containerapp.controllers import CONTROLLERS  # noqa: PLC0415 - see above

    definition = next(each.definition for each in CONTROLLERS if each.definition.kind == kind)
    write = generator.reference_page if reference else generator.render_yaml
    click.echo(write(definition), nl=False)


@main.command()
def rules() -> None:
    """Print the RBAC rules that the operator needs in each namespace that it serves."""
    from containerapp.api.crd import to_yaml  # noqa: PLC0415 - see above
    from containerapp.controllers import CONTROLLERS  # noqa: PLC0415 - see above
    from containerapp.core import rights  # noqa: PLC0415 - see above

    click.echo(to_yaml(rights.rules(CONTROLLERS)), nl=False)


@main.command()
def settings() -> None:
    """List every setting: its environment variable, default and meaning."""
    from containerapp.settings import Settings  # noqa: PLC0415 - see above

    for name, field in Settings.model_fields.items():
        default = field.get_default()
        shown = ",".join(default) if isinstance(default, tuple) else default
        click.echo(f"CONTAINERAPP_{name.upper()}  (default: {'none' if shown in {None, ''} else shown})")
        click.echo(f"    {field.description}")


@main.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the tab completion for SHELL.

    For bash: source <(containerapp completion bash)
    """
    script = get_completion_class(shell)
    if script is None:
        raise click.ClickException(f"click knows no completion for {shell}")
    click.echo(script(main, {}, "containerapp", "_CONTAINERAPP_COMPLETE").source())


def _explain(error: object) -> str:
    from pydantic import ValidationError  # noqa: PLC0415 - see above

    if not isinstance(error, ValidationError):
        return str(error)
    lines = [
        f"  {'.'.join(str(part) for part in problem['loc']) or 'settings'}: {problem['msg']}"
        for problem in error.errors()
    ]
    return "These settings cannot be used (see `containerapp settings`):\n" + "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
