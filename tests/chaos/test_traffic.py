"""What the network's journal is taken for: terms, storms, and peace that is none."""

from __future__ import annotations

from tests.chaos.network import Passage
from tests.chaos.traffic import STORM_WRITES, judge, judge_peace, measure

_LEASE = "/apis/coordination.k8s.io/v1/namespaces/ops/leases/operator"
_CHILD = "/api/v1/namespaces/shop/services/web"
_NAMES = ("one", "two")


def _passage(
    at: float, replica: int, path: str = _CHILD, *, method: str = "PATCH", code: int = 200, **more: str | None
) -> Passage:
    return Passage(
        replica=replica,
        began=at,
        ended=at + 0.1,
        method=method,
        path=path,
        code=code,
        fate=more.get("fate"),
        holder=more.get("holder"),
    )


def _taking(at: float, replica: int, fate: str | None = None) -> Passage:
    return _passage(at, replica, _LEASE, method="PUT", holder=_NAMES[replica], fate=fate)


def test_whoever_holds_the_lease_may_write() -> None:
    """Each in its own term, also when it has had one before."""
    terms = [_taking(0, 0), _passage(1, 0), _taking(2, 1), _passage(3, 1), _taking(4, 0), _passage(5, 0)]
    assert list(judge(terms, _NAMES)) == []
    assert measure(terms).terms == 3


def test_a_write_after_another_replica_has_taken_the_lead_is_a_violation() -> None:
    """A process that was paused wakes up in the belief that it leads."""
    terms = [_taking(0, 0), _passage(1, 0), _taking(2, 1), _passage(3, 0)]
    (violation,) = judge(terms, _NAMES)
    assert "one wrote 0.900 s after two had taken the lead" in str(violation)


def test_a_lease_that_nobody_got_ends_no_term() -> None:
    """What the network answered in the API server's place never arrived."""
    assert list(judge([_taking(0, 0), _taking(2, 1, fate="500"), _passage(3, 0)], _NAMES)) == []


def test_writes_without_end_are_a_violation() -> None:
    """So many within the time, and not one more."""
    storm = [_taking(0, 0), *(_passage(1 + number / 10, 0) for number in range(STORM_WRITES))]
    assert list(judge(storm, _NAMES)) == []
    (violation,) = judge([*storm, _passage(2, 0)], _NAMES)
    assert violation.subject == "shop/web"


def test_refused_writes_without_end_are_a_violation_too() -> None:
    """What nobody let through to the API server, or it never answered, is none of them."""
    refused = [_passage(number / 10, 0, code=(409, 403, 422)[number % 3]) for number in range(STORM_WRITES)]
    struck = [_passage(1, 0, code=0), _passage(1, 0, code=503, fate="503")]
    assert list(judge([*refused, *struck], _NAMES)) == []
    assert measure(refused).writes == 0
    (violation,) = judge([*refused, *struck, _passage(1, 0, code=409, fate="lost answer")], _NAMES)
    assert violation.subject == "shop/web"


def test_a_child_that_is_written_while_nothing_is_wrong_is_a_violation() -> None:
    """A no-op writes nothing."""
    assert len(list(judge_peace([_passage(1, 0), _passage(5, 0)], 4, 6))) == 1
