"""How to get at the page: through the load balancer, or by a port of this machine that leads to the app's Service.

The port is kubectl's forward; it ends when the Pod behind it goes, so a holder has to open it again.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from devcluster import Cluster, supervision
from examples.demo import commands
from examples.demo.errors import DemoError
from examples.demo.load_balancer import PORT, LoadBalancer

_OPEN_SECONDS = 30.0
_PAGE_SECONDS = 10.0
_ROUTE_SECONDS = 30.0
_FORWARDED = re.compile(r"127\.0\.0\.1:(\d+) ->")


class Forward:
    """An open port-forward."""

    def __init__(self, url: str, process: subprocess.Popen[bytes]) -> None:
        self.url = url
        self._process = process

    @property
    def port(self) -> int:
        """The port on this machine."""
        return int(self.url.rsplit(":", 1)[1])

    def wait(self) -> None:
        """Return when the forward has ended by itself."""
        self._process.wait()


@contextmanager
def forward(cluster: Cluster, service: str, namespace: str, *, port: int = 0) -> Iterator[Forward]:
    """Forward a port of this machine (0: any free one) to the first port of a Service."""
    remote = cluster.kubectl(
        "get", "service", service, f"--namespace={namespace}", "--output=jsonpath={.spec.ports[0].port}"
    )
    log = cluster.run_dir / "port-forward.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                *(str(cluster.binary("kubectl")), "port-forward", f"service/{service}"),
                *(f"{port or ''}:{remote}", "--address=127.0.0.1", f"--namespace={namespace}"),
            ],
            env=supervision.environment_without_proxies() | cluster.env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + _OPEN_SECONDS
        while not (match := _FORWARDED.search(log.read_text())):
            if process.poll() is not None or time.monotonic() > deadline:
                raise DemoError("kubectl port-forward did not open a port", commands.tail(log))
            time.sleep(0.05)
        yield Forward(f"http://127.0.0.1:{match[1]}", process)
    finally:
        process.terminate()
        process.wait()


def fetch(url: str, balancer: LoadBalancer) -> str:
    """Return what the page at an HTTPS URL says, as soon as the load balancer knows the way to it.

    Until then it answers with a page and a certificate of its own.
    """
    deadline = time.monotonic() + _ROUTE_SECONDS
    while True:
        try:
            status, page = _get(url, balancer)
        except (OSError, http.client.HTTPException) as error:
            if time.monotonic() > deadline:
                raise DemoError(f"{url} at {balancer.address} does not answer: {error}") from error
        else:
            if status == http.HTTPStatus.OK:
                return page
            if time.monotonic() > deadline:
                raise DemoError(f"{url} at {balancer.address} answers with {status}: {page}")
        time.sleep(0.2)


def _get(url: str, balancer: LoadBalancer) -> tuple[int, str]:
    """Ask as a browser does: at the load balancer's address, for the host's name, which its certificate must have."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    context = ssl.create_default_context(cafile=balancer.authority)
    with (
        socket.create_connection((balancer.address, PORT), timeout=_PAGE_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=host) as secure,
        contextlib.closing(http.client.HTTPSConnection(host)) as connection,
    ):
        connection.sock = secure
        connection.request("GET", parts.path or "/")
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace")
