"""Repositories of Amazon ECR, their tags, and what an image says of itself, for a person who writes a manifest.

Called by `init` with the user's own credentials. It reads, and writes nothing. Raises `Unasked` where AWS does not
answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.request import urlopen

from containerapp.api.artifacts import MANIFEST_TYPES
from containerapp.api.image_config import config_digest, image_in_index
from containerapp.api.images import EcrRegistry, ImageReference
from containerapp.aws.asking import Aws, Unasked

_MAX_CONFIG: Final = 1024 * 1024
_TIMEOUT: Final = 4.0
_IMAGES: Final = frozenset(
    {None, "application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"}
)
"""Types of what a tag may stand for: an index has none, a Helm chart another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A repository, and what stands before the colon of its images."""

    name: str
    uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A tag, and when its image was pushed."""

    name: str
    pushed: datetime


def repositories(aws: Aws) -> list[Repository]:
    """Return the repositories of the account in its region, by name."""
    found = aws.list("ecr", "describe_repositories", "repositories")
    listed = [Repository(name=each["repositoryName"], uri=each["repositoryUri"]) for each in found]
    return sorted(listed, key=lambda repository: repository.name)


def tags(aws: Aws, repository: Repository) -> list[Tag]:
    """Return the tags of a repository's images, the newest first."""
    found = aws.list(
        "ecr",
        "describe_images",
        "imageDetails",
        repositoryName=repository.name,
        filter={"tagStatus": "TAGGED"},
        PaginationConfig={"PageSize": 1000},
    )
    listed = [
        Tag(name=tag, pushed=each["imagePushedAt"])
        for each in found
        if each.get("artifactMediaType") in _IMAGES
        for tag in each["imageTags"]
    ]
    return sorted(listed, key=lambda tag: tag.pushed, reverse=True)


def image_config(aws: Aws, registry: EcrRegistry, reference: ImageReference) -> bytes:
    """Return the configuration of an image, for Linux on amd64 where there are several."""
    where = {"registryId": registry.account, "repositoryName": reference.repository}
    named = {"imageDigest": reference.digest} if reference.digest else {"imageTag": reference.tag or ""}
    manifest = _manifest(aws, where, named)
    if (one := image_in_index(manifest)) is not None:
        manifest = _manifest(aws, where, {"imageDigest": one})
    digest = config_digest(manifest)
    if digest is None:
        raise Unasked(f"{reference} has no configuration")
    url = aws.call("ecr", "get_download_url_for_layer", layerDigest=digest, **where)["downloadUrl"]
    try:
        with urlopen(url, timeout=_TIMEOUT) as answer:  # noqa: S310 - ECR's own answer, over TLS
            config: bytes = answer.read(_MAX_CONFIG)
    except OSError as error:
        raise Unasked(f"the configuration of {reference} cannot be fetched ({error})") from None
    return config


def _manifest(aws: Aws, where: dict[str, str], image: dict[str, str]) -> str:
    answer: Any = aws.call(
        "ecr", "batch_get_image", imageIds=[image], acceptedMediaTypes=list(MANIFEST_TYPES), **where
    )
    return next((str(each["imageManifest"]) for each in answer["images"]), "")
