"""The condition `CredentialInPlainText`: a value in `env` that looks like a credential. Pure.

One of the status' concerns; a warning, which stands in the way of nothing. It is there only while something is found,
and names the variable, never the value. A false alarm teaches people to ignore it, so only clear signs count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from containerapp.controllers.pods.secrets import processes
from containerapp.controllers.workloads.concerns import Concern, PodFacts
from containerapp.core.conditions import Condition

_MOST = 5
"""Variables that one message names."""

_SIGNS = (
    ("an AWS access key", re.compile(r"\b(AKIA|ASIA)[A-Z2-7]{16}\b")),
    ("a private key", re.compile(r"-----BEGIN ([A-Z]+ )*PRIVATE KEY-----")),
    ("a URL with a password", re.compile(r"\b[a-z][a-z0-9+.-]*://[^/\s:@]*:(?![$<{*])[^/\s@]+@")),
    (
        "an access token",
        re.compile(r"\b(gh[pousr]_[A-Za-z0-9]{36}|glpat-[\w-]{20}|xox[abprs]-[\w-]{10}|[rs]k_live_\w{20})"),
    ),
)
_SECRETIVE = re.compile(
    r"(?i)(^|_)(password|passwd|passphrase|secret|token|api_?key|access_?key|private_?key)$"
)
_HEXADECIMAL = re.compile(r"[0-9a-fA-F]{24,}")
_WORD = re.compile(r"[\w+/=.~!@#%^&*-]{16,}", re.ASCII)
_MIXTURE = tuple(map(re.compile, ("[a-z]", "[A-Z]", "[0-9]")))


def plain_text(facts: PodFacts) -> Iterator[Concern]:
    """Yield a warning where a variable of a container holds what should be a secret."""
    found = [
        f"{variable.name}{'' if index == 0 else f' of {container}'} ({sign})"
        for index, (container, process) in enumerate(processes(facts.app))
        for variable in process.env
        if variable.value and (sign := _sign(variable.name, variable.value))
    ]
    if not found:
        return
    more = f" and {len(found) - _MOST} more" if len(found) > _MOST else ""
    message = (
        f"env holds what looks like a credential, readable for all who may read the app or its Pods:"
        f" {', '.join(found[:_MOST])}{more}. Move it to AWS Secrets Manager and name it in spec.secrets, or to a Secret"
        " of the namespace by valueFrom; then replace it by a new one."
    )
    yield Concern(
        condition=Condition(
            type="CredentialInPlainText", status="True", reason="LooksLikeCredential", message=message
        )
    )


def _sign(name: str, value: str) -> str | None:
    """Return what the value looks like: by itself, or random beside a name that asks for a secret."""
    for words, pattern in _SIGNS:
        if pattern.search(value):
            return words
    return "a secret by its name" if _SECRETIVE.search(name) and _is_random(value) else None


def _is_random(value: str) -> bool:
    if value.startswith(("/", "$", "arn:")) or "://" in value:
        return False
    mixed = _WORD.fullmatch(value) is not None and all(each.search(value) for each in _MIXTURE)
    return mixed or _HEXADECIMAL.fullmatch(value) is not None
