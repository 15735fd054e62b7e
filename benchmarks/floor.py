"""The floor: for each app that appears, apply its children and patch its status once when its Pods are available.

Run as a process of its own, in the operator's place. The manifests are the operator's own, rendered before the clock
starts; nothing is compared, cached, repaired or retried. What takes longer than this is the operator's doing.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from benchmarks.api import APPLY, Api, Json, connect
from benchmarks.workload import app, everywhere, names_of, namespace_of, path
from containerapp.api import images
from containerapp.api.v1alpha1 import ContainerApp
from containerapp.model import Inputs
from containerapp.pinning import pin
from containerapp.plan import stamped
from containerapp.render import render

_WORKERS = 16
_UID = "00000000-0000-0000-0000-000000000000"


def manifests(name: str, version: str) -> list[Json]:
    """Return the children of an app, as the operator would write them."""
    manifest = app(name, version)
    parsed = ContainerApp.parse({**manifest, "metadata": {**manifest["metadata"], "uid": _UID}})
    reference = images.parse(parsed.spec.image, default_registry="docker.io")
    pinned = pin(reference, reference.digest or "", None)
    return [stamped(child) for child in render(parsed, Inputs(image=pinned))]


async def run(kubeconfig: Path, prefix: str, count: int, version: str) -> None:
    """Serve until ended."""
    prepared = {name: manifests(name, version) for name in names_of(prefix, count)}
    queue: asyncio.Queue[tuple[str, str | None]] = asyncio.Queue()
    async with connect(kubeconfig) as api, asyncio.TaskGroup() as tasks:
        tasks.create_task(_watch_apps(api, queue))
        tasks.create_task(_watch_deployments(api, queue))
        for _ in range(_WORKERS):
            tasks.create_task(_work(api, queue, prepared))
        print("ready", flush=True)


async def _watch_apps(api: Api, queue: asyncio.Queue[tuple[str, str | None]]) -> None:
    version = (await api.request("GET", everywhere("ContainerApp")))["metadata"]["resourceVersion"]
    async for event in api.watch(everywhere("ContainerApp"), version):
        if event["type"] == "ADDED":
            metadata = event["object"]["metadata"]
            queue.put_nowait((metadata["name"], metadata["uid"]))


async def _watch_deployments(api: Api, queue: asyncio.Queue[tuple[str, str | None]]) -> None:
    version = (await api.request("GET", everywhere("Deployment")))["metadata"]["resourceVersion"]
    done: set[str] = set()
    async for event in api.watch(everywhere("Deployment"), version):
        name = event["object"]["metadata"].get("name")
        available = event["object"].get("status", {}).get("availableReplicas", 0)
        if available and name not in done:
            done.add(name)
            queue.put_nowait((name, None))


async def _work(
    api: Api, queue: asyncio.Queue[tuple[str, str | None]], prepared: dict[str, list[Json]]
) -> None:
    while True:
        name, uid = await queue.get()
        if uid is None:
            await _apply(api, f"{path('ContainerApp', name)}/status", _status(name))
            continue
        for manifest in prepared.pop(name):
            manifest["metadata"]["ownerReferences"][0]["uid"] = uid
            await _apply(api, path(manifest["kind"], name), manifest)


async def _apply(api: Api, url: str, body: Json) -> None:
    await api.request("PATCH", url, body, content_type=APPLY, fieldManager="floor", force="true")


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
