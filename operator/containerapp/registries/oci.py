"""Digests from any registry that speaks the OCI distribution API, Amazon ECR Public and Docker Hub among them.

Called by the digest resolver for all that is not private ECR. Asks without credentials: fetches the anonymous token
that a registry wants, and nothing else. Hosts come from users' manifests, so it must never speak plain HTTP to a
registry that the platform team has not named, never follow a redirect there, never fetch a token elsewhere than the
registry says by its own host, and never send a token to a host that did not ask for it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final, TypeAlias

import aiohttp
from yarl import URL

from containerapp.api.artifacts import MANIFEST_TYPES, OCI_MANIFEST, other_than_image
from containerapp.api.image_config import architecture, architectures_in_index, config_digest, image_in_index
from containerapp.api.images import DOCKER_HUB, ImageReference, is_digest
from containerapp.errors import ContainerAppError, Transient
from containerapp.registries import refusals
from containerapp.registries.challenges import Challenge, Token, bearer_challenge, read_token
from containerapp.registries.policy import Policy
from containerapp.registries.web import Answer as WebAnswer
from containerapp.registries.web import Web, host_of

_LOG = logging.getLogger(__name__)

Answer: TypeAlias = str | ContainerAppError

MAX_TOKENS_KEPT: Final = 1024
MAX_IMAGES_KEPT: Final = 4096
# A token, a redirect or two and a token for the place it leads to.
MAX_STEPS: Final = 6
MAX_URL: Final = 4096
_PATIENCE: Final = 3
# To these, a registry or a proxy before it may answer a HEAD and not a GET.
_HEAD_REFUSED: Final = frozenset({403, 404, 405, 501})
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_HUB: Final = "registry-1.docker.io"
# Hosts whose tokens another host of the same owner gives out.
_REALMS: Final = {
    _HUB: "auth.docker.io",
    "registry.gitlab.com": "gitlab.com",
    "docker.elastic.co": "docker-auth.elastic.co",
}
_FAILURES: Final = (ContainerAppError, aiohttp.ClientError, OSError, ValueError)


class OciSource:
    """Registries of the OCI distribution API as a source of digests."""

    def __init__(
        self,
        web: Web,
        *,
        observe: Callable[[str, str], None],
        clock: Callable[[], float] = time.monotonic,
        timeout: float = 20.0,
    ) -> None:
        """`observe` is called with `oci` and each outcome; a lookup has `timeout` seconds, several have thrice that."""
        self._web = web
        self._observe = observe
        self._clock = clock
        self._timeout = timeout
        self._tokens: OrderedDict[tuple[str, str], tuple[Token, float]] = OrderedDict()
        self._images: OrderedDict[str, None] = OrderedDict()

    async def resolve(self, references: Sequence[ImageReference]) -> Mapping[ImageReference, Answer]:
        """Return for each reference its digest, or why it has none. Never raises for what a registry does."""
        answers: dict[ImageReference, Answer] = {}
        answer: Answer = ""
        deadline = self._clock() + _PATIENCE * self._timeout
        for reference in references:
            # A registry that is down, slow or throttles is not asked for the rest of the tags.
            if self._clock() > deadline:
                answer = refusals.unavailable(reference.registry, "does not answer in time")
            if not isinstance(answer, Transient):
                answer = await self._resolve_one(reference)
            answers[reference] = answer
        return answers

    async def config(self, reference: ImageReference) -> bytes:
        """Return the configuration of an image, that for Linux on amd64 where there are several; never raise."""
        try:
            async with asyncio.timeout(self._timeout):
                return await self._config(reference)
        except _FAILURES:
            return b""

    async def architectures(self, reference: ImageReference) -> frozenset[str]:
        """Return what an image is built for, as in `amd64`; none where that is not known. Never raise."""
        try:
            async with asyncio.timeout(self._timeout):
                manifest = (await self._fetch("GET", reference)).body
                return architectures_in_index(manifest) or architecture(await self._blob(reference, manifest))
        except _FAILURES:
            return frozenset()

    async def _config(self, reference: ImageReference) -> bytes:
        manifest = (await self._fetch("GET", reference)).body
        if (one := image_in_index(manifest)) is not None:
            manifest = (await self._fetch("GET", reference, one)).body
        return await self._blob(reference, manifest)

    async def _blob(self, reference: ImageReference, manifest: bytes) -> bytes:
        """Return the configuration that the manifest of an image names; empty of what names none."""
        digest = config_digest(manifest)
        return (await self._fetch("GET", reference, digest, "blobs")).body if digest else b""

    async def _resolve_one(self, reference: ImageReference) -> Answer:
        try:
            async with asyncio.timeout(self._timeout):
                digest = await self._digest(reference)
        except _FAILURES as error:
            failure = (
                error
                if isinstance(error, ContainerAppError)
                else refusals.no_answer(error, reference.registry)
            )
            self._observe("oci", failure.reason)
            if self._policy.is_known(reference.registry):
                return failure
            _LOG.info("Looking up %s: %s: %s", reference.canonical, failure.reason, failure.message)
            return refusals.coarse(failure, reference)
        self._observe("oci", "ok")
        return digest

    async def _digest(self, reference: ImageReference) -> str:
        """Ask for the digest alone; of a registry that does not tell it, fetch the manifest and compute it."""
        answer = await self._fetch("HEAD", reference)
        digest = answer.headers.get("Docker-Content-Digest")
        fetched = answer.status != 200 or digest is None
        if fetched:
            answer = await self._fetch("GET", reference)
            digest = answer.headers.get("Docker-Content-Digest", answer.digest)
        media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        if digest is None or media_type not in MANIFEST_TYPES or not is_digest(digest):
            raise refusals.no_manifest(reference, media_type)
        if fetched and digest.startswith("sha256:") and digest != answer.digest:
            raise ValueError("a digest that is not the manifest's")
        if media_type == OCI_MANIFEST and reference.digest is None and digest not in self._images:
            await self._require_image(reference, digest, answer if fetched else None)
        return digest

    async def _require_image(self, reference: ImageReference, digest: str, answer: WebAnswer | None) -> None:
        """Raise where the manifest is a chart's or another artifact's, which no node can run; ask once a digest."""
        if answer is None:
            with suppress(ContainerAppError, aiohttp.ClientError):
                answer = await self._fetch("GET", reference, digest)
        if answer is None or answer.status != 200 or not answer.whole:
            return
        if other := other_than_image(answer.body):
            raise refusals.unsupported(reference, other)
        self._images[digest] = None
        if len(self._images) > MAX_IMAGES_KEPT:
            self._images.popitem(last=False)

    async def _fetch(
        self, method: str, reference: ImageReference, digest: str | None = None, kind: str = "manifests"
    ) -> WebAnswer:
        """Return the last answer on the way to a manifest or blob: with a token where one is wanted, redirected."""
        url = self._url(reference, digest, kind)
        answered: set[str] = set()
        for _ in range(MAX_STEPS):
            token = self._token_for(url, reference)
            headers = {"Accept": ", ".join(MANIFEST_TYPES)}
            if token is not None:
                headers["Authorization"] = f"Bearer {token}"
            answer = await self._request(method, url, headers)
            if answer.status in _REDIRECTS:
                url = self._checked(url.join(URL(answer.headers.get("Location", "")[:MAX_URL])), reference)
            elif answer.status == 401 and host_of(url) not in answered:
                answered.add(host_of(url))
                await self._obtain_token(url, answer, reference)
            elif answer.status == 200 or (method == "HEAD" and answer.status in _HEAD_REFUSED):
                return answer
            else:
                raise refusals.refusal(answer, reference)
        raise refusals.unavailable(reference.registry, "redirects without end")

    async def _obtain_token(self, url: URL, refused: WebAnswer, reference: ImageReference) -> None:
        """Fetch the anonymous token that the host of `url` has asked for."""
        challenge = bearer_challenge(refused.challenges)
        if challenge is None:
            raise refusals.refusal(refused, reference)
        realm = self._realm(url, challenge, reference)
        query = {"scope": challenge.scope or f"repository:{reference.repository}:pull"}
        if challenge.service is not None:
            query["service"] = challenge.service
        answer = await self._request("GET", realm.update_query(query), {})
        if answer.status != 200:
            raise refusals.refusal(answer, reference)
        token = read_token(answer.body)
        self._tokens[host_of(url), reference.repository] = (token, self._clock() + token.seconds)
        if len(self._tokens) > MAX_TOKENS_KEPT:
            self._tokens.popitem(last=False)

    def _realm(self, url: URL, challenge: Challenge, reference: ImageReference) -> URL:
        """Return where the token is to be fetched: at the registry's own host, or at one known to serve it."""
        realm = self._checked(url.join(URL(challenge.realm)), reference)
        host, at = host_of(url), host_of(realm)
        if at not in {host, _REALMS.get(host)} and not self._policy.is_listed(host):
            raise refusals.unavailable(reference.registry, "wants a token fetched from another host")
        return realm

    def _checked(self, url: URL, reference: ImageReference) -> URL:
        """Return `url` unless it is one without TLS at a host that may not be asked so."""
        if url.scheme == "https" or (url.scheme == "http" and self._policy.is_insecure(host_of(url))):
            return url
        raise refusals.unavailable(reference.registry, "sends to an address without TLS")

    async def _request(self, method: str, url: URL, headers: Mapping[str, str]) -> WebAnswer:
        return await self._web.request(method, url, headers, timeout=self._timeout)

    def _token_for(self, url: URL, reference: ImageReference) -> str | None:
        token, expires = self._tokens.get((host_of(url), reference.repository), (None, 0.0))
        return token.value if token is not None and self._clock() < expires else None

    def _url(self, reference: ImageReference, digest: str | None = None, kind: str = "manifests") -> URL:
        host = _HUB if reference.registry == DOCKER_HUB else reference.registry
        scheme = "http" if self._policy.is_insecure(host) else "https"
        at = digest or reference.digest or reference.tag
        return URL(f"{scheme}://{host}").with_path(f"/v2/{reference.repository}/{kind}/{at}")

    @property
    def _policy(self) -> Policy:
        return self._web.policy
