"""Which revision `rollback` chooses."""

from __future__ import annotations

from typing import Any

import pytest

from containerapp.cli.exits import NOT_FOUND, Failure
from containerapp.cli.revisioning import _previous


def an_app(current: int, pinned: int | None = None, good: tuple[int, ...] = (1, 2, 3)) -> dict[str, Any]:
    """Return an app of four revisions."""
    revisions = [
        {"revision": number, "outcome": "Good" if number in good else "Failed"} for number in (4, 3, 2, 1)
    ]
    spec = {"rollout": {"revision": pinned}} if pinned else {}
    return {
        "metadata": {"name": "shop"},
        "spec": spec,
        "status": {"currentRevision": current, "revisions": revisions},
    }


def test_a_rollback_goes_back_and_back_again() -> None:
    """The second time as the first: what was gone back from does not come again by itself."""
    assert _previous(an_app(4)) == 3
    assert _previous(an_app(3, pinned=3)) == 2
    assert _previous(an_app(2, pinned=2)) == 1
    assert _previous(an_app(3, pinned=3, good=(1, 3, 4))) == 1


def test_a_manifest_that_went_back_itself_can_be_gone_back_from() -> None:
    """It runs a lower number; what ran before has a higher one."""
    assert _previous(an_app(1)) == 3


def test_without_an_earlier_one_the_way_out_is_told() -> None:
    """Of a pin there is one."""
    with pytest.raises(
        Failure, match="It stays at revision 1; `rollback --to N` runs another one"
    ) as refused:
        _previous(an_app(1, pinned=1))
    assert refused.value.code == NOT_FOUND
    with pytest.raises(Failure, match=r"was good\. See `containerapp history shop`"):
        _previous(an_app(1, good=(1,)))
