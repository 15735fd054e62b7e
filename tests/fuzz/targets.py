"""Every parser of foreign input: what may go in, and what must hold of it, whatever goes in.

Run by hypothesis in `tests/fuzz/test_fuzz.py`, and by a coverage-guided fuzzer in `tests/fuzz/__main__.py`. A target
raises where a parser ends in anything but a value or a refusal for the user, or where what it says is not printable.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import yaml
from pydantic import TypeAdapter, ValidationError
from yarl import URL

from containerapp.api import image_config
from containerapp.api.artifacts import other_than_image, printable
from containerapp.api.containerapp import ContainerApp
from containerapp.api.images import ImageReference, is_digest, parse
from containerapp.api.schedule import CRON, Schedule, cron
from containerapp.api.schema import API_VERSION
from containerapp.api.schema.quantity import is_quantity, quantity
from containerapp.aws import errors
from containerapp.cli.exits import Failure
from containerapp.cli.foreign import values_of
from containerapp.controllers.workloads.image import answers_refresh, recorded_pin
from containerapp.core.model import (
    DIGEST_ANNOTATION,
    IMAGE_ANNOTATION,
    REFRESH_ANNOTATION,
)
from containerapp.errors import InvalidSpec
from containerapp.importers import ecs, writing
from containerapp.importers.source import Refusal
from containerapp.importers.wishes import Wishes
from containerapp.kube.client import translate
from containerapp.registries import refusals
from containerapp.registries.addresses import is_private_literal, is_public
from containerapp.registries.challenges import LONGEST_LIFETIME, bearer_challenge, read_token
from containerapp.registries.policy import Policy
from containerapp.registries.web import Answer

Target = Callable[[bytes], None]

_SCHEDULE: Final = TypeAdapter[str](Schedule)
_CRON: Final = re.compile(f"{CRON}|@[a-z]+|@every [0-9]+[mh]")

_REFERENCE: Final = ImageReference(registry="registry.example.com", repository="shop", tag="1")
_POLICY: Final = Policy(allowed=("*.dkr.ecr.*.amazonaws.com", "ghcr.io/a*/b*/c*", "[fd00::1]:*"))


def challenge(data: bytes) -> None:
    """A `WWW-Authenticate` header, with the URL that it sends the operator to."""
    found = bearer_challenge([_header(data)])
    if found is None:
        return
    try:
        url = URL("https://registry.example.com/").join(URL(found.realm))
    except ValueError:
        return
    is_private_literal(url.raw_host or "")


def token(data: bytes) -> None:
    """An answer of a token service."""
    try:
        found = read_token(data)
    except ValueError:
        return
    assert found.value.isascii()
    assert found.value.isprintable()
    assert 0 < found.seconds <= LONGEST_LIFETIME


def manifest(data: bytes) -> None:
    """A manifest, by a registry or in an answer of ECR's."""
    _assert_readable(refusals.unsupported(_REFERENCE, other_than_image(data) or "").message)


def refusal(data: bytes) -> None:
    """Status and headers of a refusal."""
    status = 400 + data[0] if data else 429
    headers = {"Retry-After": _header(data[1:]), "Content-Type": _header(data[1:])}
    answer = Answer(status=status, headers=headers, challenges=(), digest="", body=b"", whole=True)
    _assert_readable(refusals.refusal(answer, _REFERENCE).message)
    _assert_readable(refusals.no_manifest(_REFERENCE, _header(data)).message)


def image(data: bytes) -> None:
    """An image reference, from a spec or from an annotation."""
    try:
        found = parse(_text(data), default_registry="ghcr.io/acme")
    except InvalidSpec as error:
        _assert_readable(error.message)
        return
    assert parse(str(found), default_registry="") == found
    _POLICY.refusal(found)
    if found.ecr is not None:
        _assert_readable(errors.from_failure("Odd", _text(data), found.ecr, found).message)


def address(data: bytes) -> None:
    """An address that a name server returns, or a host that says by itself where it is."""
    text = _text(data)
    if is_public(text):
        assert not is_private_literal(text)


def amount(data: bytes) -> None:
    """A quantity."""
    text = _text(data)
    if is_quantity(text):
        assert quantity(text).denominator <= 10**9


def annotation(data: bytes) -> None:
    """What the annotations of a Deployment say of its image: anybody may have edited them."""
    parts = [_text(part) for part in [*data.split(b"\n", 2), b"", b""][:3]]
    written = dict(zip((IMAGE_ANNOTATION, DIGEST_ANNOTATION, REFRESH_ANNOTATION), parts, strict=True))
    app = ContainerApp.parse(
        {
            "apiVersion": API_VERSION,
            "kind": "ContainerApp",
            "metadata": {"name": "shop", "annotations": {REFRESH_ANNOTATION: parts[2]}},
            "spec": {"image": "shop:1"},
        }
    )
    record = recorded_pin(app, replace(_REFERENCE), [{"metadata": {"annotations": written}}])
    assert record is None or answers_refresh(record, app)


def api_server(data: bytes) -> None:
    """An answer of the API server, or of what stands before it."""
    translate(400 + data[0] if data else 500, _text(data[1:]), retry_after=_text(data[1:9]))


def schedule(data: bytes) -> None:
    """A schedule: of Kubernetes, or `rate()` and `cron()` of EventBridge."""
    try:
        found = _SCHEDULE.validate_python(_text(data))
    except ValidationError:
        return
    assert _CRON.fullmatch(cron(found)), cron(found)


def configuration(data: bytes) -> None:
    """An index or the configuration of an image, which anybody can push."""
    for digest in (image_config.image_in_index(data), image_config.config_digest(data)):
        assert digest is None or is_digest(digest)
    assert all(1 <= port <= 65535 for port in image_config.exposed_ports(data))
    assert all(image_config.architectures_in_index(data) | image_config.architecture(data))


def task(data: bytes) -> None:
    """What describes tasks, services and schedules of ECS, in a file that people have written or a tool has printed."""
    try:
        documents = [("task.json", value) for value in values_of("task.json", _text(data), {})]
        made = ecs.convert(documents, Wishes())
        written = writing.to_yaml(made.manifests, made, losses=True)
    except (Failure, Refusal) as error:
        _assert_one_line(str(error))
        return
    assert list(yaml.safe_load_all(written)) == list(made.manifests)


TARGETS: Final[dict[str, Target]] = {
    "challenge": challenge,
    "token": token,
    "manifest": manifest,
    "refusal": refusal,
    "image": image,
    "address": address,
    "amount": amount,
    "annotation": annotation,
    "api_server": api_server,
    "schedule": schedule,
    "configuration": configuration,
    "task": task,
}


def _header(data: bytes) -> str:
    """Return bytes as the HTTP client returns those of a header."""
    return data.decode("utf-8", "surrogateescape")


def _text(data: bytes) -> str:
    """Return bytes as the text that JSON may carry."""
    return data.decode("utf-8", "replace")


def _assert_readable(message: str) -> None:
    assert message == printable(message, len(message) + 1), ascii(message)


def _assert_one_line(message: str) -> None:
    assert message.isprintable(), ascii(message)
