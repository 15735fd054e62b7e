"""The real node: containerd, kubelet and kube-proxy, with all their files in the run directory.

`embedded` starts them inside the run's namespaces (`isolation`), where the node has the run's own address. Images come
from the run's registry whatever their host name says, so Pods run from true ECR references.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from devcluster import images, rundir
from devcluster.controlplane import CLUSTER_DOMAIN, POD_NETWORK
from devcluster.registry import ECR_HOST, registry_url
from devcluster.supervision import Component

if TYPE_CHECKING:
    from pathlib import Path

    from devcluster.controlplane import ControlPlane

_PAUSE_REPOSITORY, _PAUSE_TAG = "devcluster/pause", "1"
_CNI_PLUGINS = "/usr/lib/cni"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node of a control plane."""

    name: str
    plane: ControlPlane

    @property
    def directory(self) -> Path:
        """Where the node keeps its files."""
        return self.plane.run_dir / "node"

    @property
    def socket(self) -> Path:
        """Where containerd listens."""
        return self.directory / "containerd.sock"

    def push_pause_image(self) -> None:
        """Put the image that holds Pods' namespaces open into the registry."""
        program = self.plane.programs["pause"]
        image = images.Image(files={"/pause": program.read_bytes()}, entrypoint=["/pause"])
        images.push(registry_url(self.plane.address), _PAUSE_REPOSITORY, _PAUSE_TAG, image)

    def containerd(self) -> Component:
        """Return the container runtime."""
        self.directory.mkdir()
        hosts = self.directory / "registries" / "_default"
        hosts.mkdir(parents=True)
        url = registry_url(self.plane.address)
        hosts.joinpath("hosts.toml").write_text(
            f'server = "{url}"\n\n[host."{url}"]\n  capabilities = ["pull", "resolve"]\n'
        )
        network = self.directory / "cni"
        network.mkdir()
        (network / "10-pods.conflist").write_text(json.dumps(self._pod_network()))
        config = self.directory / "containerd.toml"
        config.write_text(
            _CONTAINERD.format(directory=self.directory, pause=_pause_image(), plugins=_CNI_PLUGINS)
        )
        return Component(name="containerd", argv=["containerd", f"--config={config}"])

    def kubelet(self) -> Component:
        """Return the kubelet."""
        config = self.directory / "kubelet.yaml"
        config.write_text(yaml.safe_dump(self._kubelet_settings()))
        kubeconfig = self.plane.kubeconfig(
            "kubelet", user=f"system:node:{self.name}", groups=("system:nodes",)
        )
        labels = "topology.kubernetes.io/zone=zone-a,topology.kubernetes.io/region=devcluster"
        return Component(
            name="kubelet",
            argv=[
                *(str(self.plane.programs["kubelet"]), f"--config={config}", f"--kubeconfig={kubeconfig}"),
                *(f"--root-dir={self.directory / 'kubelet'}", f"--hostname-override={self.name}"),
                *(f"--node-ip={self.plane.address}", f"--node-labels={labels}"),
            ],
        )

    def kube_proxy(self) -> Component:
        """Return kube-proxy, which makes Services reachable on the node and in its Pods."""
        config = self.directory / "kube-proxy.yaml"
        kubeconfig = self.plane.kubeconfig("kube-proxy", user="system:kube-proxy")
        document = {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "nftables",
            "clientConnection": {"kubeconfig": str(kubeconfig)},
            "clusterCIDR": POD_NETWORK,
            "hostnameOverride": self.name,
            "bindAddress": self.plane.address,
            "healthzBindAddress": "127.0.0.1:10256",
            "metricsBindAddress": "127.0.0.1:10249",
            # Sizing the connection table is the machine's business, not ours.
            "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        }
        config.write_text(yaml.safe_dump(document))
        return Component(
            name="kube-proxy", argv=[str(self.plane.programs["kube-proxy"]), f"--config={config}"]
        )

    def dns(self) -> Component:
        """Return the cluster's name server, which is on the node itself rather than in a Pod."""
        kubeconfig = self.plane.kubeconfig("dns", user="dns", groups=("system:masters",))
        ready = f"{self.plane.address}:8181"
        config = self.directory / "Corefile"
        config.write_text(
            _COREFILE.format(
                address=self.plane.address, ready=ready, domain=CLUSTER_DOMAIN, kubeconfig=kubeconfig
            )
        )
        argv = [str(self.plane.programs["dns"]), "-conf", str(config)]
        return Component(name="dns", argv=argv, ready_url=f"http://{ready}/ready")

    def _pod_network(self) -> dict[str, Any]:
        """Routed point-to-point links: a Service's answers pass the node, where they are translated back."""
        ranges = {"type": "host-local", "subnet": POD_NETWORK, "dataDir": str(self.directory / "addresses")}
        links = {"type": "ptp", "ipMasq": True, "ipam": {**ranges, "routes": [{"dst": "0.0.0.0/0"}]}}
        ports = {"type": "portmap", "capabilities": {"portMappings": True}}
        return {"cniVersion": "1.0.0", "name": "pods", "plugins": [links, ports]}

    def _kubelet_settings(self) -> dict[str, Any]:
        keys = self.directory / "pki"
        keys.mkdir()
        pair = self.plane.authority.issue(f"system:node:{self.name}", hosts=[self.plane.address, self.name])
        (keys / "kubelet.crt").write_bytes(pair.certificate)
        (keys / "kubelet.key").touch(mode=0o600)
        (keys / "kubelet.key").write_bytes(pair.key)
        resolver = self.directory / "resolv.conf"
        resolver.write_text("options ndots:5\n")
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": self.plane.address,
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(self.plane.ca_file)},
            },
            "authorization": {"mode": "Webhook"},
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{rundir.control_group(self.plane.run_dir)}",
            "clusterDNS": [self.plane.address],
            "clusterDomain": CLUSTER_DOMAIN,
            "containerRuntimeEndpoint": f"unix://{self.socket}",
            "evictionHard": {"memory.available": "50Mi"},
            "failCgroupV1": False,
            "failSwapOn": False,
            "healthzPort": 0,
            "imageGCHighThresholdPercent": 100,
            "podLogsDir": str(self.directory / "pod-logs"),
            "resolvConf": str(resolver),
            "serializeImagePulls": False,
            "tlsCertFile": str(keys / "kubelet.crt"),
            "tlsPrivateKeyFile": str(keys / "kubelet.key"),
            "volumePluginDir": str(self.directory / "volume-plugins"),
        }


def _pause_image() -> str:
    return f"{ECR_HOST}/{_PAUSE_REPOSITORY}:{_PAUSE_TAG}"


_COREFILE = """
. {{
    bind {address}
    ready {ready}
    errors
    cache 5
    kubernetes {domain} in-addr.arpa {{
        kubeconfig {kubeconfig}
        pods verified
    }}
}}
"""

# restrict_oom_score_adj: machines without CAP_SYS_RESOURCE refuse scores below the runtime's own.
_CONTAINERD = """
version = 2
root = "{directory}/containerd-root"
state = "{directory}/containerd-state"

[grpc]
  address = "{directory}/containerd.sock"

[plugins."io.containerd.internal.v1.opt"]
  path = "{directory}/containerd-opt"

[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  sandbox_image = "{pause}"
  netns_mounts_under_state_dir = true

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{plugins}"
  conf_dir = "{directory}/cni"

[plugins."io.containerd.grpc.v1.cri".registry]
  config_path = "{directory}/registries"
"""
