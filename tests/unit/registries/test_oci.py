"""Digests by the OCI distribution API, against a registry on loopback that can misbehave in every way we know."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import ipaddress
import json
import socket
import ssl
from collections import Counter
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from yarl import URL

from containerapp.api.artifacts import MANIFEST_TYPES
from containerapp.api.images import ImageReference, parse
from containerapp.errors import Blocked, ContainerAppError, Transient
from containerapp.registries import refusals
from containerapp.registries.addresses import NotPublic, PublicOnly
from containerapp.registries.oci import OciSource
from containerapp.registries.policy import Policy
from containerapp.registries.web import MAX_BODY, MAX_KEPT, Web, open_web, proxy_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

MANIFEST = b'{"schemaVersion": 2, "manifests": []}'
DIGEST = f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}"
INDEX, OCI, LIST, DOCKER = MANIFEST_TYPES
NAME = "registry.example.com"


@dataclass(slots=True, kw_only=True)
class Registry:
    """A registry that has `team/shop:1`, and the ways in which it differs from a plain one."""

    challenge: str | None = None
    tokens: dict[str, object] = field(default_factory=lambda: {"token": "sesame"})
    takes_token: bool = True
    token_status: int = 200
    token_body: bytes | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    media_type: str = INDEX
    body: bytes = MANIFEST
    digest: str | None = DIGEST
    head_status: int | None = None
    status_of_get: int = 200
    refusal: bytes = b""
    redirect: str | None = None
    delay: float = 0
    address: str = ""
    asked: list[str] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)
    accepted: str = ""
    token_queries: list[dict[str, str]] = field(default_factory=list)

    async def manifest(self, request: web.Request) -> web.Response:
        """Answer HEAD and GET for manifests."""
        self.asked.append(f"{request.method} {request.path}")
        self.authorizations.append(request.headers.get("Authorization"))
        self.accepted = request.headers.get("Accept", "")
        await asyncio.sleep(self.delay)
        if self.redirect:
            return web.Response(status=307, headers={"Location": self.redirect})
        welcome = self.takes_token and request.headers.get("Authorization") == f"Bearer {self._token()}"
        if self.challenge and not welcome:
            challenge = self.challenge.replace("REALM", f"{self.address}/token")
            return web.Response(status=401, headers={"WWW-Authenticate": challenge})
        if self.head_status is not None and request.method == "HEAD":
            return web.Response(status=self.head_status)
        if request.method == "GET" and self.status_of_get != 200:
            return web.Response(status=self.status_of_get)
        if self.status != 200:
            return web.Response(status=self.status, headers=self.headers, body=self.refusal)
        digest = {"Docker-Content-Digest": self.digest} if self.digest else {}
        headers = {"Content-Type": self.media_type} | digest | self.headers
        return web.Response(body=self.body, headers=headers)

    async def token(self, request: web.Request) -> web.Response:
        """Answer like a token service that knows nobody."""
        assert "Authorization" not in request.headers
        self.token_queries.append(dict(request.query))
        if self.token_body is not None:
            return web.Response(body=self.token_body, status=self.token_status)
        return web.json_response(self.tokens, status=self.token_status)

    def _token(self) -> object:
        return self.tokens.get("token") or self.tokens.get("access_token")


BEARER = 'Bearer realm="REALM",service="the.service",scope="repository:team/shop:pull"'


@asynccontextmanager
async def served(registry: Registry, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve a registry on loopback and yield its port."""
    app = web.Application()
    app.router.add_get("/v2/{path:.*}", registry.manifest)
    app.router.add_get("/token", registry.token)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    port = int(runner.addresses[0][1])
    registry.address = f"https://{NAME}:{port}" if tls else f"http://127.0.0.1:{port}"
    yield port
    await runner.cleanup()


def _ignore(kind: str, outcome: str) -> None:
    del kind, outcome


LOCAL = Policy(insecure=("127.0.0.1:*",))
"""The registries of these tests are on loopback and have no TLS: as if the platform team had said so."""


@asynccontextmanager
async def opened(
    observe: Callable[[str, str], None] = _ignore, policy: Policy = LOCAL, patience: float = 20.0
) -> AsyncIterator[OciSource]:
    """A source as the operator has it."""
    async with open_web(policy) as opened_web:
        yield OciSource(opened_web, observe=observe, timeout=patience)


def _reference(port: int, tag: str = "1", host: str = "127.0.0.1") -> ImageReference:
    return parse(f"{host}:{port}/team/shop:{tag}", default_registry="")


async def _resolve(registry: Registry, policy: Policy = LOCAL) -> str | ContainerAppError:
    """Ask a new source for the one image of a registry."""
    async with served(registry) as port, opened(policy=policy) as source:
        reference = _reference(port)
        return (await source.resolve([reference]))[reference]


def _failure(
    answer: str | ContainerAppError,
    kind: type[ContainerAppError] | tuple[type[ContainerAppError], ...],
    reason: str | None,
) -> ContainerAppError:
    assert isinstance(answer, kind), answer
    assert reason in {None, answer.reason}
    return answer


async def test_a_tag_is_resolved_by_its_headers_alone() -> None:
    """HEAD is all it takes, and Docker Hub does not count it as a pull; every manifest type is accepted."""
    registry = Registry()
    assert await _resolve(registry) == DIGEST
    assert registry.asked == ["HEAD /v2/team/shop/manifests/1"]
    assert [each.strip() for each in registry.accepted.split(",")] == list(MANIFEST_TYPES)


@pytest.mark.parametrize("media_type", MANIFEST_TYPES)
async def test_every_kind_of_manifest_keeps_its_own_digest(media_type: str) -> None:
    """An index stays an index: nodes of all architectures share the digest."""
    assert await _resolve(Registry(media_type=media_type)) == DIGEST


@pytest.mark.parametrize(
    "challenge",
    [
        BEARER,
        BEARER.replace('"', ""),
        BEARER.replace("Bearer", "bearer"),
        f'Basic realm="elsewhere", {BEARER}',
        'Bearer realm="REALM",service="the.service"',
    ],
)
@pytest.mark.parametrize("name", ["token", "access_token"])
async def test_an_anonymous_token_is_fetched_where_one_is_wanted(challenge: str, name: str) -> None:
    """Registries differ in quoting, case, order and naming; the token is asked for the one repository to pull."""
    registry = Registry(challenge=challenge, tokens={name: "sesame"})
    assert await _resolve(registry) == DIGEST
    assert registry.token_queries == [{"scope": "repository:team/shop:pull", "service": "the.service"}]
    assert registry.authorizations == [None, "Bearer sesame"]


async def test_a_token_serves_until_it_expires() -> None:
    """A token of 100 seconds is used for 80, and not fetched again before."""
    registry = Registry(challenge=BEARER, tokens={"token": "sesame", "expires_in": 100})
    now = 0.0
    async with served(registry) as port, open_web(LOCAL) as opened_web:
        source = OciSource(opened_web, observe=_ignore, clock=lambda: now)
        reference = _reference(port)
        for now in (0.0, 50.0, 79.0):  # noqa: B007 - the clock reads it
            assert (await source.resolve([reference]))[reference] == DIGEST
        assert len(registry.token_queries) == 1
        now = 81.0
        assert (await source.resolve([reference]))[reference] == DIGEST
        assert len(registry.token_queries) == 2


async def test_a_token_that_is_revoked_early_is_replaced() -> None:
    """A cached token that no longer works is not the user's problem."""
    registry = Registry(challenge=BEARER)
    async with served(registry) as port, opened() as source:
        reference = _reference(port)
        assert (await source.resolve([reference]))[reference] == DIGEST
        registry.tokens = {"token": "open"}
        assert (await source.resolve([reference]))[reference] == DIGEST


async def test_tokens_are_not_collected_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repositories come and go; of their tokens only so many are kept."""
    monkeypatch.setattr("containerapp.registries.oci.MAX_TOKENS_KEPT", 2)
    registry = Registry(challenge=BEARER)
    async with served(registry) as port, opened() as source:
        for name in ("a", "b", "c", "c", "b", "a"):
            reference = parse(f"127.0.0.1:{port}/{name}:1", default_registry="")
            assert (await source.resolve([reference]))[reference] == DIGEST
        assert len(source._tokens) == 2
    assert len(registry.token_queries) == 4


async def test_a_registry_that_tells_no_digest_has_its_manifest_hashed() -> None:
    """distribution-spec: the header is optional; the digest is that of the raw bytes."""
    registry = Registry(digest=None)
    assert await _resolve(registry) == DIGEST
    assert registry.asked == ["HEAD /v2/team/shop/manifests/1", "GET /v2/team/shop/manifests/1"]


@pytest.mark.parametrize(
    "registry",
    [
        Registry(media_type="text/html", digest=None),
        Registry(digest="sha256:short"),
    ],
)
async def test_what_is_no_registry_is_not_taken_for_one(registry: Registry) -> None:
    """A web site that answers 200 to everything would else give a digest that no node can pull."""
    _failure(await _resolve(registry), Blocked, "NotARegistry")


@pytest.mark.parametrize(
    ("registry", "kind", "reason", "remedy"),
    [
        (Registry(status=404), Blocked, "ImageNotFound", "Push the image or correct spec.image"),
        (Registry(status=403), Blocked, "AccessDenied", "imagePullSecrets"),
        (Registry(status=401), Blocked, "AccessDenied", "pull-through cache"),
        (Registry(challenge='Basic realm="x"'), Blocked, "AccessDenied", "`name@sha256:...`"),
        (Registry(challenge="Bearer"), Blocked, "AccessDenied", "without credentials"),
        (Registry(challenge=BEARER, takes_token=False), Blocked, "AccessDenied", "without credentials"),
        (Registry(challenge=BEARER, token_status=401), Blocked, "AccessDenied", "without credentials"),
        (Registry(challenge=BEARER, token_status=403), Blocked, "AccessDenied", "without credentials"),
        (Registry(challenge=BEARER, token_status=500), Transient, "RegistryUnavailable", "HTTP status 500"),
        (
            Registry(challenge=BEARER, token_body=b"<html>"),
            Transient,
            "RegistryUnavailable",
            "as a registry does",
        ),
        (
            Registry(challenge=BEARER, token_body=b"[]"),
            Transient,
            "RegistryUnavailable",
            "as a registry does",
        ),
        (
            Registry(challenge=BEARER, token_body=b"{}"),
            Transient,
            "RegistryUnavailable",
            "as a registry does",
        ),
        (
            Registry(challenge=BEARER, token_body=b'{"token": "a\\nb"}'),
            Transient,
            "RegistryUnavailable",
            "as a registry does",
        ),
        (
            Registry(challenge=BEARER, tokens={"token": "x" * 70_000}),
            Transient,
            "RegistryUnavailable",
            "check the host",
        ),
        (Registry(status=429), Transient, "Throttled", "ECR pull-through cache"),
        (Registry(status=503), Transient, "RegistryUnavailable", "answers with HTTP status 503"),
        (Registry(status=400), Blocked, "RegistryRefused", "HTTP status 400"),
        (
            Registry(digest=None, body=b"x" * (MAX_BODY + 1)),
            Transient,
            "RegistryUnavailable",
            "check the host",
        ),
    ],
)
async def test_each_failure_has_its_reason_and_remedy(
    registry: Registry, kind: type[ContainerAppError], reason: str, remedy: str
) -> None:
    """What a user reads tells the failures apart and says what to do."""
    assert remedy in _failure(await _resolve(registry), kind, reason).message


@pytest.mark.parametrize("status", [403, 404, 405, 501])
async def test_a_registry_that_refuses_head_is_asked_by_get(status: int) -> None:
    """Some, and some proxies before them, answer GET alone."""
    registry = Registry(head_status=status)
    assert await _resolve(registry) == DIGEST
    assert registry.asked == ["HEAD /v2/team/shop/manifests/1", "GET /v2/team/shop/manifests/1"]


async def test_a_digest_that_is_not_the_manifests_is_no_answer() -> None:
    """A node would refuse what it pulls by it."""
    registry = Registry(head_status=405, digest="sha256:" + "0" * 64)
    _failure(await _resolve(registry), Transient, "RegistryUnavailable")


def _manifest(config: str, **fields: object) -> bytes:
    return json.dumps({"schemaVersion": 2, "config": {"mediaType": config}, "layers": [], **fields}).encode()


def _offering(manifest: bytes) -> Registry:
    return Registry(media_type=OCI, body=manifest, digest=f"sha256:{hashlib.sha256(manifest).hexdigest()}")


CHART = _manifest("application/vnd.cncf.helm.config.v1+json")
ARTIFACT = _manifest("application/vnd.oci.empty.v1+json", artifactType="application/vnd.acme.report")


@pytest.mark.parametrize("head_status", [None, 405])
@pytest.mark.parametrize(
    ("manifest", "what"),
    [
        (CHART, "is a Helm chart, not a container image"),
        (ARTIFACT, "is an artifact of type application/vnd.acme.report, not a container image"),
    ],
)
async def test_a_chart_or_an_artifact_is_no_image(
    manifest: bytes, what: str, head_status: int | None
) -> None:
    """Registries keep them beside images, with the same type of manifest: Pods would fail to pull for ever."""
    registry = _offering(manifest)
    registry.head_status = head_status
    assert what in _failure(await _resolve(registry), Blocked, "UnsupportedManifest").message


async def test_an_image_is_fetched_once_a_digest() -> None:
    """To see that it is one: Docker Hub counts that as a pull, and a refresh must cost none."""
    registry = _offering(_manifest("application/vnd.oci.image.config.v1+json"))
    async with served(registry) as port, opened() as source:
        for _ in range(3):
            assert (await source.resolve([_reference(port)]))[_reference(port)] == registry.digest
    assert [asked.partition(" ")[0] for asked in registry.asked] == ["HEAD", "GET", "HEAD", "HEAD"]


async def test_an_image_whose_manifest_may_not_be_fetched_just_now_is_taken() -> None:
    """A registry that limits pulls still tells digests; the node will see."""
    registry = _offering(CHART)
    async with served(registry) as port, opened() as source:
        registry.status_of_get = 429
        assert (await source.resolve([_reference(port)]))[_reference(port)] == registry.digest


async def test_whether_a_digest_is_there_is_asked_like_a_tag() -> None:
    """An app that runs by a digest wants to know when a lifecycle policy has removed it."""
    registry = Registry()
    async with served(registry) as port, opened() as source:
        running = parse(f"127.0.0.1:{port}/team/shop@{DIGEST}", default_registry="")
        assert (await source.resolve([running]))[running] == DIGEST
        assert registry.asked == [f"HEAD /v2/team/shop/manifests/{DIGEST}"]
        registry.status = 404
        _failure((await source.resolve([running]))[running], Blocked, "ImageNotFound")


@pytest.mark.parametrize(
    "registry",
    [
        Registry(challenge="Bearer " + "a" * 8000),
        Registry(challenge='Bearer realm="https://[/"'),
        Registry(challenge=BEARER, token_body=b'{"token": "sesame", "expires_in": ' + b"9" * 400 + b"}"),
        Registry(challenge=BEARER, token_body=b"[" * 60_000),
        Registry(redirect="https://[/"),
        Registry(redirect="https://\udcff.example.com:99999/"),
        _offering(b"[" * 100_000),
        _offering(b'{"config": {"mediaType": "\\u202e\\u001b[2J"}}'),
    ],
)
async def test_whatever_a_registry_sends_is_a_failure_in_printable_words(registry: Registry) -> None:
    """No answer is a bug of the operator's, and none reaches a terminal as it is."""
    answer = await _resolve(registry)
    assert isinstance(answer, ContainerAppError)
    assert answer.message.isascii()
    assert answer.message.isprintable()


_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        _OK + b"Content-Type: text/\xff\r\nDocker-Content-Digest: " + DIGEST.encode() + b"\r\n\r\n",
        _OK + b"Content-Type: \xe2\x80\xae\xe2\x81\xa6\r\n\r\n",
        _OK + b"Content-Type: application/\x1b[31m\r\n\r\n",
        _OK + f"Content-Type: {INDEX}\r\nDocker-Content-Digest: sha256:\xff\r\n\r\n".encode("latin-1"),
        b"HTTP/1.1 307 Go\r\nLocation: https://\xff\xfe/\r\n\r\n",
        b"HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer realm=\xff\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 10_000 + b"\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"",
    ],
)
async def test_bytes_that_are_no_text_are_no_bug(answer: bytes) -> None:
    """A status that cannot be written would be tried for ever, and counted as a bug of the operator's."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, opened() as source:
        reference = _reference(server.sockets[0].getsockname()[1])
        failure = (await source.resolve([reference]))[reference]
    assert isinstance(failure, ContainerAppError)
    assert failure.message.isascii()
    assert failure.message.isprintable()


async def test_a_registry_without_tls_is_told_from_one_that_nobody_trusts() -> None:
    """There is no certificate to trust; the remedy is another one."""
    answer = await _resolve(Registry(), Policy(private=("127.0.0.1:*",)))
    assert "`insecureRegistries`" in _failure(answer, Blocked, "NoTls").message


async def test_what_the_network_holds_is_told_of_listed_registries_alone() -> None:
    """By the status of an app, its author could map what the operator reaches."""
    for status in (400, 418, 503):
        answer = await _resolve(Registry(status=status), LOCAL)
        assert str(status) in _failure(answer, (Blocked, Transient), None).message
    failures = {
        refusals.coarse(failure, parse("elsewhere.example.com/shop:1", default_registry="")).message
        for failure in (
            refusals.unavailable("elsewhere.example.com", "cannot be connected to"),
            refusals.no_answer(TimeoutError(), "elsewhere.example.com"),
            refusals.no_answer(NotPublic(), "elsewhere.example.com"),
            refusals.no_manifest(parse("elsewhere.example.com/shop:1", default_registry=""), "text/html"),
        )
    }
    assert len(failures) == 1


async def test_a_lifetime_of_ages_is_not_believed() -> None:
    """A token of 10^300 seconds is used for less than an hour."""
    registry = Registry(
        challenge=BEARER, token_body=b'{"token": "sesame", "expires_in": ' + b"9" * 300 + b"}"
    )
    assert await _resolve(registry) == DIGEST


async def test_bodies_of_refusals_are_left_where_they_are() -> None:
    """What nobody reads costs no memory."""
    async with served(Registry(status=404, refusal=b"x" * 3_000_000)) as port, open_web(LOCAL) as web_client:
        url = URL(f"http://127.0.0.1:{port}/v2/team/shop/manifests/1")
        answer = await web_client.request("GET", url, {}, timeout=5)
    assert (answer.status, answer.body) == (404, b"")


async def test_of_a_long_manifest_only_the_beginning_is_kept() -> None:
    """It is hashed as it streams: many at once would take the operator's memory."""
    body = b'{"manifests": [' + b" " * (MAX_BODY - 100) + b"]}"
    registry = Registry(body=body, digest=None)
    assert await _resolve(registry) == f"sha256:{hashlib.sha256(body).hexdigest()}"
    async with served(registry) as port, open_web(LOCAL) as web_client:
        url = URL(f"http://127.0.0.1:{port}/v2/team/shop/manifests/1")
        answer = await web_client.request("GET", url, {}, timeout=5)
    assert len(answer.body) == MAX_KEPT
    assert not answer.whole


async def test_several_tags_of_a_slow_registry_have_one_deadline() -> None:
    """A repository with many tags does not hold its slot for as long as each of them may take."""
    registry = Registry(delay=0.15)
    async with served(registry) as port, opened(patience=0.2) as source:
        answers = await source.resolve([_reference(port, str(number)) for number in range(20)])
    assert len(registry.asked) < 8
    _failure(answers[_reference(port, "19")], Transient, "RegistryUnavailable")


async def test_the_environment_is_not_followed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A password of .netrc is for nobody whom a manifest names; loopback is no proxy's."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login operator password very-secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    registry = Registry()
    assert await _resolve(registry) == DIGEST
    assert registry.authorizations == [None]


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("https://ghcr.io/v2/", "http://proxy:3128"),
        ("http://registry.corp:5000/v2/", None),
        ("https://registry.corp/v2/", None),
        ("https://localhost:5000/v2/", None),
        ("https://127.0.0.1/v2/", None),
    ],
)
def test_an_explicit_proxy_is_used(url: str, proxy: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """As HTTPS_PROXY and NO_PROXY of the operator's Pod say."""
    for name in ("https_proxy", "http_proxy", "no_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", ".corp")
    assert proxy_for(URL(url)) == proxy


@pytest.mark.parametrize(
    ("header", "seconds"), [("120", 120.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("", None)]
)
async def test_a_throttling_registry_says_how_long_to_wait(header: str, seconds: float | None) -> None:
    """The number of seconds that the registry names travels with the failure."""
    error = _failure(
        await _resolve(Registry(status=429, headers={"Retry-After": header})), Transient, "Throttled"
    )
    assert isinstance(error, Transient)
    assert error.retry_after == seconds


async def test_a_registry_in_trouble_is_not_asked_for_every_tag() -> None:
    """One refusal answers for all tags of the repository; a missing tag answers for itself alone."""
    calls: Counter[tuple[str, str]] = Counter()
    throttling, missing = Registry(status=429), Registry(status=404)
    async with opened(lambda *call: calls.update([call])) as source:
        for registry, asked in ((throttling, 1), (missing, 6)):
            async with served(registry) as port:
                answers = await source.resolve([_reference(port, tag) for tag in ("1", "2", "3")])
            assert len(answers) == 3
            assert len(registry.asked) == asked
    assert calls == {("oci", "Throttled"): 1, ("oci", "ImageNotFound"): 3}


async def test_a_redirect_is_followed_and_the_token_stays_behind() -> None:
    """registry.k8s.io sends on to another host; what one host gave us is not shown to another."""
    first, second = Registry(challenge=BEARER), Registry(challenge=BEARER, tokens={"token": "other"})
    async with served(first) as port, served(second), opened() as source:
        reference = _reference(port)
        assert (await source.resolve([reference]))[reference] == DIGEST
        first.redirect = f"{second.address}/v2/elsewhere/manifests/1"
        assert (await source.resolve([reference]))[reference] == DIGEST
    assert first.authorizations[-1] == "Bearer sesame"
    assert second.authorizations == [None, "Bearer other"]


async def test_a_redirect_without_end_is_given_up() -> None:
    """A registry that turns in circles is down as far as we are concerned."""
    registry = Registry(redirect="/v2/again")
    error = _failure(await _resolve(registry), Transient, "RegistryUnavailable")
    assert "redirects without end" in error.message
    assert len(registry.asked) < 10


async def test_a_registry_that_is_down_is_a_passing_fault() -> None:
    """Refused connections are retried; the message says what to check if that lasts."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        reference = _reference(unused.getsockname()[1])
        async with opened() as source:
            answer = (await source.resolve([reference]))[reference]
    assert "cannot be connected to" in _failure(answer, Transient, "RegistryUnavailable").message


async def test_a_registry_that_hangs_is_given_up_in_time() -> None:
    """The lookup ends with our time-out, not with the registry's patience."""
    registry = Registry(delay=1)
    async with served(registry) as port, opened(patience=0.1) as source:
        reference = _reference(port)
        answer = (await source.resolve([reference]))[reference]
    assert "does not answer in time" in _failure(answer, Transient, "RegistryUnavailable").message


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("nginx:1", "https://registry-1.docker.io/v2/library/nginx/manifests/1"),
        ("public.ecr.aws/nginx/nginx:1", "https://public.ecr.aws/v2/nginx/nginx/manifests/1"),
        ("registry:5000/shop:1", "http://registry:5000/v2/shop/manifests/1"),
        ("10.0.0.1:5000/shop:1", "https://10.0.0.1:5000/v2/shop/manifests/1"),
        ("localhost.example.com/shop:1", "https://localhost.example.com/v2/shop/manifests/1"),
        ("localhost/shop:1", "https://localhost/v2/shop/manifests/1"),
        ("127.0.0.1:5000/shop:1", "https://127.0.0.1:5000/v2/shop/manifests/1"),
        ("[::1]:5000/shop:1", "http://[::1]:5000/v2/shop/manifests/1"),
        ("[2001:db8::1]:5000/shop:1", "https://[2001:db8::1]:5000/v2/shop/manifests/1"),
    ],
)
async def test_only_a_registry_that_is_listed_is_asked_without_tls(text: str, url: str) -> None:
    """A digest that anyone on the way could change would be worth nothing. Docker Hub has a host of its own."""
    async with opened(policy=Policy(insecure=("registry:5000", "[::1]:5000"))) as source:
        assert str(source._url(parse(text, default_registry="docker.io"))) == url


class Names(PublicOnly):
    """Resolves the one name that our certificate is for, to loopback."""

    async def look_up(self, host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
        """Return loopback for two names, and fail for any other."""
        del family
        if host not in {NAME, "inside.example.com"}:
            raise OSError(f"no such host: {host}")
        return [
            {
                "hostname": host,
                "host": "127.0.0.1",
                "port": port,
                "family": socket.AF_INET,
                "proto": 0,
                "flags": 0,
            }
        ]


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate and its key for the registry's name, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName(NAME), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            ),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    pem, key_format = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    path = tmp_path / "certificate.pem"
    path.write_bytes(
        signed.public_bytes(pem) + key.private_bytes(pem, key_format, serialization.NoEncryption())
    )
    return path


async def _resolve_by_tls(
    registry: Registry, certificate: Path, *, trusted: bool = True, policy: Policy | None = None
) -> str | ContainerAppError:
    """Ask a registry that has a name and TLS, as all but loopback ones do."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    trust = ssl.create_default_context(cafile=str(certificate) if trusted else None)
    policy = Policy(private=(f"{NAME}:*",)) if policy is None else policy
    names = Names(may_be_private=lambda host, port: policy.may_be_private(f"{host}:{port}"))
    connector = aiohttp.TCPConnector(resolver=names, ssl=trust)
    async with served(registry, tls) as port, aiohttp.ClientSession(connector=connector) as session:
        reference = _reference(port, host=NAME)
        source = OciSource(Web(session, session, policy), observe=_ignore)
        return (await source.resolve([reference]))[reference]


async def test_tls_with_a_trusted_certificate_works_throughout(certificate: Path) -> None:
    """The same token flow, at a registry with a name."""
    assert await _resolve_by_tls(Registry(challenge=BEARER), certificate) == DIGEST


async def test_an_untrusted_certificate_is_named_as_the_cause(certificate: Path) -> None:
    """A private certificate authority has to be made known by somebody: retrying alone will not help."""
    answer = await _resolve_by_tls(Registry(), certificate, trusted=False)
    assert "SSL_CERT_FILE" in _failure(answer, Blocked, "UntrustedCertificate").message


@pytest.mark.parametrize(
    "registry",
    [
        Registry(challenge='Bearer realm="http://registry.example.com/token"'),
        Registry(challenge='Bearer realm="http://127.0.0.1/token"'),
        Registry(challenge='Bearer realm="http://169.254.169.254/latest/meta-data"'),
        Registry(challenge='Bearer realm="file:///etc/passwd"'),
        Registry(redirect="http://registry.example.com/v2/team/shop/manifests/1"),
        Registry(redirect="http://localhost/"),
        Registry(redirect="http://169.254.169.254/latest/meta-data"),
    ],
)
async def test_a_registry_cannot_send_us_where_there_is_no_tls(registry: Registry, certificate: Path) -> None:
    """A manifest must not turn the operator against the metadata service or its own Pod's ports."""
    answer = await _resolve_by_tls(registry, certificate)
    assert "sends to an address without TLS" in _failure(answer, Transient, "RegistryUnavailable").message


@pytest.mark.parametrize(
    "target",
    [
        "https://169.254.169.254/latest/meta-data",
        "https://127.0.0.1/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::a00:1]/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://metrics.localhost/",
        "https://inside.example.com/",
    ],
)
async def test_a_registry_cannot_send_us_into_a_private_network(target: str, certificate: Path) -> None:
    """Neither by an address, in whatever notation, nor by a name that resolves to one; TLS does not change that."""
    answer = await _resolve_by_tls(Registry(redirect=target), certificate)
    assert "a private network" in _failure(answer, Transient, "RegistryUnavailable").message


@pytest.mark.parametrize("realm", ["https://elsewhere.example.com/token", "https://127.0.0.1/token"])
async def test_a_token_is_fetched_of_the_registrys_own_host_alone(realm: str, certificate: Path) -> None:
    """A registry that nobody has listed must not have the operator ask others; a listed one may, within bounds."""
    registry = Registry(challenge=f'Bearer realm="{realm}"')
    answer = await _resolve_by_tls(registry, certificate)
    _failure(answer, Transient, "RegistryUnavailable")
    assert registry.token_queries == []


async def test_a_private_registry_that_nobody_has_listed_is_not_reached(certificate: Path) -> None:
    """Its name resolves to a private address: the answer is that of a host that does not exist."""
    registry = Registry()
    private = await _resolve_by_tls(registry, certificate, policy=Policy())
    assert registry.asked == []
    missing = await _resolve(Registry(), Policy())
    message = _failure(private, Transient, "RegistryUnavailable").message
    assert "does not answer as a public registry with TLS does" in message
    assert "own Pod" in _failure(missing, Blocked, "LoopbackRegistry").message


async def test_a_host_without_address_is_a_passing_fault(certificate: Path) -> None:
    """A typing error in the host and a DNS outage look the same; the message covers both."""
    answer = await _resolve_by_tls(Registry(redirect="https://other.example.com/"), certificate)
    assert "has no address in DNS" in _failure(answer, Transient, "RegistryUnavailable").message


CONFIG = b'{"config": {"ExposedPorts": {"8080/tcp": {}}}}'


@dataclass(slots=True)
class Store:
    """A registry that has these manifests and blobs by their paths; blobs are at another address."""

    contents: dict[str, bytes]

    async def answer(self, request: web.Request) -> web.Response:
        """Answer a GET."""
        kind = request.path.split("/")[-2]
        if kind == "blobs" and not request.query:
            return web.Response(status=307, headers={"Location": f"{request.path}?signed=yes"})
        body = self.contents.get(request.path.rpartition("/")[2])
        return web.Response(status=404) if body is None else web.Response(body=body, content_type=OCI)


@asynccontextmanager
async def _stored(contents: dict[str, bytes]) -> AsyncIterator[tuple[OciSource, ImageReference]]:
    app = web.Application()
    app.router.add_get("/v2/{path:.*}", Store(contents).answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with opened() as source:
            yield source, _reference(int(runner.addresses[0][1]))
    finally:
        await runner.cleanup()


async def _config(contents: dict[str, bytes]) -> bytes:
    async with _stored(contents) as (source, reference):
        return await source.config(reference)


async def _architectures(contents: dict[str, bytes]) -> frozenset[str]:
    async with _stored(contents) as (source, reference):
        return await source.architectures(reference)


async def test_the_configuration_of_an_image_is_read() -> None:
    """By way of the index and a redirect, as `init` needs it; what is not there is nothing, and no error."""
    one, config = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
    index = json.dumps({"manifests": [{"digest": one, "platform": {"os": "linux"}}]}).encode()
    manifest = json.dumps({"config": {"digest": config}}).encode()
    assert await _config({"1": index, one: manifest, config: CONFIG}) == CONFIG
    assert await _config({"1": manifest, config: CONFIG}) == CONFIG
    assert await _config({"1": manifest}) == b""
    assert await _config({}) == b""


async def test_a_registry_that_is_not_there_has_no_configuration() -> None:
    """The user is asked for the port then."""
    async with opened() as source:
        assert await source.config(_reference(1)) == b""
        assert await source.architectures(_reference(1)) == frozenset()


async def test_an_image_says_what_it_is_built_for() -> None:
    """By its index, or alone by its configuration; what is not there is not known, and no error."""
    one, config = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
    platforms = [{"os": "linux", "architecture": name} for name in ("amd64", "arm64")]
    index = json.dumps({"manifests": [{"digest": one, "platform": each} for each in platforms]}).encode()
    manifest = json.dumps({"config": {"digest": config}}).encode()
    assert await _architectures({"1": index}) == {"amd64", "arm64"}
    assert await _architectures({"1": manifest, config: b'{"architecture": "arm64"}'}) == {"arm64"}
    assert await _architectures({"1": manifest, config: CONFIG}) == frozenset()
    assert await _architectures({"1": manifest}) == frozenset()
    assert await _architectures({"1": b"{}"}) == frozenset()
    assert await _architectures({}) == frozenset()
