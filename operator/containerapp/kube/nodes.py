"""Nodes that are to go, and whose Pods are on them: cordoned, or tainted by what replaces nodes.

Fed by an informer of nodes, read by the reconcile. Once for each such node the Pods on it are listed, so that those are
notified whose Pods have to leave. Of a node it keeps the name and whether it goes. Losing it costs a list for each.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from containerapp.core.model import PODS, Controller, Key, Manifest, Resource
from containerapp.errors import ContainerAppError
from containerapp.kube.client import Client, path
from containerapp.kube.store import Listed, Packed

_logger = logging.getLogger(__name__)

NODE = Resource(api_version="v1", kind="Node", plural="nodes")
"""What the informer watches, cluster-wide."""

_TAINTS = {
    "karpenter.sh/disrupted",
    "node.kubernetes.io/unschedulable",
    "ToBeDeletedByClusterAutoscaler",
}
"""Karpenter and EKS Auto Mode; cordoned; the Cluster Autoscaler. Each is set before the node's Pods are evicted."""

_RETRY = 5.0
"""Seconds after which a list that has failed is tried again."""


def goes(node: Manifest) -> bool:
    """Whether a node is about to lose its Pods."""
    spec = node.get("spec", {})
    return bool(spec.get("unschedulable")) or any(taint["key"] in _TAINTS for taint in spec.get("taints", ()))


@dataclass(kw_only=True)
class Nodes:
    """The nodes that are to go; `notify` is called for the custom objects whose Pods are on one."""

    reads_managed_fields: ClassVar[bool] = False
    resource: ClassVar[Resource] = NODE

    client: Client
    controllers: tuple[Controller, ...]
    notify: Callable[[Key], None]
    _owners: dict[str, frozenset[Key] | None] = field(default_factory=dict)
    """By the name of a node that goes; None until its Pods are listed."""
    _wanted: asyncio.Event = field(default_factory=asyncio.Event)

    def leaving(self, key: Key) -> frozenset[str]:
        """Return the nodes that are to go and had Pods of the object when that was found."""
        return frozenset(name for name, owners in self._owners.items() if owners and key in owners)

    async def run(self) -> None:
        """List the Pods of each node that is to go, until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            for name in [name for name, owners in self._owners.items() if owners is None]:
                try:
                    await self._look(name)
                except ContainerAppError as error:
                    _logger.warning("The Pods of node %s, which is to go, cannot be listed: %s", name, error)
                    asyncio.get_running_loop().call_later(_RETRY, self._wanted.set)

    async def _look(self, name: str) -> None:
        owners = set[Key]()
        for controller in self.controllers:
            listed = await self.client.get(
                path(PODS.api_version, PODS.plural, None),
                metadata_only=True,
                labelSelector=controller.label,
                fieldSelector=f"spec.nodeName={name}",
            )
            pods = (pod["metadata"] for pod in listed["items"] or ())
            owners |= {
                Key(controller.resource.kind, pod["namespace"], pod["labels"][controller.label])
                for pod in pods
            }
        if name in self._owners:
            self._owners[name] = frozenset(owners)
            for key in owners:
                self.notify(key)

    def put(self, manifest: Manifest) -> set[Key]:
        """Take a node as it is now; return whose Pods need not leave any more."""
        return self._note(manifest["metadata"]["name"], is_going=goes(manifest))

    def drop(self, manifest: Manifest) -> set[Key]:
        """Forget a node that is gone; return who had Pods there."""
        return self._note(manifest["metadata"]["name"], is_going=False)

    def replace(self, namespace: str | None, listed: Listed) -> set[Key]:  # noqa: ARG002 - a store's signature
        """Take a list for all that was known; return whose Pods need not leave any more."""
        going = {name: bool(packed.text) for (_, name), packed in listed.items.items()}
        notes = [self._note(name, is_going=going.get(name, False)) for name in {*self._owners, *going}]
        return set().union(*notes)

    def clear(self, namespace: str | None) -> set[Key]:
        """Forget everything."""
        return self.replace(namespace, Listed(store=self))

    def pack(self, manifest: Manifest) -> Packed:
        """Return a node as it is kept while its list comes in: by whether it goes."""
        return Packed(int(manifest["metadata"]["resourceVersion"]), b"goes" if goes(manifest) else b"", None)

    def __len__(self) -> int:
        return len(self._owners)

    def _note(self, name: str, *, is_going: bool) -> set[Key]:
        if not is_going:
            return set(self._owners.pop(name, None) or ())
        if name not in self._owners:
            self._owners[name] = None
            self._wanted.set()
        return set()
