"""Requests to the API server: one pooled session, one field manager, errors turned into the operator's own tree.

Called by the reconcile (writes, the rare read) and by the reflectors (lists, watches). Decides nothing about apps.
"""

from __future__ import annotations

import asyncio
import math
import os
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar
from urllib.parse import urlencode

import aiohttp
import orjson
from aiohttp.abc import AbstractStreamWriter
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration
from yarl import URL

from containerapp.core.model import MANAGER, Manifest
from containerapp.errors import Blocked, ContainerAppError, Transient
from containerapp.kube.proxy import proxy_for

PAGE = 100
"""Objects of one answer to a list: larger ones are the peak of the memory, for all kinds are listed at once."""

_TIMEOUT = 30.0
_JSON = "application/json"
_UNAUTHORIZED = 401
_MESSAGE_LIMIT = 2000
_REFUSED = {400, 405, 413, 415, 422}
_CREATE = urlencode({"fieldManager": MANAGER})
_APPLY = urlencode({"fieldManager": MANAGER, "fieldValidation": "Strict", "force": "true"})

_UNKNOWN_FIELD = "failed to create typed patch object"
"""How the API server begins to refuse an apply with a field that the kind does not have, or one of another type."""

REJECTED = "Rejected"
"""Reason of an error: the API server refuses what the object says to every client."""

_BEGINNING = 30.0
"""Seconds since no connection came about, within which an API server may not know the roles yet: it answers first."""

_POLICY = re.compile(r"ValidatingAdmissionPolicy '|admission webhook \"")
_POLICY_REMEDY = (
    "Set what the policy asks for: labels of the objects by spec.labels, of the Pods by spec.podLabels; or exclude the "
    "app from the policy."
)

_NO_RIGHT = 'is forbidden: User "'
"""What RBAC's refusals say, and those of quotas and admission do not."""

_CHANGED_BY_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
"""What the API server's YAML parser folds into a space or refuses where it stands bare: it reads applies as YAML."""

Observe = Callable[[str, str, str], None]
"""Called for each request with verb, resource and status code."""


class NotFound(Blocked):
    """The object, or its namespace, does not exist (any more)."""


class Conflict(Transient):
    """The object is not the one that the write was meant for."""


class Invalid(Blocked):
    """The object, as it would be after the write, breaks a rule of its kind."""


class Expired(Transient):
    """The resource version is too old to be watched from."""


class NamespaceTerminating(Blocked):
    """The namespace is being deleted; everything in it will go."""


class Answer(Exception):
    """What the API server itself has said: the cause of every error that it becomes."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


Configure = Callable[[Configuration], Awaitable[None]]
"""Fills in where the API server is, and with which credentials; called again when these are refused."""

_Kind = TypeVar("_Kind", bound="Client")


@asynccontextmanager
async def connect(observe: Observe, configure: Configure | None = None) -> AsyncIterator[Client]:
    """Connect as the Pod's ServiceAccount, or as KUBECONFIG or `configure` says; close the session in the end."""
    configure = configure or _configure
    configuration = Configuration()
    await configure(configuration)
    configuration.retries = None
    # From 3.13 on Python refuses an authority without key identifiers, which many clusters have.
    # https://github.com/kubernetes-client/python/issues/2394
    configuration.disable_strict_ssl_verification = True
    # One proxy for all connections: `trust_env` does not understand networks in NO_PROXY, and looks for a .netrc in a
    # thread before each request.
    configuration.proxy = configuration.proxy or proxy_for(configuration.host)
    configuration.client_session_kwargs = {"trust_env": False}
    async with ApiClient(configuration=configuration) as api, _session(api) as session:
        yield Client(api, session, observe, configure)


def _session(api: ApiClient) -> aiohttp.ClientSession:
    """Pool connections without a limit: every namespace holds a watch for each kind."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=api.rest_client.ssl_context, limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        proxy=api.configuration.proxy,
        timeout=aiohttp.ClientTimeout(total=_TIMEOUT),
    )


async def _configure(configuration: Configuration) -> None:
    """Fill in where the API server is: KUBECONFIG wins; in a Pod there is none, elsewhere no ServiceAccount."""
    if not os.environ.get("KUBECONFIG"):
        with suppress(config.ConfigException):
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
            return
    await config.load_kube_config(client_configuration=configuration, persist_config=False)  # type: ignore[no-untyped-call]


class _Fenced(aiohttp.BytesPayload):
    """The body of a write, which goes out with the head, or not at all where this replica may not write any more.

    It is asked at the last moment: a process may be paused for longer than its Lease lasts while it waits for a
    connection, and would write by its old term when it wakes up.
    """

    def __init__(self, value: bytes, may_write: Callable[[], bool]) -> None:
        super().__init__(value)
        self._may_write = may_write

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        """Write the body; raise `Transient`, which aiohttp wraps, where it may not be written."""
        if not self._may_write():
            raise Transient("NotLeading", "Another replica of the operator may lead by now.")
        await super().write_with_length(writer, content_length)


class Client:
    """The few requests that the operator makes. Paths are built by `path`.

    `may_write` is asked as every write goes out; main sets it to whether this replica leads.
    """

    def __init__(
        self, api: ApiClient, session: aiohttp.ClientSession, observe: Observe, configure: Configure
    ) -> None:
        self.api = api
        self._session = session
        self._configure = configure
        self.may_write: Callable[[], bool] = lambda: True
        self._observe = observe
        self._lost_at = -math.inf

    def like(self, kind: type[_Kind]) -> _Kind:
        """Return a client of another class over the same connections."""
        return kind(self.api, self._session, self._observe, self._configure)

    async def credentials(self) -> dict[str, Any]:
        """Return server and credentials in the words of kopf's ConnectionInfo, fresh for a new login."""
        configuration = self.api.configuration
        await _configure(configuration)
        scheme, _, token = str(configuration.api_key.get("BearerToken", "")).partition(" ")
        return {
            "server": configuration.host,
            "ca_path": configuration.ssl_ca_cert,
            "insecure": not configuration.verify_ssl,
            "scheme": scheme.capitalize() if token else None,
            "token": token or None,
            "certificate_path": configuration.cert_file,
            "private_key_path": configuration.key_file,
            "proxy_url": configuration.proxy,
            "trust_env": False,
        }

    async def get(self, url: str, *, metadata_only: bool = False, **query: str) -> Manifest:
        """Read one object or one list; of a list the metadata alone, where that suffices."""
        return await self._json("GET", url, query=urlencode(query), accept=_accept(metadata_only, "List"))

    async def apply(self, url: str, manifest: Manifest, *, query: str = _APPLY) -> Manifest:
        """Server-side apply, taking the fields that we name from other managers; return what is stored.

        Strict: a field that the API server does not know is our bug, not something to be dropped silently.
        """
        return await self._json(
            "PATCH", url, body=manifest, content_type="application/apply-patch+yaml", query=query
        )

    async def rehearse(self, url: str, manifest: Manifest) -> None:
        """Have an apply checked, and change nothing."""
        await self.apply(url, manifest, query=f"{_APPLY}&dryRun=All")

    async def share(self, url: str, manifest: Manifest, *, manager: str, force: bool) -> Manifest:
        """Apply a few fields as another field manager, which then owns them too."""
        query = {"fieldManager": manager, "fieldValidation": "Strict", "force": str(force).lower()}
        return await self.apply(url, manifest, query=urlencode(query))

    async def patch(self, url: str, change: Manifest, *, strategic: bool, manager: str = MANAGER) -> Manifest:
        """Apply a strategic merge patch, or a JSON merge patch (by which lists are replaced); return what is stored."""
        kind = "strategic-merge-patch" if strategic else "merge-patch"
        query = urlencode({"fieldManager": manager, "fieldValidation": "Strict"})
        return await self._json(
            "PATCH", url, body=change, content_type=f"application/{kind}+json", query=query
        )

    async def create(self, url: str, manifest: Manifest) -> Manifest:
        """Create an object."""
        return await self._json("POST", url, body=manifest, query=_CREATE)

    async def delete(self, url: str, **preconditions: str) -> None:
        """Delete the object with this uid (and resourceVersion); the garbage collector sees to its dependents."""
        body = {"preconditions": preconditions, "propagationPolicy": "Background"}
        await self._json("DELETE", url, body=body)

    async def watch(
        self, url: str, *, idle_timeout: float, metadata_only: bool = False, **query: str
    ) -> AsyncIterator[Manifest]:
        """Stream watch events; ends when the server ends it or nothing came for `idle_timeout` seconds."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_TIMEOUT, sock_read=idle_timeout)
        query |= {"watch": "true", "allowWatchBookmarks": "true"}
        response = await self._send(
            "GET",
            url,
            query=urlencode(query),
            timeout=timeout,
            verb="WATCH",
            accept=_accept(metadata_only, ""),
        )
        rest = b""
        try:
            async for chunk in response.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    yield orjson.loads(line)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Transient("WatchBroken", f"The watch of {url} broke: {describe(error)}") from error
        finally:
            response.close()

    async def lines(self, url: str, **query: str) -> AsyncIterator[str]:
        """Stream a text line by line, as a log is: until its end, however long nothing comes."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_TIMEOUT)
        response = await self._send("GET", url, query=urlencode(query), timeout=timeout, accept="*/*")
        rest = b""
        try:
            async for chunk in response.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    yield line.decode(errors="replace")
            if rest:
                yield rest.decode(errors="replace")
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Transient("StreamBroken", f"The stream of {url} broke: {describe(error)}") from error
        finally:
            response.close()

    async def _json(self, method: str, url: str, **options: Any) -> Manifest:
        response = await self._send(method, url, **options)
        try:
            answer: Manifest = orjson.loads(await response.read())
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Transient("ApiServerUnavailable", f"{method} {url}: {describe(error)}") from error
        return answer

    async def _send(  # noqa: PLR0913 - the parts of a request
        self,
        method: str,
        url: str,
        *,
        body: Any = None,
        content_type: str = _JSON,
        query: str = "",
        timeout: aiohttp.ClientTimeout | None = None,  # noqa: ASYNC109 - aiohttp's own
        verb: str | None = None,
        accept: str = _JSON,
    ) -> aiohttp.ClientResponse:
        verb, configuration = verb or method, self.api.configuration
        headers = await self._headers(content_type, accept)
        try:
            response = await self._session.request(
                method,
                URL(configuration.host + url + (f"?{query}" if query else ""), encoded=True),
                data=None if body is None else _Fenced(encode(body), self.may_write),
                headers=headers,
                timeout=timeout or self._session.timeout,
                proxy_headers=configuration.proxy_headers,
                server_hostname=configuration.tls_server_name,
            )
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError) as error:
            if isinstance(error.__cause__, Transient):
                raise error.__cause__ from None
            self._observe(verb, url, "error")
            self._lost_at = time.monotonic()
            raise Transient("ApiServerUnavailable", f"{method} {url}: {describe(error)}") from error
        if response.ok:
            self._observe(verb, url, str(response.status))
            return response
        if response.status == _UNAUTHORIZED:
            await self._configure(configuration)
        text = await _text(response)
        refusal = translate(response.status, text, retry_after=response.headers.get("Retry-After"))
        # An ending namespace answers 403, too: the metric must not count it as a missing right.
        ending = isinstance(refusal, NamespaceTerminating)
        self._observe(verb, url, "terminating" if ending else str(response.status))
        if _NO_RIGHT in refusal.message and time.monotonic() - self._lost_at < _BEGINNING:
            raise Transient("ApiServerUnavailable", f"The API server may not know all roles yet: {refusal}")
        raise refusal from Answer(response.status, _message(text)[0])

    async def _headers(self, content_type: str, accept: str) -> dict[str, str]:
        """Name the formats, and who asks: the token is read again from its file when it is about to expire."""
        headers = {"Accept": accept, "Content-Type": content_type}
        await self.api.update_params_for_auth(headers, [], ["BearerToken"], None, None, None)
        return headers


def _accept(metadata_only: bool, suffix: str) -> str:  # noqa: FBT001 - what the caller was asked for
    """Return the media type of whole objects, or of their metadata: lists have a type of their own."""
    return f"{_JSON};as=PartialObjectMetadata{suffix};g=meta.k8s.io;v=v1" if metadata_only else _JSON


def encode(body: Any) -> bytes:
    """Return `body` as JSON that says the same when it is read as YAML."""
    written = orjson.dumps(body)
    if written.isascii() and b"\x7f" not in written:
        return written
    return _CHANGED_BY_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", written.decode()).encode()


def path(api_version: str, plural: str, namespace: str | None, name: str | None = None, sub: str = "") -> str:
    """Return the URL path of a collection, an object or a subresource."""
    root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
    scope = f"/namespaces/{namespace}" if namespace else ""
    return root + scope + f"/{plural}" + (f"/{name}" if name else "") + (f"/{sub}" if sub else "")


def describe(error: BaseException) -> str:
    """Return what an error says, for the log and for users: aiohttp's own words hold the request's headers.

    And with them the token, or the password that a proxy asks for.
    """
    if isinstance(error, aiohttp.ClientResponseError):
        return f"{type(error).__name__}: {error.status} {error.message}"
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def translate(status: int, body: str, *, retry_after: str | None = None) -> ContainerAppError:
    """Say what an answer of the API server means for the app."""
    message, causes = _message(body)
    match status:
        case 404:
            return NotFound("NotFound", message)
        case 409:
            return Conflict("Conflict", message)
        case 410:
            return Expired("Expired", message)
        case 403 if "NamespaceTerminating" in causes:
            return NamespaceTerminating("NamespaceTerminating", message)
        case 422 if _POLICY.search(message):
            return Blocked(
                "Forbidden", f"An admission policy refuses what the app asks for: {message} {_POLICY_REMEDY}"
            )
        case 403:
            return Blocked(
                "Forbidden",
                f"The API server refuses the operator: {message}. A quota, an admission policy or a missing rule "
                "in the operator's ClusterRole stands in the way; ask the cluster's administrators.",
            )
        case _ if status in _REFUSED or (status == 500 and message.startswith(_UNKNOWN_FIELD)):
            kind = Invalid if status == 422 else Blocked
            return kind(REJECTED, f"The API server rejects what the app asks for: {message}")
        case _:
            seconds = float(retry_after) if retry_after and retry_after.isdigit() else None
            return Transient(
                "ApiServerUnavailable", f"The API server answers {status}: {message}", retry_after=seconds
            )


def _message(body: str) -> tuple[str, set[str]]:
    try:
        parsed = orjson.loads(body)
        causes = (parsed.get("details") or {}).get("causes") or []
        return str(parsed.get("message", body))[:_MESSAGE_LIMIT], {
            str(cause.get("reason")) for cause in causes
        }
    except (ValueError, AttributeError):
        return body[:_MESSAGE_LIMIT], set()


async def _text(response: aiohttp.ClientResponse) -> str:
    try:
        return await response.text()
    except (aiohttp.ClientError, TimeoutError, UnicodeDecodeError) as error:
        return describe(error)
