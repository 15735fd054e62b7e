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
from typing import TYPE_CHECKING

from devcluster import binaries
from devcluster.cluster import Cluster
from devcluster.options import DevclusterError

if TYPE_CHECKING:
    from devcluster.supervision import Supervision

_REACH_SECONDS = 30


def start() -> Cluster:
    """Return the cluster of the current kubeconfig context, after seeing that it answers."""
    kubeconfig = os.environ.get("KUBECONFIG")
    if not kubeconfig:
        raise DevclusterError("DEVCLUSTER_PROVIDER=existing needs KUBECONFIG to name the cluster to use")
    run_dir = Path(tempfile.mkdtemp(prefix="devcluster-existing-"))
    try:
        return from_kubeconfig(Path(kubeconfig), run_dir, None)
    except BaseException:
        shutil.rmtree(run_dir)
        raise


def from_kubeconfig(kubeconfig: Path, run_dir: Path, supervision: Supervision | None) -> Cluster:
    """Return the cluster that a kubeconfig's current context leads to, after seeing that it answers."""
    kubectl = shutil.which("kubectl") or str(binaries.obtain(["kubectl"])["kubectl"])
    view = subprocess.run(
        [
            kubectl,
            f"--kubeconfig={kubeconfig}",
            *("config", "view", "--raw", "--minify", "--flatten", "-o", "json"),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=_REACH_SECONDS,
    )
    if view.returncode:
        raise DevclusterError(f"{kubeconfig} cannot be used: {view.stderr.strip()}")
    config = run_dir / "admin.kubeconfig"
    config.touch(mode=0o600)
    config.write_text(view.stdout)
    target = json.loads(view.stdout)["clusters"][0]["cluster"]
    ca_file = run_dir / "ca.crt"
    ca_file.write_bytes(base64.b64decode(target.get("certificate-authority-data", "")))
    cluster = Cluster(
        kubeconfig=config, server=target["server"], ca_file=ca_file, run_dir=run_dir, supervision=supervision
    )
    cluster.kubectl("version", timeout=_REACH_SECONDS)
    if supervision:
        cluster.describe()
    return cluster
