"""What `init` finds out by itself: repositories and tags of ECR to choose from, and the ports that an image exposes.

Every look has few seconds and is silent where it fails: `init` asks then as if there were no such look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final, TypeVar

import click

from containerapp.api.image_config import exposed_ports
from containerapp.api.images import ImageReference, parse
from containerapp.aws.asking import Aws, Unasked, begin
from containerapp.aws.repositories import Repository, image_config, repositories, tags
from containerapp.errors import InvalidSpec
from containerapp.registries.oci import OciSource
from containerapp.registries.policy import Policy
from containerapp.registries.web import open_web

PATIENCE: Final = 5.0
"""Seconds that a look has."""
_SHOWN: Final = 15

_Result = TypeVar("_Result")
_Choice = TypeVar("_Choice")


class Images:
    """The images of the account's registry, which is looked at from the beginning, while the user types."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws
        self._begun = begin(lambda: repositories(aws))

    def choose(self, default: str) -> str:
        """Ask for an image: by the number or the name of a repository and of a tag, or in full."""
        found = _in_time(self._begun, [])
        if not found:
            return str(click.prompt("Image (registry/name:tag)", default=default))
        click.echo(f"Repositories in Amazon ECR, {self._aws.region}:")
        _show([repository.name for repository in found])
        chosen = _prompt("Image (number, name of a repository, or registry/name:tag)", default, found, _name)
        return _in_full(chosen, found) if isinstance(chosen, str) else self._with_tag(chosen)

    def _with_tag(self, repository: Repository) -> str:
        found = _in_time(begin(lambda: tags(self._aws, repository)), [])
        if not found:
            return f"{repository.uri}:{click.prompt(f'Tag of {repository.name}', default='latest')}"
        click.echo(f"Tags of {repository.name}, the newest first:")
        _show([f"{tag.name}  {tag.pushed:%Y-%m-%d %H:%M}" for tag in found])
        chosen = _prompt("Tag (number or name)", "1", found, lambda tag: tag.name)
        return f"{repository.uri}:{chosen if isinstance(chosen, str) else chosen.name}"


def ports_of(image: str) -> tuple[int, ...]:
    """Return the ports that an image exposes; none where it names no registry, or cannot be read."""
    try:
        reference = parse(image, default_registry="")
    except InvalidSpec:
        return ()
    return exposed_ports(_in_time(begin(lambda: _config(reference)), b""))


def _config(reference: ImageReference) -> bytes:
    registry = reference.ecr
    if registry is not None:
        return image_config(Aws(region=registry.region), registry, reference)
    return asyncio.run(_config_elsewhere(reference))


async def _config_elsewhere(reference: ImageReference) -> bytes:
    async with open_web(Policy(private=(reference.registry,))) as web:
        return await OciSource(web, observe=lambda _source, _outcome: None, timeout=PATIENCE).config(
            reference
        )


def _in_time(begun: Future[_Result], otherwise: _Result) -> _Result:
    try:
        return begun.result(timeout=PATIENCE)
    except (Unasked, TimeoutError):
        return otherwise


def _in_full(image: str, known: Sequence[Repository]) -> str:
    """Return an image of a known repository with its registry, any other as it is."""
    uris = {repository.name: repository.uri for repository in known}
    name, colon, tag = image.partition(":")
    return f"{uris[name]}:{tag}" if colon and name in uris else image


def _name(repository: Repository) -> str:
    return repository.name


def _show(choices: Sequence[str]) -> None:
    for number, choice in enumerate(choices[:_SHOWN], 1):
        click.echo(f"  {number:>3}  {choice}")
    if len(choices) > _SHOWN:
        click.echo(f"       … and {len(choices) - _SHOWN} more, by name")


def _prompt(
    question: str, default: str, choices: Sequence[_Choice], name: Callable[[_Choice], str]
) -> _Choice | str:
    """Return the choice of a number that is shown or of a name; any other text as it is."""
    by_name = {name(choice): choice for choice in choices}
    shown = {str(number): choice for number, choice in enumerate(choices[:_SHOWN], 1)}

    def read(text: str) -> _Choice | str:
        if text not in by_name and text not in shown and text.isdecimal():
            raise click.UsageError(f"{text} is none of the numbers from 1 to {len(shown)}.")
        return shown.get(text) or by_name.get(text) or text

    answer: _Choice | str = click.prompt(question, default=default, value_proc=read)
    return answer
