"""What users of the ECR stand-in do with it: push images so that the registry and the ECR API tell the same.

The demo and the tests call it. moto invents digests unless it is told them, so every image that is pushed is registered
with the digest that the registry knows it by.
"""

from __future__ import annotations

import contextlib
import json
import urllib.request
from typing import TYPE_CHECKING

import boto3

from devcluster import images, kind
from devcluster.options import DevclusterError
from devcluster.registry import ACCOUNT, ECR_HOST, REGION, aws_environment

if TYPE_CHECKING:
    from mypy_boto3_ecr import ECRClient

    from devcluster.cluster import Cluster
    from devcluster.images import Image

__all__ = ["ACCOUNT", "ECR_HOST", "REGION", "client", "push", "register"]

_MANIFESTS = (
    images.MANIFEST,
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_SECONDS = 30


def client(cluster: Cluster, region: str = REGION) -> ECRClient:
    """Return a client of the stand-in's ECR API."""
    if cluster.aws_endpoint is None:
        raise DevclusterError("this cluster has no stand-in for ECR; start it with Options(aws=True)")
    credentials = aws_environment(cluster.aws_endpoint)
    return boto3.client(
        "ecr",
        endpoint_url=cluster.aws_endpoint,
        region_name=region,
        aws_access_key_id=credentials["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=credentials["AWS_SECRET_ACCESS_KEY"],
    )


def push(cluster: Cluster, repository: str, tag: str, image: Image) -> str:
    """Push an image that was made without docker, register it, and return its reference by digest.

    Where there is no registry, since no node pulls, the ECR API alone learns of it.
    """
    if cluster.registry_url is None:
        return _put(cluster, repository, tag, images.assemble(image).manifest, images.MANIFEST)
    images.push(cluster.registry_url, repository, tag, image)
    return register(cluster, repository, tag)


def register(cluster: Cluster, repository: str, tag: str) -> str:
    """Tell the ECR API of an image in the registry (pushed by docker, say), and return its reference by digest.

    A tag that the API knows for another digest moves to this one, as it does when ECR is pushed to.
    """
    return _put(cluster, repository, tag, *_manifest(cluster, repository, tag))


def load(cluster: Cluster, repository: str, tag: str) -> str:
    """Bring an image of the machine's docker onto the nodes of a kind cluster, and register it as if it were pushed."""
    manifest = kind.load_image(cluster, f"{ECR_HOST}/{repository}", tag)
    return _put(cluster, repository, tag, manifest, json.loads(manifest).get("mediaType", images.MANIFEST))


def _put(cluster: Cluster, repository: str, tag: str, manifest: bytes, media_type: str) -> str:
    digest = images.digest_of(manifest)
    ecr = client(cluster)
    with contextlib.suppress(ecr.exceptions.RepositoryAlreadyExistsException):
        ecr.create_repository(repositoryName=repository)
    with contextlib.suppress(ecr.exceptions.ImageAlreadyExistsException):  # with this tag and digest, that is
        ecr.put_image(
            repositoryName=repository,
            imageManifest=manifest.decode(),
            imageManifestMediaType=media_type,
            imageTag=tag,
            imageDigest=digest,
        )
    return f"{ECR_HOST}/{repository}@{digest}"


def _manifest(cluster: Cluster, repository: str, tag: str) -> tuple[bytes, str]:
    request = urllib.request.Request(  # noqa: S310 - the run's own registry
        f"{cluster.registry_url}/v2/{repository}/manifests/{tag}", headers={"Accept": ", ".join(_MANIFESTS)}
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=_SECONDS) as response:
        content: bytes = response.read()
    media_type: str = json.loads(content).get("mediaType", images.MANIFEST)
    return content, media_type
