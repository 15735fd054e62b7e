"""The documentation as a site: it builds strictly, loads nothing from other hosts, and every page is in its menu."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.pages import ROOT

_ADDRESS = "https://git.example.com/team/operator/blob/main"
_LOADED = re.compile(
    r"""<(?:script|img|iframe|link rel="?(?:stylesheet|icon|preconnect))[^>]*?(?:src|href)=["']?([^"' >]+)"""
)


class _Config(yaml.SafeLoader):
    """mkdocs.yml as plain values: its tags (`!ENV`, `!!python/…`) are read as nothing."""


_Config.add_multi_constructor("!", lambda *_: None)
_Config.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)


def _pages(nav: Any) -> Iterator[str]:
    """Yield the pages of a part of the menu."""
    if isinstance(nav, str):
        yield nav
    else:
        for item in nav.values() if isinstance(nav, dict) else nav:
            yield from _pages(item)


def _site(directory: Path, **environment: str) -> Path:
    """Build the site as `make docs` does, in its own directory."""
    done = subprocess.run(
        ["make", "docs", f"ARGS=--site-dir={directory}"],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return directory


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as a user builds it."""
    return _site(tmp_path_factory.mktemp("site") / "docs", DOCS_REPOSITORY="")


def test_every_page_can_be_reached_from_the_menu() -> None:
    """A page that is not in the menu is not found."""
    nav = yaml.load((ROOT / "mkdocs.yml").read_text(), Loader=_Config)["nav"]  # noqa: S506 - a safe loader
    written = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    root_pages = {"ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"}
    assert sorted(_pages(nav)) == sorted(written | root_pages)


def test_pages_load_nothing_from_other_hosts(site: Path) -> None:
    """The site works without a network, and tells no one who reads it."""
    pages = list(site.rglob("*.html"))
    loaded = {address for page in pages for address in _LOADED.findall(page.read_text())}
    assert any(address.endswith(".css") for address in loaded)
    assert {address for address in loaded if "//" in address and not address.startswith("data:")} == set()


def test_the_search_finds_what_pages_say(site: Path) -> None:
    """Reasons and fields are what readers look for."""
    documents = json.loads((site / "search" / "search_index.json").read_text())["docs"]
    for word in ("ProgressDeadlineExceeded", "terminationGracePeriodSeconds", "watchNamespaces"):
        assert any(word in document["text"] for document in documents), word


def test_links_to_files_lead_into_the_repository_where_its_address_is_given(
    site: Path, tmp_path: Path
) -> None:
    """And are plain text where it is not: no link of the site is dead."""
    page = Path("guide") / "index.html"
    target = "tests/manifests/bad"
    assert target in (site / page).read_text()
    assert f'{target}"' not in (site / page).read_text()
    linked = _site(tmp_path / "docs", DOCS_REPOSITORY=_ADDRESS)
    assert f'href="{_ADDRESS}/{target}"' in (linked / page).read_text()


def test_pages_of_the_repository_s_root_are_pages_of_the_site(site: Path) -> None:
    """A link to one of them stays within the site, in both directions."""
    assert 'href="../ARCHITECTURE/"' in (site / "CONTRIBUTING" / "index.html").read_text()
    assert 'href="../decisions/"' in (site / "ARCHITECTURE" / "index.html").read_text()
