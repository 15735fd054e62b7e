"""Which environment variables are credentials: those that are copied to a Secret and not into a manifest.

By the name, or by what the value looks like. A reference (an ARN, a path, an address without a password) is none.
"""

from __future__ import annotations

import re

_NAME = re.compile(
    r"(password|passwd|passphrase|secret|token|credentials?|[_-]pwd|[_-]pass|[_-]dsn"
    r"|(api|private|access|auth|secret|signing|encryption|license|jwt|master|account|app)[_-]?key)"
    r"([_-]?(id|[0-9]+|base64|b64|base))?$",
    re.IGNORECASE,
)
_VALUE = re.compile(
    r"://[^/\s:@]*:[^/\s@]+@|-----BEGIN [A-Z ]*PRIVATE KEY|\b(AKIA|ASIA)[A-Z0-9]{16}\b|\bgh[pousr]_[A-Za-z0-9]{30,}"
    r"|\bgithub_pat_|\bglpat-|\bxox[abprs]-|hooks\.slack\.com/services/.|\beyJ[A-Za-z0-9_-]+\.eyJ"
    r"|\bsk-[A-Za-z0-9_-]{20,}|\b[rs]k_(live|test)_|\bAIza[A-Za-z0-9_-]{35}|\bSG\.[A-Za-z0-9_-]{16,}\."
    r"|(password|pwd|account_?key|shared_?access_?key)=[^;&\s]+",
    re.IGNORECASE,
)
_REFERENCE = re.compile(
    r"arn:.*|(/[\w.@~${}-]+){2,}/?|/[\w-]+\.\w+|https?://[^@]*|true|false|yes|no|none|null|", re.IGNORECASE
)

_LINE = re.compile(
    r"""^[^\S\n]*(?:export[^\S\n]+)?["']?(?P<name>[\w.-]+)["']?[^\S\n]*[=:][^\S\n]*["']?(?P<value>[^"'\n]*)""",
    re.MULTILINE,
)


def is_credential(name: str, value: str) -> bool:
    """Whether a variable's value must not be read by everyone who reads the manifest."""
    if _VALUE.search(value):
        return True
    return bool(_NAME.search(name)) and not _REFERENCE.fullmatch(value)


def holds_credential(text: str) -> bool:
    """Whether a file's text must not be read by everyone: a key, or lines of names and values, one a credential."""
    return bool(_VALUE.search(text)) or any(
        is_credential(line["name"], line["value"].rstrip(", \t;\r")) for line in _LINE.finditer(text)
    )
