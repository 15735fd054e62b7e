"""The Grafana dashboard: asks for what there is, in expressions that parse, and belongs to no particular Grafana."""

from __future__ import annotations

import itertools
from pathlib import Path

import yaml

from tests.alerts.files import DASHBOARD_FILE, Promtool, dashboard, metrics_in, queries

_PANELS = [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def test_it_asks_for_metrics_that_exist_and_for_all_that_are_ours(metrics: set[str]) -> None:
    """A misspelt one would be an empty panel on the night that matters; one left out cannot be seen at all."""
    asked = set().union(*(metrics_in(expression) for _, expression in queries()))
    assert asked - metrics == set()
    families = {name.removesuffix("_bucket") for name in asked}
    parts = ("_created", "_count", "_sum", "_bucket")
    ours = {name for name in metrics if name.startswith("containerapp_") and not name.endswith(parts)}
    assert {name for name in ours - families if f"{name}_total" not in families} == set()


def test_prometheus_understands_every_expression(promtool: Promtool, tmp_path: Path) -> None:
    """As recording rules, which promtool parses by the same grammar."""
    found = list(queries())
    recorded = [{"record": f"panel:{number}", "expr": query} for number, (_, query) in enumerate(found)]
    file = tmp_path / "panels.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": recorded}]}))
    assert f"SUCCESS: {len(found)} rules found" in promtool.run("check", "rules", str(file))
    assert len(found) > 20
    assert not [query for _, query in found if "$" in query]


def test_it_belongs_to_no_particular_grafana() -> None:
    """Its data source and its operator are chosen on the page, and its address is the same everywhere."""
    page = dashboard()
    assert page["uid"] == "containerapp-operator"
    assert "id" not in page
    assert [item["name"] for item in page["templating"]["list"]] == ["datasource", "namespace", "job"]
    sources = [item["datasource"] for panel in _PANELS for item in (panel, *panel["targets"])]
    assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in sources)
    assert "__inputs" not in DASHBOARD_FILE.read_text()


def test_every_panel_explains_itself_and_has_a_place_of_its_own() -> None:
    """Whoever reads it at night has not read it before."""
    for panel in _PANELS:
        assert panel["description"].endswith("."), panel["title"]
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for one, other in itertools.combinations([panel["gridPos"] for panel in panels], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, (one, other)
