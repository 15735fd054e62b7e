"""Probes from health checks: `containerapp.importers.probes`."""

from __future__ import annotations

from typing import Any

import pytest

from containerapp.importers import probes

_SHELL = ["/bin/sh", "-c"]


@pytest.mark.parametrize(
    ("words", "asks"),
    [
        (["CMD-SHELL", "curl -f http://localhost:8080/health || exit 1"], {"httpGet": {"path": "/health"}}),
        (["CMD", "curl", "-sSf", "http://127.0.0.1:9000"], {"httpGet": {"path": "/", "port": 9000}}),
        (
            ["CMD-SHELL", "curl -k --fail --max-time 5 https://localhost/x || exit 1"],
            {"httpGet": {"path": "/x", "port": 443, "scheme": "HTTPS"}},
        ),
        (["wget -q -O /dev/null http://localhost:8080/"], {"httpGet": {"path": "/"}}),
        (["CMD-SHELL", "pg_isready"], {"exec": {"command": [*_SHELL, "pg_isready"]}}),
        (["CMD", "pg_isready", "-U", "x"], {"exec": {"command": ["pg_isready", "-U", "x"]}}),
        (["pg_isready", "-q"], {"exec": {"command": ["pg_isready", "-q"]}}),
        (["pg_isready"], {"exec": {"command": [*_SHELL, "pg_isready"]}}),
        (["CMD-SHELL", "curl http://localhost/ | grep ok"], "exec"),
        (["CMD-SHELL", "curl -s http://localhost/ || exit 1"], "exec"),
        (["CMD-SHELL", "curl http://example.com/"], "exec"),
        (["CMD-SHELL", "curl 'http://localhost/"], "exec"),
        (["CMD-SHELL", "|| exit 1"], "exec"),
        (["NONE"], None),
        (["CMD"], None),
        ([], None),
    ],
)
def test_a_request_to_the_container_itself_needs_no_curl_in_the_image(
    words: list[str], asks: dict[str, Any] | str | None
) -> None:
    """Anything else is run as it is, by a shell where it was one; curl without -f takes a 404 as good."""
    made = probes.handler(words, 8080)
    assert next(iter(made or {})) == "exec" if asks == "exec" else made == asks


def test_times_that_are_kubernetes_defaults_are_left_out() -> None:
    """And those beyond the bounds of the API are brought within them."""
    assert probes.probe({}, periodSeconds=10, timeoutSeconds=0, failureThreshold=5000) == {
        "failureThreshold": 1000
    }


def test_a_time_to_start_is_a_startup_probe() -> None:
    """It is granted in full before the other probes count."""
    made = probes.checks({}, interval=30, timeout=5, retries=3, start=60)
    assert made["readinessProbe"] == made["livenessProbe"] == {"periodSeconds": 30, "timeoutSeconds": 5}
    assert made["startupProbe"] == {"timeoutSeconds": 5, "failureThreshold": 15}
    assert "startupProbe" not in probes.checks({}, interval=30, timeout=5, retries=3, start=0)
