"""Invariants of image references, each beside the clause that it checks."""

from __future__ import annotations

import string

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from containerapp.api.images import ImageReference, ecr_registry, parse
from containerapp.errors import InvalidSpec

_ALNUM = string.ascii_lowercase + string.digits
_WORD = st.text(_ALNUM, min_size=1, max_size=6)
_COMPONENT = st.lists(
    st.tuples(_WORD, st.sampled_from([".", "_", "__", "-", "--", "---"])), min_size=1, max_size=3
).map(lambda parts: "".join(word + separator for word, separator in parts) + "z")
_REPOSITORY = st.lists(_COMPONENT, min_size=1, max_size=4).map("/".join)
_TAG = st.builds(
    str.__add__,
    st.sampled_from(string.ascii_letters + string.digits + "_"),
    st.text(string.ascii_letters + string.digits + "._-", max_size=127),
)
_DIGEST = st.one_of(
    st.text("0123456789abcdef", min_size=64, max_size=64).map("sha256:".__add__),
    st.text("0123456789abcdef", min_size=128, max_size=128).map("sha512:".__add__),
)
_PORT = st.integers(1, 65535).map(lambda port: f":{port}")
_NAMED_HOST = st.lists(_WORD, min_size=2, max_size=3).map(".".join)
_ECR_HOST = st.builds(
    "{}.dkr.ecr{}.{}.amazonaws.com".format,
    st.text(string.digits, min_size=12, max_size=12),
    st.sampled_from(["", "-fips"]),
    st.sampled_from(["us-east-1", "eu-central-2", "ap-southeast-7", "us-gov-west-1"]),
)
_HOST = st.one_of(
    st.builds(str.__add__, _NAMED_HOST, st.one_of(st.just(""), _PORT)),
    st.builds("localhost{}".format, st.one_of(st.just(""), _PORT)),
    st.builds("[{}]{}".format, st.ip_addresses(v=6).map(str), st.one_of(st.just(""), _PORT)),
    _ECR_HOST,
    st.just("docker.io"),
)
_SUFFIX = st.one_of(
    st.just(""),
    _TAG.map(":".__add__),
    _DIGEST.map("@".__add__),
    st.builds(":{}@{}".format, _TAG, _DIGEST),
)
_LEGAL = st.builds("{}/{}{}".format, _HOST, _REPOSITORY, _SUFFIX)


def _parse(text: str, default_registry: str = "docker.io") -> ImageReference:
    return parse(text, default_registry=default_registry)


def _parse_or_refusal(text: str) -> ImageReference | InvalidSpec:
    try:
        return _parse(text)
    except InvalidSpec as refusal:
        return refusal


@given(_LEGAL, st.sampled_from(["", "docker.io", "ghcr.io/team", "no registry"]))
def test_a_full_reference_survives_being_written_and_read(text: str, default_registry: str) -> None:
    """What is kept in an annotation or the status means the same to whoever reads it back.

    It means so whatever the operator's default registry has become.
    """
    reference = _parse(text)
    assert _parse(str(reference), default_registry) == reference
    assert _parse(reference.canonical, default_registry).canonical == reference.canonical


@given(_REPOSITORY, _TAG)
def test_a_short_name_is_its_full_name_in_the_default_registry(repository: str, tag: str) -> None:
    """Docker: a first component with neither `.` nor `:` that is not `localhost` is no host."""
    first, slash, _ = repository.partition("/")
    assume(not (slash and "." in first))
    reference = _parse(f"{repository}:{tag}", "registry.example.com/team")
    assert reference == _parse(f"registry.example.com/team/{repository}:{tag}")


@given(_REPOSITORY, _DIGEST)
def test_pinning_keeps_the_repository(repository: str, digest: str) -> None:
    """The Deployment runs `repository@digest`, and that is a legal reference of the same repository."""
    reference = _parse(f"ghcr.io/{repository}:1")
    pinned = _parse(reference.pinned(digest))
    assert (pinned.name, pinned.tag, pinned.digest) == (reference.name, None, digest)


@given(
    st.one_of(st.text(max_size=80), st.text(string.printable, max_size=80), st.binary(max_size=40).map(repr))
)
@example("\ud800")
@example("\x00")
@example("[")
@example("[]/x")
@example("a:b/c@d")
@example("@@")
@example("1:\x01\u202e::::////")
def test_any_text_is_a_reference_or_an_invalid_image(text: str) -> None:
    """No manifest that reaches the operator can make it stumble: the error is always one for the user."""
    outcome = _parse_or_refusal(text)
    if isinstance(outcome, InvalidSpec):
        assert outcome.reason == "InvalidImage"
        assert outcome.message.isprintable()
    else:
        assert _parse(str(outcome)) == outcome


@given(
    st.one_of(_REPOSITORY, _LEGAL),
    st.characters(exclude_characters=string.ascii_letters + string.digits + "._-/:@[]"),
    st.data(),
)
def test_a_character_outside_the_grammar_is_always_refused(
    text: str, stray: str, data: st.DataObject
) -> None:
    """distribution-spec: `<name>` MUST match the expression, `<reference>` as a tag MUST match its own."""
    at = data.draw(st.integers(0, len(text)))
    with pytest.raises(InvalidSpec) as caught:
        _parse(text[:at] + stray + text[at:])
    assert caught.value.reason == "InvalidImage"


@given(_TAG)
def test_a_tag_of_more_than_128_characters_is_refused(tag: str) -> None:
    """distribution-spec: `<reference>` as a tag MUST be at most 128 characters in length."""
    assert _parse(f"ghcr.io/shop:{tag}").tag == tag
    with pytest.raises(InvalidSpec):
        _parse(f"ghcr.io/shop:{tag}{'x' * (129 - len(tag))}")


@given(_ECR_HOST, _REPOSITORY)
def test_an_ecr_host_tells_account_and_region(host: str, repository: str) -> None:
    """The account and region asked are those of the reference, never those of the operator."""
    registry = _parse(f"{host}/x{repository}").ecr
    assert registry is not None
    assert host.startswith(registry.account)
    assert f".{registry.region}." in host
    assert ecr_registry(host) == registry
