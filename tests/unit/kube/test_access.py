"""What a replica says of a Lease that it cannot read or write: `containerapp.kube.access`, by way of the election."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from aiohttp import web
from kubernetes.aio.client.exceptions import ApiException

from containerapp.kube import access
from containerapp.kube.access import LeaseAccess
from containerapp.kube.client import connect
from containerapp.kube.lease import Leadership

_KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: odd
clusters: [{name: odd, cluster: {server: "http://127.0.0.1:PORT"}}]
users: [{name: odd, user: {token: very-secret}}]
contexts: [{name: odd, context: {cluster: odd, user: odd}}]
"""
_CLOSED = 1
"""A port that nothing listens on."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _refuses(status: int, message: str) -> Handler:
    async def answer(_request: web.Request) -> web.Response:
        return web.json_response({"kind": "Status", "code": status, "message": message}, status=status)

    return answer


async def _absent_and_not_to_be_created(request: web.Request) -> web.StreamResponse:
    if request.method == "GET":
        return await _refuses(404, "leases.coordination.k8s.io not found")(request)
    return await _refuses(403, "leases is forbidden: User cannot create")(request)


async def _never_answers(_request: web.Request) -> web.Response:
    await asyncio.sleep(60)
    return web.Response()


async def _is_no_api_server(_request: web.Request) -> web.Response:
    return web.Response(text="<html>Please log in to the proxy</html>", content_type="text/html")


@asynccontextmanager
async def _server(handler: Handler | None) -> AsyncIterator[int]:
    """Serve every request by `handler`; yield the port, on which nothing listens where there is none."""
    if handler is None:
        yield _CLOSED
        return
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (None, ["the API server cannot be reached", "HTTPS_PROXY, NO_PROXY"]),
        (_never_answers, ["the API server cannot be reached (TimeoutError)"]),
        (_refuses(403, "leases is forbidden: User x cannot get"), ["403 leases is forbidden", "Grant get"]),
        (_refuses(401, "Unauthorized"), ["401 Unauthorized", "does not accept the token"]),
        (_refuses(500, "etcd is away"), ["500 etcd is away"]),
        (_absent_and_not_to_be_created, ["cannot be created", "403 leases is forbidden"]),
        (_is_no_api_server, ["cannot be read"]),
    ],
    ids=["closed", "silent", "forbidden", "unauthorized", "broken", "no create", "proxy's page"],
)
async def test_a_replica_that_cannot_read_its_lease_says_so_within_five_seconds(
    handler: Handler | None,
    said: list[str],
    tmp_path: Path,
    log_in: Callable[[Path], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """In its log and in /readyz: it names the Lease and the reason, and no token."""
    kubeconfig = tmp_path / "kubeconfig"
    log_in(kubeconfig)
    async with _server(handler) as port:
        kubeconfig.write_text(_KUBECONFIG.replace("PORT", str(port)))
        async with connect(lambda *_: None) as client:
            leadership = Leadership(
                api=client.api,
                name="operator",
                namespace="ops",
                identity="replica",
                duration=15,
                renew_deadline=10,
                retry_period=2,
            )
            assert leadership.readiness_error() == "The Lease ops/operator has not been read yet"
            running = asyncio.create_task(leadership.run(_nothing))
            deadline = asyncio.get_running_loop().time() + 5
            while not caplog.messages and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 - a log
                await asyncio.sleep(0.01)
            readiness_error = leadership.readiness_error()
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
    warning = caplog.messages[0]
    assert caplog.records[0].levelno == logging.WARNING
    assert "The Lease ops/operator" in warning
    assert readiness_error == warning
    for words in said:
        assert words in warning
    assert "very-secret" not in caplog.text


async def _nothing() -> None:
    """Lead."""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The clock of the failures."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(access, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def _forbidden() -> ApiException:
    error = ApiException(status=403, reason="Forbidden")
    error.body = json.dumps({"message": "no"})
    return error


def test_the_same_failure_is_logged_again_from_time_to_time(
    clock: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    """Not with each look, and not once and never again."""
    lease = LeaseAccess(lease="ops/operator", patience=15)
    for _ in range(121):
        lease.failed("read", _forbidden())
        clock.now += 1
    assert len(caplog.messages) == 5
    assert len(set(caplog.messages)) == 1


def test_another_failure_is_logged_at_once(clock: SimpleNamespace, caplog: pytest.LogCaptureFixture) -> None:
    """A proxy is mended, and then the right is missing."""
    lease = LeaseAccess(lease="ops/operator", patience=15)
    lease.failed("read", TimeoutError())
    clock.now += 1
    lease.failed("read", _forbidden())
    assert len(caplog.messages) == 2


def test_a_lease_that_can_be_read_again_is_reported(
    clock: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    """The end of a failure is as plain as its beginning; the next one is logged at once."""
    caplog.set_level(logging.INFO)
    lease = LeaseAccess(lease="ops/operator", patience=15)
    lease.failed("read", _forbidden())
    lease.succeeded("read")
    assert caplog.messages[-1] == "The Lease ops/operator can be read again"
    assert lease.readiness_error() is None
    clock.now += 1
    lease.failed("read", _forbidden())
    assert "cannot be read" in caplog.messages[-1]


def test_a_standby_is_ready_while_the_api_server_is_away_for_a_moment(clock: SimpleNamespace) -> None:
    """A restart of the API server changes no readiness; a longer outage does, and its end does."""
    lease = LeaseAccess(lease="ops/operator", patience=15)
    lease.succeeded("read")
    for _ in range(15):
        assert lease.readiness_error() is None
        lease.failed("read", TimeoutError())
        clock.now += 1
    lease.failed("read", TimeoutError())
    assert "cannot be read" in (lease.readiness_error() or "")
    lease.succeeded("read")
    assert lease.readiness_error() is None


def test_a_standby_that_is_refused_the_lease_is_not_ready(clock: SimpleNamespace) -> None:
    """No waiting helps; a refusal to renew counts for as long as it is met."""
    lease = LeaseAccess(lease="ops/operator", patience=15)
    lease.succeeded("read")
    lease.failed("update", _forbidden())
    lease.succeeded("read")
    assert "cannot be renewed" in (lease.readiness_error() or "")
    clock.now += 15  # another replica leads meanwhile, so that this one does not try
    assert lease.readiness_error() is None


def test_a_lease_that_is_not_there_and_cannot_be_created_was_never_read(clock: SimpleNamespace) -> None:
    """The first replica of a new installation is of no use before it has one."""
    lease = LeaseAccess(lease="ops/operator", patience=15)
    lease.absent()
    lease.failed("create", _forbidden())
    assert "cannot be created" in (lease.readiness_error() or "")
    clock.now += 100
    assert lease.readiness_error() == "The Lease ops/operator has not been read yet"
    lease.succeeded("create")
    assert lease.readiness_error() is None


def test_an_answer_without_a_message_is_described_by_its_status() -> None:
    """A load balancer before the API server answers with a page."""
    error = ApiException(status=503, reason="Service Unavailable")
    error.body = "<html>"
    lease = LeaseAccess(lease="ops/operator", patience=15)
    lease.failed("read", error)
    assert "503 Service Unavailable" in (lease.readiness_error() or "")
