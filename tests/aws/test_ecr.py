"""Digests from private ECR, against moto's server; a Stubber where moto never fails as AWS does."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from botocore.stub import Stubber

from containerapp.api.images import EcrRegistry, ImageReference, parse
from containerapp.aws.ecr import ACCEPTED_MEDIA_TYPES, MAX_CLIENTS, EcrSource, _Connections
from containerapp.errors import Blocked, ContainerAppError, Transient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_ecr import ECRClient

REGION = "eu-west-1"
INDEX_DIGEST = "sha256:" + "1d" * 32


def _reference(text: str, region: str = REGION) -> ImageReference:
    return parse(text, default_registry=f"123456789012.dkr.ecr.{region}.amazonaws.com")


def _push(client: ECRClient, repository: str, *tags: str, layer: str = "a", digest: str | None = None) -> str:
    """Put an image with `tags` into a repository, made if need be, and return its digest."""
    if repository not in {each["repositoryName"] for each in client.describe_repositories()["repositories"]}:
        client.create_repository(repositoryName=repository)
    manifest = {"schemaVersion": 2, "layers": [{"digest": f"sha256:{layer * 64}"}], "config": {"size": 1}}
    media_type = ACCEPTED_MEDIA_TYPES[1]
    if digest:
        manifest, media_type = {"schemaVersion": 2, "manifests": []}, ACCEPTED_MEDIA_TYPES[0]
    extra: dict[str, Any] = {"imageDigest": digest} if digest else {}
    pushed = ""
    for tag in tags:
        answer = client.put_image(
            repositoryName=repository,
            imageManifest=json.dumps(manifest),
            imageManifestMediaType=media_type,
            imageTag=tag,
            **extra,
        )
        pushed = answer["image"].get("imageId", {}).get("imageDigest", "")
    return pushed


@pytest.fixture
def calls() -> Counter[tuple[str, str]]:
    """What the source reported for the metrics."""
    return Counter()


@pytest.fixture
def source(calls: Counter[tuple[str, str]]) -> EcrSource:
    """A source that finds its credentials and endpoint in the environment, as the operator's does."""
    return EcrSource(observe=lambda *call: calls.update([call]))


async def test_a_tag_becomes_the_digest_it_points_to(
    ecr: Callable[[str], ECRClient], source: EcrSource, calls: Counter[tuple[str, str]]
) -> None:
    """Several tags of one repository are answered by one call."""
    one = _push(ecr(REGION), "team/shop", "1.0", layer="a")
    two = _push(ecr(REGION), "team/shop", "2.0", layer="b")
    first, second = _reference("team/shop:1.0"), _reference("team/shop:2.0")
    assert await source.resolve([first, second]) == {first: one, second: two}
    assert one != two
    assert calls == {("ecr", "ok"): 1}


async def test_the_region_asked_is_that_of_the_reference(
    ecr: Callable[[str], ECRClient], source: EcrSource
) -> None:
    """The same repository in two regions holds two images."""
    ireland = _push(ecr("eu-west-1"), "shop", "1", layer="a")
    ohio = _push(ecr("us-east-2"), "shop", "1", layer="b")
    here, there = _reference("shop:1", "eu-west-1"), _reference("shop:1", "us-east-2")
    assert await source.resolve([here, there]) == {here: ireland, there: ohio}


async def test_a_multi_arch_image_keeps_the_digest_of_its_index(
    ecr: Callable[[str], ECRClient], source: EcrSource
) -> None:
    """Nodes of every architecture pull by the same digest and pick their own image from the index."""
    _push(ecr(REGION), "shop", "multi", digest=INDEX_DIGEST)
    reference = _reference("shop:multi")
    assert await source.resolve([reference]) == {reference: INDEX_DIGEST}


async def test_an_index_says_what_its_images_are_built_for(
    ecr: Callable[[str], ECRClient], source: EcrSource
) -> None:
    """An image that stands alone does not, nor one that is gone; nor does anybody where ECR is not asked."""
    client = ecr(REGION)
    alone = _push(client, "shop", "alone")
    platforms = [{"os": "linux", "architecture": name} for name in ("amd64", "arm64")]
    client.put_image(
        repositoryName="shop",
        imageManifest=json.dumps(
            {"schemaVersion": 2, "manifests": [{"platform": each} for each in platforms]}
        ),
        imageManifestMediaType=ACCEPTED_MEDIA_TYPES[0],
        imageTag="multi",
        imageDigest=INDEX_DIGEST,
    )
    assert await source.architectures(_reference(f"shop@{INDEX_DIGEST}")) == {"amd64", "arm64"}
    assert await source.architectures(_reference(f"shop@{alone}")) == frozenset()
    assert await source.architectures(_reference(f"shop@sha256:{'0' * 64}")) == frozenset()
    assert await source.architectures(_reference(f"none@{alone}")) == frozenset()
    assert await source.architectures(parse(f"ghcr.io/acme/shop@{alone}", default_registry="")) == frozenset()


async def test_a_chart_beside_the_images_is_no_image(
    credentials: pytest.MonkeyPatch,
) -> None:
    """ECR keeps Helm charts with the same type of manifest; its answer holds the manifest."""
    del credentials
    client, stub = _stubbed()
    chart = {"schemaVersion": 2, "config": {"mediaType": "application/vnd.cncf.helm.config.v1+json"}}
    images = [
        {
            "imageId": {"imageTag": "1", "imageDigest": INDEX_DIGEST},
            "imageManifest": json.dumps(chart),
            "imageManifestMediaType": ACCEPTED_MEDIA_TYPES[1],
        }
    ]
    stub.add_response("batch_get_image", {"images": images, "failures": []})
    reference = _reference("shop:1")
    with stub:
        answers = await EcrSource(observe=_ignore, connect=lambda _: client).resolve([reference])
    message = _failure(answers[reference], Blocked, "UnsupportedManifest").message
    assert "has `1`, which is a Helm chart, not a container image" in message
    client.close()


async def test_whether_a_digest_is_there_is_asked_like_a_tag(
    ecr: Callable[[str], ECRClient], source: EcrSource
) -> None:
    """By the same call; one that a lifecycle policy has removed is an image that is not found."""
    digest = _push(ecr(REGION), "shop", "1")
    there, gone = _reference(f"shop@{digest}"), _reference("shop@sha256:" + "0" * 64)
    answers = await source.resolve([there, gone, _reference("shop:1")])
    assert answers[there] == digest
    assert answers[_reference("shop:1")] == digest
    _failure(answers[gone], Blocked, "ImageNotFound")


async def test_a_missing_tag_does_not_fail_the_others(
    ecr: Callable[[str], ECRClient], source: EcrSource
) -> None:
    """One app's typing error is no other app's failure."""
    digest = _push(ecr(REGION), "shop", "1")
    good, bad = _reference("shop:1"), _reference("shop:0")
    answers = await source.resolve([bad, good])
    assert answers[good] == digest
    error = _failure(answers[bad], Blocked, "ImageNotFound")
    assert "`shop` of account 123456789012 in eu-west-1 has no image `0`" in error.message
    assert "Push the image or correct spec.image" in error.message


async def test_a_missing_repository_does_not_fail_the_others(
    ecr: Callable[[str], ECRClient], source: EcrSource, calls: Counter[tuple[str, str]]
) -> None:
    """The message names repository, account and region: any of the three may be the mistake."""
    digest = _push(ecr(REGION), "shop", "1")
    good, bad = _reference("shop:1"), _reference("shap:1")
    answers = await source.resolve([good, bad])
    assert answers[good] == digest
    error = _failure(answers[bad], Blocked, "RepositoryNotFound")
    assert error.message.startswith(
        "The ECR repository `shap` of account 123456789012 in eu-west-1 does not exist"
    )
    assert calls == {("ecr", "ok"): 1, ("ecr", "RepositoryNotFound"): 1}


async def test_two_tags_of_one_image_are_both_answered(
    ecr: Callable[[str], ECRClient], source: EcrSource
) -> None:
    """A registry may name an image by another of its tags than the one asked for."""
    digest = _push(ecr(REGION), "shop", "1.0.0", "1.0", "latest", layer="c")
    references = [_reference(f"shop:{tag}") for tag in ("1.0.0", "1.0", "latest")]
    assert await source.resolve(references) == dict.fromkeys(references, digest)


async def test_a_call_asks_for_at_most_100_tags(
    ecr: Callable[[str], ECRClient], source: EcrSource, calls: Counter[tuple[str, str]]
) -> None:
    """250 tags of a repository cost three calls."""
    ecr(REGION).create_repository(repositoryName="shop")
    references = [_reference(f"shop:{number}") for number in range(250)]
    answers = await source.resolve(references)
    assert set(answers) == set(references)
    assert calls == {("ecr", "ok"): 3}


async def test_an_endpoint_that_is_down_is_a_passing_fault(
    credentials: pytest.MonkeyPatch, source: EcrSource
) -> None:
    """Nobody has to act at once: it is retried, and the message says what to check if it lasts."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        credentials.setenv("AWS_ENDPOINT_URL_ECR", f"http://127.0.0.1:{unused.getsockname()[1]}")
        reference = _reference("shop:1")
        error = _failure((await source.resolve([reference]))[reference], Transient, "RegistryUnavailable")
    assert "VPC endpoint `ecr.api`" in error.message


async def test_missing_credentials_are_said_to_be_missing(
    no_aws: pytest.MonkeyPatch, moto_endpoint: str, source: EcrSource
) -> None:
    """The remedy is the platform team's: an IAM role for the operator's ServiceAccount."""
    no_aws.setenv("AWS_ENDPOINT_URL_ECR", moto_endpoint)
    reference = _reference("shop:1")
    error = _failure((await source.resolve([reference]))[reference], Blocked, "NoCredentials")
    assert "EKS Pod Identity or IRSA" in error.message


DENIED = (
    "User: arn:aws:sts::111122223333:assumed-role/operator/eks-prod-containerapp-6f9c is not authorized to "
    "perform: ecr:BatchGetImage on resource: arn:aws:ecr:eu-west-1:123456789012:repository/shop because no "
    "resource-based policy allows the ecr:BatchGetImage action"
)


@pytest.mark.parametrize(
    ("code", "status", "kind", "reason", "remedy"),
    [
        ("RepositoryNotFoundException", 400, Blocked, "RepositoryNotFound", "push the image"),
        ("AccessDeniedException", 400, Blocked, "AccessDenied", "needs `ecr:BatchGetImage` on `arn:aws:ecr:"),
        ("UnrecognizedClientException", 400, Blocked, "CredentialsRejected", "the region is enabled"),
        ("InvalidSignatureException", 400, Blocked, "CredentialsRejected", "clock"),
        ("ExpiredTokenException", 400, Transient, "ExpiredToken", "renew"),
        ("ThrottlingException", 400, Transient, "Throttled", "asked again by itself"),
        ("TooManyRequestsException", 429, Transient, "Throttled", "asked again by itself"),
        ("LimitExceededException", 400, Blocked, "LimitExceeded", "Service Quotas"),
        ("KmsException", 400, Blocked, "KmsError", "Enable the key"),
        (
            "UnableToGetUpstreamImageException",
            400,
            Transient,
            "UpstreamUnavailable",
            "pull-through cache rule",
        ),
        ("ServerException", 500, Transient, "RegistryUnavailable", "asked again by itself"),
        ("SomethingNew", 503, Transient, "RegistryUnavailable", "asked again by itself"),
        ("InvalidParameterException", 400, Blocked, "RegistryRefused", "Correct spec.image"),
        ("SomethingNew", 400, Blocked, "RegistryRefused", "SomethingNew: because"),
    ],
)
async def test_each_way_a_call_fails_has_its_reason_and_remedy(
    credentials: pytest.MonkeyPatch,
    code: str,
    status: int,
    kind: type[ContainerAppError],
    reason: str,
    remedy: str,
) -> None:
    """What a user reads tells the failures apart and says what to do."""
    del credentials
    client, stub = _stubbed()
    for _ in range(2):
        stub.add_client_error("batch_get_image", code, "because", http_status_code=status)
    first, second = _reference("shop:1"), _reference("shop:2")
    with stub:
        answers = await EcrSource(observe=_ignore, connect=lambda _: client).resolve([first, second])
    error = _failure(answers[first], kind, reason)
    assert answers[second] is answers[first]
    assert remedy in error.message
    assert "{" not in error.message
    client.close()


@pytest.mark.parametrize(
    ("code", "kind", "reason", "remedy"),
    [
        ("ImageNotFound", Blocked, "ImageNotFound", "has no image `1`"),
        ("InvalidImageTag", Blocked, "ImageNotFound", "correct spec.image"),
        ("KmsError", Blocked, "KmsError", "Enable the key"),
        ("UpstreamAccessDenied", Blocked, "UpstreamAccessDenied", "Secrets Manager secret"),
        ("UpstreamTooManyRequests", Transient, "UpstreamTooManyRequests", "raise the limit"),
        ("UpstreamUnavailable", Transient, "UpstreamUnavailable", "pull-through cache rule"),
        ("ImageInaccessible", Blocked, "ImageInaccessible", "Restore it in ECR"),
        ("SomethingNew", Blocked, "RegistryRefused", "SomethingNew: because"),
    ],
)
async def test_each_way_an_image_fails_has_its_reason_and_remedy(
    credentials: pytest.MonkeyPatch, code: str, kind: type[ContainerAppError], reason: str, remedy: str
) -> None:
    """Failures inside a good answer belong to their image alone."""
    del credentials
    client, stub = _stubbed()
    digest = "sha256:" + "2" * 64
    stub.add_response(
        "batch_get_image",
        {
            "images": [{"imageId": {"imageTag": "2", "imageDigest": digest}}],
            "failures": [{"imageId": {"imageTag": "1"}, "failureCode": code, "failureReason": "because"}],
        },
        {
            "registryId": "123456789012",
            "repositoryName": "shop",
            "imageIds": [{"imageTag": "1"}, {"imageTag": "2"}],
            "acceptedMediaTypes": list(ACCEPTED_MEDIA_TYPES),
        },
    )
    bad, good = _reference("shop:1"), _reference("shop:2")
    with stub:
        answers = await EcrSource(observe=_ignore, connect=lambda _: client).resolve([bad, good])
    assert answers[good] == digest
    assert remedy in _failure(answers[bad], kind, reason).message
    client.close()


async def test_access_denied_names_who_needs_what_on_what_and_nobody_else_suffers(
    credentials: pytest.MonkeyPatch,
) -> None:
    """The session's name changes with each Pod and is left out, so that the same failure reads the same."""
    del credentials
    denied, denying = _stubbed()
    denying.add_client_error("batch_get_image", "AccessDeniedException", DENIED, http_status_code=400)
    allowed, allowing = _stubbed()
    allowing.add_response(
        "batch_get_image",
        {"images": [{"imageId": {"imageTag": "1", "imageDigest": INDEX_DIGEST}}], "failures": []},
    )
    clients = {"eu-west-1": denied, "us-east-2": allowed}
    bad, good = _reference("shop:1", "eu-west-1"), _reference("shop:1", "us-east-2")
    with denying, allowing:
        source = EcrSource(observe=_ignore, connect=lambda registry: clients[registry.region])
        answers = await source.resolve([bad, good])
    assert answers[good] == INDEX_DIGEST
    message = _failure(answers[bad], Blocked, "AccessDenied").message
    assert "role `operator` of account 111122223333 needs `ecr:BatchGetImage`" in message
    assert "on `arn:aws:ecr:eu-west-1:123456789012:repository/shop`" in message
    assert "6f9c" not in message
    for client in clients.values():
        client.close()


async def test_an_image_that_ecr_leaves_unmentioned_is_asked_for_alone_and_then_given_up(
    credentials: pytest.MonkeyPatch,
) -> None:
    """Silence about one image is a passing fault of that image."""
    del credentials
    client, stub = _stubbed()
    found = {"imageId": {"imageTag": "1", "imageDigest": INDEX_DIGEST}}
    stub.add_response("batch_get_image", {"images": [found], "failures": []})
    stub.add_response("batch_get_image", {"images": [], "failures": []})
    good, silent = _reference("shop:1"), _reference("shop:2")
    with stub:
        answers = await EcrSource(observe=_ignore, connect=lambda _: client).resolve([good, silent])
        stub.assert_no_pending_responses()
    assert answers[good] == INDEX_DIGEST
    _failure(answers[silent], Transient, "RegistryUnavailable")
    client.close()


async def test_calls_at_the_same_time_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads are few, whatever the number of repositories."""
    monkeypatch.setattr("containerapp.aws.ecr.MAX_CALLS", 2)
    client = _SlowClient()
    source = EcrSource(observe=_ignore, connect=lambda _: cast("ECRClient", client))
    references = [_reference(f"shop{number}:1") for number in range(20)]
    answers = await source.resolve(references)
    assert set(answers.values()) == {INDEX_DIGEST}
    assert client.most == 2


async def test_a_hundred_lookups_do_not_hold_up_the_event_loop() -> None:
    """boto3 blocks in threads, never on the loop that reconciles run on."""
    client = _SlowClient()
    source = EcrSource(observe=_ignore, connect=lambda _: cast("ECRClient", client))
    await source.resolve([_reference(f"shop{number}:1") for number in range(100)])
    assert client.callers
    assert threading.current_thread() not in client.callers


@pytest.mark.parametrize(
    ("host", "endpoint"),
    [
        ("dkr.ecr.eu-west-1.amazonaws.com", "https://api.ecr.eu-west-1.amazonaws.com"),
        ("dkr.ecr-fips.us-east-1.amazonaws.com", "https://ecr-fips.us-east-1.amazonaws.com"),
        ("dkr-ecr.eu-west-1.on.aws", "https://ecr.eu-west-1.api.aws"),
        ("dkr-ecr-fips.us-west-2.on.aws", "https://ecr-fips.us-west-2.api.aws"),
        ("dkr.ecr.cn-north-1.amazonaws.com.cn", "https://api.ecr.cn-north-1.amazonaws.com.cn"),
        (
            "dkr-ecr.cn-north-1.on.amazonwebservices.com.cn",
            "https://ecr.cn-north-1.api.amazonwebservices.com.cn",
        ),
        ("dkr.ecr.eusc-de-east-1.amazonaws.eu", "https://api.ecr.eusc-de-east-1.amazonaws.eu"),
        ("dkr.ecr.us-iso-east-1.c2s.ic.gov", "https://api.ecr.us-iso-east-1.c2s.ic.gov"),
        ("dkr.ecr.us-isob-east-1.sc2s.sgov.gov", "https://api.ecr.us-isob-east-1.sc2s.sgov.gov"),
        ("dkr.ecr.eu-isoe-west-1.cloud.adc-e.uk", "https://api.ecr.eu-isoe-west-1.cloud.adc-e.uk"),
        ("dkr.ecr.us-isof-south-1.csp.hci.ic.gov", "https://api.ecr.us-isof-south-1.csp.hci.ic.gov"),
    ],
)
def test_the_endpoint_asked_is_of_the_hosts_partition_and_kind(
    credentials: pytest.MonkeyPatch, connections: _Connections, host: str, endpoint: str
) -> None:
    """A FIPS host is looked up by a FIPS endpoint, a dual-stack host by a dual-stack one."""
    credentials.delenv("AWS_ENDPOINT_URL_ECR", raising=False)
    assert connections.client(_registry(f"123456789012.{host}")).meta.endpoint_url == endpoint


def test_a_region_has_one_client_and_regions_are_not_collected_without_end(
    credentials: pytest.MonkeyPatch, connections: _Connections
) -> None:
    """Accounts share a region's client; a user who writes ever new regions costs no memory."""
    del credentials
    first = connections.client(_registry("123456789012.dkr.ecr.eu-west-1.amazonaws.com"))
    assert connections.client(_registry("210987654321.dkr.ecr.eu-west-1.amazonaws.com")) is first
    for number in range(MAX_CLIENTS + 4):
        connections.client(_registry(f"123456789012.dkr.ecr.eu-nowhere-{number}.amazonaws.com"))
    assert len(connections._clients) == MAX_CLIENTS
    assert first not in connections._clients.values()
    first.close()


def test_a_client_gives_up_soon(credentials: pytest.MonkeyPatch, connections: _Connections) -> None:
    """A dead endpoint holds a thread for seconds, not for botocore's default minutes."""
    del credentials
    client = connections.client(_registry("123456789012.dkr.ecr.eu-west-1.amazonaws.com"))
    config: Any = client.meta.config
    attempts = config.retries["total_max_attempts"]
    assert attempts * (config.connect_timeout + config.read_timeout) <= 20


@pytest.fixture
def connections() -> Iterator[_Connections]:
    """Clients that are closed after the test."""
    made = _Connections()
    yield made
    for client in made._clients.values():
        client.close()


class _SlowClient:
    """Counts how many calls it serves at the same time, and notes the threads that make them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = 0
        self.most = 0
        self.callers: set[threading.Thread] = set()

    def batch_get_image(self, **call: Any) -> dict[str, Any]:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
            self.callers.add(threading.current_thread())
        time.sleep(0.01)
        with self._lock:
            self._now -= 1
        return {"images": [{"imageId": call["imageIds"][0] | {"imageDigest": INDEX_DIGEST}}], "failures": []}


def _ignore(kind: str, outcome: str) -> None:
    del kind, outcome


def _registry(host: str) -> EcrRegistry:
    registry = parse(f"{host}/shop", default_registry="").ecr
    assert registry is not None
    return registry


def _stubbed() -> tuple[ECRClient, Stubber]:
    client = boto3.client("ecr", region_name=REGION)
    return client, Stubber(client)


def _failure(answer: object, kind: type[ContainerAppError], reason: str) -> ContainerAppError:
    assert isinstance(answer, kind), answer
    assert answer.reason == reason
    return answer
