"""Links and pictures lead somewhere; named commands exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from containerapp.cli.main import SECTIONS
from tests.docs.pages import PAGES, ROOT, blocks, prose

_LINK = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_ELSEWHERE = ("http://", "https://", "mailto:")


def _anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives the page's headings."""
    plain = (
        re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in _HEADING.findall(prose(page))
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in plain}


def _links(page: Path) -> list[str]:
    return [target for target in _LINK.findall(prose(page)) if not target.startswith(_ELSEWHERE)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    """To a file of the repository, and to a heading where one is named."""
    for target in _links(page):
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name} links to {target}"
        assert not anchor or anchor in _anchors(file), (
            f"{page.name} links to {target}, which has no such heading"
        )


def test_targets_of_make_that_are_named_exist() -> None:
    """In text and in commands alike."""
    known = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        commands = "\n".join(
            block.text for block in blocks() if block.page == page and block.language == "sh"
        )
        named = re.findall(r"`make ([a-z][a-z-]*)[^`]*`", prose(page))
        named += re.findall(r"^make ([a-z][a-z-]*)", commands, re.MULTILINE)
        assert set(named) <= known, page.name


def test_commands_of_the_operator_that_are_named_exist() -> None:
    """`containerapp crd` and its like."""
    known = {name for section in SECTIONS.values() for name in section}
    for page in PAGES:
        assert set(re.findall(r"`containerapp ([a-z]+)", prose(page))) <= known, page.name


def test_every_command_stands_on_its_page() -> None:
    """A command that is documented nowhere is found by chance."""
    page = prose(ROOT / "docs" / "cli.md") + (ROOT / "docs" / "cli.md").read_text()
    named = set(re.findall(r"containerapp ([a-z]+)", page))
    assert {name for section in SECTIONS.values() for name in section} <= named
