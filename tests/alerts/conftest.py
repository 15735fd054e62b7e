"""Fixtures of the alerts' tests: promtool, the rules, the dashboard, and the names of all metrics that there are."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from containerapp import main
from containerapp.metrics import Metrics
from devcluster import binaries
from tests.alerts.files import Promtool


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Build promtool before the first test, so that no test's time-out has to cover it."""
    fixtures = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    if session.config.option.collectonly or "promtool" not in fixtures:
        return
    capture = session.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
        binaries.obtain(["promtool"])


@pytest.fixture(scope="session")
def promtool() -> Promtool:
    """Prometheus' own checker of rules."""
    return Promtool(path=binaries.obtain(["promtool"])["promtool"])


@pytest.fixture(scope="session")
def metrics() -> set[str]:
    """The names of all series that an operator exports, as Prometheus stores them."""
    registry = main._registry()
    Metrics(registry, ["ContainerApp"])
    return set(_names(generate_latest(registry).decode()))


def _names(exposition: str) -> Iterator[str]:
    for family in text_string_to_metric_families(exposition):
        yield from (family.name, f"{family.name}_total") if family.type == "counter" else (family.name,)
        yield from (sample.name for sample in family.samples)
        if family.type == "histogram":
            yield from (f"{family.name}_{part}" for part in ("bucket", "count", "sum"))
