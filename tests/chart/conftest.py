"""Fixtures of the chart tests: helm, the chart, and a cluster of their own.

CustomResourceDefinitions belong to a whole cluster, and these tests delete them: so they never run on the session's
shared cluster, and never on one that somebody has given.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from devcluster import Options, binaries, embedded
from tests.chart.rendering import Chart

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from devcluster import Cluster


_PROGRAMS = {
    "helm": ("helm",),
    "own_cluster": ("etcd", "kube-apiserver", "kube-controller-manager", "kubectl", "helm"),
}


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Build what these tests need before the first of them, so that no test's time-out has to cover it."""
    if session.config.option.collectonly:
        return
    fixtures = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    needed = {program for name, programs in _PROGRAMS.items() if name in fixtures for program in programs}
    capture = session.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
        binaries.obtain(sorted(needed))


@pytest.fixture(scope="session")
def helm() -> Path:
    """The helm program."""
    return binaries.obtain(["helm"])["helm"]


@pytest.fixture(scope="session")
def chart(helm: Path) -> Chart:
    """The operator's chart."""
    return Chart(helm=helm)


@pytest.fixture(scope="session")
def own_cluster() -> Iterator[Cluster]:
    """A control plane without nodes, for these tests alone: always one that is started here."""
    with embedded.start(Options(nodes=None)) as cluster:
        yield cluster
