"""`containerapp settings`: the operator's settings, made from their model."""

from __future__ import annotations

import click


@click.command("settings")
def command() -> None:
    """List every setting of the operator: its environment variable, default and meaning."""
    from containerapp.settings import Settings

    for name, field in Settings.model_fields.items():
        default = field.get_default()
        shown = ",".join(default) if isinstance(default, tuple) else default
        click.echo(f"CONTAINERAPP_{name.upper()}  (default: {'none' if shown in {None, ''} else shown})")
        click.echo(f"    {field.description}")
