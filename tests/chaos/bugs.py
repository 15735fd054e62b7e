"""Mistakes for the chaos run to find: each replaces a function of the operator, and the checker must see it.

Called by the command with `--bugs`, and by the operator's own process before it starts (`make`). They are mistakes
that a developer could make, and that a calm cluster hides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from containerapp.controllers.workloads import image
from containerapp.core.model import Outcome, Resolved
from containerapp.core.plan import Owner
from containerapp.engine import reconcile
from containerapp.engine.apply import Applier
from containerapp.engine.reconcile import Reconciler
from containerapp.engine.turn import Turn
from containerapp.kube.client import Expired
from containerapp.kube.informer import Informer
from containerapp.kube.lease import Leadership
from containerapp.kube.queue import WorkQueue
from containerapp.kube.store import Store
from tests.chaos.plan import MEDDLINGS, Shape

_SLOW = 30.0
"""Floor of the backoff after an error that another team has to mend."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bug:
    """A mistake: `make` puts it into the process that calls it. `faults` bring it to light soonest."""

    name: str
    make: Callable[[], None]
    faults: tuple[str, ...] = ("kill-leader",)
    squatted: int = 0
    """Apps whose name another owner has taken; they make a run longer, because they are tried again slowly."""

    @property
    def shape(self) -> Shape:
        """What a run is like that shows it: without API outages, after which the cluster itself takes its time."""
        return Shape(
            seconds=25,
            faults=self.faults,
            fault_gap=3,
            squatted=self.squatted,
            settling=90 if self.squatted else 30,
        )


def make(name: str) -> None:
    """Put the mistake of this name into the process."""
    next(bug for bug in (*BUGS, *SOUND) if bug.name == name).make()


def _nothing() -> None:
    """The operator as it is."""


def _skip_pruning() -> None:
    apply = Applier.apply

    async def without(self: Applier, owner: Owner, plan: Any, **_: Any) -> Any:
        return await apply(self, owner, plan, may_prune=lambda: False)

    Applier.apply = without  # type: ignore[method-assign]


def _write_status_before_children() -> None:
    async def serve(self: Reconciler, turn: Turn, gathered: Any) -> Any:
        desired, optional = self._render(turn, gathered)
        plan, view = self._plan(turn, desired, gathered), self._view(turn)
        outcome = Outcome(
            gathered=gathered,
            resources=reconcile._inventory(turn.controller, view.live),
            optional=optional,
        )
        status = turn.controller.status(view, outcome, self._timestamp())
        after = await self._finish(turn, status, reconcile._next(turn, outcome, status, ""))
        await self._write(turn, plan, gathered)
        return after

    Reconciler._serve = serve  # type: ignore[method-assign]


def _lose_what_happens_during_a_reconcile() -> None:
    def done(self: WorkQueue, key: Any) -> None:
        self._active.discard(key)
        self._again.discard(key)

    WorkQueue.done = done  # type: ignore[method-assign]


def _lose_retries() -> None:
    retry = WorkQueue.retry

    def slow_ones_alone(self: WorkQueue, key: Any, *, floor: float = 0.0) -> float:
        return retry(self, key, floor=floor) if floor >= _SLOW else floor

    WorkQueue.retry = slow_ones_alone  # type: ignore[method-assign]


def _let_the_store_go_back() -> None:
    def put(self: Store, manifest: Any) -> Any:
        identity = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
        return self._replace(identity, self._pack(manifest))

    Store.put = put  # type: ignore[method-assign]


def _remove_the_fence() -> None:
    setattr(Leadership, "holds", lambda _self: True)  # noqa: B010 - replaced on purpose


def _adopt_without_consent() -> None:
    owner = Turn.owner.fget  # type: ignore[attr-defined]
    Turn.owner = property(lambda turn: replace(owner(turn), adopts=True))  # type: ignore[assignment,method-assign]


def _follow_moved_tags() -> None:
    def with_news(_app: Any, reference: Any, record: Any, answer: Any) -> Any:
        digest = answer.digest if isinstance(answer, Resolved) else record.digest
        return image.Pinned(pin=image.pin(reference, digest, record.refresh))

    setattr(image, "_with_news", with_news)  # noqa: B010 - replaced on purpose


def _keep_expired_watches() -> None:
    stream = Informer._stream

    async def without_end(self: Informer) -> None:
        try:
            await stream(self)
        except Expired:
            return

    Informer._stream = without_end  # type: ignore[method-assign]


SOUND = tuple(
    Bug(
        name=name,
        make=_nothing,
        faults=("kill-leader", "pause-leader", "trouble-requests", "expire-watches", *MEDDLINGS),
        squatted=squatted,
    )
    for name, squatted in (("no bug", 2), ("no bug where nothing is squatted", 0))
)
"""The operator as it is, by all that the bugs are shown by, in either of their shapes: nothing may be found."""

BUGS = (
    Bug(name="prune-skipped", make=_skip_pruning),
    Bug(name="status-before-apply", make=_write_status_before_children, squatted=2),
    Bug(name="requeue-lost", make=_lose_what_happens_during_a_reconcile, faults=MEDDLINGS),
    Bug(name="retry-lost", make=_lose_retries, faults=("trouble-requests",)),
    Bug(
        name="store-goes-back",
        make=_let_the_store_go_back,
        faults=("trouble-requests", "fight", "scale-deployment", "change-image"),
    ),
    Bug(name="fence-removed", make=_remove_the_fence, faults=("pause-leader", "fight")),
    Bug(name="strangers-adopted", make=_adopt_without_consent, squatted=2),
    Bug(name="moved-tag-followed", make=_follow_moved_tags),
    Bug(
        name="expired-watch-kept",
        make=_keep_expired_watches,
        faults=("expire-watches", "delete-child", "scale-deployment"),
    ),
)
