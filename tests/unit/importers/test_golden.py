"""Golden cases of `containerapp import ecs`: what people have, and what they get. They are documentation, too."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from containerapp.cli import main
from containerapp.importers.source import UNKNOWN

CASES = sorted(
    file
    for file in (Path(__file__).parents[2] / "golden-imports" / "ecs").iterdir()
    if not file.name.endswith(".expected.yaml")
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_an_import_is_as_it_was_read_once(case: Path) -> None:
    """A person has looked at each line; whatever changes is looked at again."""
    arguments = ["import", "ecs", str(case), "--set", "AWS::StackName=shop"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.stderr
    assert done.stdout == CliRunner().invoke(main, arguments).stdout, "the same input gives the same text"
    expected = case.with_suffix(".expected.yaml")
    if os.environ.get("UPDATE_GOLDEN"):
        expected.write_text(done.stdout)
    assert done.stdout == expected.read_text()
    assert UNKNOWN not in done.stdout
