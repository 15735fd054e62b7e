"""Chooses where a cluster comes from.

The embedded provider is the default; `DEVCLUSTER_PROVIDER=existing` takes the cluster that KUBECONFIG names, and
`DEVCLUSTER_PROVIDER=kind` makes one with kind.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from devcluster import embedded, existing, kind
from devcluster.cluster import Cluster
from devcluster.options import DevclusterError, Options


def start(options: Options | None = None) -> Cluster:
    """Start (or take) a cluster, ready for use; leave it with `close` or a `with` block."""
    chosen = options or Options()
    match os.environ.get("DEVCLUSTER_PROVIDER", "embedded"):
        case "embedded":
            return embedded.start(chosen)
        case "existing":
            return existing.start()
        case "kind":
            return kind.start(chosen)
        case other:
            raise DevclusterError(f"DEVCLUSTER_PROVIDER={other}: choose embedded, existing or kind")


def join(run_dir: Path) -> Cluster:
    """Hold a cluster that another process started; it ends when its last holder leaves."""
    return Cluster.join(run_dir)


def start_or_join(options: Options, note: Path) -> Cluster:
    """Hold the one cluster of several processes: whoever comes first starts it and notes where it is."""
    with note.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            return join(Path(note.read_text()))
        except (FileNotFoundError, DevclusterError):  # nobody was here yet, or all have left again
            cluster = start(options)
            if cluster.supervision:
                note.write_text(str(cluster.run_dir))
            return cluster
