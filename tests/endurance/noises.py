"""The bad apps beside which the quiet ones must not suffer: each noise starts on entering, and ends on leaving.

Each has its own namespace, by which the audit log shows its cost. All of them are ordinary requests of
ordinary users; none knows how the operator limits them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import count

from benchmarks.api import MERGE, Api, Json

EDITS_PER_SECOND = 20
_PATIENCE = 300.0
_CONCURRENCY = 16
_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_COPY = "copied.example.com"
_IMAGE = f"shop@sha256:{'a' * 64}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """What it is, how many bad apps it has, and what each of them may cost."""

    what: str
    apps: int
    at_once: float
    """Requests that the operator may make at once because of a bad app, before its rate limit."""
    a_minute: float
    """Requests a minute that it may make because of a bad app after that."""
    make: Callable[[Api, str, int], AbstractAsyncContextManager[None]]
    control: str | None = None
    """The noise that does the same to the API server, and nothing to the operator."""


@asynccontextmanager
async def _copied(api: Api, namespace: str, _apps: int) -> AsyncIterator[None]:
    """Edit an app of a copied definition, which no controller watches: the cost of the edits alone."""
    original = await api.request("GET", f"{_DEFINITIONS}/containerapps.containerapp.dev")
    name = f"containerapps.{_COPY}"
    spec = {**original["spec"], "group": _COPY}
    await api.request("POST", _DEFINITIONS, {"metadata": {"name": name}, "spec": spec})

    url = f"/apis/{_COPY}/v1alpha1/namespaces/{namespace}/containerapps"

    async def made() -> bool:
        try:
            await api.request("POST", url, {**_app("bad-0", _IMAGE), "apiVersion": f"{_COPY}/v1alpha1"})
        except RuntimeError as error:
            if "404" not in str(error):
                raise
            return False  # not served yet, though discovery may name it already
        return True

    await _until(made)
    async with _running(_edit(api, f"{url}/bad-0", another_variable)):
        yield
    await api.request("DELETE", f"{_DEFINITIONS}/{name}")

    async def gone() -> bool:
        return all(
            item["metadata"]["name"] != name for item in (await api.request("GET", _DEFINITIONS))["items"]
        )

    await _until(gone)


def another_variable(number: int) -> Json:
    """Return an edit of an app that asks for new Pods."""
    return {"spec": {"env": [{"name": "SERIAL", "value": str(number)}]}}


def another_service(number: int) -> Json:
    """Return an edit that asks for another Service and for no Pods: only the operator acts on it."""
    return {"spec": {"service": {"annotations": {"serial": str(number)}}}}


def _edited(part: str, change: Callable[[int], Json]) -> Noise:
    """Return the noise of one app, a part of which is edited again and again."""

    @asynccontextmanager
    async def make(api: Api, namespace: str, apps: int) -> AsyncIterator[None]:
        async with (
            _existing(api, namespace, apps, _IMAGE, "Ready"),
            _running(_edit(api, f"{_apps(namespace)}/bad-0", change)),
        ):
            yield

    return Noise(
        what=f"an app whose {part} edited {EDITS_PER_SECOND} times a second",
        apps=1,
        at_once=12,
        a_minute=40,
        make=make,
        control="copied",
    )


@asynccontextmanager
async def _missing(api: Api, namespace: str, apps: int) -> AsyncIterator[None]:
    async with _existing(api, namespace, apps, "shop:none-{}", "Stalled"):
        yield


@asynccontextmanager
async def _refused(api: Api, namespace: str, apps: int) -> AsyncIterator[None]:
    quotas = f"/api/v1/namespaces/{namespace}/resourcequotas"
    await api.request("POST", quotas, {"metadata": {"name": "none"}, "spec": {"hard": {"services": "0"}}})
    said = ("Stalled", "RolledOut")  # each event of a rollout is a try
    async with _existing(api, namespace, apps, _IMAGE, *said):
        yield
    await api.request("DELETE", f"{quotas}/none")


@asynccontextmanager
async def _war(api: Api, namespace: str, apps: int) -> AsyncIterator[None]:
    """Change every Service back as soon as the operator has repaired it."""
    services = f"/api/v1/namespaces/{namespace}/services"
    enemy = {"spec": {"selector": {"containerapp.dev/app": "enemy"}}}

    async def fight() -> None:
        listed = await api.request("GET", services)
        for item in listed["items"]:
            await api.request("PATCH", f"{services}/{item['metadata']['name']}", enemy, content_type=MERGE)
        async for event in api.watch(services, listed["metadata"]["resourceVersion"]):
            item = event["object"]
            if (
                event["type"] == "MODIFIED"
                and not enemy["spec"]["selector"].items() <= item["spec"]["selector"].items()
            ):
                await api.request(
                    "PATCH", f"{services}/{item['metadata']['name']}", enemy, content_type=MERGE
                )

    async with _existing(api, namespace, apps, _IMAGE, "Ready"), _running(fight()):
        yield


def noises(missing: int, refused: int) -> dict[str, Noise]:
    """Return all of them by name; `missing` and `refused` say how many bad apps."""
    return {
        "copied": Noise(
            what=f"{EDITS_PER_SECOND} edits a second of an app of a copied definition, which no controller watches",
            apps=1,
            at_once=0,
            a_minute=0,
            make=_copied,
        ),
        "noisy": _edited("Pods are", another_variable),
        "chatty": _edited("Service is", another_service),
        "missing": Noise(
            what=f"{missing} apps whose image does not exist",
            apps=missing,
            at_once=2,
            a_minute=6,
            make=_missing,
        ),
        "refused": Noise(
            what=f"{refused} apps whose Service the API server always refuses",
            apps=refused,
            at_once=2,
            a_minute=6,
            make=_refused,
        ),
        "war": Noise(
            what="5 apps whose Services another client changes back at once",
            apps=5,
            at_once=12,
            a_minute=40,
            make=_war,
        ),
    }


@asynccontextmanager
async def _existing(api: Api, namespace: str, apps: int, image: str, *conditions: str) -> AsyncIterator[None]:
    """Create apps and wait until all of them have these conditions; delete them at the end."""
    url = _apps(namespace)
    names = [f"bad-{number}" for number in range(apps)]
    await at_once(
        api.request("POST", url, _app(name, image.format(number))) for number, name in enumerate(names)
    )

    async def reported() -> bool:
        listed = (await api.request("GET", url))["items"]
        return len(listed) == apps and all(_says(item, *conditions) for item in listed)

    await _until(reported)
    try:
        yield
    finally:
        await api.request("DELETE", url)

        async def gone() -> bool:
            collections = (
                ("apps/v1", "deployments"),
                ("apps/v1", "replicasets"),
                ("v1", "pods"),
                ("v1", "services"),
            )
            paths = [
                f"/{'apis' if '/' in version else 'api'}/{version}/namespaces/{namespace}/{plural}"
                for version, plural in collections
            ]
            return not any([(await api.request("GET", path, limit="1"))["items"] for path in (url, *paths)])

        await _until(gone)


@asynccontextmanager
async def _running(work: Awaitable[None]) -> AsyncIterator[None]:
    """Run it while inside; an earlier end is an error."""
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        if task.done():
            task.result()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _edit(api: Api, url: str, change: Callable[[int], Json]) -> None:
    """Send edits at the rate, one after the other; one that is late is made up for."""
    began = time.monotonic()
    for number in count():
        await api.request("PATCH", url, change(number), content_type=MERGE)
        await asyncio.sleep(max(0.0, began + (number + 1) / EDITS_PER_SECOND - time.monotonic()))


async def at_once(requests: Iterable[Awaitable[object]]) -> None:
    """Send requests, a few at a time."""
    slots = asyncio.Semaphore(_CONCURRENCY)

    async def one(request: Awaitable[object]) -> None:
        async with slots:
            await request

    async with asyncio.TaskGroup() as tasks:
        for request in requests:
            tasks.create_task(one(request))


async def _until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(_PATIENCE):
        while not await condition():  # noqa: ASYNC110 - no event says so
            await asyncio.sleep(0.5)


def _says(item: Json, *conditions: str) -> bool:
    status = item.get("status", {})
    true = {found["type"] for found in status.get("conditions", []) if found["status"] == "True"}
    return status.get("observedGeneration") == item["metadata"]["generation"] and true >= {*conditions}


def _apps(namespace: str) -> str:
    return f"/apis/containerapp.dev/v1alpha1/namespaces/{namespace}/containerapps"


def _app(name: str, image: str) -> Json:
    spec = {"image": image, "port": 8080, "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}}}
    return {
        "apiVersion": "containerapp.dev/v1alpha1",
        "kind": "ContainerApp",
        "metadata": {"name": name},
        "spec": spec,
    }
