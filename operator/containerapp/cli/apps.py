"""Names of apps and jobs: the argument of a command, completed by Tab from the cluster.

Shared by every command that names one. Reads only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

from containerapp.cli.exits import USAGE, Failure

_Command = TypeVar("_Command", bound=Callable[..., Any])
_APP, _JOB = "ContainerApp", "ContainerJob"
_COMPLETION_SECONDS = 5.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")
"""What may stand in a request as a name; without one, the request would be for all objects of the kind."""


def _checked(_ctx: click.Context, _parameter: click.Parameter, given: str | None) -> str | None:
    """Refuse what no object can be named."""
    if given is not None and not _NAME.fullmatch(given.rpartition("/")[2]):
        raise click.BadParameter(f"{given!r} is no name: write it as in shop or cjob/report.")
    return given


def _argument(
    metavar: str, *kinds: str, required: bool = True, short: bool = True
) -> Callable[[_Command], _Command]:
    """Return the argument `name`, which Tab completes by the names of these kinds.

    The first kind is meant where none is given; another one also where no object of the first has the name, if `short`.
    """
    return click.argument(
        "name",
        metavar=metavar,
        required=required,
        callback=_checked,
        shell_complete=lambda ctx, _parameter, typed: complete(ctx, typed, kinds, short=short),
    )


name_argument = _argument("NAME", _APP)
"""An app, by its name or as `capp/NAME`."""

any_name = _argument("NAME", _APP, _JOB)
"""An app or a job: `looks.locate` says which one."""

exact_name = _argument("NAME", _APP, _JOB, short=False)
"""An app, or a job as `cjob/NAME`, for what cannot be taken back."""

job_argument = _argument("JOB", _JOB, required=False)
"""A job, by its name or as `cjob/NAME`."""

optional_name = _argument("[NAME]", _APP, required=False)
"""An app, where one is meant."""


def complete(ctx: click.Context, typed: str, kinds: Sequence[str], *, short: bool) -> list[Any]:
    """Return the names of the namespace's objects that begin with what is typed; none where the cluster is silent."""
    import asyncio

    from click.shell_completion import CompletionItem

    import containerapp.cli.session  # noqa: F401 - takes its time, which is none of the cluster's

    try:
        names = asyncio.run(
            asyncio.wait_for(_names(ctx.params, typed, kinds, short=short), _COMPLETION_SECONDS)
        )
    except Exception:  # noqa: BLE001 - a shell shows whatever completion prints
        return []
    return [CompletionItem(name) for name in names if name.startswith(typed)]


async def _names(given: Mapping[str, Any], typed: str, kinds: Sequence[str], *, short: bool) -> list[str]:
    """Return the names as they are given: with the kind where it is typed, or where the name alone is another's."""
    from containerapp.cli.kinds import controller_named
    from containerapp.cli.options import Target
    from containerapp.cli.session import connected
    from containerapp.kube.client import path

    target = Target(**{key: given.get(key) for key in ("kubeconfig", "context", "namespace")})
    kind, slash, _ = typed.rpartition("/")
    found: list[str] = []
    async with connected(target) as cluster:
        for each in map(controller_named, kinds):
            if slash and each is not controller_named(kind):
                continue
            url = path(each.resource.api_version, each.resource.plural, cluster.namespace)
            names = [item["metadata"]["name"] for item in (await cluster.client.get(url))["items"]]
            first = each.resource.kind == kinds[0]
            prefix = f"{kind or each.definition.short_name}/"
            found += [
                name if not slash and (first or (short and name not in found)) else f"{prefix}{name}"
                for name in names
            ]
    return found


def bare(name: str, kind: str = "ContainerApp") -> str:
    """Return the name without the kind that may stand before it; one of another kind is refused."""
    given, _, own = name.rpartition("/")
    if given:
        from containerapp.cli.kinds import definition_of

        if definition_of(given).kind != kind:
            raise Failure(
                f"This command takes the name of a {kind}. See `containerapp status {name}`.", USAGE
            )
    return own
