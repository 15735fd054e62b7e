"""The gather phase of a reconcile: what a controller needs beyond the watches, asked for and remembered.

Called by the reconcile. It asks Pods what they show, reads whole manifests where a controller has to have one, and lets
only so many objects at a time take what a new version of the operator renders otherwise.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import orjson

from containerapp.core.model import Digests, Gathered, Key, Manifest, ObjectRef, Query, View
from containerapp.core.targets import Question, Targets
from containerapp.engine.account import AccountLookup
from containerapp.engine.apply import url_of
from containerapp.engine.pods import PodQuestions
from containerapp.engine.throttle import RenderBudget
from containerapp.engine.turn import Turn
from containerapp.errors import Blocked
from containerapp.kube.client import Client, NamespaceTerminating, NotFound
from containerapp.kube.store import Stores, without_managed_fields

_logger = logging.getLogger(__name__)

_RENDER_RETRY = 15.0
"""Seconds after which an object looks again whether it may take what a new version of the operator renders."""


@dataclass(kw_only=True)
class Gatherer:
    """Asks a controller for the inputs of rendering. `clock` is monotonic; `view` makes what a controller sees."""

    client: Client
    stores: Stores
    digests: Digests
    renders: RenderBudget
    clock: Callable[[], float]
    view: Callable[[Turn], View]
    targets: Callable[[Key, Question | None], Targets | None]
    account: AccountLookup
    _pods: PodQuestions = field(init=False)

    def __post_init__(self) -> None:
        self._pods = PodQuestions(client=self.client, clock=self.clock)

    async def gather(self, turn: Turn, rolling_for: float) -> tuple[Turn, Gathered]:
        """Return the inputs, and the turn with what had to be asked for them."""
        controller, memory, view = turn.controller, turn.memory, self.view(turn)
        finding = await self._pods.finding(controller.listing(view), turn.key, memory, rolling_for)
        turn = replace(turn, finding=finding)
        if (targets := self.targets(turn.key, controller.targets(self.view(turn)))) is not None:
            turn = replace(turn, targets=targets)
        if (account := self.account(turn.key, controller.account(self.view(turn)))) is not None:
            turn = replace(turn, account=account)
            self.account(
                turn.key, controller.account(self.view(turn))
            )  # an answer that will do ends the waiting
        gathered = controller.gather(self.view(turn), self.digests)
        if gathered.outdated and self.renders.size:
            taken = self.renders.take(turn.key)
            again = controller.gather(self.view(turn), self.digests) if taken else gathered
            gathered = again if taken else replace(gathered, again_after=_RENDER_RETRY)
        while not (turn.loaded.keys() >= set(gathered.load) and turn.answers.keys() >= set(gathered.queries)):
            turn = await self._complete(turn, gathered)
            again = controller.gather(self.view(turn), self.digests)
            gathered = replace(again, again_after=again.again_after or gathered.again_after)
        if not gathered.queries:
            memory.refused = ""
        memory.loaded = {ref: text for ref, text in memory.loaded.items() if ref in turn.loaded}
        memory.outdated = gathered.outdated
        return turn, gathered

    async def _complete(self, turn: Turn, gathered: Gathered) -> Turn:
        """Return the turn with what the controller has asked for."""
        loaded = {ref: await self._load(turn, ref) for ref in gathered.load if ref not in turn.loaded}
        answers = {each: await self._ask(each) for each in gathered.queries if each not in turn.answers}
        return replace(turn, loaded={**turn.loaded, **loaded}, answers={**turn.answers, **answers})

    async def _ask(self, query: Query) -> Manifest | None:
        """Return what stands there now, or None where the API server will not say it."""
        options = {"labelSelector": query.selector} if query.selector else {}
        try:
            return await self.client.get(query.path, metadata_only=False, **options)
        except NamespaceTerminating:
            raise
        except Blocked as error:
            _logger.warning("Cannot read %s: %s", query.path, error)
            return None

    async def _load(self, turn: Turn, ref: ObjectRef) -> Manifest | None:
        """Return the whole manifest of a child that never changes, from memory where it was read before."""
        if ref in turn.memory.loaded:
            known: Manifest = orjson.loads(turn.memory.loaded[ref])
            return known
        try:
            stored = await self.client.get(url_of(self.stores.of(ref).resource, turn.key.namespace, ref.name))
        except NotFound:
            return None
        turn.memory.loaded[ref] = orjson.dumps(without_managed_fields(stored))
        return stored
