"""The first run in a real terminal: describe, review, launch, open, a bad version and its way back, the end.

`docs/first-run.md` shows what it printed; this test types the page's commands, in their order, and looks for what the
page shows. Terminal and page are kept as pictures where CONTAINERAPP_PICTURES names a folder.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import devcluster
from devcluster import ecr, images, system
from devcluster.registry import aws_environment
from examples.demo import browser
from examples.demo.console import Console
from tests.controller.api import Api
from tests.controller.operators import Operator, eventually
from tests.e2e.node_apps import installed_operator

pytestmark = [pytest.mark.node, pytest.mark.long, pytest.mark.timeout(1200)]

_DOCS = Path(__file__).parents[2] / "docs" / "first-run.md"
_PAGE = (
    b"<!doctype html><title>shop</title><body style='font: 32px sans-serif; margin: 80px'>The shop is open.\n"
)
_WEB = "exec /bin/busybox httpd -f -p 8080 -h /www"
_BROKEN = "echo cannot reach the database at db:5432; exit 1"
_PROMPT = "$ "


class _Terminal:
    """A pane of tmux with a shell in it, in a folder of its own."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._socket = str(folder / "tmux")
        shell = [
            "env",
            *(f"{name}={value}" for name, value in environment.items()),
            "bash",
            "--norc",
            "--noprofile",
        ]
        self._tmux("new-session", "-d", "-x", "118", "-y", "200", "-c", str(folder), shlex.join(shell))
        self._tmux("set-option", "-g", "history-limit", "5000")

    def type(self, line: str) -> None:
        """Type a line and Enter."""
        self._tmux("send-keys", "-l", line)
        self._tmux("send-keys", "Enter")

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self._tmux("send-keys", "C-c")

    def screen(self) -> str:
        """Return what the pane shows and has shown; long lines are joined again."""
        return self._tmux("capture-pane", "-p", "-J", "-S", "-").rstrip()

    def await_text(self, text: str, seconds: float = 120) -> None:
        """Wait until the pane shows a text."""
        eventually(f"{text!r} is shown", lambda: text in self.screen(), timeout=seconds, details=self.screen)

    def await_prompt(self, prompts: int, seconds: float = 300) -> None:
        """Wait for the prompt after so many commands."""
        eventually(
            f"prompt {prompts}",
            lambda: self.screen().endswith("$") and len(re.findall(r"(?m)^\$", self.screen())) == prompts + 1,
            timeout=seconds,
            details=self.screen,
        )

    def close(self) -> None:
        """End the shell."""
        self._tmux("kill-server")

    def _tmux(self, *arguments: str) -> str:
        command = ["tmux", "-S", self._socket, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout


@pytest.fixture
def operator(node_cluster: devcluster.Cluster, tmp_path: Path) -> Iterator[Operator]:
    """The operator with the chart's rights, and two versions of a program."""
    system.require({"/bin/busybox": "busybox-static", "tmux": "tmux"})
    for tag, script in {"1.0": _WEB, "1.1": _BROKEN}.items():
        files = {"/bin/busybox": Path("/bin/busybox").read_bytes(), "/www/index.html": _PAGE}
        image = images.Image(files=files, entrypoint=["/bin/busybox", "sh", "-c", script])
        ecr.push(node_cluster, "shop", tag, image)
    api = Api(node_cluster.kubeconfig)
    operator = installed_operator(node_cluster, api, tmp_path, min_ready_seconds=5)
    yield operator
    operator.kill()
    api.close()


@pytest.fixture
def terminal(node_cluster: devcluster.Cluster, operator: Operator, tmp_path: Path) -> Iterator[_Terminal]:
    """A terminal where `containerapp` is on the PATH, and a browser that takes a picture of what it opens."""
    assert operator.running
    programs = tmp_path / "bin"
    programs.mkdir()
    opener = programs / "xdg-open"
    opener.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
    opener.chmod(0o755)
    kubectl = programs / "kubectl"
    kubectl.symlink_to(node_cluster.binary("kubectl"))
    scripts = Path(sys.executable).parent
    home = tmp_path / "home"
    home.mkdir()
    pane = _Terminal(
        home,
        {
            "PATH": f"{programs}:{scripts}:{os.environ['PATH']}",
            "KUBECONFIG": str(node_cluster.kubeconfig),
            "PS1": _PROMPT,
            "TERM": "xterm-256color",
            "NO_COLOR": "1",
            **_aws(node_cluster),
        },
    )
    yield pane
    pane.close()


def _aws(cluster: devcluster.Cluster) -> dict[str, str]:
    """Return what makes the plan look tags up where the operator does."""
    assert cluster.aws_endpoint is not None
    return aws_environment(cluster.aws_endpoint)


def test_the_page_tells_what_happens(terminal: _Terminal, tmp_path: Path) -> None:
    """Each command of the page is typed; what the page shows of it, but for names and times, is shown."""
    commands = re.findall(r"(?m)^\$ (.+)$", _DOCS.read_text())
    assert commands[0].startswith("containerapp init")
    for number, command in enumerate(commands, 1):
        terminal.type(command)
        if command.startswith("containerapp open"):
            terminal.await_text("Ctrl-C")
            _look(tmp_path)
            terminal.interrupt()
        elif command.startswith(("containerapp up", "containerapp down")):
            terminal.await_text("[y/N]")
            eventually(
                "it asks", lambda: terminal.screen().endswith("[y/N]:"), timeout=120, details=terminal.screen
            )
            terminal.type("y")
        terminal.await_prompt(number)
    _keep(terminal.screen())
    shown = [_plain(line) for line in terminal.screen().splitlines()]
    printed = [
        _plain(line)
        for block in re.findall(r"(?s)```text\n(.*?)```", _DOCS.read_text())
        for line in block.splitlines()
    ]
    assert not [line for line in printed if line and line not in shown], terminal.screen()


def _plain(line: str) -> str:
    """Leave out of a line what differs from run to run: names of Pods, digests, ports, times, widths."""
    line = re.sub(r"\b(shop-)[0-9a-f]{6,10}-[0-9a-z]{5}\b", r"\1POD", line)
    line = re.sub(r"sha256:[0-9a-f]+…?", "sha256:…", line)
    line = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", line)
    line = re.sub(r"\b\d+[smh](\d+s)?\b", "TIME", line)
    return re.sub(r"\s+", " ", line).strip()


def _look(tmp_path: Path) -> None:
    """Take a picture of the page that was opened, where there is Chromium; the page itself is read in any case."""
    opened = tmp_path / "opened"
    eventually("a page is opened", opened.exists, timeout=30)
    time.sleep(0.5)
    url = opened.read_text().strip()
    page = subprocess.run(
        ["curl", "--silent", "--noproxy", "*", url], check=True, capture_output=True, timeout=30
    ).stdout
    assert page == _PAGE
    if folder := os.environ.get("CONTAINERAPP_PICTURES"):
        browser.photograph(url, Path(folder) / "first-run-page.png", Console(), size=(700, 300))


def _keep(text: str) -> None:
    if folder := os.environ.get("CONTAINERAPP_PICTURES"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / "first-run.txt").write_text(text)
