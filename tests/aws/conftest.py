"""An AWS of our own: moto's server on loopback, and the credentials and endpoint that lead there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
import pytest
from moto.server import ThreadedMotoServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_ecr import ECRClient

ACCOUNT = "123456789012"


@pytest.fixture(scope="session")
def moto_endpoint() -> Iterator[str]:
    """The address of a moto server that lives as long as the tests."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()
    if server._server is not None:
        server._server.server_close()


@pytest.fixture
def no_aws(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment in which boto3 finds nothing: no credentials, no files, no metadata service."""
    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_PROFILE",
        "AWS_ROLE_ARN",
    ):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return monkeypatch


@pytest.fixture
def credentials(no_aws: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment with credentials that a test server takes for good."""
    no_aws.setenv("AWS_ACCESS_KEY_ID", "testing")
    no_aws.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    return no_aws


@pytest.fixture
def ecr(credentials: pytest.MonkeyPatch, moto_endpoint: str) -> Iterator[Callable[[str], ECRClient]]:
    """Makes a client for a region, by which a test fills its registry; every region is emptied afterwards."""
    credentials.setenv("AWS_ENDPOINT_URL_ECR", moto_endpoint)
    clients: dict[str, ECRClient] = {}

    def client(region: str) -> ECRClient:
        if region not in clients:
            clients[region] = boto3.client("ecr", region_name=region)
        return clients[region]

    yield client
    for each in clients.values():
        for repository in each.describe_repositories()["repositories"]:
            each.delete_repository(repositoryName=repository["repositoryName"], force=True)
        each.close()
