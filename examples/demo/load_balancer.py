"""The load balancer of the demo: Traefik, an Ingress controller, behind a Service that has the node's address.

On EKS the cloud's controller gives such a Service its address; here the demo does. The certificate for the sample's
host is made for the run, by an authority of the run. Tests on a real node install Traefik by these manifests, too.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devcluster import Cluster
from devcluster.pki import Authority
from examples.demo import sample
from examples.demo.browser import Site
from examples.demo.console import Console

NAME = "traefik"
NAMESPACE = "traefik"
PORT = 443
_LABELS = {"app.kubernetes.io/name": NAME}
_RBAC = "rbac.authorization.k8s.io"
_READ = ["get", "list", "watch"]
_RULES = [
    {"apiGroups": [""], "resources": ["services", "secrets", "nodes", "namespaces"], "verbs": _READ},
    {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses", "ingressclasses"], "verbs": _READ},
    {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses/status"], "verbs": ["update"]},
]
_ARGUMENTS = [
    "--providers.kubernetesingress=true",
    f"--providers.kubernetesingress.ingressendpoint.publishedservice={NAMESPACE}/{NAME}",
    "--entrypoints.websecure.address=:8443",
    "--entrypoints.websecure.http.tls=true",
    "--ping=true",
    "--global.checknewversion=false",
    "--global.sendanonymoususage=false",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadBalancer:
    """Where the load balancer is, and whose certificates it shows."""

    address: str
    authority: Path
    """The certificate of the run's authority, in PEM."""


def site(balancer: LoadBalancer) -> Site:
    """Return the sample's host as Chromium has to know it."""
    return Site(host=sample.HOST, address=balancer.address, authority=balancer.authority)


def install(cluster: Cluster, console: Console, image: str) -> LoadBalancer:
    """Install Traefik and the certificate, and return when it answers at its address."""
    authority = _make_certificate(cluster, console)
    address = cluster.kubectl(
        "get", "nodes", '--output=jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}'
    )
    apply(cluster, image, address)
    console.note(cluster.kubectl("get", "service", NAME, f"--namespace={NAMESPACE}"))
    return LoadBalancer(address=address, authority=authority)


def apply(cluster: Cluster, image: str, address: str) -> None:
    """Apply the manifests, give the Service its address, and wait until Traefik is ready."""
    items = {"apiVersion": "v1", "kind": "List", "items": _manifests(image)}
    cluster.kubectl("apply", "--server-side", "--filename=-", stdin=json.dumps(items))
    status = {"status": {"loadBalancer": {"ingress": [{"ip": address}]}}}
    patch = (
        "patch",
        "service",
        NAME,
        "--subresource=status",
        "--type=merge",
        f"--patch={json.dumps(status)}",
    )
    cluster.kubectl(*patch, f"--namespace={NAMESPACE}")
    cluster.kubectl("rollout", "status", f"daemonset/{NAME}", f"--namespace={NAMESPACE}", "--timeout=110s")


def _make_certificate(cluster: Cluster, console: Console) -> Path:
    """Keep a certificate for the sample's host in the Secret that its manifest names; return its authority's."""
    directory = cluster.run_dir / "certificates"
    directory.mkdir()
    authority = Authority.create()
    pair = authority.issue(sample.HOST, hosts=[sample.HOST])
    content = {"ca.crt": authority.pair.certificate, "tls.crt": pair.certificate, "tls.key": pair.key}
    for name, value in content.items():
        with open(directory / name, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(value)
    console.note(f"$ kubectl create secret tls {sample.SECRET} --cert=tls.crt --key=tls.key")
    cluster.kubectl(
        *("create", "secret", "tls", sample.SECRET, f"--namespace={sample.NAMESPACE}"),
        *(f"--cert={directory / 'tls.crt'}", f"--key={directory / 'tls.key'}"),
    )
    return directory / "ca.crt"


def _manifests(image: str) -> list[dict[str, Any]]:
    named = {"name": NAME, "namespace": NAMESPACE}
    restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": restricted}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": named},
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": NAME},
            "rules": _RULES,
        },
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": NAME},
            "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": NAME},
            "subjects": [{"kind": "ServiceAccount", **named}],
        },
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "IngressClass",
            "metadata": {"name": NAME},
            "spec": {"controller": "traefik.io/ingress-controller"},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": named,
            "spec": {
                "type": "LoadBalancer",
                "allocateLoadBalancerNodePorts": False,
                "selector": _LABELS,
                "ports": [{"name": "https", "port": PORT, "targetPort": "https"}],
            },
        },
        {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": named,
            "spec": {
                "selector": {"matchLabels": _LABELS},
                "template": {
                    "metadata": {"labels": _LABELS},
                    "spec": {"serviceAccountName": NAME, "containers": [_container(image)]},
                },
            },
        },
    ]


def _container(image: str) -> dict[str, Any]:
    return {
        "name": NAME,
        "image": image,
        "args": _ARGUMENTS,
        "ports": [{"name": "https", "containerPort": 8443}, {"name": "ping", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/ping", "port": "ping"}, "periodSeconds": 1},
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
