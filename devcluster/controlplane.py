"""The servers of an embedded control plane: their certificates, files and command lines.

`embedded` starts what this module describes. Everything is written below the run directory and bound to the run's own
address, so the ports are the well-known ones and no two runs meet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

from devcluster import kubeconfigs, pki
from devcluster.supervision import Component

if TYPE_CHECKING:
    from pathlib import Path

SERVICE_NETWORK = "10.96.0.0/16"
API_SERVICE_ADDRESS = "10.96.0.1"
POD_NETWORK = "10.244.0.0/16"
CLUSTER_DOMAIN = "cluster.local"
_ISSUER = f"https://kubernetes.default.svc.{CLUSTER_DOMAIN}"
# The stock limits are meant for busy production masters; here they would only throttle the tests.
_FAST_CLIENT = ["--kube-api-qps=500", "--kube-api-burst=1000"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPlane:
    """Where a control plane lives, and the authority that vouches for its users."""

    run_dir: Path
    address: str
    programs: dict[str, Path]
    authority: pki.Authority
    advertised: bool
    """Whether Pods can reach the address, so that the `kubernetes` Service may name it."""

    @property
    def server(self) -> str:
        """The URL of the API server."""
        return f"https://{self.address}:6443"

    @property
    def ca_file(self) -> Path:
        """The certificate of the run's authority."""
        return self.run_dir / "pki" / "ca.crt"

    def write_certificates(self) -> None:
        """Write the files that the servers read."""
        (self.run_dir / "pki").mkdir()
        hosts = (
            *(self.address, "127.0.0.1", "localhost", API_SERVICE_ADDRESS),
            *(
                "kubernetes",
                "kubernetes.default",
                "kubernetes.default.svc",
                f"kubernetes.default.svc.{CLUSTER_DOMAIN}",
            ),
        )
        self._write_pair("ca", self.authority.pair)
        self._write_pair("apiserver", self.authority.issue("kube-apiserver", hosts=hosts))
        self._write_pair("kubelet-client", self.authority.issue("kube-apiserver", groups=["system:masters"]))
        self._write_pair("service-accounts", pki.signing_key())

    def kubeconfig(self, name: str, *, user: str, groups: tuple[str, ...] = ()) -> Path:
        """Write a kubeconfig for a user of that name, who is in these groups."""
        return kubeconfigs.write(
            self.run_dir / f"{name}.kubeconfig",
            server=self.server,
            ca=self.authority.pair.certificate,
            user=kubeconfigs.certificate_user(self.authority.issue(user, groups=groups)),
        )

    def etcd(self) -> Component:
        """Return the store; it need not survive a power cut, so it never waits for the disk."""
        client, peer = f"http://{self.address}:2379", f"http://{self.address}:2380"
        return Component(
            name="etcd",
            argv=[
                *(str(self.programs["etcd"]), "--unsafe-no-fsync", f"--data-dir={self.run_dir / 'etcd'}"),
                *(f"--listen-client-urls={client}", f"--advertise-client-urls={client}"),
                *(f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}"),
                *(
                    f"--initial-cluster=default={peer}",
                    "--log-level=warn",
                    "--quota-backend-bytes=8589934592",
                ),
            ],
            ready_url=f"{client}/health",
        )

    def api_server(self, audit_log: Path | None) -> Component:
        """Return the API server, with RBAC, Pod Security admission and, when a log is named, auditing."""
        keys = self.run_dir / "pki"
        return Component(
            name="kube-apiserver",
            argv=[
                *(str(self.programs["kube-apiserver"]), f"--etcd-servers=http://{self.address}:2379"),
                *(
                    f"--bind-address={self.address}",
                    "--secure-port=6443",
                    f"--advertise-address={self.address}",
                ),
                f"--endpoint-reconciler-type={'lease' if self.advertised else 'none'}",
                *("--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction"),
                *(f"--client-ca-file={keys / 'ca.crt'}", "--allow-privileged=true", "--profiling=false"),
                *(
                    f"--tls-cert-file={keys / 'apiserver.crt'}",
                    f"--tls-private-key-file={keys / 'apiserver.key'}",
                ),
                f"--service-cluster-ip-range={SERVICE_NETWORK}",
                f"--service-account-issuer={_ISSUER}",
                f"--service-account-key-file={keys / 'service-accounts.crt'}",
                f"--service-account-signing-key-file={keys / 'service-accounts.key'}",
                f"--kubelet-client-certificate={keys / 'kubelet-client.crt'}",
                f"--kubelet-client-key={keys / 'kubelet-client.key'}",
                f"--kubelet-certificate-authority={keys / 'ca.crt'}",
                "--kubelet-preferred-address-types=InternalIP",
                *(self._audit_flags(audit_log) if audit_log else []),
            ],
            ready_url=f"{self.server}/readyz",
        )

    def controller_manager(self) -> Component:
        """Return the controllers, quick enough to follow hundreds of Deployments at once."""
        config = self.kubeconfig("controller-manager", user="system:kube-controller-manager")
        return Component(
            name="kube-controller-manager",
            argv=[
                *(str(self.programs["kube-controller-manager"]), f"--kubeconfig={config}", "--secure-port=0"),
                *("--leader-elect=false", "--use-service-account-credentials=true", *_FAST_CLIENT),
                f"--root-ca-file={self.ca_file}",
                f"--service-account-private-key-file={self.run_dir / 'pki' / 'service-accounts.key'}",
                *("--concurrent-deployment-syncs=50", "--concurrent-replicaset-syncs=50"),
                # A simulated kubelet never sets right the Pods of a node that was taken for lost in an outage.
                "--node-monitor-grace-period=5m",
                *("--concurrent-gc-syncs=50", "--concurrent-namespace-syncs=20"),
                *("--concurrent-service-endpoint-syncs=20", "--concurrent-serviceaccount-token-syncs=20"),
            ],
        )

    def scheduler(self) -> Component:
        """Return the scheduler."""
        config = self.kubeconfig("scheduler", user="system:kube-scheduler")
        settings = self.run_dir / "scheduler.yaml"
        document = {
            "apiVersion": "kubescheduler.config.k8s.io/v1",
            "kind": "KubeSchedulerConfiguration",
            "clientConnection": {"kubeconfig": str(config), "qps": 500, "burst": 1000},
            "leaderElection": {"leaderElect": False},
        }
        settings.write_text(yaml.safe_dump(document))
        return Component(
            name="kube-scheduler",
            argv=[str(self.programs["kube-scheduler"]), f"--config={settings}", "--secure-port=0"],
        )

    def _write_pair(self, name: str, pair: pki.Pair) -> None:
        key = self.run_dir / "pki" / f"{name}.key"
        key.touch(mode=0o600)
        key.write_bytes(pair.key)
        key.with_suffix(".crt").write_bytes(pair.certificate)

    def _audit_flags(self, audit_log: Path) -> list[str]:
        policy = self.run_dir / "audit-policy.yaml"
        document = {
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitStages": ["RequestReceived"],
            "rules": [{"level": "Metadata"}],
        }
        policy.write_text(yaml.safe_dump(document))
        # One file, never rotated: its readers count every line.
        return [
            f"--audit-policy-file={policy}",
            f"--audit-log-path={audit_log}",
            "--audit-log-maxsize=102400",
        ]
