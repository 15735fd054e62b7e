"""The CustomResourceDefinitions in the chart are those of the project, and Helm keeps its hands off the users' apps."""

from __future__ import annotations

from typing import Any

import yaml

from tests.chart.rendering import CHART, CRD_NAME, ROOT, Chart, of_kind

_KEEP = {"helm.sh/resource-policy": "keep"}


def test_the_chart_carries_exactly_the_projects_crds() -> None:
    """The chart's copies are made together with those in crds/ and never edited."""
    originals = {path.name: path.read_text() for path in (ROOT / "crds").glob("*.yaml")}
    copies = {path.name: path.read_text() for path in (CHART / "files" / "crds").glob("*.yaml")}

    assert originals
    assert copies == originals


def test_rendering_adds_metadata_to_a_crd_and_nothing_else(chart: Chart) -> None:
    """The text is spliced, not parsed: no number, quote or rule may change on the way."""
    rendered = {crd["metadata"]["name"]: crd for crd in of_kind(chart.render(), "CustomResourceDefinition")}

    for path in (ROOT / "crds").glob("*.yaml"):
        original = yaml.safe_load(path.read_text())
        crd = rendered.pop(original["metadata"]["name"])
        assert {**crd, "metadata": original["metadata"]} == original
        assert crd["metadata"].items() >= original["metadata"].items()
    assert rendered == {}


def test_crds_are_kept_unless_told_otherwise(chart: Chart) -> None:
    """Deleting a CRD deletes every app in the cluster."""
    assert _annotations(chart) == _KEEP
    assert _annotations(chart, **{"crds.keep": False}) == {}


def test_crds_can_be_installed_by_somebody_else(chart: Chart) -> None:
    """A second release, or a team without the right to install them, leaves them out."""
    assert of_kind(chart.render(**{"crds.install": False}), "CustomResourceDefinition") == []


def test_crds_do_not_lie_where_helm_would_install_them_once_and_never_again() -> None:
    """Helm ignores crds/ on upgrade."""
    assert not (CHART / "crds").exists()


def _annotations(chart: Chart, **values: Any) -> dict[str, str]:
    crd = chart.only("CustomResourceDefinition", CRD_NAME, **values)
    return dict(crd["metadata"].get("annotations", {}))
