"""The provider that takes a cluster as it is: the one that KUBECONFIG names.

It starts and stops nothing; the run directory it makes holds a private copy of the kubeconfig and goes at the end.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from devcluster import binaries
from devcluster.cluster import Cluster
from devcluster.options import DevclusterError

_REACH_SECONDS = 30


def start() -> Cluster:
    """Return the cluster of the current kubeconfig context, after seeing that it answers."""
    if not os.environ.get("KUBECONFIG"):
        raise DevclusterError("DEVCLUSTER_PROVIDER=existing needs KUBECONFIG to name the cluster to use")
    run_dir = Path(tempfile.mkdtemp(prefix="devcluster-existing-"))
    try:
        cluster = _flattened(run_dir)
        cluster.kubectl("version", timeout=_REACH_SECONDS)
    except BaseException:
        shutil.rmtree(run_dir)
        raise
    return cluster


def _flattened(run_dir: Path) -> Cluster:
    kubectl = shutil.which("kubectl") or str(binaries.obtain(["kubectl"])["kubectl"])
    view = subprocess.run(
        [kubectl, "config", "view", "--raw", "--minify", "--flatten", "--output=json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=_REACH_SECONDS,
    )
    if view.returncode:
        raise DevclusterError(f"KUBECONFIG={os.environ['KUBECONFIG']} cannot be used: {view.stderr.strip()}")
    config = run_dir / "admin.kubeconfig"
    config.touch(mode=0o600)
    config.write_text(view.stdout)
    target = json.loads(view.stdout)["clusters"][0]["cluster"]
    ca_file = run_dir / "ca.crt"
    ca_file.write_bytes(base64.b64decode(target.get("certificate-authority-data", "")))
    return Cluster(kubeconfig=config, server=target["server"], ca_file=ca_file, run_dir=run_dir)
