"""Definitions of other projects' kinds, read from their Go modules: too large to keep a copy of.

The version and its checksum are in `gomod/gateway-api`. Licence: Apache-2.0,
https://github.com/kubernetes-sigs/gateway-api/blob/v1.6.3/LICENSE.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from devcluster import binaries, toolchain
from devcluster.options import DevclusterError

_MODULE = Path(__file__).parent / "gomod" / "gateway-api"
_SECONDS = 300


def gateway_api(*plurals: str) -> list[str]:
    """Return the standard definitions of these kinds of the Gateway API, as YAML."""
    command = [
        toolchain.find_go(binaries.cache_root()),
        "mod",
        "download",
        "-json",
        "sigs.k8s.io/gateway-api",
    ]
    done = subprocess.run(command, cwd=_MODULE, capture_output=True, text=True, check=False, timeout=_SECONDS)
    if done.returncode:
        raise DevclusterError(f"the definitions of the Gateway API cannot be fetched:\n{done.stderr[-3000:]}")
    folder = Path(json.loads(done.stdout)["Dir"]) / "config" / "crd" / "standard"
    return [(folder / f"gateway.networking.k8s.io_{plural}.yaml").read_text() for plural in plurals]
