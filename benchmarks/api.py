"""A bare asyncio client of the API server: what the floor and the driver speak with.

Knows paths, JSON and nothing else, so that what is measured through it is the server and not the client.
"""

from __future__ import annotations

import base64
import json
import ssl
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import yaml

Json = dict[str, Any]
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"


class Api:
    """One session with one user of one cluster."""

    def __init__(self, session: aiohttp.ClientSession, server: str) -> None:
        self._session = session
        self._server = server

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str = "application/json",
        **query: str,
    ) -> Json:
        """Send one request and return the answer's JSON; raise `aiohttp.ClientResponseError` when refused."""
        headers = {"Content-Type": content_type}
        data = None if body is None else json.dumps(body)
        async with self._session.request(
            method, self._server + path, data=data, headers=headers, params=query
        ) as response:
            if not response.ok:
                raise RuntimeError(f"{method} {path}: {response.status} {await response.text()}")
            answer: Json = await response.json()
            return answer

    async def watch(self, path: str, version: str, **query: str) -> AsyncIterator[Json]:
        """Yield the events after `version`; resume where the server ends the stream."""
        while True:
            params = query | {"watch": "true", "resourceVersion": version, "allowWatchBookmarks": "true"}
            async with self._session.get(self._server + path, params=params) as response:
                async for line in response.content:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        raise RuntimeError(f"the watch of {path} failed: {event['object']}")
                    version = event["object"]["metadata"]["resourceVersion"]
                    yield event


@asynccontextmanager
async def connect(kubeconfig: Path) -> AsyncIterator[Api]:
    """Connect as the kubeconfig's user."""
    config = yaml.safe_load(kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    context = ssl.create_default_context(
        cadata=base64.b64decode(cluster["certificate-authority-data"]).decode()
    )
    headers = {"Accept": "application/json"}
    if "token" in user:
        headers["Authorization"] = f"Bearer {user['token']}"
    else:
        _load_certificate(context, user)
    connector = aiohttp.TCPConnector(ssl=context, limit=200)
    timeout = aiohttp.ClientTimeout(total=None, sock_read=300)
    async with aiohttp.ClientSession(
        connector=connector, headers=headers, timeout=timeout, read_bufsize=2**21
    ) as session:
        yield Api(session, cluster["server"])


def _load_certificate(context: ssl.SSLContext, user: dict[str, str]) -> None:
    with tempfile.NamedTemporaryFile("wb") as pair:
        for part in ("client-certificate-data", "client-key-data"):
            pair.write(base64.b64decode(user[part]))
        pair.flush()
        context.load_cert_chain(pair.name)
