"""`containerapp schema`: the JSON Schema of a kind, by which an editor completes and checks a manifest."""

from __future__ import annotations

import click

from containerapp.cli.options import kind_argument


@click.command("schema")
@kind_argument
def command(kind: str) -> None:
    """Print the JSON Schema of KIND, for editors: ContainerApp, or with cjob ContainerJob.

    Save it, and begin the manifest with: # yaml-language-server: $schema=containerapp.json
    """
    import json

    from containerapp.api.json_schema import json_schema
    from containerapp.cli.kinds import definition_of

    click.echo(json.dumps(json_schema(definition_of(kind)), indent=2, ensure_ascii=False))
