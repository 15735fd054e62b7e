"""Fixtures that give tests a cluster: one for the whole session, a namespace for each test.

All workers of a parallel run share one cluster; it ends with the last of them. Programs that are not built yet are
built before the first test, so that no test's time-out has to cover the build.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
from typing import TYPE_CHECKING

import pytest

import devcluster
from devcluster import binaries, embedded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_OPTIONS = {
    "cluster": devcluster.Options(nodes=devcluster.Kwok(count=3), audit=True),
    "node_cluster": devcluster.Options(nodes=devcluster.Real(), audit=True, docker=True),
}


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Build the programs that the collected tests' clusters need."""
    if session.config.option.collectonly or os.environ.get("DEVCLUSTER_PROVIDER", "embedded") != "embedded":
        return
    fixtures = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    needed = {
        program
        for fixture, options in _OPTIONS.items()
        if fixture in fixtures and _obstacle(options) is None
        for program in embedded.needed_programs(options)
    }
    capture = session.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
        binaries.obtain(sorted(needed))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[devcluster.Cluster]:
    """A control plane with three simulated nodes and an audit log, shared by all tests of the session."""
    note = _session_directory(tmp_path_factory) / "cluster.run"
    with devcluster.start_or_join(_OPTIONS["cluster"], note) as shared:
        yield shared


@pytest.fixture(scope="session")
def node_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[devcluster.Cluster]:
    """A control plane with one real node, the ECR stand-in and docker, shared by all tests of the session."""
    if obstacle := _obstacle(_OPTIONS["node_cluster"]):
        pytest.skip(f"no real node on this machine: {obstacle}")
    note = _session_directory(tmp_path_factory) / "node-cluster.run"
    with devcluster.start_or_join(_OPTIONS["node_cluster"], note) as shared:
        yield shared


@pytest.fixture
def namespace(cluster: devcluster.Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh namespace that enforces the restricted Pod Security standard; it is deleted in the background."""
    readable = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:40].strip("-")
    name = f"{readable}-{secrets.token_hex(3)}"
    manifest = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    }
    cluster.kubectl("create", "--filename=-", stdin=json.dumps(manifest))
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")


def _obstacle(options: devcluster.Options) -> str | None:
    return devcluster.real_node_obstacle() if isinstance(options.nodes, devcluster.Real) else None


def _session_directory(factory: pytest.TempPathFactory) -> Path:
    """Return the directory that all workers of this run share."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
