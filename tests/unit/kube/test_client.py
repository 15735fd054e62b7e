"""What requests say, and what their failures must not say: `containerapp.kube.client`, before an odd server."""

from __future__ import annotations

import asyncio
import json
import unicodedata
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from containerapp.errors import Blocked, ContainerAppError, Transient
from containerapp.kube.client import (
    Conflict,
    Expired,
    Invalid,
    NamespaceTerminating,
    NotFound,
    connect,
    encode,
    translate,
)

_KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: odd
clusters: [{name: odd, cluster: {server: "http://127.0.0.1:PORT"}}]
users: [{name: odd, user: {token: very-secret}}]
contexts: [{name: odd, context: {cluster: odd, user: odd}}]
"""


@asynccontextmanager
async def _server(answer: bytes) -> AsyncIterator[int]:
    """Run a server that answers everything alike; yield its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def _recorder(requests: list[tuple[str, str, bytes]]) -> AsyncIterator[int]:
    """Run a server that answers every request with an object; add request line, content type and body."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        fields = dict(line.lower().split(": ", 1) for line in head.splitlines()[1:] if line)
        body = await reader.readexactly(int(fields.get("content-length", 0)))
        requests.append((head.splitlines()[0], fields["content-type"], body))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_each_kind_of_write_says_what_the_api_server_has_to_do(
    tmp_path: Path, log_in: Callable[[Path], None]
) -> None:
    """Field manager, validation and force are in the query; the content type says how to read the body."""
    kubeconfig, requests = tmp_path / "kubeconfig", list[tuple[str, str, bytes]]()
    log_in(kubeconfig)
    async with _recorder(requests) as port:
        kubeconfig.write_text(_KUBECONFIG.replace("PORT", str(port)))
        async with connect(lambda *_: None) as client:
            await client.apply("/x", {"a": 1})
            await client.share("/x", {"a": 1}, manager="another", force=False)
            await client.share("/x", {"a": 1}, manager="another", force=True)
            await client.patch("/x", {"a": 1}, strategic=True)
            await client.patch("/x", {"a": 1}, strategic=False)
            await client.create("/x", {"a": 1})
            await client.delete("/x", uid="u")
    ours = "fieldManager=containerapp-operator&fieldValidation=Strict"
    assert [(line.removesuffix(" HTTP/1.1"), content_type) for line, content_type, _ in requests] == [
        (f"PATCH /x?{ours}&force=true", "application/apply-patch+yaml"),
        ("PATCH /x?fieldManager=another&fieldValidation=Strict&force=false", "application/apply-patch+yaml"),
        ("PATCH /x?fieldManager=another&fieldValidation=Strict&force=true", "application/apply-patch+yaml"),
        (f"PATCH /x?{ours}", "application/strategic-merge-patch+json"),
        (f"PATCH /x?{ours}", "application/merge-patch+json"),
        ("POST /x?fieldManager=containerapp-operator", "application/json"),
        ("DELETE /x", "application/json"),
    ]
    bodies = [json.loads(body) for _, _, body in requests]
    assert bodies[:-1] == [{"a": 1}] * 6
    assert bodies[-1] == {"preconditions": {"uid": "u"}, "propagationPolicy": "Background"}


async def test_nothing_is_written_by_a_replica_that_may_not_write(
    tmp_path: Path, log_in: Callable[[Path], None]
) -> None:
    """It was paused for longer than its Lease lasts; it may still read."""
    kubeconfig, requests = tmp_path / "kubeconfig", list[tuple[str, str, bytes]]()
    log_in(kubeconfig)
    async with _recorder(requests) as port:
        kubeconfig.write_text(_KUBECONFIG.replace("PORT", str(port)))
        async with connect(lambda *_: None) as client:
            client.may_write = lambda: False
            with pytest.raises(Transient) as caught:
                await client.apply("/x", {"a": 1})
            await client.get("/x")
    assert caught.value.reason == "NotLeading"
    assert [line for line, _, _ in requests] == ["GET /x HTTP/1.1"]


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (404, "{}", NotFound),
        (409, "{}", Conflict),
        (410, "{}", Expired),
        (422, "{}", Invalid),
        (415, "{}", Blocked),
        (403, '{"message": "exceeded quota"}', Blocked),
        (403, '{"details": {"causes": [{"reason": "NamespaceTerminating"}]}}', NamespaceTerminating),
        (429, "not JSON", Transient),
        (500, "[]", Transient),
        (500, '{"message": "etcdserver: request timed out"}', Transient),
        (
            500,
            '{"message": "failed to create typed patch object (a/b; v1): .spec.x: field not declared"}',
            Blocked,
        ),
    ],
)
def test_an_answer_says_what_happens_next(status: int, body: str, kind: type[ContainerAppError]) -> None:
    """A retry, a slow retry, or another way."""
    assert type(translate(status, body)) is kind


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("Wed, 21 Oct", None), (None, None)])
def test_an_api_server_may_name_the_time_of_the_next_try(header: str | None, seconds: float | None) -> None:
    """In seconds; dates are not used by Kubernetes."""
    error = translate(429, "{}", retry_after=header)
    assert isinstance(error, Transient)
    assert error.retry_after == seconds


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 bogus\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"]
)
async def test_a_failure_names_no_token(
    answer: bytes, tmp_path: Path, log_in: Callable[[Path], None]
) -> None:
    """Whatever stands before the API server: what is said goes into the log and into the status of the app."""
    kubeconfig = tmp_path / "kubeconfig"
    log_in(kubeconfig)
    async with _server(answer) as port:
        kubeconfig.write_text(_KUBECONFIG.replace("PORT", str(port)))
        async with connect(lambda *_: None) as client:
            with pytest.raises(Transient) as caught:
                await client.apply("/api/v1/namespaces/shop/services/web", {})
    assert "very-secret" not in caught.value.message
    assert "/services/web" in caught.value.message


_TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(_TEXT)
@example("a\x85b \u2028 c\x7f it\x92s \ufeff\ufffe\uffff")
def test_a_body_is_json_that_yaml_reads_alike(text: str) -> None:
    """The API server's YAML parser takes U+0085 for a line break and refuses other control characters."""
    written = encode({"value": text})
    assert json.loads(written) == {"value": text}
    bare = {character for character in written.decode() if not character.isascii() or character == "\x7f"}
    assert not {each for each in bare if unicodedata.category(each) in {"Cc", "Zl", "Zp"}}
    assert not bare & {"\ufeff", "\ufffe", "\uffff"}


def test_other_characters_of_a_body_stand_as_they_are() -> None:
    """Escaping all would double the size of a body in another language than English."""
    assert encode({"city": "Zürich 🚀"}) == '{"city":"Zürich 🚀"}'.encode()


@pytest.mark.parametrize(
    "message",
    [
        "Deployment \"shop\" is forbidden: ValidatingAdmissionPolicy 'teams' denied request: a team is missing",
        'admission webhook "validation.gatekeeper.sh" denied the request: [teams] label team is missing',
    ],
)
def test_what_a_policy_refuses_is_forbidden_and_names_the_remedy(message: str) -> None:
    """A policy answers 422 unless it says otherwise; nothing in the manifest is malformed."""
    refusal = translate(422, json.dumps({"message": message}))
    assert (type(refusal), refusal.reason) == (Blocked, "Forbidden")
    assert message in refusal.message
    assert "spec.labels" in refusal.message
