"""What all of `containerapp import` has in common: reading foreign files, placeholders, and what is written at the end.

A format's command gives a function from the read values to an `Imported`; it is pure and may be called again, once the
user has been asked for the values of placeholders.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple

import click

from containerapp.cli.exits import USAGE, Failure
from containerapp.cli.foreign import values_of
from containerapp.cli.reading import optional_text, texts
from containerapp.importers import placeholders, writing
from containerapp.importers.cloudformation import plain
from containerapp.importers.manifest import check
from containerapp.importers.source import Imported, Refusal
from containerapp.importers.wishes import Wishes

_IMAGE = "IMAGE of "
"""How the placeholder of an image begins that the input does not name: `Wishes.image_of`."""
Convert = Callable[[dict[str, str]], Imported]
"""From the values of placeholders to what is made of the input. `Refusal` where it can be nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is wished, where to write, and how: options of every format.

    Attributes:
        wishes: what the user wants of the importer.
        values: values of placeholders, by name.
        out: file to write, `-` for standard output; report: file of the report; output: its format.
        force: whether a file that exists is written over.
    """

    wishes: Wishes
    values: dict[str, str]
    out: str
    report: str | None
    output: str
    force: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What was made of the input, and where it goes."""

    imported: Imported
    job: Job

    def files(self) -> Iterator[_File]:
        """Yield the files to write: manifests, credentials, the report."""
        imported, job = self.imported, self.job
        if job.out != "-":
            file = Path(job.out)
            secrets = [manifest for manifest in imported.manifests if manifest["kind"] == "Secret"]
            others = [manifest for manifest in imported.manifests if manifest["kind"] != "Secret"]
            yield _File(file, writing.to_yaml(others, imported, losses=job.report is None))
            if secrets:
                text = writing.to_yaml(secrets, imported, losses=False)
                yield _File(file.with_suffix(".secret.yaml"), text, secret=True)
        if job.report not in {None, "-"}:
            yield _File(Path(str(job.report)), self.report())

    def report(self) -> str:
        """Return what is not carried over, in the wanted format."""
        if self.job.output == "json":
            return json.dumps(writing.as_json(self.imported), indent=2) + "\n"
        return writing.report(self.imported)


class _File(NamedTuple):
    path: Path
    text: str
    secret: bool = False


def import_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of every format; the command gets them as its `job`."""

    @wraps(command)
    def with_job(*args: Any, **given: Any) -> Any:
        images = [_split(text) for text in given.pop("image")]
        wishes = Wishes(
            image=next((reference for name, reference in images if not name), None),
            images={name: reference for name, reference in images if name},
            name=given.pop("name"),
            namespace=given.pop("namespace"),
        )
        values = dict(_assignment(text) for text in given.pop("values"))
        written = {key: given.pop(key) for key in ("out", "report", "output", "force")}
        return command(*args, job=Job(wishes=wishes, values=values, **written), **given)

    for option in reversed(_OPTIONS):
        with_job = option(with_job)
    return with_job


_OPTIONS = (
    click.option(
        "--image",
        multiple=True,
        metavar="[NAME=]REF",
        help="Image of the app, or of the container NAME; may be repeated.",
    ),
    click.option(
        "--set",
        "values",
        multiple=True,
        metavar="PLACEHOLDER=VALUE",
        help="Value of a placeholder such as ${TAG}, <TAG> or {{ tag }}, by its name; may be repeated.",
    ),
    click.option("--name", metavar="NAME", help="Name of the app. Default: that of the input."),
    click.option("-n", "--namespace", metavar="NAME", help="Namespace. Default: that of the apply."),
    click.option(
        "-o",
        "--out",
        default="-",
        metavar="FILE",
        help="File to write; credentials go beside it, as to shop.secret.yaml for shop.yaml. Default: standard output.",
    ),
    click.option(
        "--report",
        metavar="FILE",
        help="File for what is not carried over, instead of comments above the manifests; - for standard error.",
    ),
    click.option(
        "--output",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="Format of the report.",
    ),
    click.option("--force", is_flag=True, help="Write over files that exist."),
)


def _split(text: str) -> tuple[str, str]:
    """Return the name and the image of NAME=REF; an image has no `=`."""
    name, equals, reference = text.rpartition("=")
    return (name, reference) if equals else ("", text)


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise Failure(f"--set {text} gives no value: write --set {text}=VALUE.", USAGE)
    found = placeholders.find(name)
    return (found[0].name if found else name.strip()), value


def read(files: Sequence[str], values: dict[str, str]) -> list[tuple[str, Any]]:
    """Return the values of foreign files in JSON or YAML, with their file names; placeholders are filled in."""
    return [(file, value) for file, text in texts(files) for value in values_of(file, text, values)]


def read_templates(files: Sequence[str], values: dict[str, str]) -> list[tuple[str, Any]]:
    """Return the same where a file may be a template of CloudFormation: its parameters are placeholders, too."""
    return [(file, placeholders.fill(plain(value), values)) for file, value in read(files, values)]


def finish(convert: Convert, job: Job, *, literal: bool = False) -> None:
    """Convert, ask for what is missing, write the manifests and the report.

    With `literal` the texts of the manifests have no placeholders, but for images that are yet to be given.
    """
    write([prepare(convert, job, literal=literal)])


def prepare(convert: Convert, job: Job, *, literal: bool = False) -> Result:
    """Convert, and ask for what is missing."""
    values = dict(job.values)
    try:
        imported = convert(values)
        missing = _missing(imported, values, literal=literal)
        if missing:
            values.update(_asked(missing))
            imported = convert(values)
        imported = _with_images(imported, values)
        check(imported)
    except Refusal as error:
        raise Failure(str(error)) from None
    return Result(imported=imported, job=job)


def _with_images(imported: Imported, values: dict[str, str]) -> Imported:
    """Fill in the images that the input does not name."""
    images = {name: value for name, value in values.items() if name.startswith(_IMAGE)}
    return replace(imported, manifests=tuple(placeholders.fill(list(imported.manifests), images)))


def is_terminal() -> bool:
    """Whether values can be asked for."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def _missing(imported: Imported, values: dict[str, str], *, literal: bool) -> list[str]:
    made = placeholders.names(list(imported.manifests))
    found = [
        *(name for name in made if not literal or name.startswith(_IMAGE)),
        *placeholders.names(list(imported.wanted)),
    ]
    return [name for name in dict.fromkeys(found) if name not in values]


def _asked(missing: list[str]) -> dict[str, str]:
    """Ask for the values on a terminal, else end with how to give them."""
    if is_terminal():
        return {name: click.prompt(f"Value of {name}", err=True) for name in missing}
    images = [name.removeprefix(_IMAGE) for name in missing if name.startswith(_IMAGE)]
    others = [name for name in missing if not name.startswith(_IMAGE)]
    asked = [
        *(f"--image {shlex.quote(name + '=…')}" for name in images),
        *(f"--set {shlex.quote(name + '=…')}" for name in others),
    ]
    what = f"The input has no image of {', '.join(images)}: build and push it" if images else ""
    placed = "The input has placeholders (--set 'X=${X}' keeps one as it is)" if others else ""
    raise Failure(f"{'. '.join(filter(None, (what, placed)))}. Give {' '.join(asked)}.")


def write(results: Sequence[Result]) -> None:
    """Write all files, or none where one of them holds something else; what has no file is printed."""
    for result in results:
        for file in result.files():
            if not result.job.force and file.path.is_file() and optional_text(file.path) != file.text:
                raise Failure(f"{file.path} exists. Name another file, or give --force to write over it.")
    for result in results:
        _write(result)


def _write(result: Result) -> None:
    imported, job = result.imported, result.job
    if job.out == "-":
        click.echo(writing.to_yaml(imported.manifests, imported, losses=job.report is None), nl=False)
    for file in result.files():
        _save(file)
        if file.secret:
            click.echo(
                f"{file.path} has credentials that stood in plain text: keep it out of the repository.",
                err=True,
            )
    if job.report == "-" or (job.report is None and job.output == "json"):
        click.echo(result.report(), nl=False, err=True)
    lost, looked = len(imported.losses), len(imported.notes)
    where = job.report if job.report not in {None, "-"} else "the list"
    click.echo(f"Not carried over: {lost}; to look at: {looked}. See {where}.", err=True)


def _save(file: _File) -> None:
    try:
        file.path.touch(0o600 if file.secret else 0o644)
        if file.secret:
            file.path.chmod(0o600)  # also where the file was there before
        file.path.write_text(file.text, encoding="utf-8")
    except OSError as error:
        raise Failure(f"{file.path} cannot be written: {error.strerror}.") from None
