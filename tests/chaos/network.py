"""The driver's end of the faulty network: starts it, orders trouble, reads what passed.

Each replica is given a kubeconfig that leads to a port of its own. The proxy is a component of the throw-away cluster,
so it ends with it, and can be killed and started again like every other.
"""

from __future__ import annotations

import dataclasses
import json
import os
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3
import yaml

from devcluster import Cluster
from devcluster.supervision import Component
from tests.controller.operators import ROOT, Identity

COMPONENT = "proxy"
_SCRIPT = Path(__file__).with_name("proxy.py")
_ORDERS_PORT = 7000


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """One request of a replica's, as the network saw it. `fate` tells what the network did to it, if anything."""

    replica: int
    began: float
    ended: float
    method: str
    path: str
    code: int
    fate: str | None
    holder: str | None = None
    """Who is to hold the Lease after this request, which writes it."""

    @property
    def is_write(self) -> bool:
        """Whether it could have changed something; the Lease does not count."""
        return self.method not in {"GET", "WATCH"} and "/leases" not in self.path

    @property
    def answered(self) -> bool:
        """Whether the API server itself said something to it; where it said nothing, the code is 0."""
        return self.fate in {None, "slow", "slow answer", "lost answer"} and self.code > 0

    @property
    def arrived(self) -> bool:
        """Whether the API server had it and took it."""
        return self.answered and 200 <= self.code < 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A running proxy."""

    cluster: Cluster
    directory: Path
    replicas: int

    @classmethod
    def start(cls, cluster: Cluster, replicas: int, seed: int) -> Network:
        """Start the proxy with a port for each replica, under the API server's own certificate."""
        directory = cluster.run_dir / COMPONENT
        directory.mkdir()
        keys, pair = cluster.run_dir / "pki", directory / "pair.pem"
        pair.touch(mode=0o600)
        pair.write_bytes((keys / "apiserver.key").read_bytes() + (keys / "apiserver.crt").read_bytes())
        ports = range(_ORDERS_PORT, _ORDERS_PORT + replicas + 1)
        url = f"https://{cluster.address}:{_ORDERS_PORT}/chaos"
        component = Component(
            name=COMPONENT,
            argv=[
                *(_python(), str(_SCRIPT), "--server", cluster.server, "--address", cluster.address),
                *("--ports", *map(str, ports), "--certificate", str(pair)),
                *("--authority", str(cluster.ca_file), "--directory", str(directory), "--seed", str(seed)),
            ],
            ready_url=url,
        )
        cluster.run_component(component)
        return cls(cluster=cluster, directory=directory, replicas=replicas)

    @property
    def journal(self) -> Path:
        """The file that has a line for every request."""
        return self.directory / "journal.jsonl"

    def identity(self, identity: Identity, replica: int) -> Identity:
        """Return who the replica is, by a kubeconfig that leads through its own port."""
        document = yaml.safe_load(identity.kubeconfig.read_text())
        server = f"https://{self.cluster.address}:{_ORDERS_PORT + 1 + replica}"
        document["clusters"][0]["cluster"]["server"] = server
        path = self.directory / f"replica-{replica}.kubeconfig"
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(document))
        return dataclasses.replace(identity, kubeconfig=path)

    def order(self, do: str, **details: float) -> dict[str, Any]:
        """Have the proxy make trouble, or peace; return what it answers."""
        context = ssl.create_default_context(cafile=self.cluster.ca_file)
        with urllib3.PoolManager(ssl_context=context, retries=False) as pool:
            url = f"https://{self.cluster.address}:{_ORDERS_PORT}/chaos"
            answer: dict[str, Any] = pool.request("POST", url, json={"do": do, **details}, timeout=10).json()
        return answer

    def passages(self) -> Iterator[Passage]:
        """Yield what has passed so far, in the order in which it ended."""
        with self.journal.open() as lines:
            for line in lines:
                if line.endswith("\n"):
                    entry = json.loads(line)
                    replica = entry.pop("port") - _ORDERS_PORT - 1
                    yield Passage(replica=replica, **entry)


def _python() -> str:
    """Return the interpreter of the proxy's own environment, which is made the first time."""
    uv = os.environ.get("UV") or str(ROOT / ".tools" / "bin" / "uv")
    subprocess.run([uv, "sync", "--quiet", "--locked", "--script", str(_SCRIPT)], check=True)
    found = subprocess.run(
        [uv, "python", "find", "--script", str(_SCRIPT)], check=True, capture_output=True, text=True
    )
    return found.stdout.strip()
