"""Every reason that an app's status can show is explained."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from containerapp.controllers.containerapp import events
from containerapp.controllers.workloads import diagnosis
from tests.docs.pages import ROOT

_PACKAGE = ROOT / "operator" / "containerapp"
_DOCS = "".join(page.read_text() for page in sorted((ROOT / "docs").glob("*.md")))
_ERRORS = {"InvalidSpec", "Blocked", "Transient", "NotFound", "Conflict"}
_NEVER_SHOWN = {"WatchBroken", "NoContext", "NoKubeconfig", "StreamBroken"}
"""Met by the watches of the children, which no reconcile waits for, and by the command line."""


def _texts(node: ast.expr) -> Iterator[str]:
    """Texts that the expression may be."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from (*_texts(node.body), *_texts(node.orelse))


def _reasons(path: Path) -> Iterator[str]:
    """Reasons that a module gives: to an error, in a table of errors, to a condition."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in _ERRORS and node.args:
                yield from _texts(node.args[0])
            for keyword in node.keywords:
                if node.func.id == "Condition" and keyword.arg == "reason":
                    yield from _texts(keyword.value)
        elif isinstance(node, ast.Tuple) and len(node.elts) > 1:
            first = node.elts[0]
            if isinstance(first, ast.Name) and first.id in _ERRORS:
                yield from _texts(node.elts[1])
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "reason":
            yield from _texts(node.value)


_MODULES = [path for path in _PACKAGE.rglob("*.py") if path.parent.name not in {"cli", "importers"}]
"""What the command line says goes to its user, and into no status."""

REASONS = sorted({reason for path in _MODULES for reason in _reasons(path)} - _NEVER_SHOWN)


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_is_explained(reason: str) -> None:
    """A reader who searches for what STATUS shows finds it."""
    assert f"`{reason}`" in _DOCS


def test_reasons_are_found_in_the_code() -> None:
    """Of each of the ways in which the code gives one."""
    assert {"NameTaken", "KmsError", "PodsAvailable", "ProgressDeadlineExceeded", "Running"} <= set(REASONS)


def _shown(template: str) -> str:
    """Return the template as a reader sees it: placeholders in capital letters."""
    text = template.replace("{words}", "").replace("{quote}.", "…").replace("{quote}", "…")
    return re.sub(r"\{(\w+)\}", lambda placeholder: placeholder[1].upper(), text)


def _table(title: str) -> str:
    """Return the section of the documentation that lists a group of kinds of failure."""
    rows = (f"| {_shown(kind.says)} | {_shown(kind.remedy)} |" for kind in diagnosis.GROUPS[title])
    return "\n".join((f"### {title}", "", "| The message says | Remedy |", "|---|---|", *rows, ""))


@pytest.mark.parametrize("title", diagnosis.GROUPS)
def test_every_problem_of_a_pod_is_listed(title: str) -> None:
    """In the words of the message, so that a search finds it; the failed assertion shows the section to paste."""
    assert _table(title) in _DOCS


def test_no_other_problem_of_a_pod_is_listed() -> None:
    """A kind that is gone leaves no row."""
    section = _DOCS.partition("## Problems of Pods\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    kinds = sum(map(len, diagnosis.GROUPS.values()))
    assert len(rows) == kinds + len(diagnosis.GROUPS)


def test_every_condition_is_explained() -> None:
    """Those that a status function can yield."""
    types = {
        text
        for path in (_PACKAGE / "controllers").glob("*/*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Condition"
        for keyword in node.keywords
        if keyword.arg == "type"
        for text in _texts(keyword.value)
    }
    assert {"Ready", "ImageResolved", "Available", "RolledOut"} <= types
    assert {kind for kind in types | {"Reconciling", "Stalled"} if f"| `{kind}` |" not in _DOCS} == set()


def test_every_event_is_explained() -> None:
    """Those of the app's good days; the warnings carry the reasons above."""
    made = (events.rolled_out("", "", 1), events.suspended(), events.tag_moved(""))
    assert {event.reason for event in made if f"`{event.reason}`" not in _DOCS} == set()
