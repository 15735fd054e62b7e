"""Probes from the health checks of others: a command, or a path that a load balancer asks."""

from __future__ import annotations

import re
import shlex
from typing import Any

Probe = dict[str, Any]

_EXIT = re.compile(r"\s*(\|\|\s*(exit\s+[0-9]+|false))?\s*;?\s*$")
_URL = re.compile(
    r"(?P<scheme>https?)://(localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\])(:(?P<port>[0-9]{1,5}))?(?P<path>/[^\s?#$]*)?"
)
_ASKS = {"curl", "wget", "/usr/bin/curl", "/usr/bin/wget", "/usr/local/bin/curl"}
_HARMLESS = re.compile(
    r"-[fsSLkqIOi]+|--(fail|silent|show-error|location|insecure|quiet|head|spider|no-verbose|no-check-certificate)"
    r"|--tries=[0-9]+|--(timeout|max-time|connect-timeout)=[0-9]+|-nv|/dev/null|-"
)
_FAILS = re.compile(r"-[fsSLkqIOi]*f[fsSLkqIOi]*|--fail")
_TAKES_A_VALUE = {"-o", "-O", "-m", "--max-time", "--connect-timeout", "-T", "-t", "--output", "--retry"}
_DEFAULTS = {"periodSeconds": 10, "timeoutSeconds": 1, "successThreshold": 1, "failureThreshold": 3}


def handler(words: list[str], port: int | None) -> Probe | None:
    """Return what asks as a health check's command does; None where the check is turned off.

    `words` are as Docker and ECS write them: `CMD` and the program, `CMD-SHELL` and a line, `NONE`, or a line alone.
    A call of curl or wget to the container's own port becomes `httpGet`; its `port` is left out where it is `port`.
    """
    first, *rest = words or ["NONE"]
    match first.upper():
        case "NONE":
            return None
        case "CMD":
            program, line = rest, shlex.join(rest)
        case "CMD-SHELL":
            line = " ".join(rest)
            program = ["/bin/sh", "-c", line]
        case _:
            line = shlex.join(words) if rest else first
            program = words if rest else ["/bin/sh", "-c", first]
    asked = _http(line, port)
    return {"httpGet": asked} if asked else {"exec": {"command": program}} if line else None


def _http(line: str, port: int | None) -> Probe | None:
    """Return the request that a line makes, where it does nothing else and fails by the answer's status, as a probe."""
    try:
        program, *words = shlex.split(_EXIT.sub("", line)) or [""]
    except ValueError:
        return None
    urls = [match for word in words if (match := _URL.fullmatch(word))]
    if program.endswith("curl") and not any(map(_FAILS.fullmatch, words)):
        return None
    others = [word for index, word in enumerate(words) if not _is_harmless(words, index)]
    return http_get(urls[0], port) if program in _ASKS and len(urls) == 1 and not others else None


def _is_harmless(words: list[str], index: int) -> bool:
    word, before = words[index], words[index - 1] if index else ""
    return bool(_URL.fullmatch(word) or _HARMLESS.fullmatch(word)) or not {word, before}.isdisjoint(
        _TAKES_A_VALUE
    )


def http_get(url: re.Match[str], port: int | None) -> Probe:
    """Return the `httpGet` of a URL."""
    number = int(url["port"] or {"http": 80, "https": 443}[url["scheme"]])
    return {
        "path": url["path"] or "/",
        **({"port": number} if number != port else {}),
        **({"scheme": "HTTPS"} if url["scheme"] == "https" else {}),
    }


def probe(asks: Probe, **timing: int) -> Probe:
    """Return a probe with those of its times that are not Kubernetes' defaults, within the bounds of the API."""
    times = {name: min(max(1, value), 1000) for name, value in timing.items()}
    return {**asks, **{name: value for name, value in times.items() if value != _DEFAULTS[name]}}


def checks(asks: Probe, *, interval: int, timeout: int, retries: int, start: int) -> dict[str, Probe]:
    """Return the probes of a health check that both holds traffic back and replaces what fails; times in seconds."""
    asked = probe(asks, periodSeconds=interval, timeoutSeconds=timeout, failureThreshold=retries)
    probes = {"readinessProbe": asked, "livenessProbe": asked}
    if start > 0:
        every = min(interval, 10)
        probes["startupProbe"] = probe(
            asks,
            periodSeconds=every,
            timeoutSeconds=timeout,
            failureThreshold=-(-(start + interval * retries) // every),
        )
    return probes
