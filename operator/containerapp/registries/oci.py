"""Digests from any registry that speaks the OCI distribution API, Amazon ECR Public and Docker Hub among them.

Called by the digest resolver for all that is not private ECR. Asks without credentials: fetches the anonymous token
that a registry wants, and nothing else. Hosts come from users' manifests, so it must never speak plain HTTP to
anything but a loopback registry, never follow a redirect or a token realm to plain HTTP, never send a token to a
host that did not ask for it, and never read more than a manifest may be long.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import aiohttp
from yarl import URL

from containerapp.api.images import DOCKER_HUB, is_digest
from containerapp.errors import Blocked, ContainerAppError, Transient

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from containerapp.api.images import ImageReference

Answer: TypeAlias = str | ContainerAppError

MANIFEST_TYPES: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
# "Registries SHOULD … reject manifests over 4 MiB"; tokens are far smaller.
MAX_MANIFEST: Final = 4 * 1024 * 1024
MAX_TOKEN: Final = 64 * 1024
USER_AGENT: Final = "containerapp-operator"
MAX_TOKENS_KEPT: Final = 1024
# A token, a redirect or two and a token for the place it leads to.
MAX_STEPS: Final = 6
# The token specification's default, for answers that name no lifetime.
DEFAULT_TOKEN_LIFETIME: Final = 60.0

_PARAMETER = re.compile(r'([a-z_]+)\s*=\s*(?:"([^"]*)"|([^\s,"]+))', re.IGNORECASE)
_BEARER = re.compile(r"(?:^|,)\s*bearer\s+(.*)", re.IGNORECASE)
_LOOPBACK = re.compile(r"localhost|127(?:\.\d{1,3}){3}|::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    challenges: tuple[str, ...]
    body: bytes


class OciSource:
    """Registries of the OCI distribution API as a source of digests."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        observe: Callable[[str, str], None],
        clock: Callable[[], float] = time.monotonic,
        timeout: float = 15.0,
    ) -> None:
        """`session` is the caller's to close; `observe` is told `oci` and the outcome of every lookup."""
        self._session = session
        self._observe = observe
        self._clock = clock
        self._timeout = aiohttp.ClientTimeout(total=timeout, connect=timeout / 3)
        self._tokens: OrderedDict[tuple[str, str], tuple[str, float]] = OrderedDict()

    async def resolve(self, references: Sequence[ImageReference]) -> Mapping[ImageReference, Answer]:
        """Return for each reference its digest, or why it has none. Never raises for what a registry does."""
        answers: dict[ImageReference, Answer] = {}
        answer: Answer = ""
        for reference in references:
            # A registry that is down or throttles is not asked for the rest of the tags.
            if not isinstance(answer, Transient):
                answer = await self._resolve_one(reference)
            answers[reference] = answer
        return answers

    async def _resolve_one(self, reference: ImageReference) -> Answer:
        try:
            digest = await self._digest(reference)
        except (ContainerAppError, aiohttp.ClientError, TimeoutError, ValueError) as error:
            failure = error if isinstance(error, ContainerAppError) else _connection_error(error, reference)
            self._observe("oci", failure.reason)
            return failure
        self._observe("oci", "ok")
        return digest

    async def _digest(self, reference: ImageReference) -> str:
        """Ask for the digest alone; of a registry that does not tell it, fetch the manifest and compute it."""
        answer = await self._fetch("HEAD", reference)
        digest = answer.headers.get("Docker-Content-Digest")
        if digest is None:
            answer = await self._fetch("GET", reference)
            digest = f"sha256:{hashlib.sha256(answer.body).hexdigest()}"
        media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        if media_type not in MANIFEST_TYPES or not is_digest(digest):
            raise Blocked(
                "UnsupportedManifest",
                f"What {reference.registry} has as {reference.canonical} is no container image of a supported type "
                f"({media_type[:80] or 'no type'}). Correct spec.image, or build and push the image anew.",
            )
        return digest

    async def _fetch(self, method: str, reference: ImageReference) -> _Answer:
        url = _manifest_url(reference)
        answered: set[str] = set()
        for _ in range(MAX_STEPS):
            token = self._token_for(url, reference)
            headers = {"Accept": ", ".join(MANIFEST_TYPES), "User-Agent": USER_AGENT}
            if token is not None:
                headers["Authorization"] = f"Bearer {token}"
            answer = await self._request(method, url, headers, limit=MAX_MANIFEST)
            if answer.status == 200:
                return answer
            if answer.status in {301, 302, 303, 307, 308}:
                url = _redirected(url, answer, reference)
            elif answer.status == 401:
                if _host(url) in answered:
                    raise _refusal(answer, reference)
                answered.add(_host(url))
                await self._obtain_token(url, answer, reference)
            else:
                raise _refusal(answer, reference)
        raise _unavailable(reference, "redirects without end")

    async def _request(self, method: str, url: URL, headers: Mapping[str, str], *, limit: int) -> _Answer:
        async with self._session.request(
            method, url, headers=headers, allow_redirects=False, timeout=self._timeout
        ) as response:
            body = bytearray()
            async for chunk in response.content.iter_chunked(64 * 1024):
                body += chunk
                if len(body) > limit:
                    raise ValueError(f"an answer longer than {limit} bytes")
            return _Answer(
                status=response.status,
                headers=response.headers,
                challenges=tuple(response.headers.getall("WWW-Authenticate", ())),
                body=bytes(body),
            )

    async def _obtain_token(self, url: URL, refused: _Answer, reference: ImageReference) -> None:
        """Fetch the anonymous token that the host of `url` has asked for."""
        challenge = _bearer_challenge(refused.challenges)
        if challenge is None or "realm" not in challenge:
            raise _refusal(refused, reference)
        realm = URL(challenge["realm"])
        _refuse_plain_http(realm, url, reference)
        query = {"scope": challenge.get("scope") or f"repository:{reference.repository}:pull"}
        if "service" in challenge:
            query["service"] = challenge["service"]
        answer = await self._request(
            "GET", realm.update_query(query), {"User-Agent": USER_AGENT}, limit=MAX_TOKEN
        )
        if answer.status != 200:
            raise _refusal(answer, reference)
        token, lifetime = _read_token(answer.body)
        self._tokens[_host(url), reference.repository] = (token, self._clock() + lifetime)
        if len(self._tokens) > MAX_TOKENS_KEPT:
            self._tokens.popitem(last=False)

    def _token_for(self, url: URL, reference: ImageReference) -> str | None:
        token, expires = self._tokens.get((_host(url), reference.repository), ("", 0.0))
        return token if token and self._clock() < expires else None


def _manifest_url(reference: ImageReference) -> URL:
    host = "registry-1.docker.io" if reference.registry == DOCKER_HUB else reference.registry
    address = URL(f"https://{host}")
    path = f"/v2/{reference.repository}/manifests/{reference.tag}"
    return address.with_scheme("http" if _is_loopback(address) else "https").with_path(path)


def _host(url: URL) -> str:
    return url.authority


def _is_loopback(url: URL) -> bool:
    return _LOOPBACK.fullmatch(url.host or "") is not None


def _redirected(url: URL, answer: _Answer, reference: ImageReference) -> URL:
    target = url.join(URL(answer.headers.get("Location", "")))
    _refuse_plain_http(target, url, reference)
    return target


def _refuse_plain_http(target: URL, origin: URL, reference: ImageReference) -> None:
    """Only a loopback registry may send us to loopback, and only there is HTTP without TLS."""
    if target.scheme == "https" and not _is_loopback(target):
        return
    if target.scheme in {"http", "https"} and _is_loopback(target) and _is_loopback(origin):
        return
    raise _unavailable(reference, "sends to an address without TLS")


def _bearer_challenge(challenges: Sequence[str]) -> dict[str, str] | None:
    """Return the parameters of the Bearer challenge, which some registries do not quote."""
    for challenge in challenges:
        match = _BEARER.search(challenge)
        if match is not None:
            return {name.lower(): quoted or bare for name, quoted, bare in _PARAMETER.findall(match[1])}
    return None


def _read_token(body: bytes) -> tuple[str, float]:
    """Return the token and for how many seconds to use it."""
    answer = json.loads(body)
    if not isinstance(answer, dict):
        raise ValueError("a token answer that is no JSON object")  # noqa: TRY004 - the registry's fault, not a type's
    token = answer.get("token") or answer.get("access_token")
    if not isinstance(token, str) or not token.isascii() or not token.isprintable():
        raise ValueError("a token answer without a token")
    lifetime = answer.get("expires_in")
    if not isinstance(lifetime, int | float) or lifetime <= 0:
        lifetime = DEFAULT_TOKEN_LIFETIME
    return token, 0.8 * lifetime


def _refusal(answer: _Answer, reference: ImageReference) -> ContainerAppError:
    registry, status = reference.registry, answer.status
    if status in {401, 403}:
        return Blocked(
            "AccessDenied",
            f"{registry} has no public image {reference.canonical}: it does not exist, or it is private. The operator "
            "looks up tags of this registry without credentials. Correct spec.image, or give it the image's digest "
            "(`name@sha256:...`) and imagePullSecrets, or keep a copy in ECR (a pull-through cache rule does that).",
        )
    if status == 404:
        return Blocked(
            "ImageNotFound",
            f"{registry} has no image {reference.canonical}. Push the image or correct spec.image.",
        )
    if status == 429:
        return Transient(
            "Throttled",
            f"{registry} limits the rate of lookups. It is asked again by itself; an ECR pull-through cache rule "
            "avoids the limit.",
            retry_after=_retry_after(answer.headers.get("Retry-After", "")),
        )
    if status >= 500:
        return _unavailable(reference, f"answers with HTTP status {status}")
    return Blocked(
        "RegistryRefused",
        f"{registry} refused to look up {reference.canonical} with HTTP status {status}. Correct spec.image, or look "
        "at the registry's own log.",
    )


def _connection_error(
    error: aiohttp.ClientError | TimeoutError | ValueError, reference: ImageReference
) -> ContainerAppError:
    match error:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError():
            return Blocked(
                "UntrustedCertificate",
                f"The operator does not trust the certificate of {reference.registry}. Add its certificate authority "
                "to the operator (SSL_CERT_FILE), or have the certificate renewed.",
            )
        case aiohttp.ClientConnectorDNSError():
            return _unavailable(reference, "has no address in DNS")
        case TimeoutError():
            return _unavailable(reference, "does not answer in time")
        case aiohttp.ClientConnectorError():
            return _unavailable(reference, "cannot be connected to")
        case _:
            return _unavailable(reference, "does not answer as a registry does")


def _unavailable(reference: ImageReference, why: str) -> Transient:
    return Transient(
        "RegistryUnavailable",
        f"The registry {reference.registry} {why}. It is asked again by itself; if this lasts, check the host in "
        "spec.image and the operator's network path to it.",
    )


def _retry_after(value: str) -> float | None:
    """Return the seconds to wait; dates, which registries do not send, are not read."""
    return float(value) if re.fullmatch(r"[0-9]{1,9}", value) else None
