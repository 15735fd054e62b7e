"""The questions of `init`, and the manifest that the answers make: short, commented, and valid."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
import yaml

from containerapp.api.containerapp import ContainerApp
from containerapp.api.schema import API_VERSION
from containerapp.cli.commands.init import SIZES
from containerapp.cli.exits import USAGE, Failure
from containerapp.errors import InvalidSpec

if TYPE_CHECKING:
    from containerapp.cli.choosing import Images

_SAMPLE_IMAGE = "public.ecr.aws/nginx/nginx-unprivileged:1.29"
_PORT = 8080


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What the manifest is made of."""

    name: str
    image: str
    port: int | None
    size: str
    replicas: int
    public: bool
    host: str | None
    health: str | None
    namespace: str | None


def ask(name: str | None, given: Mapping[str, Any]) -> Answers:
    """Ask for what is not given; where nothing may be asked, take the defaults."""
    silent = bool(given["yes"])
    if not silent and not _has_terminal():
        raise Failure("There is no terminal to ask on: give -y and the answers by flags.", USAGE)

    images = None if silent or given.get("image") else _images()

    def answer(key: str, question: str, default: Any, kind: Any = str) -> Any:
        if given.get(key) is not None:
            return given[key]
        return default if silent else click.prompt(question, default=default, type=kind)

    name = name or (None if silent else click.prompt("Name of the app"))
    if name is None:
        raise Failure("Name the app: containerapp init NAME.", USAGE)
    image: str = images.choose(_SAMPLE_IMAGE) if images else given.get("image") or _SAMPLE_IMAGE
    kinds = click.Choice(["web", "worker"])
    preset = answer("preset", "Does it answer requests (web), or not (worker)", "web", kinds)
    if preset == "worker":
        _refuse_address(given)
    port = _port(answer, given, image) if preset == "web" else None
    size = answer("size", f"Size ({_sizes()})", "small", click.Choice(list(SIZES)))
    replicas = answer("replicas", "Number of Pods", 2 if port else 1, click.IntRange(0, 1000))
    public = bool(port) and _is_public(given["public"], silent=silent)
    return Answers(
        name=name,
        image=image,
        port=port,
        size=size,
        replicas=replicas,
        public=public,
        host=given.get("host"),
        health=given.get("health"),
        namespace=given.get("namespace"),
    )


def _refuse_address(given: Mapping[str, Any]) -> None:
    """End the command where a worker is given what only an app with a port has."""
    needless = [f"--{each}" for each in ("port", "public", "host", "health") if given.get(each)]
    if needless:
        raise Failure(
            f"A worker has no port and no address: leave {', '.join(needless)} out, or give --preset web.",
            USAGE,
        )


def _has_terminal() -> bool:
    return sys.stdin.isatty()


def _images() -> Images:
    """Begin to look at the account's images, in the region of the environment."""
    from containerapp.aws.asking import Aws
    from containerapp.cli.choosing import Images

    return Images(Aws())


def _port(answer: Callable[..., Any], given: Mapping[str, Any], image: str) -> int:
    """Return the port: as given, else as the image exposes it; a person may answer another one."""
    if given["port"]:
        return int(given["port"])
    exposed = () if image == _SAMPLE_IMAGE else _exposed(image)
    known = f" (the image exposes {', '.join(map(str, exposed))})" if exposed else ""
    port: int = answer(
        "port", f"Port that it listens on{known}", next(iter(exposed), _PORT), click.IntRange(1, 65535)
    )
    return port


def _exposed(image: str) -> tuple[int, ...]:
    from containerapp.cli.choosing import ports_of

    return ports_of(image)


def _is_public(given: bool | None, *, silent: bool) -> bool:  # noqa: FBT001 - the flag as it was given
    if given is not None:
        return given
    return False if silent else click.confirm("Is it reached from the internet?", default=False)


def _sizes() -> str:
    return ", ".join(f"{name}: {cpu} cpu and {memory}" for name, (cpu, memory) in SIZES.items())


def manifest(answers: Answers) -> str:
    """Return the manifest; an answer that the API refuses ends the command with the remedy."""
    text = "\n".join(_lines(answers)) + "\n"
    try:
        ContainerApp.parse(yaml.safe_load(text))
    except InvalidSpec as error:
        raise Failure(f"This cannot be an app: {error.message}") from None
    return text


def _lines(answers: Answers) -> Iterator[str]:
    cpu, memory = SIZES[answers.size]
    yield f"apiVersion: {API_VERSION}"
    yield "kind: ContainerApp"
    yield "metadata:"
    yield f"  name: {_quoted(answers.name)}"
    if answers.namespace:
        yield f"  namespace: {_quoted(answers.namespace)}"
    yield "spec:"
    yield f"  image: {_quoted(answers.image)}   # runs by the digest that the tag has now"
    if answers.port:
        yield f"  port: {answers.port}"
    yield f"  replicas: {answers.replicas}"
    yield "  resources:"
    yield f"    requests: {{cpu: {cpu}, memory: {memory}}}   # memory is the limit, too"
    if answers.health:
        yield "  readinessProbe:   # a Pod gets requests once this answers"
        yield f"    httpGet: {{path: {_quoted(answers.health)}}}"
    if answers.public or answers.host:
        yield "  expose:   # a load balancer; status.url has the address"
        if answers.host:
            yield f"    hosts: [{_quoted(answers.host)}]"
        if answers.public:
            yield "    public: true"


def _quoted(text: str) -> str:
    """Return text as YAML that reads as the same text."""
    return yaml.safe_dump(text, width=10_000).splitlines()[0]
