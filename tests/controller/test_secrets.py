"""Secrets of AWS on a real API server; the test itself plays the controller that fetches them.

The real External Secrets is in test_external_secrets.py.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest

from devcluster import Cluster
from tests.controller.api import Api
from tests.controller.secrets import (
    CSI_DRIVER,
    EXTERNAL_SECRETS,
    await_external_secret,
    external_secrets,
    fail,
    fetch,
    installed,
)
from tests.controller.world import World

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

_ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop-db-AbCdEf"
_PASSWORD = {"name": "DB_PASSWORD", "valueFrom": f"{_ARN}:password::"}
_USER = {"name": "DB_USER", "valueFrom": f"{_ARN}:username::"}
_WRITTEN = ("Deployment", "ReplicaSet", "ControllerRevision", "ExternalSecret", "ServiceAccount", "Pod")
"""Kinds in which a value could be seen by those who may not read Secrets."""
_KNOWN = "the operator knows that the kind is installed"


@pytest.mark.timeout(400)
def test_the_csi_driver_is_taken_where_it_alone_is_installed(
    cluster: Cluster, api: Api, world: World
) -> None:
    """Neither: the condition names both. Then the kind comes, and the app starts without an edit."""
    world.apply("shop", secrets=[_PASSWORD])
    message = world.await_condition("shop", "SecretsReady", "False", "KindNotInstalled")["message"]
    assert "Install External Secrets" in message
    assert "Install the Secrets Store CSI driver" in message
    assert world.find("Deployment", "shop") is None
    with installed(cluster, api, CSI_DRIVER.read_text()):
        world.await_ready("shop", timeout=150)
        pod = world.get("Deployment", "shop")["spec"]["template"]["spec"]
        (provider,) = world.api.list("SecretProviderClass", world.namespace)
        assert (
            pod["volumes"][0]["csi"]["volumeAttributes"]["secretProviderClass"]
            == provider["metadata"]["name"]
        )
        assert world.conditions("shop")["SecretsReady"]["reason"] == "Mounted"
        world.settle()
        position = world.audit.position()
        world.patch("ContainerApp", "shop", {"metadata": {"annotations": {"note": "irrelevant"}}})
        world.settle()
        assert world.audit.writes(position, namespace=world.namespace) == {}


def test_a_credential_in_env_is_pointed_out(world: World) -> None:
    """A warning that stands in the way of nothing, and does not repeat the value."""
    url = "postgres://shop:hunter2hunter2@db/shop"
    app = world.run("shop", env=[{"name": "DATABASE_URL", "value": url}])
    assert world.conditions("shop")["CredentialInPlainText"]["status"] == "True"
    assert "hunter2" not in str(app["status"])


@pytest.fixture(scope="module")
def kind(cluster: Cluster, api: Api) -> Iterator[None]:
    """The kind of External Secrets."""
    with installed(cluster, api, EXTERNAL_SECRETS.read_text()):
        yield


@pytest.fixture
def fetched_by_test(kind: None, world: World) -> World:  # noqa: ARG001 - what is installed
    """A world with the kind of External Secrets, which the operator has noticed."""
    world.apply("probe", secrets=[_PASSWORD])
    world.until(_KNOWN, lambda: external_secrets(world, "probe"), names=["probe"], timeout=120)
    world.delete("ContainerApp", "probe")
    return world


def test_pods_wait_for_their_secrets_and_nothing_is_written_afterwards(fetched_by_test: World) -> None:
    """One revision, not two; and a status of the ExternalSecret that changes every hour costs no write."""
    world = fetched_by_test
    world.apply("shop", secrets=[_PASSWORD, _USER])
    source = await_external_secret(world, "shop")
    world.await_condition("shop", "SecretsReady", "False", "WaitingForSecret")
    assert world.find("Deployment", "shop") is None
    fetch(world, source, {"DB_PASSWORD": "hunter2", "DB_USER": "shop"})
    world.await_ready("shop")
    assert world.conditions("shop")["SecretsReady"]["reason"] == "Fetched"
    env = world.get("Deployment", "shop")["spec"]["template"]["spec"]["containers"][0]["env"]
    assert [each["valueFrom"]["secretKeyRef"]["key"] for each in env] == ["DB_PASSWORD", "DB_USER"]
    assert world.get("Deployment", "shop")["metadata"]["generation"] == 1
    world.settle()
    position = world.audit.position()
    refreshed = {"status": {"refreshTime": "2026-01-01T01:00:00Z"}}
    world.api.patch("ExternalSecret", world.namespace, source["metadata"]["name"], refreshed, "status")
    world.settle()
    assert world.audit.writes(position, namespace=world.namespace) == {}


def test_a_changed_value_is_a_new_revision_and_no_value_is_written_anywhere(fetched_by_test: World) -> None:
    """By the metadata of the Secret alone; a label that is added to it restarts nothing."""
    world = fetched_by_test
    world.apply("shop", secrets=[_PASSWORD])
    source = await_external_secret(world, "shop")
    name = source["metadata"]["name"]
    fetch(world, source, {"DB_PASSWORD": "first-value-hunter2"})
    world.await_ready("shop")
    world.patch("Secret", name, {"metadata": {"labels": {"added": "later"}}})
    world.settle()
    assert world.get("Deployment", "shop")["metadata"]["generation"] == 1
    fetch(world, source, {"DB_PASSWORD": "second-value-hunter3"})
    world.until(
        "a second revision runs",
        lambda: world.get("Deployment", "shop")["metadata"]["generation"] == 2 and world.await_ready("shop"),
    )
    app = world.get("ContainerApp", "shop")
    assert app["status"]["revisions"][0]["cause"] == "ConfigurationChanged"
    written = [
        *(world.api.list(kind, world.namespace) for kind in _WRITTEN),
        world.events("shop"),
        app,
        world.operator.log_file.read_text(),
    ]
    for form in (str, lambda value: base64.b64encode(value.encode()).decode()[:-4]):
        for value in ("first-value-hunter2", "second-value-hunter3"):
            assert form(value) not in str(written)


def test_a_changed_list_is_fetched_beside_the_old_one(fetched_by_test: World) -> None:
    """The old Pods keep their Secret, and can come back; a list that cannot be fetched stops nothing."""
    world = fetched_by_test
    world.apply("shop", secrets=[_PASSWORD])
    old = await_external_secret(world, "shop")
    fetch(world, old, {"DB_PASSWORD": "hunter2"})
    world.await_ready("shop")
    world.apply("shop", secrets=[_USER])
    new = await_external_secret(world, "shop", other_than=old["metadata"]["name"])
    fail(world, new, f"error processing spec.data[0] (key: {_ARN}), err: Secret does not exist")
    world.await_condition("shop", "Stalled", "True", "SecretNotFound")
    assert world.get("Deployment", "shop")["metadata"]["generation"] == 1
    assert len(external_secrets(world, "shop")) == 2
    fetch(world, new, {"DB_USER": "shop"})
    world.await_ready("shop")
    world.settle()
    assert len(external_secrets(world, "shop")) == 2, "the first revision may run again"
    world.apply("shop", secrets=[_USER], rollout={"revision": 1})
    world.await_ready("shop")
    env = world.get("Deployment", "shop")["spec"]["template"]["spec"]["containers"][0]["env"]
    assert env[0]["valueFrom"]["secretKeyRef"]["name"] == old["metadata"]["name"]
