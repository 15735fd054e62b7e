"""The floor: for each app that appears, apply its children and patch its status once when its Pods are available.

A separate process, in the operator's place. The manifests are the operator's, rendered before the clock
starts; nothing is cached or retried. A Deployment that was available already is applied again where its replicas or
its image are not as prepared; nothing else is compared. Time beyond this is spent by the operator.
"""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from benchmarks.api import APPLY, Api, Json, connect
from benchmarks.workload import app, collection, everywhere, names_of, namespace_of, path
from containerapp.api.containerapp import ContainerApp
from containerapp.cli.rendering import Tags
from containerapp.controllers.containerapp.controller import CONTAINER_APP
from containerapp.core.diff import stamped
from containerapp.core.model import Key, View

_WORKERS = 16
_UID = "00000000-0000-0000-0000-000000000000"


def manifests(name: str, version: str) -> list[Json]:
    """Return the children of an app, as the operator would write them."""
    manifest = app(name, version)
    parsed = ContainerApp.parse({**manifest, "metadata": {**manifest["metadata"], "uid": _UID}})
    key = Key(parsed.kind, parsed.metadata.namespace, name)
    gathered = CONTAINER_APP.gather(View(key=key, obj=parsed, live={}, now=datetime.now(UTC)), Tags())
    return [
        manifest if child.resource.metadata_only else stamped(manifest)
        for child, manifest in CONTAINER_APP.render(parsed, gathered.inputs)
    ]


@dataclass(kw_only=True)
class Floor:
    """The floor's client. `prepared` has the manifests of each app's children."""

    api: Api
    prepared: dict[str, list[Json]]
    _tasks: asyncio.TaskGroup = field(init=False)
    _jobs: asyncio.Queue[Callable[[], Awaitable[None]]] = field(default_factory=asyncio.Queue)
    _done: set[str] = field(default_factory=set)
    _repaired: dict[str, float] = field(default_factory=dict)
    """The version of each Deployment after its repair, infinite during the repair: older events are ignored."""

    async def run(self) -> None:
        """Serve until ended."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            for kind, see in (("ContainerApp", self._see_app), ("Deployment", self._see_deployment)):
                tasks.create_task(self._watch(everywhere(kind), see))
            for _ in range(_WORKERS):
                tasks.create_task(self._work())
            print("ready", flush=True)

    async def _watch(self, url: str, see: Callable[[str, Json], None]) -> None:
        version = (await self.api.request("GET", url))["metadata"]["resourceVersion"]
        async for event in self.api.watch(url, version):
            if event["type"] in {"ADDED", "MODIFIED"}:
                see(event["type"], event["object"])

    def _see_app(self, kind: str, app: Json) -> None:
        if kind == "ADDED":
            self._jobs.put_nowait(partial(self._create, app["metadata"]["name"], app["metadata"]["uid"]))

    def _see_deployment(self, _kind: str, deployment: Json) -> None:
        name, version = deployment["metadata"]["name"], int(deployment["metadata"]["resourceVersion"])
        if name in self._done:
            if self._drifted(name, deployment) and version > self._repaired.get(name, 0):
                self._repaired[name] = math.inf
                self._tasks.create_task(
                    self._repair(name)
                )  # all at once, as the operator's 64 workers do fifty
        elif deployment.get("status", {}).get("availableReplicas"):
            self._done.add(name)
            self._jobs.put_nowait(partial(self._report, name))

    def _drifted(self, name: str, deployment: Json) -> bool:
        return _drifting_fields(deployment) != _drifting_fields(self._deployment(name))

    def _deployment(self, name: str) -> Json:
        return next(manifest for manifest in self.prepared[name] if manifest["kind"] == "Deployment")

    async def _work(self) -> None:
        while True:
            await (await self._jobs.get())()

    async def _create(self, name: str, uid: str) -> None:
        for manifest in self.prepared[name]:
            manifest["metadata"]["ownerReferences"][0]["uid"] = uid
            url = f"{collection(manifest['kind'], name)}/{manifest['metadata']['name']}"
            await self._apply(url, manifest)

    async def _report(self, name: str) -> None:
        await self._apply(f"{path('ContainerApp', name)}/status", _status(name))

    async def _repair(self, name: str) -> None:
        stored = await self._apply(path("Deployment", name), self._deployment(name))
        self._repaired[name] = int(stored["metadata"]["resourceVersion"])

    async def _apply(self, url: str, body: Json) -> Json:
        return await self.api.request(
            "PATCH", url, body, content_type=APPLY, fieldManager="floor", force="true"
        )


def _drifting_fields(deployment: Json) -> tuple[int, str]:
    spec = deployment["spec"]
    return spec["replicas"], spec["template"]["spec"]["containers"][0]["image"]


async def run(kubeconfig: Path, prefix: str, count: int, version: str) -> None:
    """Serve until ended."""
    prepared = {name: manifests(name, version) for name in names_of(prefix, count)}
    async with connect(kubeconfig) as api:
        await Floor(api=api, prepared=prepared).run()


def _status(name: str) -> Json:
    conditions = [
        {
            "type": kind,
            "status": "True",
            "observedGeneration": 1,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
            "reason": "Floor",
            "message": "All 1 Pods run the wanted version and are available.",
        }
        for kind in ("Ready", "ImageResolved", "Available", "RolledOut")
    ]
    return {
        "apiVersion": "containerapp.dev/v1alpha1",
        "kind": "ContainerApp",
        "metadata": {"name": name, "namespace": namespace_of(name)},
        "status": {"observedGeneration": 1, "replicas": 1, "readyReplicas": 1, "conditions": conditions},
    }


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]))
