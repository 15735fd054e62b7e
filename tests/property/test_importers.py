"""Whatever stands in a Compose file or a manifest of Copilot, manifests or a refusal come of it."""

from __future__ import annotations

from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from containerapp.importers.compose.application import from_compose
from containerapp.importers.compose.project import read_project
from containerapp.importers.copilot.application import from_copilot
from containerapp.importers.documents import load
from containerapp.importers.manifest import check
from containerapp.importers.source import Imported, Refusal
from containerapp.importers.wishes import Wishes

_CASES = Path(__file__).parents[1] / "unit" / "importers"
COMPOSE = [
    yaml.safe_load(case["service"]) for case in yaml.safe_load((_CASES / "compose_services.yaml").read_text())
]
COPILOT = [
    {"name": "web", "type": case.get("type", "Backend Service"), **case["manifest"]}
    for case in yaml.safe_load((_CASES / "copilot_manifests.yaml").read_text())
]
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 100_000),
    st.floats(allow_nan=False, width=16),
    st.text(max_size=8),
    st.sampled_from(
        [
            "1-2",
            "a:b",
            "/a",
            "./a",
            "80/tcp",
            "service:web",
            "$A",
            "${",
            "10s",
            "x" * 300,
            "-",
            "é",
            "@every 0s",
        ]
    ),
    st.lists(st.one_of(st.text(max_size=4), st.none(), st.integers()), max_size=2),
    st.dictionaries(st.text(max_size=4), st.one_of(st.text(max_size=4), st.none()), max_size=2),
)


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Return each place in a tree that something else may stand at: the map or list, and the key or index."""
    keys = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, inner in keys for place in [(value, key), *_places(inner)]]


@st.composite
def _changed(draw: st.DrawFn, trees: list[dict[str, Any]]) -> dict[str, Any]:
    """A tree with odd values at some places, and the fields of another one beside its own."""
    tree: dict[str, Any] = deepcopy(draw(st.sampled_from(trees)) | draw(st.sampled_from(trees)))
    for _ in range(draw(st.integers(0, 3))):
        places = _places(tree)
        if places:
            where, key = draw(st.sampled_from(places))
            where[key] = draw(ODD)
    return tree


def _settled(imported: Imported) -> None:
    """Each loss has a reason, and the API says in its own words what it does not take."""
    assert all(loss.reason for loss in imported.losses)
    with suppress(Refusal):
        check(imported)


@settings(max_examples=300)
@given(_changed(COMPOSE), _changed(COMPOSE))
def test_any_compose_file_ends_in_manifests_or_a_refusal(one: dict[str, Any], other: dict[str, Any]) -> None:
    """A traceback would be the end of the import of forty other services."""
    services = {"web": {"image": "shop:1", **one}, "Other_1": {"image": "shop:2", **other}}
    text = yaml.safe_dump({"services": services, "volumes": {"data": {}}, "configs": {"c": one}})
    try:
        imported = from_compose(read_project(["c"], {"c": text, "./a": "x"}.get, {}), Wishes())
    except Refusal:
        return
    _settled(imported)


@settings(max_examples=300)
@given(_changed(COPILOT))
def test_any_manifest_of_copilot_ends_in_manifests_or_a_refusal(manifest: dict[str, Any]) -> None:
    """As above."""
    read = load(yaml.safe_dump(manifest), "manifest.yml", literal=True)
    try:
        imported = from_copilot(read, Wishes(), environment="test", values={}, read={"a": "x"}.get)
    except Refusal:
        return
    _settled(imported)
