"""No foreign input costs more than its length allows, or ends in anything but a value or a refusal."""

from __future__ import annotations

import random
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS, Target

ROOT = Path(__file__).parents[2]
_LINES, _LINES_A_BYTE = 1000, 20
"""What a target may cost, in lines of the operator's: a constant, and so much for each byte of the input."""
_COSTLY = {"task": 4}
"""How many times more a target may cost: a task has dozens of fields, which are looked for whatever it has."""
_SHORT = 0.02
"""Seconds of CPU time that are not looked into."""
_OURS = (str(ROOT / "operator"), str(ROOT / "tests" / "fuzz"))

SEEDS = {
    "challenge": [
        'Bearer realm="https://auth.example.com/token",service="a",scope="repository:shop:pull"',
        "Basic x==",
    ],
    "token": ['{"token": "sesame", "expires_in": 300}', '{"access_token": "x"}'],
    "manifest": ['{"schemaVersion": 2, "config": {"mediaType": "application/vnd.cncf.helm.config.v1+json"}}'],
    "image": ["123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop:1", "[::1]:5000/a/b@sha256:" + "0" * 64],
    "address": ["10.0.0.1", "::ffff:127.0.0.1", "0x7f.1", "fe80::1%eth0"],
    "amount": ["1.5Gi", "1e999", "500m"],
    "annotation": ["registry.example.com/shop:1\nsha256:" + "0" * 64 + "\n1"],
    "api_server": ['{"message": "no", "details": {"causes": [{"reason": "x"}]}}'],
    "schedule": ["30 9 * * MON-FRI", "rate(90 minutes)", "cron(0/15 08-18 ? * 2-6,1 *)", "@daily"],
    "configuration": [
        '{"manifests": [{"platform": {"os": "linux", "architecture": "amd64"}, "digest": "sha256:%s"}]}'
        % ("0" * 64),
        '{"architecture": "arm64", "config": {"ExposedPorts": {"8080/tcp": {}}}}',
    ],
    "task": [
        '{"family": "a", "containerDefinitions": [{"name": "a", "image": "b", "cpu": 9, "command": ["$(A)"]}]}',
        '[{"serviceName": "a", "desiredCount": 2}, {"containerDefinitions": [{"image": "b", "user": "1"}]}]',
    ],
    "refusal": ["120", "Wed, 21 Oct 2026 07:28:00 GMT"],
}
_REPEATED = [
    "a",
    "=",
    '"',
    ",",
    " ",
    "[",
    '{"a":',
    "Bearer ",
    'a="',
    "9",
    ".",
    "-",
    "/",
    ":",
    "@",
    "\\",
    "a,",
    "a=b,",
    "%",
    "\xff",
]


def _inputs(name: str) -> st.SearchStrategy[bytes]:
    """Bytes, texts, and changed pieces of what a well-behaved registry sends."""
    pieces = [seed[at : at + 12] for seed in SEEDS[name] for at in range(0, len(seed), 6)]
    return st.one_of(
        st.binary(max_size=200),
        st.text(max_size=100).map(lambda text: text.encode("utf-8", "replace")),
        st.lists(st.sampled_from([*pieces, *_REPEATED]), max_size=40).map(
            lambda parts: "".join(parts).encode()
        ),
    )


@pytest.mark.parametrize("name", TARGETS)
def test_whatever_comes_in_a_value_or_a_refusal_comes_out(name: str) -> None:
    """An exception of another kind would be counted as a bug of the operator's, by anybody who writes an app."""

    @given(_inputs(name))
    def check(data: bytes) -> None:
        _within_bounds(TARGETS[name], data)

    check()


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("repeated", _REPEATED)
def test_the_cost_grows_with_the_length_alone(name: str, repeated: str) -> None:
    """Texts that make expressions of quadratic time suffer: one thing, thousands of times."""
    for seed in ("", *SEEDS[name]):
        _within_bounds(TARGETS[name], (seed + repeated * 4000).encode())
        _grows_slowly(TARGETS[name], seed.encode(), repeated.encode())


@pytest.mark.parametrize("name", TARGETS)
def test_changed_seeds_are_taken(name: str) -> None:
    """What a well-behaved registry sends, with a few bytes of it wrong; as many each run, and the same."""
    chance = random.Random(name)  # noqa: S311 - to be the same each time
    for _ in range(300):
        data = bytearray(chance.choice(SEEDS[name]).encode())
        for _ in range(chance.randrange(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        _within_bounds(TARGETS[name], bytes(data))


def test_what_costs_too_much_is_found() -> None:
    """The bounds can fail: by a loop, and by an expression that tries the rest of the text at every place."""
    with pytest.raises(AssertionError, match="lines"):
        _within_bounds(_try_every_pair, b"a" * 400)
    with pytest.raises(AssertionError, match="longer"):
        _grows_slowly(lambda data: re.findall(rb"([a-z]+)\s*=", data), b"", b"a")


def _try_every_pair(data: bytes) -> None:
    for _ in data:
        for _ in data:
            pass


def _within_bounds(target: Target, data: bytes) -> None:
    with _lines() as count:
        target(data)
    most = _COSTLY.get(target.__name__, 1) * (_LINES + _LINES_A_BYTE * len(data))
    assert count() <= most, f"{count()} lines for {len(data)} bytes: {data[:80]!r}"


def _grows_slowly(target: Callable[[bytes], object], seed: bytes, repeated: bytes) -> None:
    """What is written in C costs no lines: four times the text may take four times as long, and not sixteen."""
    short, long = (_seconds(target, seed + repeated * times) for times in (2000, 8000))
    assert long < _SHORT or long < 9 * short, f"{long / short:.0f} times longer: {repeated!r}"


def _seconds(target: Callable[[bytes], object], data: bytes) -> float:
    """Return the least of three times, by this thread's own clock."""

    def once() -> float:
        begun = time.thread_time()
        target(data)
        return time.thread_time() - begun

    return min(once() for _ in range(3))


@contextmanager
def _lines() -> Iterator[Callable[[], int]]:
    """Count the lines of Python that run inside."""
    lines = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:  # noqa: ARG001 - signature of sys.settrace
        nonlocal lines
        if not frame.f_code.co_filename.startswith(_OURS):
            return None
        lines += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield lambda: lines
    finally:
        sys.settrace(before)
