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
from devcluster import binaries

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PROGRAMS = {
    "cluster": ("etcd", "kube-apiserver", "kubectl", "kube-controller-manager", "kube-scheduler", "kwok"),
}


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Build the programs that the collected tests' clusters need."""
    if session.config.option.collectonly or os.environ.get("DEVCLUSTER_PROVIDER", "embedded") != "embedded":
        return
    fixtures = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    needed = {
        program for fixture, programs in _PROGRAMS.items() if fixture in fixtures for program in programs
    }
    capture = session.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
        binaries.obtain(sorted(needed))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[devcluster.Cluster]:
    """A control plane with three simulated nodes and an audit log, shared by all tests of the session."""
    options = devcluster.Options(nodes=devcluster.Kwok(count=3), audit=True)
    with devcluster.start_or_join(options, _session_directory(tmp_path_factory) / "cluster.run") as shared:
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


def _session_directory(factory: pytest.TempPathFactory) -> Path:
    """Return the directory that all workers of this run share."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
