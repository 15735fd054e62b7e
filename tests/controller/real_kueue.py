"""The real Kueue (0.17.0) as a process beside a cluster, with its definitions and its admission webhooks.

Built from its Go module, which takes many minutes the first time; its chart, in the same module, has the rest. The API
server reaches the webhooks by a Service of type ExternalName, which leads to the process on the cluster's own address.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from devcluster import Cluster, binaries, toolchain
from tests.controller.api import Api, Manifest
from tests.controller.operators import eventually
from tests.definitions import await_served

_MODULE = "sigs.k8s.io/kueue"
_NAMESPACE = "kueue-system"
_SERVICE, _SECRET = "kueue-webhook-service", "kueue-webhook-server-cert"
_WEBHOOK_PORT, _HEALTH_PORT = 9443, 9081
_WEBHOOKS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
_DEFINITION = "CustomResourceDefinition"


@contextmanager
def queueing(cluster: Cluster, api: Api, directory: Path) -> Iterator[None]:
    """Run it while inside, for Jobs alone; its log is in the directory."""
    program = binaries.obtain(["kueue"])["kueue"]
    manifests = _manifests(cluster)
    names = [each["metadata"]["name"] for each in manifests if each["kind"] == _DEFINITION]
    cluster.kubectl("apply", "--server-side", "--filename=-", stdin=json.dumps(_list(manifests)))
    for name in names:
        await_served(cluster, name)
    with (directory / "log").open("wb") as output:
        process = subprocess.Popen(
            ["timeout", "3600", str(program), f"--config={_configuration(cluster, directory)}"],
            env={"PATH": os.environ["PATH"], "KUBECONFIG": str(cluster.kubeconfig)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            _hand_over_certificates(api, directory)
            eventually("Kueue is ready", lambda: _is_ready(cluster), timeout=120)
            yield
            _await_its_finalizers(cluster)
        finally:
            cluster.kubectl("delete", ",".join(_WEBHOOKS), "--selector=app.kubernetes.io/name=kueue")
            process.terminate()
            process.wait(30)
            cluster.kubectl("delete", "crd", *names)
            cluster.kubectl("delete", "namespace", _NAMESPACE, "--wait=false")


def _list(manifests: list[Manifest]) -> Manifest:
    return {"apiVersion": "v1", "kind": "List", "items": manifests}


def _manifests(cluster: Cluster) -> list[Manifest]:
    """Return what the chart installs beside the process, which needs no rights of its own here."""
    helm = [str(cluster.binary("helm")), "template", "kueue", str(_chart()), f"--namespace={_NAMESPACE}"]
    done = subprocess.run(helm, capture_output=True, text=True, check=True, timeout=120)
    wanted = {_DEFINITION, "Secret", *_WEBHOOKS}
    rendered = [each for each in yaml.load_all(done.stdout, yaml.CSafeLoader) if each]
    made = [each for each in rendered if each["kind"] in wanted]
    for each in made:
        for client in _clients(each):
            client["service"]["port"] = _WEBHOOK_PORT
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": _NAMESPACE}},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": _SERVICE, "namespace": _NAMESPACE},
            "spec": {"type": "ExternalName", "externalName": cluster.address},
        },
        *made,
    ]


def _clients(manifest: Manifest) -> Iterator[Manifest]:
    """Yield how the API server reaches each webhook of a manifest."""
    yield from (each["clientConfig"] for each in manifest.get("webhooks", []))
    conversion = manifest.get("spec", {}).get("conversion", {})
    if "webhook" in conversion:
        yield conversion["webhook"]["clientConfig"]


def _chart() -> Path:
    """Return the chart's folder in the module."""
    go = toolchain.find_go(binaries.cache_root())
    listed = subprocess.run(
        [go, "list", "-m", "-f", "{{.Dir}}", _MODULE],
        cwd=binaries.module_directory("kueue"),
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return Path(listed.stdout.strip()) / "charts" / "kueue"


def _configuration(cluster: Cluster, directory: Path) -> Path:
    """Write what the process is to serve and where."""
    certificates = directory / "certificates"
    certificates.mkdir()
    configuration = {
        "apiVersion": "config.kueue.x-k8s.io/v1beta2",
        "kind": "Configuration",
        "namespace": _NAMESPACE,
        "health": {"healthProbeBindAddress": f"{cluster.address}:{_HEALTH_PORT}"},
        "metrics": {"bindAddress": "0"},
        "webhook": {"host": cluster.address, "port": _WEBHOOK_PORT, "certDir": str(certificates)},
        "leaderElection": {"leaderElect": False},
        "internalCertManagement": {
            "enable": True,
            "webhookServiceName": _SERVICE,
            "webhookSecretName": _SECRET,
        },
        "integrations": {"frameworks": ["batch/job"]},
        "featureGates": {"VisibilityOnDemand": False},
    }
    file = directory / "configuration.yaml"
    file.write_text(yaml.safe_dump(configuration))
    return file


def _hand_over_certificates(api: Api, directory: Path) -> None:
    """Write the Secret's certificates to files, as a kubelet would: the process waits for them."""

    def made() -> dict[str, str]:
        return dict((api.find("Secret", _NAMESPACE, _SECRET) or {}).get("data") or {})

    log = directory / "log"
    eventually("Kueue has made its certificates", made, timeout=60, details=log.read_text)
    for name, value in made().items():
        (directory / "certificates" / name).write_bytes(base64.b64decode(value))


def _is_ready(cluster: Cluster) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{cluster.address}:{_HEALTH_PORT}/readyz", timeout=10) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, ConnectionError):
        return False


def _await_its_finalizers(cluster: Cluster) -> None:
    """Wait until nothing is left that only Kueue can let go of."""
    eventually(
        "no Workload is left", lambda: not cluster.kubectl("get", "workloads", "-A", "-o=name"), timeout=120
    )
    cluster.kubectl("delete", "clusterqueues,resourceflavors", "--all", "--timeout=60s")
