"""The architecture's contracts, shown to fail: a rule that nothing can break holds nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package and its contracts, to be broken."""
    shutil.copytree(ROOT / "operator", tmp_path / "operator", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(folder: Path) -> tuple[int, str]:
    """Run import-linter on the package in `folder`; return its exit code and what it says."""
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache", "--no-logo"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "operator")},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_package_as_it_is_keeps_every_contract(copy: Path) -> None:
    """Else the breaches below would prove nothing."""
    code, said = lint(copy)
    assert code == 0, said
    assert "0 broken" in said


@pytest.mark.parametrize(
    ("module", "breach", "contract"),
    [
        (
            "controllers/containerapp/children/service.py",
            "import containerapp.engine.reconcile",
            "imports point down only BROKEN",
        ),
        ("core/plan.py", "import time", "what decides is pure: no I/O, no clock, no chance BROKEN"),
        ("engine/reconcile.py", "import kopf", "only kube imports kopf and the Kubernetes client BROKEN"),
        ("registries/resolver.py", "import boto3", "only aws imports boto3 BROKEN"),
        (
            "controllers/containerapp/children/service.py",
            "import containerapp.controllers.containerapp.children.deployment",
            "child kinds do not know each other BROKEN",
        ),
        (
            "engine/reconcile.py",
            "import containerapp.controllers",
            "the engine knows no kind of ours BROKEN",
        ),
        ("helpers.py", "", "imports point down only"),
    ],
)
def test_a_breach_is_named(copy: Path, module: str, breach: str, contract: str) -> None:
    """One line is enough to break the contract that forbids it; a module in no layer breaks the layers."""
    path = copy / "operator" / "containerapp" / module
    text = path.read_text() if path.exists() else '"""A stray module."""\n'
    path.write_text(
        text.replace(
            "from __future__ import annotations\n", f"from __future__ import annotations\n{breach}\n"
        )
    )
    code, said = lint(copy)
    assert code != 0, said
    assert contract in said
