"""The settings of the operator that serves the cluster, read from its Deployment where the user may read that.

A plan must know the default registry, and what the platform allows. The user's own environment and options come first.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

import click

from containerapp.core.model import MANAGER, Manifest
from containerapp.errors import ContainerAppError
from containerapp.kube.client import Client
from containerapp.registries.policy import Policy
from containerapp.settings import Settings, load

_PREFIX = "CONTAINERAPP_"
_LABEL = f"app.kubernetes.io/name={MANAGER}"


async def read_settings(client: Client, namespace: str, default_registry: str | None) -> Settings:
    """Return the settings of the operator that serves a namespace, as far as they can be known."""
    found = await find_operator(client, namespace)
    given = _environment(found) if found else {}
    if default_registry is not None:
        given["default_registry"] = default_registry
    known: dict[str, Any] = {
        name: value
        for name, value in given.items()
        if name in Settings.model_fields and f"{_PREFIX}{name.upper()}" not in os.environ
    }
    settings = load(**known)
    if found is None and default_registry is None and f"{_PREFIX}DEFAULT_REGISTRY" not in os.environ:
        click.echo(
            f"The operator that serves the namespace {namespace} cannot be seen from here: its settings are taken for "
            f"the defaults, and short image names for those of {settings.default_registry}. If they are not: "
            "export CONTAINERAPP_DEFAULT_REGISTRY=REGISTRY",
            err=True,
        )
    return settings


async def find_operator(client: Client, namespace: str | None = None) -> Manifest | None:
    """Return the operator's Deployment; None where there is none that the user may see.

    With `namespace` that of the release that serves it: one that names it comes before one of the whole cluster.
    """
    items: list[Manifest] = []
    with suppress(ContainerAppError):
        items = (await client.get("/apis/apps/v1/deployments", labelSelector=_LABEL))["items"]
    if namespace is None:
        return next(iter(items), None)
    served = [(_namespaces(item), item) for item in items]
    named = [item for namespaces, item in served if namespace in namespaces]
    return next(iter([*named, *(item for namespaces, item in served if not namespaces)]), None)


def _namespaces(deployment: Manifest) -> set[str]:
    return {each for each in _environment(deployment).get("namespaces", "").replace(",", " ").split() if each}


def registry_policy(settings: Settings) -> Policy:
    """Return which registries may be asked, and how."""
    return Policy(
        allowed=settings.allowed_registries,
        private=settings.private_registries,
        insecure=settings.insecure_registries,
        by_tag=settings.skip_tag_resolving,
        default=settings.default_registry,
    )


def _environment(deployment: Manifest) -> dict[str, str]:
    containers = deployment["spec"]["template"]["spec"]["containers"]
    return {
        variable["name"].removeprefix(_PREFIX).lower(): variable["value"]
        for container in containers
        for variable in container.get("env", [])
        if variable["name"].startswith(_PREFIX) and "value" in variable
    }
