"""A connection to the user's cluster, and what its refusals mean to the user.

Every command that asks a cluster runs inside `connected`, by `run`. An error of the API server becomes one line with
the remedy and the documented exit code; what the operator's own words say to an app is not what they say to a person.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from urllib.parse import urlencode

import click

from containerapp.cli.exits import FAILED, FORBIDDEN, NOT_FOUND, UNREACHABLE, Failure
from containerapp.cli.options import Target
from containerapp.controllers import CONTROLLERS
from containerapp.core.model import Manifest, Resource
from containerapp.engine.apply import url_of
from containerapp.errors import ContainerAppError
from containerapp.kube.client import Answer, Client, NotFound, connect
from containerapp.kube.kubeconfig import Access

_Result = TypeVar("_Result")

FIELD_MANAGER = "containerapp-cli"
"""Field manager of every write of the command line."""

_CONFLICT = re.compile(r'conflicts? with "([^"]+)"')
"""Who holds fields that an apply would take over, in the words of the API server."""

_NO_DEFINITION = ("the server could not find the requested resource", "404 page not found")
"""What the API server says of a version, and of a group, that it does not know."""
_ANONYMOUS = '"system:anonymous"'
"""Who asks where a credential helper has failed: the client asks without credentials then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """The cluster that the user means, and the namespace."""

    client: Client
    namespace: str

    def within(self, namespace: str) -> Cluster:
        """Return the same cluster with another namespace."""
        return replace(self, namespace=namespace)

    async def app(self, resource: Resource, name: str, namespace: str | None = None) -> Manifest:
        """Return a custom object."""
        return await self.client.get(url_of(resource, namespace or self.namespace, name))

    async def find(self, url: str) -> Manifest | None:
        """Return an object, or None where there is none; a kind that the cluster does not know is an error."""
        try:
            return await self.client.get(url)
        except NotFound as error:
            if error.message.startswith(_NO_DEFINITION):
                raise
            return None

    async def patch(self, url: str, change: Manifest) -> Manifest:
        """Merge a change into an object as the user's field manager."""
        return await self.client.patch(url, change, strategic=False, manager=FIELD_MANAGER)

    async def apply(self, resource: Resource, manifest: Manifest, *, force: bool, dry: bool) -> Manifest:
        """Apply a custom object as the user's field manager; `dry` tries it alone.

        What `scale` and the like have set by this manager is no conflict: the manifest is the newer word.
        """
        try:
            return await self._apply(resource, manifest, force=force, dry=dry)
        except ContainerAppError as error:
            answer = error.__cause__
            managers = set(_CONFLICT.findall(answer.message)) if isinstance(answer, Answer) else set()
            if managers != {FIELD_MANAGER}:
                raise
        return await self._apply(resource, manifest, force=True, dry=dry)

    async def _apply(self, resource: Resource, manifest: Manifest, *, force: bool, dry: bool) -> Manifest:
        query = {
            "fieldManager": FIELD_MANAGER,
            "fieldValidation": "Strict",
            "force": str(force).lower(),
            **({"dryRun": "All"} if dry else {}),
        }
        metadata = manifest["metadata"]
        url = url_of(resource, metadata["namespace"], metadata["name"])
        return await self.client.apply(url, manifest, query=urlencode(query))


@asynccontextmanager
async def connected(target: Target) -> AsyncIterator[Cluster]:
    """Connect to the cluster; errors inside end the command with one line."""
    access = Access(kubeconfig=target.kubeconfig, context=target.context)
    try:
        with _quiet():
            namespace = target.namespace or access.namespace()
            async with connect(_ignore, access.configure) as client:
                yield Cluster(client=client, namespace=namespace)
    except ContainerAppError as error:
        raise failure(error, access) from None


def run(work: Coroutine[Any, Any, _Result]) -> _Result:
    """Run a command's work; Ctrl-C ends it, and the command."""
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        raise click.Abort from None


def failure(error: ContainerAppError, access: Access) -> Failure:
    """Say to a person what an error means, and what helps."""
    answer = error.__cause__
    if not isinstance(answer, Answer):
        unreachable = error.reason in {"NoKubeconfig", "NoContext", "NoCredentials", "ApiServerUnavailable"}
        said = _no_answer(error, access) if error.reason == "ApiServerUnavailable" else error.message
        return Failure(said, UNREACHABLE if unreachable else FAILED)
    match answer.status:
        case 401 | 403 if answer.status == 401 or _ANONYMOUS in answer.message:
            return Failure(
                "The API server does not accept your credentials: they have expired, or belong to another cluster, "
                "or the kubeconfig's helper gives none. "
                "Log in again (`aws sso login`, `aws eks update-kubeconfig --name CLUSTER`), or name another context "
                "by --context.",
                UNREACHABLE,
            )
        case 403:
            return Failure(
                f"You may not do this: {_end(answer.message)} Ask the cluster's administrators for the right, or name "
                "another context by --context.",
                FORBIDDEN,
            )
        case 404 if answer.message.startswith(_NO_DEFINITION):
            kinds = " and ".join(controller.definition.kind for controller in CONTROLLERS)
            return Failure(
                f"The cluster does not know the kinds {kinds}: the operator is not installed there. Install its chart, "
                "or name another context by --context.",
                NOT_FOUND,
            )
        case 404:
            return Failure(f"{_end(answer.message)} Check the name and -n NAMESPACE.", NOT_FOUND)
        case 409:
            return Failure(
                f"{_end(answer.message)} To take these fields over from the others, repeat it with --force-conflicts.",
            )
        case _:
            return Failure(f"The API server refuses it: {answer.message}")


def refused(error: ContainerAppError) -> str | None:
    """Return what the API server says where it refuses one request, and not the person or everything."""
    answer = error.__cause__
    if not isinstance(answer, Answer) or answer.status == 401 or _ANONYMOUS in answer.message:
        return None
    return answer.message


def resource_of(manifest: Manifest) -> Resource:
    """Return the kind of a manifest of ours."""
    return next(each.resource for each in CONTROLLERS if each.resource.kind == manifest["kind"])


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep off the terminal what is meant for an operator's log."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        root.setLevel(level)


def _no_answer(error: ContainerAppError, access: Access) -> str:
    reason = error.message.partition(": ")[2] or error.message
    context = f"the context {access.context}" if access.context else "the current context"
    return (
        f"The API server of {context} does not answer ({reason}). Check that the cluster runs and can be reached from "
        "here (VPN, proxy), or name another context by --context."
    )


def _end(sentence: str) -> str:
    return sentence.strip().rstrip(".") + "."


def _ignore(_verb: str, _url: str, _status: str) -> None:
    """Count no requests."""
