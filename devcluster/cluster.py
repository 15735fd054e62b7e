"""A running cluster, as its users see it: where it is, how to talk to it, how to disturb it.

Every provider returns this one class. Clusters that were started here have a supervision, through which their
components can be stopped and started; a cluster that was given (an existing one, kind) has none and refuses.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import signal
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from devcluster import binaries, kubeconfigs, registry
from devcluster.options import DevclusterError
from devcluster.pki import Authority, Pair
from devcluster.supervision import Supervision, environment_without_proxies

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from devcluster.supervision import Component

_DESCRIPTION = "cluster.json"
_KUBECTL_SECONDS = 120.0
_READY_SECONDS = 60.0
_STOP_GRACE_SECONDS = 3.0


class CommandError(DevclusterError):
    """A command against the cluster failed; `stderr` is what it said."""

    def __init__(self, command: Sequence[str], stderr: str) -> None:
        super().__init__(f"{' '.join(command)}: {stderr.strip()}")
        self.stderr = stderr


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A cluster and one hold on it; leaving the `with` block gives up the hold."""

    kubeconfig: Path
    """For a cluster administrator."""
    server: str
    ca_file: Path
    run_dir: Path
    """Private to this run; users of the cluster may put files here, and they go with it."""
    audit_log: Path | None = None
    address: str = "127.0.0.1"
    """Where the cluster's servers listen; Pods on a real node reach it too."""
    registry_url: str | None = None
    """Where images can be pushed to; Pods pull them under any host name, ECR's for one."""
    aws_endpoint: str | None = None
    """Where moto serves the AWS APIs."""
    docker: bool = False
    """Whether `env` leads the docker command to a daemon of this run."""
    ready_urls: dict[str, str | None] = dataclasses.field(default_factory=dict)
    """The components that can be stopped and started, and where each says that it is ready."""
    supervision: Supervision | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the cluster; the last holder's leaving ends it and removes every trace."""
        if self.supervision:
            self.supervision.release()
        else:
            shutil.rmtree(self.run_dir, ignore_errors=True)

    def binary(self, name: str) -> Path:
        """Return the path of one of the cluster's programs (kubectl, helm, …), building it if need be."""
        if not self._embedded and (installed := shutil.which(name)):
            return Path(installed)
        return binaries.obtain([name])[name]

    @property
    def env(self) -> dict[str, str]:
        """What to add to the environment of kubectl, helm and the like, so that they use and touch only this run."""
        return {
            "KUBECONFIG": str(self.kubeconfig),
            "KUBECACHEDIR": str(self.run_dir / "kubectl-cache"),
            "HELM_CACHE_HOME": str(self.run_dir / "helm" / "cache"),
            "HELM_CONFIG_HOME": str(self.run_dir / "helm" / "config"),
            "HELM_DATA_HOME": str(self.run_dir / "helm" / "data"),
            **(registry.aws_environment(self.aws_endpoint) if self.aws_endpoint else {}),
            **(registry.docker_environment(self.run_dir) if self.docker else {}),
        }

    def kubectl(
        self,
        *arguments: str,
        stdin: str | None = None,
        kubeconfig: Path | None = None,
        timeout: float = _KUBECTL_SECONDS,
    ) -> str:
        """Run kubectl and return what it prints; raise `CommandError` when it fails."""
        config = kubeconfig or self.kubeconfig
        return self._run("kubectl", f"--kubeconfig={config}", *arguments, stdin=stdin, timeout=timeout)

    def helm(self, *arguments: str, timeout: float = 300.0) -> str:
        """Run helm as the administrator and return what it prints; raise `CommandError` when it fails."""
        return self._run("helm", *arguments, stdin=None, timeout=timeout)

    def kubeconfig_for_service_account(self, namespace: str, name: str, *, duration: str = "12h") -> Path:
        """Write a kubeconfig that acts as a service account, by a token of its own.

        Raise `CommandError` unless the account is there within half a minute: a namespace's `default` comes after it.
        """
        self.kubectl(
            "wait", "--for=create", f"serviceaccount/{name}", f"--namespace={namespace}", "--timeout=30s"
        )
        token = self.kubectl(
            "create", "token", name, f"--namespace={namespace}", f"--duration={duration}"
        ).strip()
        return self._write_kubeconfig(f"sa-{namespace}-{name}", {"token": token})

    def kubeconfig_for_user(self, name: str, *, groups: Sequence[str] = ()) -> Path:
        """Write a kubeconfig for a user who has no rights but those that RBAC gives to the name and the groups."""
        if not self._embedded:
            raise DevclusterError("only an embedded cluster can vouch for users; use a service account")
        keys = self.run_dir / "pki"
        authority = Authority(
            pair=Pair(certificate=(keys / "ca.crt").read_bytes(), key=(keys / "ca.key").read_bytes())
        )
        user = kubeconfigs.certificate_user(authority.issue(name, groups=groups))
        return self._write_kubeconfig(f"user-{name.replace(':', '-').replace('/', '-')}", user)

    @property
    def components(self) -> tuple[str, ...]:
        """The names that `stop`, `start`, `signal` and `pid` know."""
        return tuple(self.ready_urls)

    def stop(self, component: str) -> None:
        """Stop a component and wait until it is gone; its data stays."""
        self._supervised(component).stop(component, _STOP_GRACE_SECONDS)

    def start(self, component: str) -> None:
        """Start a stopped (or killed) component again and wait until it is ready."""
        self._supervised(component).start(component)
        self.await_ready(component)

    def signal(self, component: str, number: signal.Signals) -> None:
        """Send a signal to a component: SIGKILL to crash it, SIGSTOP and SIGCONT to pause it."""
        self._supervised(component).signal(component, number)

    def pid(self, component: str) -> int | None:
        """Return the process id of a component as the supervisor sees it, None while it does not run."""
        return self._supervised(component).pids()[component] or None

    def log(self, component: str) -> Path:
        """Return the file that a component logs to."""
        return self._supervised(component).log(component)

    def run_component(self, component: Component) -> None:
        """Start one more server that lives and dies with the cluster, and wait until it is ready."""
        self.launch_component(component)
        self.await_ready(component.name)

    def launch_component(self, component: Component) -> None:
        """Start one more server and wait for nothing."""
        if self.supervision is None:
            raise DevclusterError("a cluster that was not started here runs no components of ours")
        self.ready_urls[component.name] = component.ready_url
        self.supervision.run(component)

    def await_ready(self, component: str) -> None:
        """Wait until a component says that it is ready; one that has no such page need only run."""
        supervision = self._supervised(component)
        url = self.ready_urls[component]
        deadline = time.monotonic() + _READY_SECONDS
        while not (url is None or _answers(url, self.ca_file)):
            exited = supervision.pids()[component] == 0
            if exited or time.monotonic() > deadline:
                why = "ended" if exited else f"was not ready within {_READY_SECONDS:.0f} s"
                raise DevclusterError(
                    f"{component} {why}; its log ends with:\n{supervision.log_tail(component)}"
                )
            time.sleep(0.05)

    def describe(self) -> None:
        """Write down what another process needs to join the cluster."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        del fields["supervision"]
        (self.run_dir / _DESCRIPTION).write_text(json.dumps(fields, default=str))

    @classmethod
    def join(cls, run_dir: Path) -> Self:
        """Hold a cluster that another process started; it lives until the last holder leaves."""
        supervision = Supervision.join(run_dir)
        fields = json.loads((run_dir / _DESCRIPTION).read_text())
        for name in ("kubeconfig", "ca_file", "run_dir", "audit_log"):
            fields[name] = Path(fields[name]) if fields[name] else None
        return cls(**fields, supervision=supervision)

    @property
    def _embedded(self) -> bool:
        return (self.run_dir / "pki").exists()

    def _supervised(self, component: str) -> Supervision:
        if self.supervision is None:
            raise DevclusterError(f"cannot touch {component}: this cluster was not started here")
        if component not in self.ready_urls:
            raise DevclusterError(f"no component {component}; there are {', '.join(self.ready_urls)}")
        return self.supervision

    def _write_kubeconfig(self, name: str, user: dict[str, str]) -> Path:
        ca = self.ca_file.read_bytes()
        return kubeconfigs.write(self.run_dir / f"{name}.kubeconfig", server=self.server, ca=ca, user=user)

    def _run(self, program: str, *arguments: str, stdin: str | None, timeout: float) -> str:
        command = [str(self.binary(program)), *arguments]
        try:
            done = subprocess.run(
                command,
                env=environment_without_proxies() | self.env,
                input=stdin or "",
                capture_output=True,
                text=True,
                check=False,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired as error:
            raise CommandError([program, *arguments], f"did not end within {timeout:.0f} s") from error
        if done.returncode:
            raise CommandError([program, *arguments], done.stderr)
        return done.stdout


def _answers(url: str, ca_file: Path) -> bool:
    context = ssl.create_default_context(cafile=ca_file) if url.startswith("https:") else None
    handlers = [urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)]
    try:
        with urllib.request.build_opener(*handlers).open(url, timeout=5) as response:
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError):
        return False
