"""How Chromium judges certificates, as the demo starts it: no picture of a page that a user could not open."""

from __future__ import annotations

import http.server
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from devcluster import DevclusterError, system
from devcluster.pki import Authority
from examples.demo import browser
from examples.demo.browser import Site
from examples.demo.console import Console
from examples.demo.errors import DemoError

pytestmark = [pytest.mark.node, pytest.mark.timeout(600)]

_HOST = "shop.example.com"


class _Page(http.server.BaseHTTPRequestHandler):
    """One page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<p>the page</p>")

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture(scope="module", autouse=True)
def _machine() -> None:
    try:
        system.require({"chromium": "chromium", "certutil": "libnss3-tools"})
    except DevclusterError as error:
        pytest.skip(str(error))


@contextmanager
def _served(authority: Authority, folder: Path) -> Iterator[str]:
    pair = authority.issue(_HOST, hosts=[_HOST])
    certificate, key = folder / "tls.crt", folder / "tls.key"
    certificate.write_bytes(pair.certificate)
    key.write_bytes(pair.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join(30)


def _open(folder: Path, address: str, host: str, trusted: Authority) -> str:
    file = folder / "ca.crt"
    file.write_bytes(trusted.pair.certificate)
    site = Site(host=host, address=address, authority=file)
    return browser.photograph(f"https://{host}", folder / "page.png", Console(), site=site)


def test_a_page_with_the_right_certificate_is_shown(tmp_path: Path) -> None:
    """The page as the browser has it comes back, and the picture is kept."""
    authority = Authority.create()
    with _served(authority, tmp_path) as address:
        assert "<p>the page</p>" in _open(tmp_path, address, _HOST, authority)
    assert (tmp_path / "page.png").stat().st_size > 0


def test_a_certificate_of_another_authority_is_refused(tmp_path: Path) -> None:
    """No picture of Chromium's warning passes for one of the page."""
    with _served(Authority.create(), tmp_path) as address, pytest.raises(DemoError, match="refuses"):
        _open(tmp_path, address, _HOST, Authority.create())
    assert not (tmp_path / "page.png").exists()


def test_a_certificate_for_another_host_is_refused(tmp_path: Path) -> None:
    """The name is verified, too."""
    authority = Authority.create()
    with _served(authority, tmp_path) as address, pytest.raises(DemoError, match="refuses"):
        _open(tmp_path, address, "other.example.com", authority)
