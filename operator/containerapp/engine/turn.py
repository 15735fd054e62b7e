"""One reconcile of one object: what it knows of the object, and when the next one is. Plain values.

Made and read by the reconcile; the manager arranges the next turn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from containerapp.core.account import Account
from containerapp.core.external import State
from containerapp.core.model import ADOPT_ANNOTATION, Controller, Key, Manifest, ObjectRef, Query
from containerapp.core.plan import Owner
from containerapp.core.policy import Platform
from containerapp.core.targets import Targets
from containerapp.engine.memory import Memory
from containerapp.errors import ContainerAppError


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """When to come back: after seconds of our own choice, or by backoff because of an error.

    `awaits_answer`: the resolver tries again, and asks for the next reconcile.
    """

    after: float | None = None
    error: ContainerAppError | None = None
    awaits_answer: bool = False
    gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One reconcile's object: as JSON, parsed, and what is remembered of it."""

    controller: Controller
    key: Key
    manifest: Manifest
    obj: object
    memory: Memory
    platform: Platform
    external: Mapping[str, State] = field(default_factory=dict)
    loaded: Mapping[ObjectRef, Manifest | None] = field(default_factory=dict)
    finding: object = None
    targets: Targets | None = None
    account: Account | None = None
    answers: Mapping[Query, Manifest | None] = field(default_factory=dict)

    @property
    def owner(self) -> Owner:
        """The owner of the children; it adopts where its annotation and the platform say so."""
        metadata = self.manifest["metadata"]
        adopts = metadata.get("annotations", {}).get(ADOPT_ANNOTATION) == "true"
        allowed = any(fnmatchcase(self.key.namespace, pattern) for pattern in self.platform.adoption)
        return Owner(key=self.key, uid=metadata["uid"], adopts=adopts and allowed)

    @property
    def status(self) -> Manifest:
        """The status that the object has; empty where it has none."""
        return self.manifest.get("status") or {}

    @property
    def is_first(self) -> bool:
        """Whether the operator has not written a status yet; the API server's default has generation -1."""
        return int(self.status.get("observedGeneration", -1)) < 0
