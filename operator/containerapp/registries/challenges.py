"""What registries send to have a token fetched: challenges and token answers, read in one pass and within bounds.

Called by the OCI client. The texts come from any registry that an app names: reading one costs no more than its
length, and whatever it is, the result is a value or `ValueError`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

MAX_CHALLENGE: Final = 4096
"""Characters of one header that are read; challenges have a few hundred."""
MAX_CHALLENGES: Final = 8
MAX_TOKEN: Final = 16 * 1024
# The token specification's default, for answers that name no lifetime; and the longest that is believed.
DEFAULT_LIFETIME: Final = 60.0
LONGEST_LIFETIME: Final = 3600.0

_SPACE: Final = frozenset(" \t")
_ENDS: Final = frozenset(' \t,="')


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """Where a token is to be fetched, and for what."""

    realm: str
    service: str | None = None
    scope: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token, and for how many seconds to use it."""

    value: str
    seconds: float


def bearer_challenge(headers: Sequence[str]) -> Challenge | None:
    """Return the first Bearer challenge that names a realm, in `WWW-Authenticate` headers; some do not quote values."""
    for header in headers[:MAX_CHALLENGES]:
        for scheme, parameters in _challenges(header[:MAX_CHALLENGE]):
            if scheme == "bearer" and (realm := parameters.get("realm")):
                return Challenge(
                    realm=realm,
                    service=parameters.get("service"),
                    scope=parameters.get("scope") or None,
                )
    return None


def read_token(body: bytes) -> Token:
    """Return the token of an answer of a token service; raise `ValueError` where there is none."""
    answer = orjson.loads(body)
    if not isinstance(answer, dict):
        raise ValueError("a token answer that is no JSON object")  # noqa: TRY004 - the registry's fault, not a type's
    value = answer.get("token") or answer.get("access_token")
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or len(value) > MAX_TOKEN:
        raise ValueError("a token answer without a token")
    lifetime = answer.get("expires_in")
    if isinstance(lifetime, bool) or not isinstance(lifetime, int | float) or not lifetime > 0:
        lifetime = DEFAULT_LIFETIME
    return Token(value=value, seconds=0.8 * min(lifetime, LONGEST_LIFETIME))


def _challenges(header: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each scheme, in lower case, with its parameters: a word before `=` is a parameter, any other a scheme."""
    scheme, parameters = "", dict[str, str]()
    at = 0
    while at < len(header):
        start = _skip(header, at)
        at = _end_of_word(header, start)
        word = header[start:at].lower()
        at = _skip(header, at)
        if header[at : at + 1] == "=":
            value, at = _value(header, _skip(header, at + 1))
            parameters.setdefault(word, value)
        elif word:
            if scheme:
                yield scheme, parameters
            scheme, parameters = word, {}
        else:
            at += 1  # a comma or a stray quotation mark
    if scheme:
        yield scheme, parameters


def _end_of_word(text: str, at: int) -> int:
    while at < len(text) and text[at] not in _ENDS:
        at += 1
    return at


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at


def _value(text: str, at: int) -> tuple[str, int]:
    """Return the value at a place, quoted or not, and where it ends."""
    if text[at : at + 1] == '"':
        closing = text.find('"', at + 1)
        end = closing if closing >= 0 else len(text)
        return text[at + 1 : end], end + 1
    end = at
    while end < len(text) and text[end] not in ' \t,"':
        end += 1
    return text[at:end], end
