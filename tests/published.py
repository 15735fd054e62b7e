"""What people have published of Compose, Copilot, ECS, Batch and App Runner, imported with values for what it lacks.

They are no part of the project: they are read where they lie beside it, and what tries them is skipped elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from re import findall
from typing import Any

from containerapp.cli.exits import Failure
from containerapp.cli.foreign import values_of
from containerapp.importers import apprunner as from_apprunner
from containerapp.importers import batch as from_batch
from containerapp.importers import ecs as from_ecs
from containerapp.importers import placeholders
from containerapp.importers.compose.application import from_compose
from containerapp.importers.compose.project import read_project
from containerapp.importers.copilot.application import from_copilot
from containerapp.importers.copilot.environments import names
from containerapp.importers.documents import load
from containerapp.importers.manifest import check
from containerapp.importers.source import Imported, Refusal
from containerapp.importers.wishes import Wishes

FOLDER = Path(__file__).parents[2] / "shared" / "corpus"
WHERE = f"there are no published files in {FOLDER}"
IMAGE = "shop:1.0"
_VALUES = {
    "AWS_REGION": "eu-west-1",
    "AWS_ACCOUNT_ID": "123456789012",
    "COPILOT_APPLICATION_NAME": "acme",
    "COPILOT_ENVIRONMENT_NAME": "test",
}
_WORDS = (
    *(("PORT", "8080"), ("LOCATION", "/srv/x"), ("PATH", "/srv/x"), ("DIR", "/srv/x"), ("RAM", "512")),
    *(("FS-", "fs-0123456789abcdef0"), ("ACCOUNT", "123456789012"), ("XXXX", "123456789012"), ("TAG", "v1")),
    *(("REGION", "eu-west-1"), ("ROLE", "arn:aws:iam::123456789012:role/x"), ("IMAGE", "shop")),
    *(("SECRETS_ARN", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:x"), ("REPO", "shop")),
)
_ROUNDS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A file, for one environment where it has some, and what becomes of it: manifests, or a refusal."""

    title: str
    imported: Imported | None = None
    refusal: str = ""


def compose() -> Iterator[Published]:
    """Import each Compose file."""
    for file in sorted((FOLDER / "compose").glob("*")):
        yield _tried(file.name, partial(_of_compose, file.read_text()))


def _of_compose(text: str, values: Mapping[str, str], wishes: Wishes) -> Imported:
    return from_compose(read_project(["c"], {"c": text}.get, values), wishes)


def copilot() -> Iterator[Published]:
    """Import each manifest for each of its environments."""
    for file in sorted((FOLDER / "copilot").glob("*")):
        manifest = load(file.read_text(), file.name, literal=True)
        for environment in names(manifest) or [""]:
            yield _tried(f"{file.name} {environment}", partial(_of_copilot, manifest, environment or None))


def _of_copilot(
    manifest: Any, environment: str | None, values: Mapping[str, str], wishes: Wishes
) -> Imported:
    return from_copilot(manifest, wishes, environment=environment, values=values, read=lambda _: None)


def ecs() -> Iterator[Published]:
    """Import each task definition, service and template of ECS."""
    return _files("ecs", from_ecs.convert)


def batch() -> Iterator[Published]:
    """Import each job definition of AWS Batch."""
    return _files("batch", from_batch.convert)


def apprunner() -> Iterator[Published]:
    """Import each file of App Runner."""
    return _files("apprunner", from_apprunner.convert)


def _files(folder: str, convert: Callable[[list[tuple[str, Any]], Wishes], Imported]) -> Iterator[Published]:
    for file in sorted((FOLDER / folder).glob("*")):

        def read(values: Mapping[str, str], wishes: Wishes, file: Path = file) -> Imported:
            try:
                documents = values_of(file.name, file.read_text(), values)
            except Failure as error:
                raise Refusal(error.message) from None
            return convert([(file.name, placeholders.fill(each, values)) for each in documents], wishes)

        yield _tried(file.name, read)


def _tried(title: str, convert: Callable[[Mapping[str, str], Wishes], Imported]) -> Published:
    """Import, giving a value to whatever is asked for."""
    values, refusal = dict(_VALUES), ""
    images: dict[str, str] = {}
    for _ in range(_ROUNDS):
        try:
            imported = convert(values, Wishes(images=images))
            missing = placeholders.names([*imported.manifests, list(imported.wanted)])
            missing = [name for name in missing if name not in values]
            if not missing:
                check(imported)
                return Published(title=title, imported=imported)
        except Refusal as error:
            refusal = str(error)
            missing = findall(r"--set (\w+)=", refusal)
            if not missing:
                break
        values |= {name: _value(name) for name in missing}
        images |= {name.removeprefix("IMAGE of "): IMAGE for name in missing if name.startswith("IMAGE of ")}
    return Published(title=title, refusal=refusal or "it asks for more and more")


def _value(name: str) -> str:
    """Return a value that a variable of the name may have."""
    for word, value in _WORDS:
        if word in name.upper():
            return value
    return "value"
