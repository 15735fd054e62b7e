"""What is left to kubectl: terminals and forwarded ports, for which it has the protocols."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from urllib.parse import urlsplit

import click

from containerapp.cli.exits import Failure
from containerapp.cli.options import Target

_FORWARDING = re.compile(r"Forwarding from (127\.0\.0\.1:\d+)")


def kubectl(target: Target, namespace: str, *arguments: str) -> list[str]:
    """Return the command line of kubectl for the same cluster and namespace."""
    program = shutil.which("kubectl")
    if program is None:
        raise Failure("This needs kubectl on the PATH: https://kubernetes.io/docs/tasks/tools/")
    chosen = [
        *(("--kubeconfig", target.kubeconfig) if target.kubeconfig else ()),
        *(("--context", target.context) if target.context else ()),
    ]
    return [program, *chosen, "--namespace", namespace, *arguments]


def execute(target: Target, namespace: str, pod: str, container: str, words: Sequence[str]) -> None:
    """Become `kubectl exec`."""
    import sys

    terminal = ["--stdin", "--tty"] if sys.stdin.isatty() and sys.stdout.isatty() else ["--stdin"]
    line = kubectl(target, namespace, "exec", *terminal, pod, "--container", container, "--", *words)
    os.execv(line[0], line)  # noqa: S606 - no shell is meant


def forward(target: Target, namespace: str, name: str, url: str) -> None:
    """Forward a free local port to the app's Service, and open it, until Ctrl-C."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    line = kubectl(target, namespace, "port-forward", f"service/{name}", f":{port}")
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        try:
            for said in process.stdout or ():
                if found := _FORWARDING.search(said):
                    here = f"{parts.scheme}://{found[1]}{parts.path}"
                    click.echo(f"Opening {here}, which leads to {url}. Ctrl-C ends it.")
                    click.launch(here)
        except KeyboardInterrupt:
            process.terminate()
            raise click.Abort from None
        finally:
            process.terminate()
    if process.returncode:
        raise Failure("kubectl port-forward has ended.")
