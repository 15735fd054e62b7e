"""Run directories: each run has its own, and only those of dead runs are swept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from devcluster import rundir

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def own_directory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A place of its own for this test's runs, with a path short enough for sockets."""
    with tempfile.TemporaryDirectory() as directory:
        monkeypatch.setattr(tempfile, "tempdir", directory)
        yield Path(directory) / f"devcluster-{os.getuid()}"


def test_runs_that_start_at_once_do_not_sweep_each_other(own_directory: Path) -> None:
    """Every start sweeps first, and must take none of the others for dead."""
    with ThreadPoolExecutor(16) as pool:
        claims = list(pool.map(lambda _: rundir.claim(), range(64)))
    assert all(claim.path.is_dir() for claim in claims)
    assert rundir.sweep() == []
    addresses = {rundir.loopback_address(claim.path) for claim in claims}
    links = {rundir.node_network(claim.path) for claim in claims}
    assert len(addresses) == len(links) == len(claims)
    for claim in claims:
        os.close(claim.lock)
    assert sorted(rundir.sweep()) == sorted(claim.path for claim in claims)
    assert list(own_directory.iterdir()) == []


def test_a_dead_run_is_swept_with_its_processes_and_its_end_command(tmp_path: Path) -> None:
    """What a crash left behind goes at the next start; nobody else's processes are touched."""
    claim = rundir.claim()
    (claim.path / rundir.END_COMMAND).write_text(json.dumps(["touch", str(tmp_path / "ended")]))
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    with (
        subprocess.Popen(sleep, env={**os.environ, rundir.RUN_VARIABLE: str(claim.path)}) as marked,
        subprocess.Popen(sleep) as other,
    ):
        os.close(claim.lock)
        assert rundir.sweep() == [claim.path]
        assert marked.wait(timeout=10) == -9
        assert other.poll() is None
        other.kill()
    assert (tmp_path / "ended").exists()
    assert not claim.path.exists()


def test_addresses_are_for_tests_only() -> None:
    """Loopback and the benchmarking range are nobody's real network."""
    claim = rundir.claim()
    os.close(claim.lock)
    assert rundir.loopback_address(claim.path).startswith("127.")
    assert all(address.startswith(("198.18.", "198.19.")) for address in rundir.node_network(claim.path))
