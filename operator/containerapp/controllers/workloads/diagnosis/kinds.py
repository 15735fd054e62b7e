"""What a kind of failure is: how it is recognised, what it is called, and what helps. Pure.

The tables of the other modules consist of these. docs/troubleshooting.md lists them by `says`, with the
placeholders in capital letters. Text that comes from Kubernetes or from a container is bounded here, and what looks
like a secret in it is redacted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum

_READ, _QUOTED = 2000, 300
_SECRETS = (
    (re.compile(r"(://)[^/\s@]+@"), r"\1***@"),
    (re.compile(r"\b(bearer|basic)\s+[\w+/.~=-]{16,}", re.IGNORECASE), r"\1 ***"),
    (re.compile(r"\b((?:password|passwd|pwd):\s+)[^\s,;&]+", re.IGNORECASE), r"\1***"),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\beyJ[\w-]{8,}\.[\w.-]+|\bgh[pousr]_\w{20,}"), "***"),
)
_SETTING = re.compile(r"""(?<![\w-])([\w-]++)(["']?(?:=|:(?! )|:(?= ["']))\s*["']?)[^\s"',;&)]+""")
_SECRET_NAME = re.compile(
    r"password|passwd|pwd|secret|token|api-?_?key|access-?_?key|signature|credential", re.IGNORECASE
)


_OF_A_CONTAINER = re.compile(
    r"\bspec\.(image|imagePullPolicy|command|args|workingDir|env|envFrom|resources|security|(?:liveness|readiness|startup)"
    r"Probe)\b"
)


class Certainty(IntEnum):
    """How sure it is that waiting does not help; the surest comes first."""

    CERTAIN = 0
    """Only an edit helps."""
    LIKELY = 1
    """It has failed, and may not the next time."""
    WAITING = 2
    """It may pass without an edit: slow is not failed."""
    PAST = 3
    """The Pod has ended and has a successor."""


CERTAIN, LIKELY, WAITING, PAST = Certainty


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of failure.

    `pattern` recognises it in a message of Kubernetes. `says` and `remedy` are templates of its named groups and of
    what else is known of the Pod.
    """

    says: str
    remedy: str
    certainty: Certainty = CERTAIN
    pattern: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A kind that was found, with the words that fill in its templates.

    The templates speak of the app's own container; `owner` among the values names another one's place in the spec.
    """

    kind: Kind
    values: Mapping[str, str]

    def sentence(self, subject: str) -> str:
        """Return the cause and the remedy in one line; `subject` is the Pod or the Deployment."""
        owner = self.values.get("owner", "spec")
        says, remedy = (
            _OF_A_CONTAINER.sub(rf"{owner}.\1", template).format_map(self.values)
            for template in (self.kind.says, self.kind.remedy)
        )
        return f"{subject}: {says.rstrip('. ')}. {remedy}"


def found(kinds: Iterable[Kind], message: str, values: Mapping[str, str]) -> Problem | None:
    """Return the first of the kinds whose pattern is in the message."""
    text = message[:_READ]
    for kind in kinds:
        match = re.search(kind.pattern, text)
        if match is not None:
            groups = {name: quoted(group or "") for name, group in match.groupdict().items()}
            return Problem(kind=kind, values={**values, "quote": _phrase(message), **groups})
    return None


def classified(kinds: tuple[Kind, ...], message: str, values: Mapping[str, str]) -> Problem:
    """Return the first of the kinds whose pattern is in the message; the last one fits every message."""
    other = Problem(kind=kinds[-1], values={**values, "quote": _phrase(message)})
    return found(kinds[:-1], message, values) or other


def quoted(message: str) -> str:
    """Return a message of another program on one line, of bounded length, without obvious secrets."""
    text = redacted(" ".join(message[:_READ].split()))
    return text if len(text) <= _QUOTED else f"{text[: _QUOTED - 1]}…"


def redacted(text: str) -> str:
    """Return the text without obvious secrets."""
    for secret, shown in _SECRETS:
        text = secret.sub(shown, text)
    return _SETTING.sub(_without_secret, text)


def _phrase(message: str) -> str:
    """Return the message as a part of a sentence, which has its own full stop."""
    return quoted(message).rstrip(". ")


def _without_secret(setting: re.Match[str]) -> str:
    return f"{setting[1]}{setting[2]}***" if _SECRET_NAME.search(setting[1]) else setting[0]
