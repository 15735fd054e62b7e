"""The whole way of a digest: resolver, ECR source, boto3 and an ECR that changes, goes down and comes back."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import boto3
import pytest
from moto.server import ThreadedMotoServer

from containerapp.api.images import parse
from containerapp.aws.ecr import EcrSource
from containerapp.core.model import Failed, Key, Lookup, Pending, Resolved
from containerapp.registries.resolver import DigestResolver
from containerapp.registries.tags import Timing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from mypy_boto3_ecr import ECRClient

APP: Key = Key("ContainerApp", "prod", "shop")
SHOP = parse("shop:1", default_registry="123456789012.dkr.ecr.eu-west-1.amazonaws.com")
QUICK = Timing(refresh=0.1, transient_backoff=(0.1, 0.2), blocked_backoff=(0.1, 0.2))


@asynccontextmanager
async def running() -> AsyncIterator[tuple[DigestResolver, list[Key]]]:
    """A resolver as the operator has it, in a hurry."""
    source = EcrSource(observe=lambda *_: None)
    called: list[Key] = []
    resolver = DigestResolver(ecr=source, others=source, on_change=called.append, timing=QUICK)
    task = asyncio.create_task(resolver.run())
    yield resolver, called
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _when(resolver: DigestResolver, holds: Callable[[Lookup], bool]) -> Lookup:
    async with asyncio.timeout(30):
        while not holds(resolver.lookup(SHOP, APP)):  # noqa: ASYNC110 - an answer is no event
            await asyncio.sleep(0.02)
    return resolver.lookup(SHOP, APP)


def _push(client: ECRClient, layer: str, tag: str = "1") -> str:
    manifest = {"schemaVersion": 2, "config": {"size": 1}, "layers": [{"digest": f"sha256:{layer * 64}"}]}
    answer = client.put_image(
        repositoryName="shop",
        imageManifest=json.dumps(manifest),
        imageManifestMediaType="application/vnd.oci.image.manifest.v1+json",
        imageTag=tag,
    )
    return answer["image"].get("imageId", {}).get("imageDigest", "")


async def test_a_tag_that_is_pushed_again_is_news_within_a_refresh(ecr: Callable[[str], ECRClient]) -> None:
    """The app is told where its tag points now; what it runs is for others to decide."""
    ecr("eu-west-1").create_repository(repositoryName="shop")
    old = _push(ecr("eu-west-1"), "a")
    async with running() as (resolver, called):
        answer = await _when(resolver, lambda answer: isinstance(answer, Resolved))
        assert isinstance(answer, Resolved)
        assert answer.digest == old
        called.clear()
        new = await asyncio.to_thread(_push, ecr("eu-west-1"), "b")
        assert new != old
        await _when(resolver, lambda answer: isinstance(answer, Resolved) and answer.digest == new)
        assert called == [APP]


async def test_a_running_digest_that_ecr_has_expired_is_news(ecr: Callable[[str], ECRClient]) -> None:
    """A lifecycle policy expires images without a tag: that of a tag that was pushed again is the next to go."""
    client = ecr("eu-west-1")
    client.create_repository(repositoryName="shop")
    running_one = _push(client, "a", "kept")  # moto may drop an image with its last tag; ECR keeps it
    assert _push(client, "a") == running_one
    new = await asyncio.to_thread(_push, client, "b")
    async with running() as (resolver, _):

        async def until(*, gone: bool) -> None:
            async with asyncio.timeout(30):
                while True:
                    answer = resolver.lookup(SHOP, APP, known=running_one)
                    if isinstance(answer, Resolved) and (answer.digest, answer.running_gone) == (new, gone):
                        return
                    await asyncio.sleep(0.02)

        await until(gone=False)
        await asyncio.to_thread(
            client.batch_delete_image, repositoryName="shop", imageIds=[{"imageDigest": running_one}]
        )
        await until(gone=True)


async def test_an_image_that_is_pushed_after_the_app_is_found_by_itself(
    ecr: Callable[[str], ECRClient],
) -> None:
    """Repository missing, then image missing, then there: each said, none the end."""
    client = ecr("eu-west-1")
    async with running() as (resolver, _):
        await _when(resolver, lambda answer: _reason(answer) == "RepositoryNotFound")
        await asyncio.to_thread(client.create_repository, repositoryName="shop")
        await _when(resolver, lambda answer: _reason(answer) == "ImageNotFound")
        digest = await asyncio.to_thread(_push, client, "a")
        answer = await _when(resolver, lambda answer: isinstance(answer, Resolved))
        assert isinstance(answer, Resolved)
        assert answer.digest == digest


@pytest.fixture
def restartable(credentials: pytest.MonkeyPatch) -> Iterator[RestartableEcr]:
    """An ECR of our own that is down to begin with."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    credentials.setenv("AWS_ENDPOINT_URL_ECR", f"http://127.0.0.1:{port}")
    server = RestartableEcr(port)
    yield server
    server.stop()


class RestartableEcr:
    """moto's server, up and down at one address; its registries survive."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._server: ThreadedMotoServer | None = None

    def start(self) -> None:
        """Come up."""
        self._server = ThreadedMotoServer("127.0.0.1", self._port, verbose=False)
        self._server.start()

    def stop(self) -> None:
        """Go down, if up."""
        if self._server is not None and self._server._server is not None:
            self._server.stop()
            self._server._server.server_close()
        self._server = None


async def test_a_registry_that_is_down_at_first_and_later_again_costs_no_known_digest(
    restartable: RestartableEcr,
) -> None:
    """Down at start: a failure that mends itself. Down later: the digest stands, with the failure beside it."""
    async with running() as (resolver, _):
        assert resolver.lookup(SHOP, APP) == Pending()
        await _when(resolver, lambda answer: _reason(answer) == "RegistryUnavailable")
        restartable.start()
        client = boto3.client("ecr", region_name="eu-west-1")
        await asyncio.to_thread(client.create_repository, repositoryName="shop")
        digest = await asyncio.to_thread(_push, client, "a")
        await _when(resolver, lambda answer: isinstance(answer, Resolved) and answer.stale_error is None)
        await asyncio.to_thread(restartable.stop)
        answer = await _when(
            resolver, lambda answer: isinstance(answer, Resolved) and answer.stale_error is not None
        )
        assert isinstance(answer, Resolved)
        assert answer.digest == digest
        assert answer.stale_error is not None
        assert answer.stale_error.reason == "RegistryUnavailable"
        restartable.start()
        await _when(resolver, lambda answer: isinstance(answer, Resolved) and answer.stale_error is None)
    await asyncio.to_thread(client.delete_repository, repositoryName="shop", force=True)
    client.close()


def _reason(answer: Lookup) -> str | None:
    return answer.error.reason if isinstance(answer, Failed) else None
