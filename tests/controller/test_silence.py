"""Whatever keeps a replica from working is in its log within seconds, again after a while, and in /readyz."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from containerapp.api import crd
from containerapp.controllers import CONTROLLERS
from devcluster import Cluster, Options, embedded
from tests.controller.operators import Identity, Operator, eventually

pytestmark = pytest.mark.cluster

_SECONDS = 5.0
_DEFINITION = "containerapps.containerapp.dev"


@pytest.fixture(scope="module")
def bare() -> Iterator[Cluster]:
    """A control plane on which nothing is installed."""
    with embedded.start(Options(nodes=None)) as cluster:
        yield cluster


@pytest.fixture
def replica(bare: Cluster, tmp_path: Path) -> Iterator[Operator]:
    """A replica that is the cluster's administrator, and is ended with the test."""
    identity = Identity(
        service_account="operator",
        namespace="default",
        kubeconfig=bare.kubeconfig,
        environment={"CONTAINERAPP_LEASE_NAME": tmp_path.name[:40].replace("_", "-").rstrip("-")},
    )
    operator = Operator(identity=identity, directory=tmp_path)
    yield operator
    operator.kill()


def _await_complaint(replica: Operator, words: str) -> str:
    """Wait for the warning, at most five seconds after the first line of the log; return it."""
    replica.await_line("Serving metrics and health")
    return str(replica.await_line(words, timeout=_SECONDS)["message"])


def test_without_an_api_server_it_says_so_and_is_not_ready(replica: Operator, tmp_path: Path) -> None:
    """`helm install --wait` must not succeed, and `kubectl logs` not be empty."""
    kubeconfig = tmp_path / "nowhere.kubeconfig"
    kubeconfig.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
        'clusters: [{name: c, cluster: {server: "https://127.0.0.1:1", insecure-skip-tls-verify: true}}]\n'
        "users: [{name: u, user: {token: very-secret}}]\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n"
    )
    replica.identity = replace(replica.identity, kubeconfig=kubeconfig)
    replica.start(wait=False)
    complaint = _await_complaint(replica, "cannot be read")
    assert "The Lease default/" in complaint
    assert "the API server cannot be reached" in complaint
    assert replica.page("/readyz") == (503, complaint + "\n")
    assert replica.page("/healthz") == (200, "ok\n")
    assert replica.metric("containerapp_ready") == 0
    assert "very-secret" not in replica.text()


@pytest.mark.parametrize(("token", "said"), [(None, "403"), ("no-token-of-this-cluster", "401")])
def test_without_a_right_on_the_lease_it_says_so_and_is_not_ready(
    bare: Cluster, replica: Operator, token: str | None, said: str
) -> None:
    """A ServiceAccount that nothing is bound to, and a token of another cluster."""
    if "nobody" not in bare.kubectl("get", "serviceaccounts", "--namespace=default"):
        bare.kubectl("create", "serviceaccount", "nobody", "--namespace=default")
    kubeconfig = bare.kubeconfig_for_service_account("default", "nobody")
    if token is not None:
        command = ("config", "set-credentials", f"--token={token}")
        user = bare.kubectl("config", "get-users", kubeconfig=kubeconfig).split()[-1]
        bare.kubectl(*command, user, kubeconfig=kubeconfig)
    replica.identity = replace(replica.identity, kubeconfig=kubeconfig)
    replica.start(wait=False)
    complaint = _await_complaint(replica, "cannot be read")
    assert said in complaint
    assert replica.page("/readyz") == (503, complaint + "\n")


def _define(bare: Cluster) -> None:
    for controller in CONTROLLERS:
        bare.kubectl("apply", "--server-side", "--filename=-", stdin=crd.render_yaml(controller.definition))


def _undefine(bare: Cluster) -> None:
    for controller in CONTROLLERS:
        bare.kubectl("delete", "crd", controller.definition.name)


def test_without_the_definition_it_says_so_until_it_is_installed(bare: Cluster, replica: Operator) -> None:
    """And then it is ready, with no restart."""
    replica.start(wait=False)
    complaint = _await_complaint(replica, f"The definition {_DEFINITION} is not installed")
    eventually("it is not ready", lambda: replica.page("/readyz") == (503, complaint + "\n"), timeout=5)
    try:
        _define(bare)
        eventually("it is ready", lambda: replica.page("/readyz") == (200, "ok\n"), timeout=30)
        replica.await_line("All custom objects can be listed now")
    finally:
        _undefine(bare)


def test_without_a_right_on_the_apps_it_says_so_and_is_not_ready(bare: Cluster, replica: Operator) -> None:
    """It may take the Lease and list the children: all but the ContainerApps themselves."""
    bare.kubectl("create", "serviceaccount", "half", "--namespace=default")
    for role, verbs, resources in (
        ("half-lease", "get,create,update", "leases.coordination.k8s.io"),
        ("half-children", "list,watch", "services,serviceaccounts,deployments.apps"),
    ):
        bare.kubectl("create", "clusterrole", role, f"--verb={verbs}", f"--resource={resources}")
        account = "--serviceaccount=default:half"
        bare.kubectl("create", "clusterrolebinding", role, f"--clusterrole={role}", account)
    kubeconfig = bare.kubeconfig_for_service_account("default", "half")
    replica.identity = replace(replica.identity, kubeconfig=kubeconfig)
    replica.start(wait=False)
    complaint = _await_complaint(replica, "The containerapps cannot be listed")
    assert 'cannot list resource "containerapps"' in complaint
    eventually("it is not ready", lambda: replica.page("/readyz") == (503, complaint + "\n"), timeout=5)


@dataclass(kw_only=True)
class _Proxy:
    """A proxy that counts who comes, and lets nobody through."""

    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    visitors: int = 0

    @property
    def url(self) -> str:
        """How the environment names it."""
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def serve(self) -> None:
        """Refuse every connection until closed."""
        with suppress(OSError):
            while True:
                visitor, _ = self.listener.accept()
                self.visitors += 1
                with visitor:
                    visitor.recv(65536)
                    visitor.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")


@contextmanager
def _proxy() -> Iterator[_Proxy]:
    proxy = _Proxy()
    thread = threading.Thread(target=proxy.serve, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.listener.shutdown(socket.SHUT_RDWR)
        proxy.listener.close()
        thread.join(10)


def test_a_network_in_no_proxy_leads_past_the_proxy(bare: Cluster, replica: Operator) -> None:
    """The Lease, the children and the apps alike: not one connection goes to the proxy."""
    _define(bare)
    with _proxy() as proxy:
        replica.environment = {"HTTPS_PROXY": proxy.url, "NO_PROXY": "10.0.0.0/8, 127.0.0.0/8"}
        replica.start()
        eventually("it is ready", lambda: replica.page("/readyz") == (200, "ok\n"))
        assert proxy.visitors == 0
    _undefine(bare)


def test_a_proxy_that_refuses_is_named_as_the_cause(replica: Operator) -> None:
    """With another network in NO_PROXY every request goes to the proxy."""
    with _proxy() as proxy:
        replica.environment = {"HTTPS_PROXY": proxy.url, "NO_PROXY": "10.0.0.0/8"}
        replica.start(wait=False)
        complaint = _await_complaint(replica, "cannot be read")
        assert proxy.visitors > 0
    assert "HTTPS_PROXY, NO_PROXY" in complaint
    assert "403" in complaint


def test_a_standby_that_waits_for_the_leader_is_ready(replica: Operator, tmp_path: Path) -> None:
    """It can read the Lease, and that is all that it needs."""
    other = replace(replica, name="operator-1", directory=tmp_path)
    try:
        replica.start()
        other.start(wait=False)
        eventually("the standby is ready", lambda: other.page("/readyz") == (200, "ok\n"))
        assert other.metric("containerapp_leader") == 0
    finally:
        other.kill()
