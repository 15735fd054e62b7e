"""The chart's alerts: good rules by Prometheus' own judgement, each of them tried, each with a page for the night."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.alerts.files import ALERTS_FILE, ROOT, RUNBOOKS, Promtool, metrics_in, rules

_RULES = rules()
_NAMES = [rule["alert"] for rule in _RULES]
_TRIALS = sorted((Path(__file__).parent / "rules").glob("*.yaml"))


def _chapters(page: Path) -> dict[str, str]:
    parts = re.split(r"^## (.+)\n", page.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _expected(trial: dict[str, Any], alert: str) -> bool:
    """Whether a case of a trial sees the alert fire at some time."""
    labels = [sample["labels"] for check in trial["promql_expr_test"] for sample in check["exp_samples"]]
    return any(f'alertname="{alert}"' in text for text in labels)


def test_prometheus_takes_the_rules(promtool: Promtool) -> None:
    """Syntax, templates, duplicates."""
    said = promtool.run("check", "rules", "--lint=all", "--lint-fatal", str(ALERTS_FILE))
    assert f"SUCCESS: {len(_RULES)} rules found" in said, said


@pytest.mark.parametrize("trial", _TRIALS, ids=lambda trial: trial.stem)
def test_an_alert_fires_when_it_should_and_no_other_does(promtool: Promtool, trial: Path) -> None:
    """Series of a bad night and of ordinary days in, the list of firing alerts out, as Prometheus computes it."""
    said = promtool.run("test", "rules", str(trial))
    assert "SUCCESS" in said, said


def test_each_alert_is_seen_to_fire_and_to_keep_silent() -> None:
    """Not only in its own worst case, but in something that looks like it and is none."""
    assert sorted(trial.stem for trial in _TRIALS) == sorted(_NAMES)
    for trial in _TRIALS:
        cases = yaml.safe_load(trial.read_text())["tests"]
        assert {_expected(case, trial.stem) for case in cases} == {True, False}, trial.stem


@pytest.mark.parametrize("rule", _RULES, ids=_NAMES)
def test_an_alert_says_what_is_wrong_and_where_to_read_on(rule: dict[str, Any]) -> None:
    """Whoever is woken has a severity, a sentence, an explanation and a page."""
    assert rule["labels"]["severity"] in {"critical", "warning"}
    notes = rule["annotations"]
    assert re.fullmatch(r"[A-Z].{20,80}\.", notes["summary"])
    assert "{{ $labels.job }}" in notes["description"]
    assert notes["runbook_url"] == f"docs/runbooks/{rule['alert']}.md"


@pytest.mark.parametrize("rule", _RULES, ids=_NAMES)
def test_a_runbook_leads_from_the_alert_to_its_end(rule: dict[str, Any]) -> None:
    """What it means, what users notice, commands to find the cause, what to do about each."""
    page = RUNBOOKS / f"{rule['alert']}.md"
    chapters = _chapters(page)
    assert list(chapters) == ["Meaning", "Impact", "Diagnosis", "Mitigation"]
    assert page.read_text().startswith(f"# {rule['alert']}\n")
    assert "```sh\n" in chapters["Diagnosis"]
    assert "kubectl " in chapters["Diagnosis"]


def test_each_runbook_has_its_alert() -> None:
    """A page for an alert that is gone would be read in vain."""
    assert sorted(page.stem for page in RUNBOOKS.glob("*.md")) == sorted(_NAMES)


def test_the_operations_page_lists_the_alerts() -> None:
    """With their pages and severities, in the order of the file."""
    page = (ROOT / "docs" / "operations.md").read_text()
    listed = re.findall(r"^\| \[`(\w+)`\]\(runbooks/\1\.md\) \| (\w+) \|", page, re.MULTILINE)
    assert listed == [(rule["alert"], rule["labels"]["severity"]) for rule in _RULES]


def test_the_rules_ask_for_metrics_that_exist(metrics: set[str]) -> None:
    """An alert on a misspelt metric is silent for ever."""
    asked = set().union(*(metrics_in(rule["expr"]) for rule in _RULES))
    assert asked - metrics == set()
    assert len(asked) >= 8


def test_the_rules_hold_whatever_prometheus_calls_the_operator() -> None:
    """Releases are told apart by the labels that scraping adds; none of their values is taken for granted."""
    for rule in _RULES:
        assert not re.search(r"\b(?:job|namespace|pod|instance|cluster) *[=!]", rule["expr"]), rule["alert"]
        assert "(cluster, namespace, job" in rule["expr"], rule["alert"]
