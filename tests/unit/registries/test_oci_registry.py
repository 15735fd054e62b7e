"""Digests by the OCI distribution API, against the reference implementation of a registry."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import socket
from typing import TYPE_CHECKING

import aiohttp
import pytest

from containerapp.api.artifacts import MANIFEST_TYPES
from containerapp.api.images import parse
from containerapp.errors import Blocked
from containerapp.registries.oci import OciSource
from containerapp.registries.policy import Policy
from containerapp.registries.web import open_web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

BINARY = shutil.which("docker-registry") or shutil.which("registry")

pytestmark = pytest.mark.skipif(
    BINARY is None, reason="needs a registry (Debian: apt-get install docker-registry)"
)


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[str]:
    """The host and port of an empty registry on loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{free.getsockname()[1]}"
    config = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(tmp_path / "data")}},
        "http": {"addr": host},
    }
    path = tmp_path / "config.yml"
    path.write_text(json.dumps(config))
    process = await asyncio.create_subprocess_exec(
        str(BINARY), "serve", str(path), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    async with aiohttp.ClientSession() as session:
        await _until_ready(session, f"http://{host}/v2/")
    yield host
    process.terminate()
    await process.wait()


async def _until_ready(session: aiohttp.ClientSession, url: str) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                async with session.get(url) as response:
                    assert response.status == 200
                    return
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0.05)


async def _push(host: str, media_type: str, manifest: dict[str, object], tag: str) -> str:
    """Put a manifest and return the digest of its bytes."""
    body = json.dumps(manifest | {"mediaType": media_type, "schemaVersion": 2}).encode()
    async with (
        aiohttp.ClientSession() as session,
        session.put(
            f"http://{host}/v2/team/shop/manifests/{tag}", data=body, headers={"Content-Type": media_type}
        ) as response,
    ):
        assert response.status == 201, await response.text()
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


async def _push_config(host: str) -> dict[str, object]:
    """Put the empty configuration that image manifests refer to, and return its descriptor."""
    digest = f"sha256:{hashlib.sha256(b'{}').hexdigest()}"
    async with aiohttp.ClientSession() as session:
        async with session.post(f"http://{host}/v2/team/shop/blobs/uploads/") as response:
            location = response.headers["Location"]
        separator = "&" if "?" in location else "?"
        async with session.put(f"{location}{separator}digest={digest}", data=b"{}") as response:
            assert response.status == 201
    return {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": 2}


async def test_every_kind_of_manifest_is_resolved_to_the_digest_of_its_bytes(registry: str) -> None:
    """What we answer is what a node's pull by digest will find: index and image, OCI's and Docker's."""
    image: dict[str, object] = {"config": await _push_config(registry), "layers": []}
    manifests = dict.fromkeys(MANIFEST_TYPES, image)
    manifests |= {kind: {"manifests": []} for kind in MANIFEST_TYPES if "index" in kind or "list" in kind}
    pushed = {
        parse(f"{registry}/team/shop:v{number}", default_registry=""): await _push(
            registry, kind, manifest, f"v{number}"
        )
        for number, (kind, manifest) in enumerate(manifests.items())
    }
    async with open_web(Policy(insecure=(registry,))) as opened_web:
        source = OciSource(opened_web, observe=lambda *_: None)
        assert await source.resolve(list(pushed)) == pushed


async def test_a_tag_that_moves_has_a_new_digest_and_one_that_is_not_there_has_none(registry: str) -> None:
    """Each lookup tells where the tag points now."""
    reference = parse(f"{registry}/team/shop:latest", default_registry="")
    async with open_web(Policy(insecure=(registry,))) as opened_web:
        source = OciSource(opened_web, observe=lambda *_: None)
        missing = (await source.resolve([reference]))[reference]
        assert isinstance(missing, Blocked)
        assert missing.reason == "ImageNotFound"
        answers = []
        for annotation in ("one", "two"):
            manifest: dict[str, object] = {"manifests": [], "annotations": {"build": annotation}}
            pushed = await _push(registry, MANIFEST_TYPES[0], manifest, "latest")
            answers.append((await source.resolve([reference]))[reference])
            assert answers[-1] == pushed
    assert answers[0] != answers[1]
