"""Secrets by the real External Secrets (0.16.2), which asks a stand-in of AWS Secrets Manager.

The controller is built from its Go module, which takes many minutes the first time: hence `long`. Its definitions are
read from the same module.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from devcluster import Cluster
from tests.controller.api import Api
from tests.controller.aws_secrets import SecretsManager
from tests.controller.real_external_secrets import fetching_from
from tests.controller.secrets import await_external_secret, external_secrets
from tests.controller.world import World

pytestmark = [pytest.mark.cluster, pytest.mark.long, pytest.mark.timeout(3600)]

_ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:{}-AbCdEf"
_FIRST = "first-value-of-the-password"
_LOOKS = 2
"""How often the controller may look at a new ExternalSecret: a second time where its own status was in conflict."""


@pytest.fixture(scope="module")
def aws() -> Iterator[SecretsManager]:
    """AWS Secrets Manager."""
    manager = SecretsManager()
    yield manager
    manager.close()


@pytest.fixture(scope="module")
def controller(
    cluster: Cluster, api: Api, aws: SecretsManager, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """External Secrets at work, with a store for the stand-in."""
    with fetching_from(aws, cluster, api, tmp_path_factory.mktemp("external-secrets")):
        yield


@pytest.fixture
def fetching(controller: None, world: World) -> World:  # noqa: ARG001 - what runs
    """A world whose operator knows that External Secrets is installed."""
    world.apply("probe", secrets=[{"name": "A", "valueFrom": _ARN.format("none")}])
    world.until("the kind is known", lambda: external_secrets(world, "probe"), names=["probe"], timeout=120)
    world.delete("ContainerApp", "probe")
    return world


def test_many_keys_of_one_secret_are_one_read(fetching: World, aws: SecretsManager) -> None:
    """Secrets Manager bills each call."""
    arn = _ARN.format("many")
    aws.secrets[arn] = {f"key {number}": f"value-{number}" for number in range(30)}
    entries = [{"name": f"KEY_{n}", "valueFrom": f"{arn}:key {n}::"} for n in range(30)]
    fetching.apply("shop", secrets=entries)
    fetching.await_ready("shop")
    assert fetching.conditions("shop")["SecretsReady"]["message"] == "All 30 values are fetched."
    source = await_external_secret(fetching, "shop")
    secret = fetching.get("Secret", source["metadata"]["name"])
    assert set(secret["data"]) == {f"KEY_{number}" for number in range(30)}
    assert aws.reads[arn] <= _LOOKS


def test_what_is_missing_or_denied_is_said_with_the_remedy(fetching: World, aws: SecretsManager) -> None:
    """The controller's own status says nothing but that it could not."""
    arn = _ARN.format("partial")
    aws.secrets[arn] = {"username": "shop"}
    password = {"name": "DB_PASSWORD", "valueFrom": f"{arn}:password::"}
    fetching.apply("shop", secrets=[password])
    message = fetching.await_condition("shop", "SecretsReady", "False", "KeyNotFound")["message"]
    assert message.startswith(f"DB_PASSWORD: {arn} is there, but has no such key")
    aws.secrets[arn] = {"username": "shop", "password": _FIRST}
    _refresh(fetching)
    fetching.await_ready("shop")
    denied = _ARN.format("denied")
    aws.denied.add(denied)
    fetching.apply("shop", secrets=[password, {"name": "TOKEN", "valueFrom": denied}])
    message = fetching.await_condition("shop", "SecretsReady", "False", "AccessDenied")["message"]
    assert f"may not read {denied}: allow secretsmanager:GetSecretValue on it" in message
    assert fetching.get("Deployment", "shop")["metadata"]["generation"] == 1


def _refresh(world: World) -> None:
    """Have everything of the app fetched again at once."""
    for source in external_secrets(world, "shop"):
        change = {"metadata": {"annotations": {"force-sync": source["metadata"]["resourceVersion"]}}}
        world.patch("ExternalSecret", source["metadata"]["name"], change)
