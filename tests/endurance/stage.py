"""Where a proof runs: a cluster with the chart's rights and a registry, its users and operators.

Made by the command and by the short tests around every proof. Users, their record and the checker are those of the
chaos run; operators end with the stage.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from devcluster import Cluster
from tests.chaos.checker import Checker
from tests.chaos.plan import TAGS
from tests.chaos.run import look
from tests.chaos.users import Users, insist
from tests.chaos.violations import Violation
from tests.chaos.wanted import Wanted
from tests.chart.rendering import Chart, of_kind
from tests.controller.api import Api, Manifest
from tests.controller.audit import Audit
from tests.controller.installation import install
from tests.controller.operators import Identity, Operator
from tests.controller.registry import HOST, Registry, environment

_BINDINGS = ("ClusterRoleBinding", "RoleBinding")


@dataclass(kw_only=True)
class Stage:
    """One installation of the operator on one cluster."""

    cluster: Cluster
    directory: Path
    api: Api
    registry: Registry
    identity: Identity
    manifests: list[Manifest]
    repository: str
    digests: dict[str, str]
    stack: ExitStack
    wanted: Wanted = field(default_factory=Wanted)

    def operator(self, name: str = "operator-0", identity: Identity | None = None) -> Operator:
        """Return a replica, not started yet; it ends with the stage."""
        operator = Operator(
            identity=identity or self.identity,
            directory=self.directory,
            name=name,
            environment=environment(self.registry.endpoint),
        )
        operator.log_file.unlink(missing_ok=True)
        self.stack.callback(operator.kill)
        return operator

    def twin(self) -> Identity:
        """Make a second ServiceAccount with the same rights, so that the audit log distinguishes two replicas."""
        name = f"{self.identity.service_account}-twin"
        place = {"name": name, "namespace": self.identity.namespace}
        self.api.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": place})
        for kind in _BINDINGS:
            for binding in of_kind(self.manifests, kind):
                subject = {"kind": "ServiceAccount", **place}
                metadata = {**binding["metadata"], "name": f"{binding['metadata']['name']}-twin"}
                self.api.apply({**binding, "metadata": metadata, "subjects": [subject]})
        return Identity(
            service_account=name,
            namespace=self.identity.namespace,
            kubeconfig=self.cluster.kubeconfig_for_service_account(self.identity.namespace, name),
            environment=self.identity.environment,
        )

    def users(self, namespace: str) -> Users:
        """Return the users of a new namespace."""
        client = self.stack.enter_context(closing(Api(self.cluster.kubeconfig)))
        users = Users(api=client, namespace=namespace, wanted=self.wanted, push=self._push)
        users.settle_in()
        return users

    def _push(self, tag: str, content: str) -> str:
        return self.registry.push(tag, content, self.repository.removeprefix(f"{HOST}/"))

    def audit(self, identity: Identity | None = None) -> Audit:
        """Return what a replica asked the API server."""
        assert self.cluster.audit_log is not None, "the cluster keeps no audit log"
        return Audit(log=self.cluster.audit_log, user=(identity or self.identity).user)

    def renew_controllers(self) -> None:
        """Restart Kubernetes' own controllers: after an outage they may be minutes late, unlike the operator."""
        self.cluster.stop("kube-controller-manager")
        self.cluster.start("kube-controller-manager")

    def settle(self, namespaces: Iterable[str], timeout: float) -> tuple[float, list[Violation]]:
        """Wait until the cluster holds exactly what is wanted; return the seconds, and what is still wrong."""
        checker = Checker(api=self.api, wanted=self.wanted, repository=self.repository, digests=self.digests)
        spaces, began = list(namespaces), time.monotonic()
        while found := look(checker, spaces):
            if time.monotonic() - began > timeout:
                break
            time.sleep(0.2)
        return time.monotonic() - began, found


@contextmanager
def stage(cluster: Cluster, directory: Path) -> Iterator[Stage]:
    """Install the operator without starting it, and delete an earlier Lease."""
    directory.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        api = stack.enter_context(closing(Api(cluster.kubeconfig)))
        registry = Registry()
        registry.open()
        stack.callback(registry.close)
        name = f"endurance-{secrets.token_hex(3)}"  # moto's state outlives the registry within a process
        digests = {tag: registry.push(tag, tag, f"{name}/shop") for tag in TAGS}
        repository = f"{HOST}/{name}"
        manifests = Chart(helm=cluster.binary("helm")).render(defaultRegistry=repository)
        identity = install(cluster, api, manifests)
        insist(lambda: api.list("ContainerApp", None))  # a new definition answers 429 for a while
        if api.find("Lease", identity.namespace, identity.service_account):
            api.delete("Lease", identity.namespace, identity.service_account)
        yield Stage(
            cluster=cluster,
            directory=directory,
            api=api,
            registry=registry,
            identity=identity,
            manifests=manifests,
            repository=f"{repository}/shop",
            digests=digests,
            stack=stack,
        )


def spec(serial: int, tag: str) -> Manifest:
    """Return a spec with its own serial number, so that a lost update is visible."""
    env = [{"name": "SERIAL", "value": str(serial)}]
    return {"image": f"shop:{tag}", "replicas": 1, "port": 8080, "env": env}


def said(violations: list[Violation]) -> str:
    """Summarize violations."""
    shown = "; ".join(str(violation)[:300] for violation in violations[:3])
    return f"{len(violations)} violations" + (f": {shown}" if shown else "")


Say = Callable[[str], None]
"""Prints a proof's progress."""
