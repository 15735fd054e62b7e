"""Which requests to the API server go through a proxy: `containerapp.kube.proxy`."""

from __future__ import annotations

import os

import pytest

from containerapp.kube.proxy import proxy_for

_PROXY = "http://proxy.example.com:3128"


@pytest.fixture(autouse=True)
def _no_proxy_around(monkeypatch: pytest.MonkeyPatch) -> None:
    """The developer's own environment names no proxy."""
    for name in os.environ:
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("server", "no_proxy"),
    [
        ("https://172.20.0.1:443", "172.20.0.0/16,10.0.0.0/8,localhost,.svc,169.254.170.23"),
        ("https://10.100.0.1", "localhost, 10.0.0.0/8"),
        ("https://10.100.0.1", "10.100.0.1"),
        ("https://10.100.0.1", "10.100.255.255/16"),
        ("https://[fd12:3456::1]:443", "fd12:3456::/32"),
        ("https://[fd12:3456::1]:443", "[fd12:3456:0::1]"),
        ("https://kubernetes.default.svc", ".svc"),
        ("https://api.cluster.example.com", "*.example.com"),
        ("https://api.cluster.example.com", "EXAMPLE.com"),
        ("https://api.cluster.example.com", "localhost,*"),
    ],
)
def test_a_server_that_no_proxy_covers_is_asked_straight(
    server: str, no_proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Networks, addresses, names and suffixes, as Go's programs in the cluster understand them."""
    monkeypatch.setenv("HTTPS_PROXY", _PROXY)
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert proxy_for(server) is None


@pytest.mark.parametrize(
    ("server", "no_proxy"),
    [
        ("https://172.20.0.1", ""),
        ("https://172.20.0.1", "10.0.0.0/8"),
        ("https://172.20.0.1", "fd00::/8"),
        ("https://172.20.0.1", "172.20.0.0/33,not/a/network"),
        ("https://[fd00::1]", "172.20.0.0/16"),
        ("https://api.example.com", "10.0.0.0/8,example.org,*.example.com.evil"),
    ],
)
def test_every_other_server_is_asked_through_the_proxy(
    server: str, no_proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An entry that is no network is passed over, not an error."""
    monkeypatch.setenv("HTTPS_PROXY", _PROXY)
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert proxy_for(server) == _PROXY


def test_without_a_proxy_every_request_goes_straight(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy for plain HTTP does not serve the API server, which speaks HTTPS."""
    assert proxy_for("https://172.20.0.1") is None
    monkeypatch.setenv("HTTP_PROXY", _PROXY)
    assert proxy_for("https://172.20.0.1") is None


def test_a_proxy_without_a_scheme_speaks_http(monkeypatch: pytest.MonkeyPatch) -> None:
    """Go takes `proxy:3128`, and so people write it."""
    monkeypatch.setenv("https_proxy", "proxy.example.com:3128")
    assert proxy_for("https://172.20.0.1") == _PROXY
