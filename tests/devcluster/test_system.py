"""What the machine lacks is said in one sentence, before anything is started."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

import devcluster
from devcluster import system

if TYPE_CHECKING:
    from pathlib import Path


def test_without_root_there_is_no_real_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """Callers fall back to simulated nodes and can say why."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert devcluster.real_node_obstacle() == "it needs root"
    with pytest.raises(devcluster.DevclusterError, match="no real node on this machine: it needs root"):
        devcluster.start(devcluster.Options(nodes=devcluster.Real()))


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may not install packages is told which ones to ask for."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(devcluster.DevclusterError, match="install these first: a-package z-package"):
        system.require({"no-such-program": "z-package", "neither-this": "a-package", "sh": "dash"})


def test_missing_packages_are_installed_for_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root needs no second command; apt-get is asked for the missing packages only."""
    calls = tmp_path / "calls"
    apt = tmp_path / "apt-get"
    apt.write_text(f'#!/bin/sh\necho "$RUNLEVEL $*" >> {calls}\n')
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    system.require({"no-such-program": "a-package", "sh": "dash"})
    assert calls.read_text() == "1 update\n1 install -y --no-install-recommends a-package\n"


def test_a_failed_installation_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package manager's own words are in the message."""
    apt = tmp_path / "apt-get"
    apt.write_text("#!/bin/sh\necho the disk is full >&2\nexit 100\n")
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(devcluster.DevclusterError, match="the disk is full"):
        system.require({"no-such-program": "a-package"})
