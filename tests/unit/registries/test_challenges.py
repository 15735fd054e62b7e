"""What registries send to have a token fetched: `containerapp.registries.challenges`."""

from __future__ import annotations

import pytest

from containerapp.registries.challenges import MAX_CHALLENGES, Challenge, bearer_challenge, read_token

REALM = "https://auth.example.com/token"


@pytest.mark.parametrize(
    "header",
    [
        f'Bearer realm="{REALM}"',
        f"bearer realm={REALM}",
        f'BEARER Realm = "{REALM}" , x=y',
        f'Basic realm="elsewhere", Bearer realm="{REALM}"',
        f'Negotiate abc==, Bearer realm="{REALM}"',
        f'Bearer realm="{REALM}',
        f'" , Bearer realm="{REALM}", realm="https://other.example.com"',
    ],
)
def test_the_realm_of_the_first_bearer_challenge_is_found(header: str) -> None:
    """However a registry writes it."""
    assert bearer_challenge([header]) == Challenge(realm=REALM)


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", ",,,", 'Basic realm="x"', 'Bearer service="x"', "Bearer =", 'realm="x"'],
)
def test_a_header_without_one_has_none(header: str) -> None:
    """The registry wants a password, or nobody knows what."""
    assert bearer_challenge([header]) is None


def test_only_so_many_headers_are_read() -> None:
    """An answer may have thousands of them."""
    many = ["Basic"] * MAX_CHALLENGES
    assert bearer_challenge([*many[1:], f"Bearer realm={REALM}"]) == Challenge(realm=REALM)
    assert bearer_challenge([*many, f"Bearer realm={REALM}"]) is None


@pytest.mark.parametrize(
    ("lifetime", "seconds"),
    [
        ("100", 80.0),
        ("0.5", 0.4),
        ("1e300", 2880.0),
        ("0", 48.0),
        ("-1", 48.0),
        ("true", 48.0),
        ('"1"', 48.0),
        ("null", 48.0),
    ],
)
def test_a_lifetime_is_believed_within_bounds(lifetime: str, seconds: float) -> None:
    """A token is used for four fifths of it, an hour's at most; a minute's where there is none."""
    assert read_token(f'{{"token": "a", "expires_in": {lifetime}}}'.encode()).seconds == pytest.approx(
        seconds
    )
