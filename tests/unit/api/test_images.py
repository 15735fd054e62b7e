"""What a user may write as an image, and what it means: `containerapp.api.images`."""

from __future__ import annotations

import pytest

from containerapp.api.images import EcrRegistry, ImageReference, ecr_registry, is_digest, parse
from containerapp.errors import InvalidSpec

ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
DIGEST = "sha256:" + "0123456789abcdef" * 4


def _parse(text: str, default_registry: str = "docker.io") -> ImageReference:
    return parse(text, default_registry=default_registry)


def _refusal(text: str, default_registry: str = "docker.io") -> str:
    with pytest.raises(InvalidSpec) as caught:
        _parse(text, default_registry)
    assert caught.value.reason == "InvalidImage"
    return caught.value.message


@pytest.mark.parametrize(
    ("text", "default_registry", "meaning"),
    [
        ("nginx", "docker.io", "docker.io/library/nginx:latest"),
        ("nginx:1.27", "docker.io", "docker.io/library/nginx:1.27"),
        ("bitnami/nginx", "docker.io", "docker.io/bitnami/nginx:latest"),
        ("docker.io/nginx:1", ECR, "docker.io/library/nginx:1"),
        ("index.docker.io/nginx:1", ECR, "docker.io/library/nginx:1"),
        ("shop:1.4.2", ECR, f"{ECR}/shop:1.4.2"),
        ("team/shop:1.4.2", ECR, f"{ECR}/team/shop:1.4.2"),
        ("shop:1.4.2", f"{ECR}/team", f"{ECR}/team/shop:1.4.2"),
        ("shop", "docker.io/acme", "docker.io/acme/shop:latest"),
        ("shop", "localhost:5000", "localhost:5000/shop:latest"),
        (f"shop@{DIGEST}", ECR, f"{ECR}/shop@{DIGEST}"),
        (f"shop:1@{DIGEST}", ECR, f"{ECR}/shop:1@{DIGEST}"),
        ("localhost/shop", "docker.io", "localhost/shop:latest"),
        ("localhost:5000/shop:2", "docker.io", "localhost:5000/shop:2"),
        ("127.0.0.1:5000/shop", "docker.io", "127.0.0.1:5000/shop:latest"),
        ("[::1]:5000/shop:2", "docker.io", "[::1]:5000/shop:2"),
        ("[2001:db8::1]/shop:2", "docker.io", "[2001:db8::1]/shop:2"),
        ("registry:5000/shop", "docker.io", "registry:5000/shop:latest"),
        ("GHCR.io/acme/shop:V1", "docker.io", "ghcr.io/acme/shop:V1"),
        ("ghcr.io/acme/a__b/c--d/e.f:x", "docker.io", "ghcr.io/acme/a__b/c--d/e.f:x"),
        ("team/shop", "GHCR.io", "ghcr.io/team/shop:latest"),
    ],
)
def test_completes_a_reference_by_dockers_rules(text: str, default_registry: str, meaning: str) -> None:
    """A name without a registry host belongs to the default registry; one without tag and digest is `latest`."""
    assert str(_parse(text, default_registry)) == meaning


@pytest.mark.parametrize(
    ("host", "partition", "fips", "dual_stack"),
    [
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "aws", False, False),
        ("123456789012.dkr.ecr-fips.us-east-1.amazonaws.com", "aws", True, False),
        ("123456789012.dkr-ecr.ap-southeast-5.on.aws", "aws", False, True),
        ("123456789012.dkr-ecr-fips.us-east-2.on.aws", "aws", True, True),
        ("123456789012.dkr.ecr.cn-northwest-1.amazonaws.com.cn", "aws-cn", False, False),
        ("123456789012.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn", "aws-cn", False, True),
        ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "aws-us-gov", True, False),
        ("123456789012.dkr-ecr.us-gov-east-1.on.aws", "aws-us-gov", False, True),
        ("123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu", "aws-eusc", False, False),
        ("123456789012.dkr.ecr.us-iso-east-1.c2s.ic.gov", "aws-iso", False, False),
        ("123456789012.dkr.ecr.us-isob-east-1.sc2s.sgov.gov", "aws-iso-b", False, False),
        ("123456789012.dkr.ecr.eu-isoe-west-1.cloud.adc-e.uk", "aws-iso-e", False, False),
        ("123456789012.dkr.ecr.us-isof-south-1.csp.hci.ic.gov", "aws-iso-f", False, False),
    ],
)
def test_knows_ecr_hosts_of_every_partition(
    host: str, partition: str, *, fips: bool, dual_stack: bool
) -> None:
    """Account, region and kind of endpoint are those of the reference, for they decide who is asked."""
    reference = _parse(f"{host}/team/shop:1")
    registry = reference.ecr
    assert registry is not None
    assert (registry.account, registry.partition) == ("123456789012", partition)
    assert f".{registry.region}.{registry.dns_suffix}" in host
    assert (registry.fips, registry.dual_stack) == (fips, dual_stack)
    assert registry.repository_arn("team/shop") == (
        f"arn:{partition}:ecr:{registry.region}:123456789012:repository/team/shop"
    )


@pytest.mark.parametrize(
    "text", ["ghcr.io/acme/shop", "public.ecr.aws/acme/shop", "dkr.ecr.example.com/acme/shop"]
)
def test_takes_no_other_host_for_private_ecr(text: str) -> None:
    """Only AWS's own host names send a question, signed with the operator's identity, to AWS."""
    assert _parse(text).ecr is None


@pytest.mark.parametrize("host", ["public.ecr.aws", "ecr-public.aws.com"])
def test_knows_the_public_ecr(host: str) -> None:
    """Amazon ECR Public is a registry of the OCI API under two names."""
    assert _parse(f"{host}/nginx/nginx:1").is_ecr_public
    assert not _parse(f"{ECR}/nginx/nginx:1").is_ecr_public


def test_a_registry_is_known_by_its_fields() -> None:
    """The parts of a host name are told apart."""
    assert ecr_registry(ECR) == EcrRegistry(
        account="123456789012", region="eu-west-1", partition="aws", dns_suffix="amazonaws.com"
    )


def test_shows_a_reference_in_the_form_that_each_reader_needs() -> None:
    """Columns want the short form, annotations the full one with its tag, containers the digest."""
    reference = _parse("team/shop:1.4.2", ECR)
    assert reference.familiar == "team/shop:1.4.2"
    assert reference.canonical == f"{ECR}/team/shop:1.4.2"
    assert reference.pinned(DIGEST) == f"{ECR}/team/shop@{DIGEST}"
    assert _parse("nginx:1").familiar == "nginx:1"
    by_digest = _parse(f"team/shop@{DIGEST}", ECR)
    assert by_digest.familiar == "team/shop@sha256:0123456789ab"
    assert by_digest.canonical == f"{ECR}/team/shop@{DIGEST}"
    both = _parse(f"shop:1@{DIGEST}", ECR)
    assert both.canonical == f"{ECR}/shop:1"


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("", "name an image"),
        ("https://ghcr.io/acme/shop", "write it without `https://`"),
        ("acme/shop :1", "' ' cannot stand"),
        ("acme/shöp", "cannot stand in an image reference; remove it"),
        ("shop\n", "cannot stand"),
        ("Acme/shop:1", "write `acme/shop`"),
        ("ghcr.io/Acme/shop:1", "write `acme/shop`"),
        ("shop:", "a tag has 1 to 128"),
        ("shop:.1", "begins with a letter, a digit or `_`"),
        ("shop:" + "1" * 129, "a tag has 1 to 128"),
        ("shop:1:2", "is no repository"),
        ("shop@", "write `@sha256:`"),
        ("shop@sha256:abc", "64 hexadecimal digits in lower case"),
        (f"shop@{DIGEST.upper()}", "what follows `@` is no digest"),
        (f"shop@md5:{'a' * 32}", "what follows `@` is no digest"),
        ("ghcr.io/", "it names no repository"),
        ("/shop", "is no repository"),
        ("acme//shop", "is no repository"),
        ("acme/shop/", "is no repository"),
        ("acme/-shop", "is no repository"),
        ("acme/sh___op", "is no repository"),
        (":1", "it names no repository"),
        ("-registry.io/shop", "is no registry host"),
        ("registry..io/shop", "is no registry host"),
        ("registry.io:0/shop", "`:<port>` from 1 to 65535"),
        ("registry.io:65536/shop", "`:<port>` from 1 to 65535"),
        ("registry.io:port/shop", "is no registry host"),
        ("registry_1.io/shop", "is no registry host"),
        ("[::g]:5000/shop", "is no registry host"),
        ("[1::2::3]/shop", "is no registry host"),
        (f"{'a.' * 127}io/s", "is no registry host"),
        (f"registry.io/{'a' * 250}", "exceed 255 characters"),
        ("a" * 601, "exceeds 600 characters"),
        (f"{ECR}", "it names a registry but no repository"),
        (f"{ECR}/a", "at least 2 characters"),
        ("12345678901.dkr.ecr.eu-west-1.amazonaws.com/shop", "copy `repositoryUri`"),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com/shop", "in China `amazonaws.com.cn`"),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com.cn/shop", "copy `repositoryUri`"),
        ("123456789012.dkr.ecr.eu_west_1.amazonaws.com/shop", "is no registry host"),
        ("123456789012.dkr-ecr.us-iso-east-1.on.aws/shop", "copy `repositoryUri`"),
        (f"{ECR}:443/shop", "copy `repositoryUri`"),
    ],
)
def test_refuses_what_is_no_image_and_names_the_remedy(text: str, remedy: str) -> None:
    """Whoever wrote the manifest can mend it from the message alone."""
    message = _refusal(text)
    assert message.startswith("spec.image `")
    assert remedy in message


def test_a_short_name_needs_a_default_registry() -> None:
    """With none configured, a short name is refused rather than sent to some public registry."""
    assert "the operator has no default registry" in _refusal("shop:1", "")
    assert str(_parse("ghcr.io/acme/shop:1", "")) == "ghcr.io/acme/shop:1"


@pytest.mark.parametrize(
    "default_registry", ["registry", "registry/team", f"{ECR}/", f"{ECR}/Team", "https://ghcr.io", ".io"]
)
def test_blames_the_operators_setting_for_a_bad_default_registry(default_registry: str) -> None:
    """The user is told that it is not the manifest, and how to do without the setting."""
    with pytest.raises(InvalidSpec) as caught:
        _parse("shop:1", default_registry)
    assert caught.value.reason == "InvalidDefaultRegistry"
    assert "Write the image with its registry" in caught.value.message
    assert str(_parse("ghcr.io/acme/shop:1", default_registry)) == "ghcr.io/acme/shop:1"


def test_quotes_no_more_than_a_line_of_what_it_refuses() -> None:
    """A message ends up in the status: long and unprintable input is shortened."""
    message = _refusal("x" * 590 + "\x00")
    assert len(message) < 300
    assert "\x00" not in message


def test_knows_a_digest_when_it_sees_one() -> None:
    """Only algorithms that container runtimes verify count."""
    assert is_digest(DIGEST)
    assert is_digest("sha512:" + "a" * 128)
    assert not is_digest("sha256:" + "g" * 64)
    assert not is_digest("shop")
