"""`containerapp rules`: what the operator may do, made from the kinds that it owns."""

from __future__ import annotations

import click


@click.command("rules")
def command() -> None:
    """Print the RBAC rules that the operator needs in each namespace that it serves."""
    from containerapp.api.crd import to_yaml
    from containerapp.controllers import CONTROLLERS
    from containerapp.core import rights

    click.echo(to_yaml(rights.rules(CONTROLLERS)), nl=False)
