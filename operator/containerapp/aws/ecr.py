"""Digests from private Amazon ECR registries, by BatchGetImage: up to 100 tags of a repository a call.

Called by the digest resolver, with references by tag or by digest. The account and region asked are those of the
image's host, so one operator serves images of many; FIPS and dual-stack hosts are answered by endpoints of their kind.
boto3 blocks, so calls run in threads of their own, a bounded number at a time. It must never let one repository's
failure become another's.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict, defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeAlias

from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from containerapp.api.artifacts import MANIFEST_TYPES, other_than_image
from containerapp.api.image_config import architectures_in_index
from containerapp.aws import errors
from containerapp.errors import ContainerAppError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from mypy_boto3_ecr import ECRClient
    from mypy_boto3_ecr.type_defs import BatchGetImageResponseTypeDef, ImageIdentifierTypeDef

    from containerapp.api.images import EcrRegistry, ImageReference

Answer: TypeAlias = str | ContainerAppError

MAX_TAGS: Final = 100
MAX_CALLS: Final = 8
MAX_CLIENTS: Final = 16

# All that a tag can point to. ECR converts to a type that is accepted, and so to another digest, where it can.
ACCEPTED_MEDIA_TYPES: Final = MANIFEST_TYPES


class EcrSource:
    """Private ECR registries as a source of digests. Its credentials are those that boto3 finds by itself."""

    def __init__(
        self,
        *,
        observe: Callable[[str, str], None],
        connect: Callable[[EcrRegistry], ECRClient] | None = None,
    ) -> None:
        """`observe` is called with `ecr` and the outcome of every call; `connect` makes the client for a registry."""
        self._observe = observe
        self._connect = connect or _Connections().client
        self._threads = ThreadPoolExecutor(MAX_CALLS, thread_name_prefix="ecr")

    async def resolve(self, references: Sequence[ImageReference]) -> Mapping[ImageReference, Answer]:
        """Return for each reference its digest, or why it has none. Never raises for what AWS answers."""
        groups: dict[tuple[EcrRegistry, str], list[ImageReference]] = defaultdict(list)
        for reference in references:
            if reference.ecr is not None:
                groups[reference.ecr, reference.repository].append(reference)
        calls = [
            self._call(registry, members[start : start + MAX_TAGS])
            for (registry, _), members in groups.items()
            for start in range(0, len(members), MAX_TAGS)
        ]
        answers: dict[ImageReference, Answer] = {}
        for part in await asyncio.gather(*calls):
            answers |= part
        return answers

    async def architectures(self, reference: ImageReference) -> frozenset[str]:
        """Return what the images of an index are built for, as in `amd64`. Never raise.

        None of an image that stands alone: ECR gives its configuration only to those who may pull it.
        """
        if reference.ecr is None:
            return frozenset()
        try:
            response = await asyncio.get_running_loop().run_in_executor(
                self._threads, self._batch_get_image, reference.ecr, [reference]
            )
        except (ClientError, BotoCoreError):
            return frozenset()
        manifests = (image.get("imageManifest") or "" for image in response["images"])
        return frozenset[str]().union(*map(architectures_in_index, manifests))

    async def _call(
        self, registry: EcrRegistry, references: Sequence[ImageReference]
    ) -> dict[ImageReference, Answer]:
        """Ask about up to 100 tags of one repository, and alone about each that the answer leaves out."""
        answers = await self._call_once(registry, references)
        for reference in references:
            if reference not in answers and len(references) > 1:
                answers |= await self._call_once(registry, [reference])
            answers.setdefault(reference, errors.no_answer(registry, reference.repository))
        return answers

    async def _call_once(
        self, registry: EcrRegistry, references: Sequence[ImageReference]
    ) -> dict[ImageReference, Answer]:
        repository = references[0].repository
        try:
            response = await asyncio.get_running_loop().run_in_executor(
                self._threads, self._batch_get_image, registry, references
            )
        except (ClientError, BotoCoreError) as error:
            failure = errors.from_call(error, registry, repository)
            self._observe("ecr", failure.reason)
            return dict.fromkeys(references, failure)
        self._observe("ecr", "ok")
        return _read(response, registry, references)

    def _batch_get_image(
        self, registry: EcrRegistry, references: Iterable[ImageReference]
    ) -> BatchGetImageResponseTypeDef:
        references = list(references)
        return self._connect(registry).batch_get_image(
            registryId=registry.account,
            repositoryName=references[0].repository,
            imageIds=[_image_id(reference) for reference in references],
            acceptedMediaTypes=list(ACCEPTED_MEDIA_TYPES),
        )


class _Connections:
    """ECR clients by endpoint, the least used forgotten: users choose regions, so there may be any number."""

    def __init__(self) -> None:
        self._clients: OrderedDict[tuple[str, bool, bool], ECRClient] = OrderedDict()
        self._session: Session | None = None
        self._lock = threading.Lock()

    def client(self, registry: EcrRegistry) -> ECRClient:
        """Return the client for the registry's region. Called in threads; making a client is not thread-safe."""
        key = (registry.region, registry.fips, registry.dual_stack)
        with self._lock:
            if key not in self._clients:
                self._session = self._session or Session()
                self._clients[key] = _make_client(self._session, registry)
            self._clients.move_to_end(key)
            if len(self._clients) > MAX_CLIENTS:
                self._clients.popitem(last=False)
            return self._clients[key]


def _make_client(session: Session, registry: EcrRegistry) -> ECRClient:
    """Return a client that gives up within 20 seconds, and does not retry what the resolver will ask again."""
    config = Config(
        connect_timeout=3,
        read_timeout=6,
        retries={"mode": "standard", "total_max_attempts": 2},
        max_pool_connections=MAX_CALLS,
        # None leaves the choice to AWS_USE_FIPS_ENDPOINT and AWS_USE_DUALSTACK_ENDPOINT.
        use_fips_endpoint=registry.fips or None,
        use_dualstack_endpoint=registry.dual_stack or None,
        user_agent_extra="containerapp-operator",
    )
    return session.client("ecr", region_name=registry.region, config=config)


def _image_id(reference: ImageReference) -> ImageIdentifierTypeDef:
    return {"imageDigest": reference.digest} if reference.digest else {"imageTag": reference.tag or ""}


def _read(
    response: BatchGetImageResponseTypeDef, registry: EcrRegistry, references: Sequence[ImageReference]
) -> dict[ImageReference, Answer]:
    by_id = {reference.digest or reference.tag: reference for reference in references}
    # Of several tags of one image an answer may carry another than was asked for; to one question it is clear.
    only = references[0] if len(references) == 1 else None
    answers: dict[ImageReference, Answer] = {}
    for image in response["images"]:
        image_id = image.get("imageId", {})
        reference, digest = only or _asked_for(image_id, by_id), image_id.get("imageDigest")
        if reference is not None and digest is not None:
            other = other_than_image(image.get("imageManifest") or "{}")
            answers[reference] = errors.not_an_image(other, registry, reference) if other else digest
    for failure in response["failures"]:
        reference = only or _asked_for(failure.get("imageId", {}), by_id)
        if reference is not None:
            answers[reference] = errors.from_failure(
                failure.get("failureCode", "Unknown"), failure.get("failureReason", ""), registry, reference
            )
    return answers


def _asked_for(
    image_id: ImageIdentifierTypeDef, by_id: Mapping[str | None, ImageReference]
) -> ImageReference | None:
    return by_id.get(image_id.get("imageTag")) or by_id.get(image_id.get("imageDigest"))
