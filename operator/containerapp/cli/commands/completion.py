"""`containerapp completion`: the script that a shell reads for tab completion."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the tab completion for SHELL.

    In bash: source <(containerapp completion bash)

    In zsh: source <(containerapp completion zsh)

    In fish: containerapp completion fish | source
    """
    script = get_completion_class(shell)
    if script is None:
        raise click.ClickException(f"click knows no completion for {shell}")
    click.echo(script(ctx.find_root().command, {}, "containerapp", "_CONTAINERAPP_COMPLETE").source())
