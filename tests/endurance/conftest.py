"""Fixtures of the proofs' short forms: their cluster, and the operator installed on it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

import devcluster
from tests.endurance.stage import Stage, stage


@pytest.fixture(scope="module")
def cluster() -> Iterator[devcluster.Cluster]:
    """A cluster for these tests only: they stop its API server."""
    with devcluster.start(devcluster.Options(nodes=devcluster.Kwok(count=3), audit=True)) as cluster:
        yield cluster


@pytest.fixture
def given(cluster: devcluster.Cluster, tmp_path: Path) -> Iterator[Stage]:
    """The installed operator, not running."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with stage(cluster, tmp_path) as given:
        yield given
