"""The real External Secrets (0.16.2) as a process beside a cluster, with a store that asks a stand-in of AWS.

Built from its Go module, which takes many minutes the first time; its definitions are read from the same module.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devcluster import Cluster, binaries, toolchain
from tests.controller.api import Api, Manifest
from tests.controller.aws_secrets import SecretsManager
from tests.controller.operators import eventually
from tests.controller.secrets import installed

_MODULE = "github.com/external-secrets/external-secrets"
_KINDS = ("externalsecrets", "clustersecretstores", "secretstores")


@contextmanager
def fetching_from(aws: SecretsManager, cluster: Cluster, api: Api, directory: Path) -> Iterator[None]:
    """Run it while inside; its log is in the directory."""
    program = binaries.obtain(["external-secrets"])["external-secrets"]
    definitions = [(_source() / f"external-secrets.io_{kind}.yaml").read_text() for kind in _KINDS]
    with installed(cluster, api, *definitions), (directory / "log").open("wb") as output:
        process = subprocess.Popen(
            [
                *("timeout", "3600", str(program)),  # also where the tests are killed
                "--metrics-addr=127.0.0.1:0",
                "--concurrent=4",
                "--enable-cluster-external-secret-reconciler=false",
                "--enable-push-secret-reconciler=false",
                "--enable-cluster-push-secret-reconciler=false",
            ],
            env={
                "PATH": os.environ["PATH"],
                "KUBECONFIG": str(cluster.kubeconfig),
                "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
                "AWS_SECRET_ACCESS_KEY": "none",
                "AWS_SECRETSMANAGER_ENDPOINT": aws.endpoint,
            },
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            _make_store(api)
            yield
        finally:
            process.terminate()
            process.wait(30)


def _source() -> Path:
    """Return the folder of the module that has its definitions."""
    go = toolchain.find_go(binaries.cache_root())
    listed = subprocess.run(
        [go, "list", "-m", "-f", "{{.Dir}}", _MODULE],
        cwd=binaries.module_directory("external-secrets"),
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return Path(listed.stdout.strip()) / "config" / "crds" / "bases"


def _make_store(api: Api) -> None:
    name = "aws-secrets-manager"
    store: Manifest = {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ClusterSecretStore",
        "metadata": {"name": name},
        "spec": {"provider": {"aws": {"service": "SecretsManager", "region": "eu-west-1"}}},
    }
    api.apply(store)

    def ready() -> bool:
        found = api.get("ClusterSecretStore", None, name).get("status", {}).get("conditions", [])
        return any(each["type"] == "Ready" and each["status"] == "True" for each in found)

    eventually("the store is ready", ready, timeout=60)
