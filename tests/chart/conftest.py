"""Fixtures of the chart tests: helm, the chart, and a cluster of their own.

CustomResourceDefinitions belong to a whole cluster, and these tests delete them: so they never run on the session's
shared cluster, and never on one that somebody has given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from devcluster import Options, binaries, embedded
from tests.chart.rendering import Chart

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from devcluster import Cluster


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
