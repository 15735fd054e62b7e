"""Names of Kubernetes from the names of others: objects, containers, volumes, ports, labels."""

from __future__ import annotations

import re
from collections.abc import Collection

_LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_OWN_LABELS = re.compile(
    r"app\.kubernetes\.io/(name|managed-by)|pod-template-hash|containerapp\.dev/.*|aws:.*"
)


def object_name(text: str, *, longest: int = 63, otherwise: str = "app") -> str:
    """Return a DNS label that begins with a letter, as near to the text as possible."""
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1-\2", text) if not re.search(r"[-_. ]", text) else text
    plain = re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")
    plain = re.sub(r"^[^a-z]+", "", plain)[:longest].strip("-")
    return plain or otherwise


def unique(name: str, taken: Collection[str]) -> str:
    """Return the name, with a number after it where it is taken."""
    number = 2
    found = name
    while found in taken:
        found, number = f"{name}-{number}", number + 1
    return found


def container_name(text: str, taken: Collection[str] = ()) -> str:
    """Return the name of a sidecar or an init container; `app` is the app's own."""
    return unique(object_name(text, longest=58, otherwise="sidecar"), {"app", *taken})


def port_name(text: str, number: int, taken: Collection[str] = ()) -> str:
    """Return the name of a port: as given where Kubernetes takes it, else by its number."""
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    named = plain if plain and len(plain) <= 15 and re.search(r"[a-z]", plain) else f"port-{number}"
    return named if named not in taken else unique(f"port-{number}", taken)


def is_label(key: str, value: str) -> bool:
    """Whether a tag can be a label of an object."""
    known = _LABEL_KEY.fullmatch(key) and _LABEL_VALUE.fullmatch(value)
    return bool(known) and not _OWN_LABELS.fullmatch(key)
