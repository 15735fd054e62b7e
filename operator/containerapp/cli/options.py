"""Options that several commands share, named as kubectl names its own."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, ClassVar, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The cluster and the namespace that the user has named; None for those of the kubeconfig."""

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None


kind_argument = click.argument("kind", default="ContainerApp", metavar="[KIND]")
"""A kind of ours; ContainerApp where none is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where manifests are read from."""

    filenames: tuple[str, ...] = ()
    kustomize: str | None = None
    recursive: bool = False


def file_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `-f`, `-k` and `-R`; the command gets them as its `source`."""

    @wraps(command)
    def with_source(
        *args: Any, filename: tuple[str, ...], kustomize: str | None, recursive: bool, **given: Any
    ) -> Any:
        source = Source(filenames=filename, kustomize=kustomize, recursive=recursive)
        return command(*args, source=source, **given)

    for option in (
        click.option("-R", "--recursive", is_flag=True, help="Read the folders below a folder, too."),
        click.option(
            "-k", "--kustomize", metavar="FOLDER", help="Read what `kubectl kustomize` makes of the folder."
        ),
        click.option(
            "-f",
            "--filename",
            multiple=True,
            metavar="FILE",
            help="File or folder with manifests, or - for standard input; may be repeated.",
        ),
    ):
        with_source = option(with_source)
    return with_source


def cluster_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--kubeconfig`, `--context` and `-n`; the command gets them as its `target`."""

    @wraps(command)
    def with_target(
        *args: Any, kubeconfig: str | None, context: str | None, namespace: str | None, **given: Any
    ) -> Any:
        target = Target(kubeconfig=kubeconfig, context=context, namespace=namespace)
        return command(*args, target=target, **given)

    for option in (
        click.option("--context", metavar="NAME", help="Context of the kubeconfig."),
        click.option(
            "--kubeconfig", metavar="FILE", help="Kubeconfig; default: KUBECONFIG or ~/.kube/config."
        ),
        click.option("-n", "--namespace", metavar="NAME", help="Namespace; default: that of the context."),
    ):
        with_target = option(with_target)
    return with_target


def plan_options(command: _Command) -> _Command:
    """Add the options of a plan."""
    for option in (
        click.option("--force-conflicts", is_flag=True, help="Take fields over that other tools have set."),
        click.option(
            "--default-registry",
            metavar="HOST",
            help="Registry of short image names; default: the operator's.",
        ),
    ):
        command = option(command)
    return command


class Duration(click.ParamType[float]):
    """A time such as 30s, 10m, 1h30m or 1d, in seconds."""

    name = "duration"
    _units: ClassVar[dict[str, float]] = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
    _part: ClassVar[re.Pattern[str]] = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhd])")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Add up numbers with their units; a number alone is seconds."""
        if isinstance(value, float):
            return value
        text = f"{value}s" if value.replace(".", "", 1).isdigit() else value
        parts = self._part.findall(text)
        if not parts or "".join(map("".join, parts)) != text:
            self.fail(f"{value!r} is no time: write 30s, 10m, 1h30m or 1d", param, ctx)
        return sum(float(number) * self._units[unit] for number, unit in parts)


timeout_option = click.option(
    "--timeout",
    type=Duration(),
    default=600.0,
    help="How long to wait, as in 90s or 1h. Default: 10m.",
)
