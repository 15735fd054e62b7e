"""The demo on kind, as far as a machine goes that kind cannot run on, and its way out where kind fails."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import devcluster
from devcluster import binaries, rundir
from examples.demo import base_image
from examples.demo.console import Console

_ROOT = Path(__file__).parents[2]
_DEMO = (sys.executable, "-m", "examples.demo")
_SECONDS = 600
_ECR = "123456789012.dkr.ecr.us-east-1.amazonaws.com"

pytestmark = [pytest.mark.node, pytest.mark.long, pytest.mark.timeout(2 * _SECONDS)]


@pytest.fixture(scope="module")
def node() -> Iterator[devcluster.Cluster]:
    """A cluster whose node and docker daemon play kind's."""
    if obstacle := devcluster.real_node_obstacle():
        pytest.skip(f"no real node on this machine: {obstacle}")
    options = devcluster.Options(nodes=devcluster.Real(dns=False), docker=True)
    with devcluster.start(options) as own:
        yield own


@pytest.fixture
def stand_in(node: devcluster.Cluster, tmp_path: Path) -> dict[str, str]:
    """An environment in which `docker` and `kind` are stand-ins; `STAND_IN` names their configuration."""
    outside, _ = rundir.node_network(node.run_dir)
    config = tmp_path / "stand-in.json"
    facts = {
        "calls": str(tmp_path / "calls"),
        "docker": shutil.which("docker"),
        "environment": node.env,
        "gateway": outside,
        "kubeconfig": str(node.kubeconfig),
        "registry": node.registry_url,
        "seconds": 0,
    }
    config.write_text(json.dumps(facts))
    commands = tmp_path / "bin"
    commands.mkdir()
    for name in ("docker", "kind"):
        (commands / name).write_text(f"#!/bin/sh\nexec {sys.executable} -c '{_CALL}' {name} \"$@\"\n")
        (commands / name).chmod(0o755)
    return {**_plain(), "PATH": f"{commands}:{os.environ['PATH']}", "STAND_IN": str(config)}


_CALL = (
    f'import sys; sys.path.insert(0, "{_ROOT}/tests/e2e"); '
    "import stand_in; stand_in.main(sys.argv[1], sys.argv[2:])"
)


def test_the_page_comes_from_a_kind_cluster(
    node: devcluster.Cluster, stand_in: dict[str, str], tmp_path: Path
) -> None:
    """Images are loaded, not pushed; every command of the last screen works; Ctrl-C deletes the cluster."""
    base = base_image.obtain(Console(), tmp_path / "base.log")
    docker = {**os.environ, **node.env}
    subprocess.run(
        ["docker", "import", str(base.archive), "demo-base:local"], env=docker, check=True, timeout=_SECONDS
    )
    environment = stand_in | {"BASE_IMAGE": "demo-base:local", "WHEELS_PYTHON": base.python}
    with _running(environment, tmp_path / "demo.log") as demo:
        told = _await(demo, tmp_path / "demo.log", "containerapp.spec\n")
        assert "The cluster is kind's: Docker answers." in told
        assert f"checked: 2 Pods run {_ECR}/sample-app@sha256:" in told
        assert "checked: the operator asked ECR" in told
        assert "Hello" in _page(told) or "It runs." in _page(told)
        _paste(told)
        os.killpg(demo.pid, signal.SIGINT)
        assert demo.wait(timeout=120) == 0
    calls = (tmp_path / "calls").read_text().splitlines()
    kind = [call.split(" --name=")[0] for call in calls if call.startswith("kind ")]
    loads = [
        f"kind load docker-image {_ECR}/{image}"
        for image in ("sample-app:1.0", "containerapp-operator:demo", "traefik:demo")
    ]
    assert kind == [
        "kind create cluster",
        *loads,
        f"kind load docker-image {_ECR}/sample-app:2.0",
        "kind delete cluster",
    ]
    assert any("images tag --force" in call and f"{_ECR}/sample-app@sha256:" in call for call in calls)


def test_ctrl_c_while_kind_creates_deletes_what_there_is(stand_in: dict[str, str], tmp_path: Path) -> None:
    """A half-made cluster is a cluster to delete."""
    config = Path(stand_in["STAND_IN"])
    config.write_text(json.dumps(json.loads(config.read_text()) | {"seconds": 60}))
    with _running(stand_in, tmp_path / "demo.log") as demo:
        _await(demo, tmp_path / "calls", "kind create")
        os.killpg(demo.pid, signal.SIGINT)
        assert demo.wait(timeout=120) == 130
    assert (
        (tmp_path / "calls").read_text().splitlines()[-1].startswith("kind delete cluster --name=devcluster-")
    )


def test_a_kind_that_cannot_start_falls_back_with_its_reason(
    node: devcluster.Cluster, tmp_path: Path
) -> None:
    """Docker answers here, for real, and kind's node image cannot be pulled: the demo ends with a page all the same."""
    binaries.obtain(["kind"])
    environment = _plain() | {name: value for name, value in node.env.items() if name.startswith("DOCKER")}
    done = subprocess.run(
        [*_DEMO, "--once", f"--pictures={tmp_path}"],
        cwd=_ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The cluster is kind's: Docker answers." in done.stdout
    assert "That failed: " in done.stdout
    assert "The cluster runs as processes of this machine: kind could not start." in done.stdout
    assert done.stdout.count("[1/9]") == 2
    assert "checked: https://sample-app.example.com was answered by Pod sample-app-" in done.stdout


def _plain() -> dict[str, str]:
    """Return an environment that chooses no cluster."""
    chosen = ("DEVCLUSTER_PROVIDER", "KUBECONFIG", "DOCKER_HOST")
    return {name: value for name, value in os.environ.items() if name not in chosen}


@contextmanager
def _running(environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the demo in a session of its own, which is gone at the end."""
    with log.open("wb") as output:
        demo = subprocess.Popen(
            _DEMO, cwd=_ROOT, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield demo
    finally:
        if demo.poll() is None:
            os.killpg(demo.pid, signal.SIGKILL)
            demo.wait()


def _await(demo: subprocess.Popen[bytes], log: Path, text: str) -> str:
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        told = log.read_text() if log.exists() else ""
        if text in told:
            return told
        assert demo.poll() is None, told
        time.sleep(0.2)
    raise AssertionError(f"{text!r} never came:\n{told}")


def _page(told: str) -> str:
    url = next(line.split()[0] for line in told.splitlines() if line.startswith("  http://127.0.0.1:"))
    with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310 - the demo's own address
        content: bytes = response.read()
    return content.decode()


def _paste(told: str) -> None:
    """Run the lines that the last screen offers, in one shell, and stop at the first that fails."""
    screen = told.partition("the sample application.\n")[2]
    lines = [line.strip() for line in screen.splitlines() if line.startswith("    ")]
    commands = [line for line in lines if "chromium" not in line]  # which opens a window
    assert len(commands) == 9
    done = subprocess.run(
        ["bash", "-e"], input="\n".join(commands), capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "2.0" not in done.stderr
