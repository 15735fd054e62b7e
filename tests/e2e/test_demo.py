"""The demo, as a newcomer runs it: it has to end well, show what it promises, and leave nothing behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

import devcluster
from devcluster import binaries, rundir, system

_ROOT = Path(__file__).parents[2]
_DEMO = (sys.executable, "-m", "examples.demo")
_IN_THE_BACKGROUND = ("sh", "-c", 'trap "" INT; exec "$@"', "sh")
"""How a script's `&` starts a program: with Ctrl-C ignored unless the program asks for it."""
_COLD_SECONDS = 2400
_ECR = "123456789012.dkr.ecr.us-east-1.amazonaws.com"

pytestmark = [pytest.mark.node, pytest.mark.timeout(_COLD_SECONDS)]


_ENVIRONMENT = {**os.environ, "DEVCLUSTER_PROVIDER": "embedded"}


@pytest.fixture(scope="module", autouse=True)
def _machine() -> None:
    if obstacle := devcluster.real_node_obstacle():
        pytest.skip(f"no real node on this machine: {obstacle}")
    system.require({"chromium": "chromium", "certutil": "libnss3-tools", "curl": "curl"})


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the demo said while it ran once."""
    pictures = tmp_path_factory.mktemp("pictures")
    done = subprocess.run(
        [*_DEMO, "--once", f"--pictures={pictures}"],
        cwd=_ROOT,
        env=_ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=_COLD_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not _left(done.stdout)
    return done.stdout


@pytest.mark.parametrize(
    "ecs",
    [
        "create the cluster",
        "build and push the image",
        "the task definition and the service",
        "review",
        "launch",
        "create an Application Load Balancer",
        "open the sample application",
    ],
)
def test_each_step_names_the_ecs_step_it_stands_for(told: str, ecs: str) -> None:
    """Somebody who knows ECS finds the way."""
    assert f"(ECS: {ecs})" in told


@pytest.mark.parametrize(
    "claim",
    [
        "checked: https://sample-app.example.com was answered by Pod sample-app-",
        "checked: in Chromium, https://sample-app.example.com was answered by Pod sample-app-",
        f"checked: 2 Pods run {_ECR}/sample-app@sha256:",
        f"checked: Helm release containerapp-operator is deployed: 2 Pods run {_ECR}/containerapp-operator@sha256:",
        "checked: the operator asked ECR",
        "Running: All 2 Pods run the wanted version and are available.",
        "The demo succeeded",
    ],
)
def test_the_demo_proves_what_it_promises(told: str, claim: str) -> None:
    """Real Pods by ECR digest, an operator installed by Helm, AWS calls answered by moto, and the page in a browser."""
    assert claim in told


def test_the_last_step_opens_the_load_balancer(told: str) -> None:
    """As the last step of a first run on ECS does."""
    assert "[9/9] Open the load balancer's address" in told
    picture = re.search(r"picture: (\S+sample-app\.png)", told)
    assert picture
    assert Path(picture[1]).stat().st_size > 10_000


@pytest.mark.usefixtures("told")
def test_the_page_stays_open_and_outlives_its_pod_until_ctrl_c(tmp_path: Path) -> None:
    """A user can look around, even delete the Pod behind the page; Ctrl-C then removes everything."""
    log = tmp_path / "demo.log"
    with log.open("w") as output:
        environment = {**_ENVIRONMENT, "PYTHONFAULTHANDLER": "1"}
        demo = subprocess.Popen(
            [*_IN_THE_BACKGROUND, *_DEMO],
            cwd=_ROOT,
            stdout=output,
            stderr=output,
            env=environment,
            start_new_session=True,
        )
    try:
        url, kubeconfig = (
            _await(log, demo, "  http://127.0.0.1:"),
            _await(log, demo, "    export KUBECONFIG="),
        )
        kubeconfig = kubeconfig.split()[1].removeprefix("KUBECONFIG=")
        url = url.split()[0]
        first = _page(url)
        curl = next(line for line in log.read_text().splitlines() if line.startswith("    curl "))
        asked = subprocess.run(
            [*curl.split(), "--silent", "--fail"], capture_output=True, text=True, check=True, timeout=60
        )
        assert 'id="address">https://sample-app.example.com<' in asked.stdout
        delete = ("delete", "pods", "--selector=app.kubernetes.io/name=sample-app", "--now")
        kubectl = str(binaries.obtain(["kubectl"])["kubectl"])
        subprocess.run([kubectl, f"--kubeconfig={kubeconfig}", *delete], check=True, timeout=60)
        assert _other_page(url, first) != first
        os.killpg(demo.pid, signal.SIGINT)
        assert _ended(demo, log) == 0, log.read_text()
    finally:
        if demo.poll() is None:
            os.killpg(demo.pid, signal.SIGKILL)
            demo.wait()
    assert not _left(log.read_text())


def _ended(demo: subprocess.Popen[bytes], log: Path) -> int:
    """Return the exit code; where the demo does not end, say what it is at and what is left of its cluster."""
    try:
        return demo.wait(timeout=180)  # devcluster gives the end of a run 90 s and more
    except subprocess.TimeoutExpired:
        left = _left(log.read_text())
        demo.send_signal(signal.SIGABRT)
        demo.wait()
        raise AssertionError(f"Ctrl-C did not end the demo; left: {left}\n{log.read_text()}") from None


def _await(log: Path, demo: subprocess.Popen[bytes], beginning: str) -> str:
    deadline = time.monotonic() + _COLD_SECONDS / 2
    while time.monotonic() < deadline:
        for line in log.read_text().splitlines():
            if line.startswith(beginning):
                return line
        assert demo.poll() is None, log.read_text()
        time.sleep(0.2)
    raise AssertionError(f"the demo never said {beginning!r}:\n{log.read_text()}")


def _page(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310 - the demo's own address
        content: bytes = response.read()
    return content.decode()


def _other_page(url: str, first: str) -> str:
    """Return the page as soon as another Pod serves it."""
    name = first.partition('id="pod">')[2].partition("<")[0]
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        try:
            page = _page(url)
        except OSError:  # the way to the old Pod is closed, the one to a new Pod not open yet
            page = first
        if name not in page:
            return page
        time.sleep(0.2)
    raise AssertionError(f"no Pod but {name} ever answered at {url}")


def _left(said: str) -> list[str]:
    """Return what this machine still has of the run that the demo named."""
    match = re.search(r"its files, until the end: (\S+)", said)
    assert match, said
    run = Path(match[1])
    mounts = [line for line in Path("/proc/mounts").read_text().splitlines() if run.name in line]
    links = [str(path) for path in Path("/sys/class/net").glob(f"dc{run.name}")]
    groups = [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/{rundir.control_group(run)}")]
    processes = [f"process {process}" for process in rundir.marked_processes(run)]
    return [*mounts, *links, *groups, *processes, *([str(run)] if run.exists() else [])]
