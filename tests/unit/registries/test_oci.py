"""Digests by the OCI distribution API, against a registry on loopback that can misbehave in every way we know."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import ipaddress
import socket
import ssl
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from containerapp.api.images import ImageReference, parse
from containerapp.errors import Blocked, ContainerAppError, Transient
from containerapp.registries.oci import MANIFEST_TYPES, MAX_MANIFEST, OciSource, _manifest_url

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
        if self.status != 200:
            return web.Response(status=self.status, headers=self.headers)
        digest = {"Docker-Content-Digest": self.digest} if self.digest else {}
        return web.Response(body=self.body, content_type=self.media_type, headers=digest | self.headers)

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


@asynccontextmanager
async def opened(observe: Callable[[str, str], None] = _ignore) -> AsyncIterator[OciSource]:
    """A source as the operator has it."""
    async with aiohttp.ClientSession(trust_env=True) as session:
        yield OciSource(session, observe=observe)


def _reference(port: int, tag: str = "1", host: str = "127.0.0.1") -> ImageReference:
    return parse(f"{host}:{port}/team/shop:{tag}", default_registry="")


async def _resolve(registry: Registry) -> str | ContainerAppError:
    """Ask a new source for the one image of a registry."""
    async with served(registry) as port, opened() as source:
        reference = _reference(port)
        return (await source.resolve([reference]))[reference]


def _failure(
    answer: str | ContainerAppError, kind: type[ContainerAppError], reason: str
) -> ContainerAppError:
    assert isinstance(answer, kind), answer
    assert answer.reason == reason
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
    async with served(registry) as port, aiohttp.ClientSession() as session:
        source = OciSource(session, observe=_ignore, clock=lambda: now)
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
        Registry(media_type="application/vnd.docker.distribution.manifest.v1+prettyjws"),
        Registry(digest="sha256:short"),
    ],
)
async def test_what_is_no_image_is_not_taken_for_one(registry: Registry) -> None:
    """A web site that answers 200 to everything would else give a digest that no node can pull."""
    _failure(await _resolve(registry), Blocked, "UnsupportedManifest")


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
            Registry(digest=None, body=b"x" * (MAX_MANIFEST + 1)),
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
        for registry, asked in ((throttling, 1), (missing, 3)):
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
    async with served(registry) as port, aiohttp.ClientSession() as session:
        reference = _reference(port)
        source = OciSource(session, observe=_ignore, timeout=0.1)
        answer = (await source.resolve([reference]))[reference]
    assert "does not answer in time" in _failure(answer, Transient, "RegistryUnavailable").message


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("nginx:1", "https://registry-1.docker.io/v2/library/nginx/manifests/1"),
        ("public.ecr.aws/nginx/nginx:1", "https://public.ecr.aws/v2/nginx/nginx/manifests/1"),
        ("registry:5000/shop:1", "https://registry:5000/v2/shop/manifests/1"),
        ("10.0.0.1:5000/shop:1", "https://10.0.0.1:5000/v2/shop/manifests/1"),
        ("localhost.example.com/shop:1", "https://localhost.example.com/v2/shop/manifests/1"),
        ("localhost/shop:1", "http://localhost/v2/shop/manifests/1"),
        ("127.0.0.1:5000/shop:1", "http://127.0.0.1:5000/v2/shop/manifests/1"),
        ("[::1]:5000/shop:1", "http://[::1]:5000/v2/shop/manifests/1"),
        ("[2001:db8::1]:5000/shop:1", "https://[2001:db8::1]:5000/v2/shop/manifests/1"),
    ],
)
def test_only_a_loopback_registry_is_spoken_to_without_tls(text: str, url: str) -> None:
    """A digest that anyone on the way could change would be worth nothing. Docker Hub has a host of its own."""
    assert str(_manifest_url(parse(text, default_registry="docker.io"))) == url


class Names(AbstractResolver):
    """Resolves the one name that our certificate is for, to loopback."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return loopback for the registry's name, and fail for any other."""
        del family
        if host != NAME:
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

    async def close(self) -> None:
        """Hold nothing."""


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
    registry: Registry, certificate: Path, *, trusted: bool = True
) -> str | ContainerAppError:
    """Ask a registry that has a name and TLS, as all but loopback ones do."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    trust = ssl.create_default_context(cafile=str(certificate) if trusted else None)
    connector = aiohttp.TCPConnector(resolver=Names(), ssl=trust)
    async with served(registry, tls) as port, aiohttp.ClientSession(connector=connector) as session:
        reference = _reference(port, host=NAME)
        return (await OciSource(session, observe=_ignore).resolve([reference]))[reference]


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
        Registry(challenge='Bearer realm="https://127.0.0.1/token"'),
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


async def test_a_host_without_address_is_a_passing_fault(certificate: Path) -> None:
    """A typing error in the host and a DNS outage look the same; the message covers both."""
    answer = await _resolve_by_tls(Registry(redirect="https://other.example.com/"), certificate)
    assert "has no address in DNS" in _failure(answer, Transient, "RegistryUnavailable").message
