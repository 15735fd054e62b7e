"""How the page gets to the browser: a port on this machine, forwarded to the app's Service.

The forward is kubectl's; it ends when the Pod behind it goes, so a holder has to open it again.
"""

from __future__ import annotations

import re
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from devcluster import Cluster, supervision
from examples.demo import commands
from examples.demo.errors import DemoError

_OPEN_SECONDS = 30.0
_PAGE_SECONDS = 10.0
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


def fetch(url: str) -> str:
    """Return what a page says."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=_PAGE_SECONDS) as response:
            content: bytes = response.read()
    except OSError as error:
        raise DemoError(f"{url} does not answer: {error}") from error
    return content.decode()
