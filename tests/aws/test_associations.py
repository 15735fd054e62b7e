"""Associations kept as they are wanted: `containerapp.engine.external` with EKS' backend, by botocore's Stubber."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from containerapp.aws import calls
from containerapp.core.external import Awaited, Found, Owner, Place, Record, Refused, Standing, State, Want
from containerapp.core.model import Key
from containerapp.engine import external
from containerapp.engine.external import Externals
from containerapp.tasks import end
from tests.aws.eks import OTHER_ROLE, Eks, owner, summary, tags, want

HERE = Place("default", "shop")


@dataclass(kw_only=True)
class Stage:
    """The engine's part, running, and the calls that it is to make."""

    eks: Eks
    externals: Externals
    changes: list[Key] = field(default_factory=list)
    records: dict[Owner, Record] = field(default_factory=dict)

    def ask(self, of: Owner, wanted: Want | None) -> State | None:
        """Do what a reconcile does: ask, and keep the record of what stands."""
        state = self.externals.state(of, wanted, self.records.get(of))
        if isinstance(state, Standing):
            self.records[of] = state.record
        return state

    async def until(
        self, of: Owner, wanted: Want | None, kind: type[State] | None, count: int = 400
    ) -> State | None:
        """Reconcile whenever the engine asks for it, until the state is of this kind."""
        state = self.ask(of, wanted)
        for _ in range(count):
            if (state is None and kind is None) or (kind is not None and isinstance(state, kind)):
                return state
            await asyncio.sleep(0.005)
            if self.changes:
                self.changes.clear()
                state = self.ask(of, wanted)
        raise AssertionError(f"still {state}")


@pytest.fixture
async def stage(
    credentials: pytest.MonkeyPatch,  # noqa: ARG001 - an environment in which a client can be made
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Stage]:
    """It runs at its full speed, and lists once an hour."""
    monkeypatch.setattr(calls, "RATE", 10_000.0)
    monkeypatch.setattr(external, "_TRANSIENT", (0.02, 0.05))
    monkeypatch.setattr(external, "_BLOCKED", (0.05, 0.05))
    changes: list[Key] = []
    eks = Eks()
    externals = Externals(
        backend=eks.backend(),
        on_change=changes.append,
        clock=time.monotonic,
        now=lambda: datetime.now(UTC),
        interval=3600.0,
    )
    running = asyncio.create_task(externals.run())
    yield Stage(eks=eks, externals=externals, changes=changes)
    await end([running])
    assert eks.done(), "not every call was made that was expected"


async def _eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - the calls are made in threads
            await asyncio.sleep(0.01)


async def _again(stage: Stage) -> Stage:
    """Take another list now, as after an interval."""
    await stage.externals._list()
    return stage


async def test_an_association_is_made_once(stage: Stage) -> None:
    """List, create, and then nothing: the answer of the create says all."""
    stage.eks.lists()
    stage.eks.creates(want(), owner())
    state = await stage.until(owner(), want(), Standing)
    assert state == Standing(record=want().record("a-1"))
    for _ in range(3):
        assert stage.ask(owner(), want()) == state


async def test_without_a_wish_nothing_is_listed(stage: Stage) -> None:
    """No call at all while no app wants anything outside."""
    await asyncio.sleep(0.05)
    assert stage.eks.made == 0


async def test_a_record_is_trusted_until_a_list_says_otherwise(stage: Stage) -> None:
    """A restart changes nothing for what runs, even while EKS is away; and it costs one list, not a call an app."""
    stage.records[owner()] = want().record("a-1")
    stage.eks.fails("list_pod_identity_associations", "ServerException", status=500)
    stage.eks.lists(summary(HERE), summary(Place("default", "other"), "a-7"))
    stage.eks.reads(want(), tags=tags(owner()))
    assert stage.ask(owner(), want()) == Standing(record=want().record("a-1"))
    await _eventually(stage.eks.done)
    assert stage.ask(owner(), want()) == Standing(record=want().record("a-1"))


async def test_an_association_on_no_record_is_read(stage: Stage) -> None:
    """A crash between the create and the status leaves one: its tags say that it is ours."""
    stage.eks.lists(summary(HERE))
    stage.eks.reads(want(), tags=tags(owner()))
    assert await stage.until(owner(), want(), Standing) == Standing(record=want().record("a-1"))


async def test_another_role_changes_the_association(stage: Stage) -> None:
    """Its id stays; what is on record differs, so that the Pods roll."""
    stage.records[owner()] = want().record("a-1")
    stage.eks.lists(summary(HERE))
    stage.eks.reads(want(), tags=tags(owner()))
    stage.eks.updates(want(OTHER_ROLE), owner())
    assert await stage.until(owner(), want(OTHER_ROLE), Standing) == Standing(
        record=want(OTHER_ROLE).record("a-1")
    )


async def test_one_that_was_deleted_behind_our_back_is_made_again(stage: Stage) -> None:
    """The next list shows that it is gone."""
    stage.eks.lists()
    stage.eks.creates(want(), owner())
    await stage.until(owner(), want(), Standing)
    stage.eks.lists()
    await _again(stage)
    stage.eks.creates(want(), owner(), "a-2")
    assert await stage.until(owner(), want(), Standing) == Standing(record=want().record("a-2"))


async def test_one_that_was_changed_behind_our_back_is_changed_back(stage: Stage) -> None:
    """A list shows no roles: a few objects are read after each."""
    stage.eks.lists()
    stage.eks.creates(want(), owner())
    await stage.until(owner(), want(), Standing)
    stage.eks.lists(summary(HERE))
    stage.eks.reads(want(OTHER_ROLE), tags=tags(owner()))
    await _again(stage)
    stage.eks.updates(want(), owner())
    assert isinstance(stage.ask(owner(), want()), Awaited)
    await stage.until(owner(), want(), Standing)


async def test_one_of_others_stays_as_it_is(stage: Stage) -> None:
    """The condition names it; once it is gone, ours is made."""
    stage.eks.lists(summary(HERE, "a-9"))
    stage.eks.reads(want(OTHER_ROLE), "a-9", tags={"team": "till"})
    state = await stage.until(owner(), want(), Refused)
    assert isinstance(state, Refused)
    assert state.error.reason == "AssociationTaken"
    stage.eks.lists()
    await _again(stage)
    stage.eks.creates(want(), owner(), "a-10")
    await stage.until(owner(), want(), Standing)


async def test_two_apps_of_one_service_account_are_one_too_many(stage: Stage) -> None:
    """The first has it; the second says whose it is."""
    till = owner("till")
    stage.eks.lists()
    stage.eks.creates(want(name="shared"), owner())
    await stage.until(owner(), want(name="shared"), Standing)
    state = await stage.until(till, want(name="shared"), Refused)
    assert isinstance(state, Refused)
    assert "ContainerApp default/shop" in state.error.message


async def test_one_that_was_made_meanwhile_is_looked_at(stage: Stage) -> None:
    """A create that meets another asks for that one alone, not for the whole list."""
    stage.eks.lists()
    stage.eks.fails("create_pod_identity_association", "ResourceInUseException", status=409)
    stage.eks.lists(summary(HERE), namespace="default", serviceAccount="shop")
    stage.eks.reads(want(), tags=tags(owner()))
    await stage.until(owner(), want(), Standing)


async def test_what_is_denied_is_tried_again(stage: Stage) -> None:
    """The state says why until it succeeds, and nothing else brings the next attempt about."""
    stage.eks.lists()
    stage.eks.fails("create_pod_identity_association", "AccessDeniedException", status=403)
    stage.eks.creates(want(), owner())
    state = await stage.until(owner(), want(), Refused)
    assert isinstance(state, Refused)
    assert state.error.reason == "AccessDenied"
    await stage.until(owner(), want(), Standing)


async def test_a_list_that_is_denied_is_everybodys_error(stage: Stage) -> None:
    """Who has nothing on record has to wait for it."""
    stage.eks.fails("list_pod_identity_associations", "AccessDeniedException", status=403)
    stage.eks.lists()
    stage.eks.creates(want(), owner())
    state = await stage.until(owner(), want(), Refused)
    assert isinstance(state, Refused)
    assert "eks:ListPodIdentityAssociations" in state.error.message
    await stage.until(owner(), want(), Standing)


async def test_a_new_association_takes_some_time_to_have_an_effect(stage: Stage) -> None:
    """A Pod that starts at once may be without it, for good."""
    stage.externals.backend.propagation = 0.2
    stage.eks.lists()
    stage.eks.creates(want(), owner(), createdAt=datetime.now(UTC))
    state = await stage.until(owner(), want(), Standing, count=10_000)
    assert isinstance(state, Standing)
    assert stage.externals._effective_at["a-1"] <= time.monotonic()


async def test_one_from_the_future_is_waited_for_no_longer(stage: Stage) -> None:
    """A clock that is wrong by an hour must not keep the app away for an hour."""
    stage.externals.backend.propagation = 0.05
    stage.eks.lists()
    stage.eks.creates(want(), owner(), createdAt=datetime.now(UTC) + timedelta(hours=1))
    await stage.until(owner(), want(), Standing)


async def test_what_is_not_wanted_any_more_is_deleted(stage: Stage) -> None:
    """Until EKS itself says that it is gone; others' of the namespace stay."""
    stage.eks.lists(summary(Place("default", "other"), "a-7"), summary(Place("elsewhere", "x"), "a-8"))
    stage.eks.creates(want(), owner())
    await stage.until(owner(), want(), Standing)
    stage.eks.reads(want(name="other"), "a-7", tags=tags(owner("other")))
    stage.eks.deletes(want())
    assert await stage.until(owner(), None, None) is None


async def test_one_that_a_crash_has_left_is_deleted_with_the_app(stage: Stage) -> None:
    """It is on no record, but its tags name the app."""
    stage.eks.lists(summary(HERE))
    stage.eks.reads(want(), tags=tags(owner()))
    stage.eks.deletes(want())
    assert await stage.until(owner(), None, None) is None


async def test_another_service_account_moves_the_association(stage: Stage) -> None:
    """The old one is deleted first: what a crash leaves is still on record."""
    stage.records[owner()] = want().record("a-1")
    stage.eks.lists(summary(HERE))
    stage.eks.deletes(want())
    stage.eks.creates(want(name="other"), owner(), "a-2")
    state = await stage.until(owner(), want(name="other"), Standing)
    assert state == Standing(record=want(name="other").record("a-2"))


async def test_a_deletion_that_is_denied_says_so(stage: Stage) -> None:
    """The finalizer waits, and the object says why."""
    stage.records[owner()] = want().record("a-1")
    stage.eks.lists(summary(HERE))
    stage.eks.fails("delete_pod_identity_association", "AccessDeniedException", status=403)
    stage.eks.deletes(want())
    state = await stage.until(owner(), None, Refused)
    assert isinstance(state, Refused)
    assert "eks:DeletePodIdentityAssociation" in state.error.message
    assert await stage.until(owner(), None, None) is None


async def test_one_that_stays_after_its_deletion_is_an_error(stage: Stage) -> None:
    """A success that changes nothing must not end the finalizer."""
    stage.records[owner()] = want().record("a-1")
    stage.eks.lists(summary(HERE))
    for _ in range(external._STEPS):
        stage.eks.stub.add_response("delete_pod_identity_association", {})
    stage.eks.fails("delete_pod_identity_association", "ResourceNotFoundException")
    state = await stage.until(owner(), None, Refused)
    assert isinstance(state, Refused)
    assert state.error.reason == "Deleting"
    assert await stage.until(owner(), None, None) is None


async def test_a_token_is_the_same_after_a_crash_and_another_after_a_deletion(stage: Stage) -> None:
    """EKS answers a repeated create by the association that it made; one that was deleted must be made again."""
    sent: list[str] = []
    stage.eks.client.meta.events.register(
        "provide-client-params.eks.CreatePodIdentityAssociation",
        lambda params, **_: sent.append(params["clientRequestToken"]),
    )
    stage.eks.lists()
    stage.eks.fails("create_pod_identity_association", "ServerException", status=500)
    stage.eks.creates(want(), owner())
    await stage.until(owner(), want(), Standing)
    stage.eks.lists()
    await _again(stage)
    stage.eks.creates(want(), owner(), "a-2")
    await stage.until(owner(), want(), Standing)
    assert sent[0] == sent[1] != sent[2]


async def test_a_thousand_apps_cost_a_list_and_a_few_reads(stage: Stage) -> None:
    """A thousand associations on record: ten pages an interval and ten reads, whatever the number of apps."""
    owners = [owner(f"app-{number}") for number in range(1000)]
    wants = [want(name=of.name) for of in owners]
    for number, (of, wanted) in enumerate(zip(owners, wants, strict=True)):
        stage.records[of] = wanted.record(f"a-{number}")
    for _ in range(2):
        for page in range(10):
            items = [
                summary(wants[number].place, f"a-{number}") for number in range(page * 100, page * 100 + 100)
            ]
            more = f"page-{page + 1}" if page < 9 else None
            stage.eks.lists(*items, then=more, **({"nextToken": f"page-{page}"} if page else {}))
        first = 0 if _ == 0 else external.AUDIT
        for number in range(first, first + external.AUDIT):
            stage.eks.reads(wants[number], f"a-{number}", tags=tags(owners[number]))
    calls: list[str] = []
    stage.eks.client.meta.events.register(
        "provide-client-params.eks", lambda model, **_: calls.append(model.name)
    )
    for of, wanted in zip(owners, wants, strict=True):
        assert isinstance(stage.ask(of, wanted), Standing)
    await _eventually(lambda: len(calls) == 20)
    for of, wanted in zip(owners, wants, strict=True):
        assert isinstance(stage.ask(of, wanted), Standing)
    await _again(stage)
    assert len(calls) == 40
    assert calls.count("ListPodIdentityAssociations") == 20


async def test_an_app_that_is_gone_is_forgotten(stage: Stage) -> None:
    """Its interest ends, and with the last one the lists."""
    stage.eks.lists()
    stage.eks.creates(want(), owner())
    await stage.until(owner(), want(), Standing)
    stage.externals.forget(Key("ContainerApp", "default", "shop"))
    stage.externals.forget(Key("ContainerApp", "default", "shop"))
    assert not stage.externals._wanted.is_set()


async def test_a_bug_ends_no_worker(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other apps' associations go on."""
    stage.eks.lists()
    made = stage.externals._create

    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(stage.externals, "_create", broken)
    state = await stage.until(owner(), want(), Refused)
    assert isinstance(state, Refused)
    assert state.error.reason == "Bug"
    monkeypatch.setattr(stage.externals, "_create", made)
    stage.eks.creates(want(), owner())
    await stage.until(owner(), want(), Standing)


async def test_a_bug_in_a_list_ends_nothing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator goes on, and lists again."""
    listed = stage.externals.backend.list

    async def broken() -> dict[Place, Found]:
        monkeypatch.setattr(stage.externals.backend, "list", listed)
        raise ZeroDivisionError

    monkeypatch.setattr(stage.externals.backend, "list", broken)
    stage.eks.lists()
    stage.eks.creates(want(), owner())
    await stage.until(owner(), want(), Standing)


async def test_another_client_that_changes_it_all_the_time_is_no_endless_loop(stage: Stage) -> None:
    """A few steps, then the others have their turn."""
    stage.eks.lists()
    for _ in range(external._STEPS):
        stage.eks.fails("create_pod_identity_association", "ResourceInUseException", status=409)
        stage.eks.lists(namespace="default", serviceAccount="shop")
    stage.eks.creates(want(), owner())
    state = await stage.until(owner(), want(), Refused)
    assert isinstance(state, Refused)
    assert state.error.reason == "Contested"
    await stage.until(owner(), want(), Standing)
