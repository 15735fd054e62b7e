"""Whose settings a plan counts with."""

from __future__ import annotations

from typing import Any, cast

import pytest

from containerapp.cli.operator_settings import find_operator, read_settings
from containerapp.errors import Blocked
from containerapp.kube.client import Client


class Server:
    """An API server with these Deployments of operators; without any, the user may not list them."""

    def __init__(self, *deployments: dict[str, Any]) -> None:
        self._deployments = deployments

    async def get(self, _url: str, **_: str) -> Any:
        """Answer the list."""
        if not self._deployments:
            raise Blocked("Forbidden", "deployments is forbidden")
        return {"items": list(self._deployments)}


def a_client(*deployments: dict[str, Any]) -> Client:
    """Return a client of it."""
    return cast("Client", Server(*deployments))


def an_operator(registry: str, namespaces: str = "") -> dict[str, Any]:
    """Return the Deployment of a release."""
    env = [
        {"name": "POD_NAME", "valueFrom": {}},
        {"name": "CONTAINERAPP_DEFAULT_REGISTRY", "value": registry},
        {"name": "CONTAINERAPP_NAMESPACES", "value": namespaces},
    ]
    return {"metadata": {"name": registry}, "spec": {"template": {"spec": {"containers": [{"env": env}]}}}}


@pytest.mark.parametrize(
    ("namespace", "registry"),
    [("blog", "blogs.example.com"), ("till", "shops.example.com"), ("x", "example.com")],
)
async def test_each_namespace_has_the_operator_that_serves_it(namespace: str, registry: str) -> None:
    """Several releases share a cluster."""
    releases = (
        an_operator("example.com"),
        an_operator("shops.example.com", "shop,till"),
        an_operator("blogs.example.com", "blog"),
    )
    assert (await read_settings(a_client(*releases), namespace, None)).default_registry == registry
    assert await find_operator(a_client(*releases)) == releases[0]
    assert await find_operator(a_client(*releases[1:]), "x") is None


async def test_settings_that_cannot_be_read_are_no_secret(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One who may not see the operator would plan with another registry than it has."""
    monkeypatch.delenv("CONTAINERAPP_DEFAULT_REGISTRY", raising=False)
    assert (await read_settings(a_client(), "team", None)).default_registry == "docker.io"
    said = capsys.readouterr().err
    assert "serves the namespace team cannot be seen from here" in said
    assert "short image names for those of docker.io" in said
    assert "export CONTAINERAPP_DEFAULT_REGISTRY=REGISTRY" in said
    assert (await read_settings(a_client(), "team", "example.com")).default_registry == "example.com"
    monkeypatch.setenv("CONTAINERAPP_DEFAULT_REGISTRY", "example.org")
    assert (await read_settings(a_client(), "team", None)).default_registry == "example.org"
    assert capsys.readouterr().err == ""
