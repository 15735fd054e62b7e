"""The helm commands in the documentation are ones that the chart accepts."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from devcluster import binaries
from tests.docs.pages import ROOT, blocks

_CHART = ROOT / "charts" / "containerapp-operator"
_COMMAND = re.compile(r"^helm (?:install|upgrade) (?:.*\\\n)*.*$", re.MULTILINE)


def _values(command: str) -> list[str]:
    """Return the values that the command sets, as arguments."""
    words = shlex.split(re.sub(r"\$\{?(\w+)\}?", r"some-\1", command.replace("\\\n", " ")), comments=True)
    pairs = itertools.pairwise(words)
    return [f"{flag}={value}" for flag, value in pairs if flag in {"--set", "--set-json", "--set-string"}]


COMMANDS = [
    pytest.param(_values(command), id=f"{block}-{number}")
    for block in blocks()
    if block.language == "sh"
    for number, command in enumerate(_COMMAND.findall(block.text))
]


@pytest.fixture(scope="module")
def helm(request: pytest.FixtureRequest) -> Path:
    """The helm program."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
        return binaries.obtain(["helm"])["helm"]


@pytest.mark.parametrize("values", COMMANDS)
def test_the_chart_takes_the_values(helm: Path, values: list[str]) -> None:
    """The schema knows each of them, and the templates render."""
    required = "--set=image.repository=registry.example/operator"
    done = subprocess.run(
        [str(helm), "template", "capp", str(_CHART), required, *values],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def test_there_are_commands_to_try() -> None:
    """The pattern finds what it should."""
    pages = {block.page.name for block in blocks() if "helm install" in block.text}
    assert {"README.md", "install.md"} <= pages
    assert len(COMMANDS) >= len(pages)


def test_the_operator_s_rights_are_listed_as_they_are(helm: Path) -> None:
    """An auditor reads the page, not the template."""
    required = "--set=image.repository=registry.example/operator"
    text = subprocess.run(
        [str(helm), "template", "capp", str(_CHART), required],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    role = next(
        item
        for item in yaml.safe_load_all(text)
        if item and item["kind"] == "ClusterRole" and "aggregate" not in json.dumps(item["metadata"])
    )
    page = (ROOT / "docs" / "operations.md").read_text()
    for rule in role["rules"]:
        resources = ", ".join(f"`{name}`" for name in rule["resources"])
        rows = [row for row in page.splitlines() if row.startswith("| ") and rule["resources"][0] in row]
        stated = [row for row in rows if f"| {', '.join(rule['verbs'])} |" in row]
        assert any(all(f"`{name}`" in row for name in rule["resources"]) for row in stated), resources
