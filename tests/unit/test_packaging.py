"""The bounds in pyproject.toml: a plain `pip install .` must find packages that fit together, without a lock file."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(300)
def test_a_plain_pip_install_finds_versions_that_fit_together(tmp_path: Path) -> None:
    """The client 37.0.2 wants python-dateutil 3, boto3 less than 3: without bounds pip ends at boto3 0.0.3."""
    venv.create(tmp_path / "venv", with_pip=True)
    report = tmp_path / "report.json"
    pip = [str(tmp_path / "venv" / "bin" / "python"), "-m", "pip", "install", "--quiet", "--dry-run"]
    subprocess.run([*pip, f"--report={report}", str(ROOT)], check=True, timeout=280, stdout=sys.stderr)
    found = {
        item["metadata"]["name"].lower(): tuple(
            int(part) for part in item["metadata"]["version"].split(".")[:3] if part.isdigit()
        )
        for item in json.loads(report.read_text())["install"]
    }
    assert found["kopf"] >= (1, 45)
    assert (37, 0) <= found["kubernetes"] < (37, 0, 2)
    assert found["boto3"] >= (1, 40)
    assert found["pydantic"] >= (2, 12)
