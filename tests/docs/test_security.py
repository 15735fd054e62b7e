"""The Security page claims what tests hold: each line of the threat model names one; the lists are what is tried."""

from __future__ import annotations

import re

from tests.chart.test_tenant import CAN, CANNOT, OVER_QUOTA
from tests.docs.pages import ROOT

_PAGE = (ROOT / "docs" / "security.md").read_text()
_THREATS = re.search(r"^\| Who \|.*?\n\n", _PAGE, re.MULTILINE | re.DOTALL)
_TESTS = {
    name
    for path in (ROOT / "tests").rglob("test_*.py")
    for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE)
}


def test_each_line_of_the_threat_model_names_tests_that_exist() -> None:
    """A claim without a test is a hope."""
    rows = (_THREATS[0].strip() if _THREATS else "").splitlines()[2:]
    assert len(rows) > 15
    for row in rows:
        named = re.findall(r"`(test_\w+)`", row.split("|")[4])
        assert named, row
        assert set(named) <= _TESTS, set(named) - _TESTS


def test_the_tenant_s_lists_are_those_that_are_tried() -> None:
    """Nothing is listed that is not tried on an API server, and nothing tried is left out."""
    section = _PAGE.split("## A tenant with the edit role")[1].split("\n## ")[0]
    can, cannot = (re.findall(r"^- (.*)$", part, re.MULTILINE) for part in section.split("It cannot:"))

    assert can == [deed.sentence for deed in CAN]
    assert cannot == [*(deed.sentence for deed in CANNOT), OVER_QUOTA]
