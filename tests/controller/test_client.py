"""The operator's requests, one by one, against the real API server: what each refusal is taken for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from containerapp.errors import Blocked, Transient
from containerapp.kube import client as client_module
from containerapp.kube.client import NamespaceTerminating, connect, path
from devcluster import Cluster
from tests.controller.api import Api
from tests.controller.operators import Identity

pytestmark = pytest.mark.cluster


async def test_a_namespace_that_ends_is_not_counted_as_a_missing_right(
    cluster: Cluster, api: Api, namespace: str, log_in: Callable[[Path], None]
) -> None:
    """Both are told as 403; where previews come and go all day, nobody may be woken for a right that is there."""
    held = {"name": "held", "namespace": namespace, "finalizers": ["tests.containerapp.dev/hold"]}
    api.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": held})
    api.delete("Namespace", None, namespace)
    log_in(cluster.kubeconfig)
    counted: list[tuple[str, str]] = []
    late = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "late", "namespace": namespace},
    }
    try:
        async with connect(lambda verb, _url, code: counted.append((verb, code))) as client:
            with pytest.raises(NamespaceTerminating):
                await client.apply(path("v1", "serviceaccounts", namespace, "late"), late)
    finally:
        api.patch("ServiceAccount", namespace, "held", {"metadata": {"finalizers": None}})
    assert counted == [("PATCH", "terminating")]


async def test_a_replica_that_loses_the_lease_while_it_connects_does_not_write(
    cluster: Cluster, api: Api, namespace: str, log_in: Callable[[Path], None]
) -> None:
    """As one does that is paused just then: what it has begun by its old term must not go out when it wakes up."""
    log_in(cluster.kubeconfig)
    late = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "late", "namespace": namespace},
    }
    leads = True
    async with connect(lambda *_: None) as client:
        client.may_write = lambda: leads
        writing = asyncio.create_task(client.apply(path("v1", "serviceaccounts", namespace, "late"), late))
        await asyncio.sleep(0)
        leads = False
        with pytest.raises(Transient, match="Another replica") as caught:
            await writing
    assert caught.value.reason == "NotLeading"
    assert api.find("ServiceAccount", namespace, "late") is None


@pytest.mark.usefixtures("own_operator")  # no other runs meanwhile: its refusals would stand in the audit log
async def test_an_api_server_that_has_just_begun_may_not_know_the_roles_yet(
    cluster: Cluster,
    narrow_identity: Identity,
    log_in: Callable[[Path], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It answers before it has read them; an app that was told of a missing right then would wait for minutes."""
    if cluster.supervision is None:
        pytest.skip("this cluster's API server cannot be stopped")
    log_in(narrow_identity.kubeconfig)
    secrets = path("v1", "secrets", narrow_identity.namespace)
    async with connect(lambda *_: None) as client:

        async def refusal() -> tuple[type[Exception], str]:
            with pytest.raises((Blocked, Transient)) as caught:
                await client.get(secrets)
            return caught.type, caught.value.reason

        assert await refusal() == (Blocked, "Forbidden")
        await asyncio.to_thread(cluster.stop, "kube-apiserver")
        try:
            assert await refusal() == (Transient, "ApiServerUnavailable")
        finally:
            await asyncio.to_thread(cluster.start, "kube-apiserver")
        with pytest.raises(Transient, match="may not know all roles yet"):
            await client.get(secrets)
        monkeypatch.setattr(client_module, "_BEGINNING", 0.0)
        assert await refusal() == (Blocked, "Forbidden")
