"""The real nodes: containerd and kubelet for each, one kube-proxy, with all their files in the run directory.

`embedded` starts them inside the run's namespaces (`isolation`), where they have the run's own address. Images come
from the run's registry whatever their host name says, so Pods run from true ECR references.

Nodes differ in name, zone, kubelet's port, Pods' addresses, control group and files. They share the network: one
kube-proxy serves the Pods of all, and takes only those of the first node for local to it.
"""

from __future__ import annotations

import ipaddress
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
_FIRST_KUBELET_PORT = 10250


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node of a control plane, numbered from one."""

    number: int
    plane: ControlPlane

    @property
    def name(self) -> str:
        """What the cluster calls the node."""
        return f"node-{self.number}"

    @property
    def directory(self) -> Path:
        """Where the node keeps its files."""
        return self.plane.run_dir / self.name

    @property
    def control_group(self) -> str:
        """The control group that holds the node's Pods; kubelets must not meet in one."""
        return f"{rundir.control_group(self.plane.run_dir)}/{self.name}"

    @property
    def socket(self) -> Path:
        """Where containerd listens."""
        return self.directory / "containerd.sock"

    def containerd(self) -> Component:
        """Return the container runtime."""
        self.directory.mkdir()
        network = self.directory / "cni"
        network.mkdir()
        (network / "10-pods.conflist").write_text(json.dumps(self._pod_network()))
        config = self.directory / "containerd.toml"
        config.write_text(
            _CONTAINERD.format(
                directory=self.directory,
                registries=_registries(self.plane),
                pause=_pause_image(),
                plugins=_CNI_PLUGINS,
            )
        )
        return Component(name=f"containerd-{self.name}", argv=["containerd", f"--config={config}"])

    def kubelet(self) -> Component:
        """Return the kubelet."""
        component = f"kubelet-{self.name}"
        config = self.directory / "kubelet.yaml"
        config.write_text(yaml.safe_dump(self._kubelet_settings()))
        kubeconfig = self.plane.kubeconfig(
            component, user=f"system:node:{self.name}", groups=("system:nodes",)
        )
        zone = f"zone-{'abc'[self.number - 1]}"
        labels = f"topology.kubernetes.io/zone={zone},topology.kubernetes.io/region=devcluster"
        return Component(
            name=component,
            argv=[
                *(str(self.plane.programs["kubelet"]), f"--config={config}", f"--kubeconfig={kubeconfig}"),
                *(f"--root-dir={self.directory / 'kubelet'}", f"--hostname-override={self.name}"),
                *(f"--node-ip={self.plane.address}", f"--node-labels={labels}"),
            ],
        )

    def kube_proxy(self) -> Component:
        """Return kube-proxy, which makes Services reachable in the run's network: on every node and in its Pods."""
        config = self.directory / "kube-proxy.yaml"
        kubeconfig = self.plane.kubeconfig("kube-proxy", user="system:kube-proxy")
        document = {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "nftables",
            "clientConnection": {"kubeconfig": str(kubeconfig)},
            # Requests of other nodes' Pods to a Service are masqueraded, or one that leads back to its sender is lost.
            "clusterCIDR": str(self._pod_addresses),
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
        """Return the cluster's name server, which is in the run's network itself rather than in a Pod."""
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

    @property
    def _pod_addresses(self) -> ipaddress.IPv4Network:
        return list(ipaddress.IPv4Network(POD_NETWORK).subnets(new_prefix=24))[self.number]

    def _pod_network(self) -> dict[str, Any]:
        """Routed point-to-point links: a Service's answers pass the node, where they are translated back.

        A node's addresses are a part of the one subnet, so that Pods of two nodes see each other's true address.
        """
        part = self._pod_addresses
        ranges = {"type": "host-local", "dataDir": str(self.directory / "addresses")}
        ranges |= {"subnet": POD_NETWORK, "rangeStart": str(part[1]), "rangeEnd": str(part[-2])}
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
            "port": _FIRST_KUBELET_PORT + self.number - 1,
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(self.plane.ca_file)},
            },
            "authorization": {"mode": "Webhook"},
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self.control_group}",
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


def prepare_images(plane: ControlPlane) -> None:
    """Lead all pulls of all nodes to the registry, and put the image that holds Pods' namespaces open into it."""
    url = registry_url(plane.address)
    hosts = _registries(plane) / "_default"
    hosts.mkdir(parents=True)
    hosts.joinpath("hosts.toml").write_text(
        f'server = "{url}"\n\n[host."{url}"]\n  capabilities = ["pull", "resolve"]\n'
    )
    image = images.Image(files={"/pause": plane.programs["pause"].read_bytes()}, entrypoint=["/pause"])
    images.push(url, _PAUSE_REPOSITORY, _PAUSE_TAG, image)


def _registries(plane: ControlPlane) -> Path:
    return plane.run_dir / "registries"


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
  config_path = "{registries}"
"""
