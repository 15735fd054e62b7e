"""What is shipped is listed, from the lock file: NOTICE, the bill of materials, the tools' hashes."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from release import materials

ROOT = Path(__file__).parents[3]
_UV = ROOT / ".tools" / "bin" / "uv"
_LOCKED = {
    package["name"]: package["version"]
    for package in tomllib.loads((ROOT / "uv.lock").read_text())["package"]
}

needs_uv = pytest.mark.skipif(not _UV.exists(), reason="uv is not in .tools: make setup")


@needs_uv
def test_the_notice_is_that_of_the_lock_file() -> None:
    """`make notice` after every change of the lock file."""
    assert (ROOT / "NOTICE").read_text() == materials.notice(_UV)


@needs_uv
def test_the_bill_of_materials_is_the_same_each_time_and_holds_what_is_shipped() -> None:
    """Names, versions, hashes and licences; no tool of development."""
    text = materials.sbom(_UV)
    bill = json.loads(text)
    components = {component["name"]: component for component in bill["components"]}

    assert text == materials.sbom(_UV)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    assert "timestamp" not in bill["metadata"]
    assert {"kopf", "kubernetes", "boto3", "pydantic"} <= set(components)
    assert not {"pytest", "ruff", "moto"} & set(components)
    assert {name: item["version"] for name, item in components.items()}.items() <= _LOCKED.items()
    assert components["kopf"]["licenses"] == [{"license": {"name": "MIT"}}]
    assert all(item["externalReferences"][0]["hashes"] for item in components.values())


@pytest.mark.parametrize("name", ["tools.txt", "build.txt"])
def test_every_build_tool_has_its_version_and_hashes(name: str) -> None:
    """What is run before the lock file is read must not be another thing tomorrow."""
    text = (ROOT / "requirements" / name).read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]

    assert lines
    for line in lines:
        assert re.match(r"[\w.-]+==[\w.]+ .*--hash=sha256:[0-9a-f]{64}", line), line


def test_the_base_image_is_named_by_its_digest() -> None:
    """With its tag, for people."""
    (base,) = re.findall(r"^ARG BASE_IMAGE=(.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert re.fullmatch(r"[a-z0-9./-]+:[\w.-]+@sha256:[0-9a-f]{64}", base)


def test_the_image_says_from_which_commit_it_is() -> None:
    """The labels that scanners and registries read."""
    dockerfile, makefile = (ROOT / "Dockerfile").read_text(), (ROOT / "Makefile").read_text()
    for label in ("revision", "source", "version", "licenses"):
        assert f"org.opencontainers.image.{label}=" in dockerfile
    for argument in ("VERSION", "REVISION", "SOURCE"):
        assert f"--build-arg {argument}=$({argument})" in makefile
