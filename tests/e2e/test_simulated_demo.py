"""The demo where no real node can run: it says so, the app becomes Ready, and a failure is named."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_COLD_SECONDS = 2400

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(_COLD_SECONDS)]


def test_simulated_nodes_are_announced_and_the_app_becomes_ready() -> None:
    """Nobody takes a simulation for the real thing, and all that can be shown is shown."""
    done = _demo()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The nodes are simulated, as asked for." in done.stdout
    assert "ECR has 123456789012.dkr.ecr.us-east-1.amazonaws.com/sample-app@sha256:" in done.stdout
    assert "Running: All 2 Pods run the wanted version and are available." in done.stdout


def test_a_failure_names_its_step_and_shows_the_log() -> None:
    """An operator that cannot start fails the demo, with its own last words."""
    done = _demo(CONTAINERAPP_WORKERS="none")
    assert done.returncode == 1
    assert "workers: Input should be a valid integer" in done.stderr
    assert "demo: FAILED at step 3" in done.stderr


def _demo(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "examples.demo", "--once", "--simulated"],
        cwd=_ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=_COLD_SECONDS,
    )
