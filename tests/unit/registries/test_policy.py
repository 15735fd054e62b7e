"""What a platform team can set about registries: `containerapp.registries.policy`."""

from __future__ import annotations

import pytest

from containerapp.api.images import parse
from containerapp.registries.policy import Policy


@pytest.mark.parametrize(
    ("pattern", "image", "fits"),
    [
        ("ghcr.io", "ghcr.io/acme/shop:1", True),
        ("ghcr.io/acme/*", "ghcr.io/acme/shop:1", True),
        ("ghcr.io/acme/*", "ghcr.io/other/shop:1", False),
        ("GHCR.io", "ghcr.io/acme/shop:1", True),
        ("*.dkr.ecr.eu-west-1.amazonaws.com", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop:1", True),
        ("*.dkr.ecr.eu-west-1.amazonaws.com", "123456789012.dkr.ecr.us-east-1.amazonaws.com/shop:1", False),
        ("registry.corp", "registry.corp:5000/shop:1", False),
        ("registry.corp:*", "registry.corp:5000/shop:1", True),
        ("registry.corp", "registry.corp:443/shop:1", True),
        ("[fd00::1]:5000", "[fd00::1]:5000/shop:1", True),
        ("*", "anything.example.com/shop:1", True),
    ],
)
def test_a_pattern_describes_host_and_path(pattern: str, image: str, *, fits: bool) -> None:
    """As a platform team writes it into the chart's values."""
    reference = parse(image, default_registry="")
    assert (Policy(allowed=(pattern,)).refusal(reference) is None) is fits
    assert Policy(by_tag=(pattern,)).runs_by_tag(reference) is fits


def test_without_a_list_any_registry_may_be_asked() -> None:
    """The default; a private or an insecure registry is allowed by being named as one."""
    reference = parse("registry.corp/shop:1", default_registry="")
    assert Policy().refusal(reference) is None
    assert Policy(allowed=("ghcr.io",), private=("registry.corp",)).refusal(reference) is None
    refusal = Policy(allowed=("ghcr.io",)).refusal(reference)
    assert refusal is not None
    assert "`allowedRegistries`" in refusal.message


def test_reasons_in_full_are_for_registries_that_somebody_knows() -> None:
    """The public ones, the default one, and those that the platform team has named; not for the rest of the network."""
    policy = Policy(allowed=("*", "ghcr.io"), private=("*.corp",), default="123456789012.example.com/team")
    assert all(
        map(policy.is_known, ("docker.io", "public.ecr.aws", "ghcr.io", "x.corp", "123456789012.example.com"))
    )
    assert not policy.is_known("elsewhere.example.com")
    assert not policy.may_be_private("ghcr.io")
    assert policy.may_be_private("123456789012.example.com")
    assert policy.may_be_private("x.corp")
    assert not policy.is_insecure("x.corp")
    assert Policy(insecure=("x.corp:5000",)).is_insecure("x.corp:5000")
    assert Policy(insecure=("x.corp:5000",)).may_be_private("x.corp:5000")
