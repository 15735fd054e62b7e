"""Image references: what a user may write in `spec.image`, and what it means in full. Pure.

Called by the reconcile and by the registry clients. Follows the grammar of the OCI distribution specification
and Docker's rule for short names, knows the hosts of Amazon ECR in every partition, and must never ask a
registry: whether an image exists is not decided here.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NoReturn

from containerapp.errors import InvalidSpec

DEFAULT_TAG: Final = "latest"
DOCKER_HUB: Final = "docker.io"
ECR_PUBLIC_HOSTS: Final = frozenset({"public.ecr.aws", "ecr-public.aws.com"})

# https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(
    rf"(?P<name>{_LABEL}(?:\.{_LABEL})*|\[(?P<ipv6>[0-9a-f:.]+)\])(?::(?P<port>[0-9]{{1,5}}))?"
)
# "Many clients impose a limit of 255 characters on the length of the concatenation of the registry hostname
# (and optional port), `/`, and `<name>` value."
_MAX_NAME = 255
_MAX_TEXT = 600

_ECR_HOST = re.compile(
    r"(?P<account>[0-9]{12})\.dkr(?P<separator>[.-])ecr(?P<fips>-fips)?"
    r"\.(?P<region>[a-z]{2,4}(?:-[a-z]+)+-[0-9]{1,2})\.(?P<suffix>[a-z0-9.-]+)"
)
_ECR_LIKE = re.compile(
    r"dkr[.-]ecr.*\.(?:amazon(?:aws|webservices)\.|on\.aws|\w+\.(?:ic|sgov)\.gov|adc-e\.uk|hci\.ic)"
)
# Region prefix → partition, suffix of the IPv4 hosts, suffix of the dual-stack hosts. First match wins.
_PARTITIONS: Final = (
    ("cn-", "aws-cn", "amazonaws.com.cn", "on.amazonwebservices.com.cn"),
    ("us-gov-", "aws-us-gov", "amazonaws.com", "on.aws"),
    ("eusc-", "aws-eusc", "amazonaws.eu", "on.amazonwebservices.eu"),
    ("us-iso-", "aws-iso", "c2s.ic.gov", None),
    ("us-isob-", "aws-iso-b", "sc2s.sgov.gov", None),
    ("eu-isoe-", "aws-iso-e", "cloud.adc-e.uk", None),
    ("us-isof-", "aws-iso-f", "csp.hci.ic.gov", None),
    ("eu-isof-", "aws-iso-f", "csp.hci.ic.gov", None),
    ("", "aws", "amazonaws.com", "on.aws"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EcrRegistry:
    """A private Amazon ECR registry, as its host name tells it."""

    account: str
    region: str
    partition: str
    dns_suffix: str
    fips: bool = False
    dual_stack: bool = False

    def repository_arn(self, repository: str) -> str:
        """Return the ARN that IAM policies name `repository` by."""
        return f"arn:{self.partition}:ecr:{self.region}:{self.account}:repository/{repository}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageReference:
    """An image, fully qualified. Made by `parse`; has a tag, a digest, or both."""

    registry: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"

    @property
    def name(self) -> str:
        """Registry and repository, without tag and digest."""
        return f"{self.registry}/{self.repository}"

    @property
    def canonical(self) -> str:
        """The full reference with its tag; with its digest only where there is no tag."""
        return f"{self.name}:{self.tag}" if self.tag else str(self)

    @property
    def familiar(self) -> str:
        """Repository and tag (or the start of the digest) for people's eyes; not meant to be parsed again."""
        repository = self.repository
        if self.registry == DOCKER_HUB:
            repository = repository.removeprefix("library/")
        if self.tag:
            return f"{repository}:{self.tag}"
        algorithm, _, value = (self.digest or "").partition(":")
        return f"{repository}@{algorithm}:{value[:12]}"

    @property
    def ecr(self) -> EcrRegistry | None:
        """The private ECR registry that the image is in, or None for any other registry."""
        return ecr_registry(self.registry)

    @property
    def is_ecr_public(self) -> bool:
        """Whether the image is in Amazon ECR Public."""
        return self.registry in ECR_PUBLIC_HOSTS

    def pinned(self, digest: str) -> str:
        """Return what a container runs: the repository at exactly `digest`."""
        return f"{self.name}@{digest}"


@lru_cache(maxsize=1024)
def parse(text: str, *, default_registry: str) -> ImageReference:
    """Return the image that `text` means.

    A short name belongs to `default_registry`, which is a host and an optional path.

    Raises:
        InvalidSpec: the text is no image reference; the message says what to write instead.
    """
    _refuse_stray_characters(text)
    rest, at, digest = text.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        _refuse(
            text, "what follows `@` is no digest", "write `@sha256:` and 64 hexadecimal digits in lower case"
        )
    name, tag = _split_tag(rest)
    if tag is not None and not _TAG.fullmatch(tag):
        _refuse(
            text,
            "the part after the last `:` is no tag",
            "a tag has 1 to 128 letters, digits, `_`, `.` and `-`, and begins with a letter, a digit or `_`",
        )
    registry, repository = _split_registry(text, name, default_registry)
    _check_name(text, registry, repository)
    if tag is None and not digest:
        tag = DEFAULT_TAG
    return ImageReference(registry=registry, repository=repository, tag=tag, digest=digest or None)


def is_digest(text: str) -> bool:
    """Whether `text` is a digest of an algorithm that container runtimes verify."""
    return _DIGEST.fullmatch(text) is not None


def ecr_registry(host: str) -> EcrRegistry | None:
    """Return the private ECR registry behind `host`, or None for any other host."""
    match = _ECR_HOST.fullmatch(host)
    if match is None:
        return None
    region, dual_stack = match["region"], match["separator"] == "-"
    partition, suffix, dual_stack_suffix = next(row[1:] for row in _PARTITIONS if region.startswith(row[0]))
    if match["suffix"] != (dual_stack_suffix if dual_stack else suffix):
        return None
    return EcrRegistry(
        account=match["account"],
        region=region,
        partition=partition,
        dns_suffix=match["suffix"],
        fips=match["fips"] is not None,
        dual_stack=dual_stack,
    )


def _refuse_stray_characters(text: str) -> None:
    if not text:
        _refuse(text, "it is empty", "name an image, for example `shop:1.4.2`")
    if len(text) > _MAX_TEXT:
        _refuse(text, f"it exceeds {_MAX_TEXT} characters", "use a shorter repository and tag")
    if "://" in text:
        _refuse(
            text,
            "an image reference has no scheme",
            f"write it without {_quoted(text.partition('://')[0] + '://')}",
        )
    stray = next((character for character in text if not "!" <= character <= "~"), None)
    if stray is not None:
        _refuse(text, f"{stray!a} cannot stand in an image reference", "remove it")


def _split_tag(rest: str) -> tuple[str, str | None]:
    """Split at the last `:`, unless that one belongs to the host's port."""
    name, colon, tag = rest.rpartition(":")
    return (name, tag) if colon and "/" not in tag else (rest, None)


def _split_registry(text: str, name: str, default_registry: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    if slash and _is_host(first):
        _check_repository(text, rest)
        registry, repository = first.lower(), rest
    elif _ECR_LIKE.search(name):
        _refuse(text, "it names a registry but no repository", "write `<registry>/<repository>:<tag>`")
    else:
        _check_repository(text, name)
        registry, prefix = _split_default(text, default_registry)
        repository = f"{prefix}/{name}" if prefix else name
    if registry == f"index.{DOCKER_HUB}":
        registry = DOCKER_HUB
    if registry == DOCKER_HUB and "/" not in repository:
        repository = f"library/{repository}"
    return registry, repository


def _is_host(component: str) -> bool:
    """Docker's rule for the first component of a name."""
    return "." in component or ":" in component or component.lower() == "localhost"


def _split_default(text: str, default_registry: str) -> tuple[str, str]:
    if not default_registry:
        _refuse(
            text,
            "it names no registry, and the operator has no default registry",
            "write it in full, for example `123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop:1.4.2`",
        )
    host, slash, prefix = default_registry.partition("/")
    host = host.lower()
    prefix_legal = _REPOSITORY.fullmatch(prefix) if slash else True
    if not (_is_host(host) and _is_legal_host(host) and prefix_legal):
        raise InvalidSpec(
            "InvalidDefaultRegistry",
            f"spec.image {_quoted(text)} is a short name, and the operator's default registry "
            f"{_quoted(default_registry)} is no registry host with an optional path. Write the image with "
            "its registry, or have the operator's setting `default_registry` corrected.",
        )
    return host, prefix


def _check_name(text: str, registry: str, repository: str) -> None:
    if not _is_legal_host(registry):
        _refuse(
            text,
            f"{_quoted(registry)} is no registry host",
            "write a host name, with `:<port>` from 1 to 65535 where it needs one",
        )
    if _ECR_LIKE.search(registry) and ecr_registry(registry) is None:
        _refuse(
            text,
            f"{_quoted(registry)} is not the host of an ECR registry",
            "copy `repositoryUri` from `aws ecr describe-repositories`: the account's twelve digits, "
            "`.dkr.ecr.`, the region, and the suffix of the region's partition (`amazonaws.com`, in China "
            "`amazonaws.com.cn`)",
        )
    if ecr_registry(registry) is not None and len(repository) < 2:
        _refuse(text, "an ECR repository has at least 2 characters", "name an existing repository")
    if len(registry) + 1 + len(repository) > _MAX_NAME:
        _refuse(
            text, f"registry and repository exceed {_MAX_NAME} characters", "use a shorter repository name"
        )


def _check_repository(text: str, repository: str) -> None:
    if not repository:
        _refuse(text, "it names no repository", "write `<registry>/<repository>:<tag>`")
    if _REPOSITORY.fullmatch(repository.lower()) and repository != repository.lower():
        _refuse(text, "a repository has no capital letters", f"write {_quoted(repository.lower())}")
    if not _REPOSITORY.fullmatch(repository):
        _refuse(
            text,
            f"{_quoted(repository)} is no repository",
            "use lower-case letters and digits, `.`, `_`, `__` or `-` between them, and `/` between parts",
        )


def _is_legal_host(host: str) -> bool:
    match = _HOST.fullmatch(host)
    if match is None or len(match["name"]) > 253:
        return False
    if match["port"] is not None and not 1 <= int(match["port"]) <= 65535:
        return False
    return match["ipv6"] is None or _is_ipv6(match["ipv6"])


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _quoted(text: str) -> str:
    """Return `text` for a message: printable, and no longer than a line."""
    shown = ascii(text)[1:-1]
    return f"`{shown if len(shown) <= 120 else shown[:117] + '...'}`"


def _refuse(text: str, why: str, remedy: str) -> NoReturn:
    raise InvalidSpec("InvalidImage", f"spec.image {_quoted(text)} is no image reference: {why}; {remedy}.")
