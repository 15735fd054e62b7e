"""The user of the bench: creates, changes and deletes apps through the API server, and watches until all is done.

Measures from the answer to the user's request to the event that shows the app Ready again, as a user would see it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from benchmarks.api import APPLY, MERGE, Api, Json
from benchmarks.workload import app, collection, everywhere, image, namespace_of, path

_CONCURRENCY = 32
_ONE_OF_OURS = {"limit": "1", "labelSelector": "app.kubernetes.io/managed-by=containerapp-operator"}


@dataclass(kw_only=True)
class Convergence:
    """How long a phase took, in seconds: the whole phase, and each app."""

    total: float
    latencies: list[float]


@dataclass(kw_only=True)
class Driver:
    """Acts on the apps `names`; `timeout` (seconds) bounds every phase."""

    api: Api
    names: list[str]
    timeout: float
    _apps: dict[str, Json] = field(default_factory=dict)
    _deployments: dict[str, Json] = field(default_factory=dict)
    _services: dict[str, Json] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _changed: set[str] = field(default_factory=set)

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Mirror apps, Deployments and Services while inside."""
        async with asyncio.TaskGroup() as tasks:
            mirrors = [
                tasks.create_task(self._mirror(everywhere(kind), store))
                for kind, store in (
                    ("ContainerApp", self._apps),
                    ("Deployment", self._deployments),
                    ("Service", self._services),
                )
            ]
            try:
                yield
            finally:
                for mirror in mirrors:
                    mirror.cancel()

    async def create(self, version: str) -> Convergence:
        """Create all apps; done when all are Ready."""
        return await self._converge(
            self.names,
            lambda name: self._create(name, version),
            lambda name: self._ready(name, image(version)),
        )

    async def update_image(self, version: str) -> Convergence:
        """Give every app a new image; done when all run it."""
        patch = {"spec": {"image": image(version)}}
        return await self._converge(
            self.names,
            lambda name: self._patch(path("ContainerApp", name), patch),
            lambda name: self._ready(name, image(version)),
        )

    async def touch(self) -> None:
        """Make changes that need no reconcile: an annotation, and the same manifest again."""
        await self._for_each(
            self.names,
            lambda name: self._patch(
                path("ContainerApp", name), {"metadata": {"annotations": {"note": "x"}}}
            ),
        )
        await self._for_each(
            self.names, lambda name: self._patch(path("ContainerApp", name), {"spec": {"port": 8080}})
        )

    async def delete(self) -> Convergence:
        """Delete all apps; done when their Deployments and Services are gone, too."""
        return await self._converge(
            self.names,
            lambda name: self.api.request("DELETE", path("ContainerApp", name)),
            lambda name: name not in self._deployments and name not in self._services,
        )

    async def drift(self, kind: str, names: list[str]) -> Convergence:
        """Change the children of `names` all at once; done when the changes are repaired."""
        before = {
            name: self._deployments[name]["spec"]["template"]["spec"]["containers"][0]["image"]
            for name in names
        }
        uids = {name: self._services[name]["metadata"]["uid"] for name in names}
        drifted: dict[str, int] = {}
        change: Callable[[str], Awaitable[Json]] = {
            "scale": lambda name: self._patch(path("Deployment", name), {"spec": {"replicas": 3}}),
            "image": self._change_image,
            "service": self._delete_service,
        }[kind]
        repaired: Callable[[str], bool] = {
            "scale": lambda name: (
                _version(self._deployments[name]) > drifted[name]
                and self._deployments[name]["spec"]["replicas"] == 1
            ),
            "image": lambda name: (
                _version(self._deployments[name]) > drifted[name] and self._image(name) == before[name]
            ),
            "service": lambda name: (
                name in self._services and self._services[name]["metadata"]["uid"] != uids[name]
            ),
        }[kind]

        async def act(name: str) -> None:
            drifted[name] = _version(await change(name))

        return await self._converge(names, act, repaired)

    async def collected(self) -> None:
        """Wait until everything that deleted apps owned is gone: its removal would slow the next phase."""
        kinds = ("ServiceAccount", "ReplicaSet", "Pod")
        async with asyncio.timeout(self.timeout):
            for kind in kinds:
                while (await self.api.request("GET", everywhere(kind), **_ONE_OF_OURS))["items"]:  # noqa: ASYNC110
                    await asyncio.sleep(0.5)

    async def settle(self, quiet: float) -> None:
        """Wait until nothing has been heard of any object for `quiet` seconds."""
        while True:
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), quiet)
            except TimeoutError:
                return

    async def _converge(
        self, names: Iterable[str], act: Callable[[str], Awaitable[object]], done: Callable[[str], bool]
    ) -> Convergence:
        names = list(names)
        asked: dict[str, float] = {}

        async def ask(name: str) -> None:
            await act(name)
            asked[name] = time.monotonic()
            self._tell(name)

        begin = time.monotonic()
        acting = asyncio.create_task(self._for_each(names, ask))
        finished: dict[str, float] = {}
        waiting = set(names)
        async with asyncio.timeout(self.timeout):
            while waiting:
                await self._news.wait()
                self._news.clear()
                changed, self._changed = self._changed, set()
                for name in changed & waiting & asked.keys():
                    if done(name):
                        finished[name] = time.monotonic()
                        waiting.discard(name)
            await acting
        latencies = sorted(finished[name] - asked[name] for name in names)
        return Convergence(total=max(finished.values()) - begin, latencies=latencies)

    async def _for_each(self, names: Iterable[str], act: Callable[[str], Awaitable[object]]) -> None:
        slots = asyncio.Semaphore(_CONCURRENCY)

        async def one(name: str) -> None:
            async with slots:
                await act(name)

        async with asyncio.TaskGroup() as tasks:
            for name in names:
                tasks.create_task(one(name))

    async def _create(self, name: str, version: str) -> None:
        await self.api.request(
            "POST", collection("ContainerApp", name), app(name, version), fieldManager="bench"
        )

    async def _patch(self, url: str, patch: Json) -> Json:
        return await self.api.request("PATCH", url, patch, content_type=MERGE, fieldManager="bench")

    async def _delete_service(self, name: str) -> Json:
        return await self.api.request("DELETE", path("Service", name))

    async def _change_image(self, name: str) -> Json:
        container = {"name": "app", "image": "example.com/other:1"}
        body = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": namespace_of(name)},
            "spec": {"template": {"spec": {"containers": [container]}}},
        }
        return await self.api.request(
            "PATCH", path("Deployment", name), body, content_type=APPLY, fieldManager="bench", force="true"
        )

    def _image(self, name: str) -> str:
        containers = self._deployments[name]["spec"]["template"]["spec"]["containers"]
        return str(containers[0]["image"])

    def _ready(self, name: str, wanted: str) -> bool:
        known = self._apps.get(name)
        if known is None or known["spec"]["image"] != wanted:
            return False
        status = known.get("status", {})
        return status.get("observedGeneration") == known["metadata"]["generation"] and any(
            condition["type"] == "Ready" and condition["status"] == "True"
            for condition in status.get("conditions", [])
        )

    async def _mirror(self, url: str, store: dict[str, Json]) -> None:
        listed = await self.api.request("GET", url)
        for item in listed["items"]:
            store[item["metadata"]["name"]] = item
        async for event in self.api.watch(url, listed["metadata"]["resourceVersion"]):
            if event["type"] == "BOOKMARK":
                continue
            name = event["object"]["metadata"]["name"]
            if event["type"] == "DELETED":
                store.pop(name, None)
            else:
                store[name] = event["object"]
            self._tell(name)

    def _tell(self, name: str) -> None:
        self._changed.add(name)
        self._news.set()


def _version(manifest: Json) -> int:
    """Return the resourceVersion; what DELETE answers may have none."""
    return int(manifest["metadata"].get("resourceVersion", 0))
