"""The written pages, and the fenced blocks in them: what the tests of this folder look at.

A comment right above a block says that it is special: `<!-- refused -->` for a manifest that the API server must
refuse, `<!-- not applied: why -->` for one that it cannot know. Knows nothing of what a page says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
PAGES = (
    *(ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *(ROOT / name / "README.md" for name in ("benchmarks", "devcluster", "tests/chaos", "tests/endurance")),
    *sorted((ROOT / "docs").rglob("*.md")),
)
_FENCE = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]*?) -->\n)?^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block."""

    page: Path
    line: int
    language: str
    mark: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def manifests(self) -> list[dict[str, Any]]:
        """The Kubernetes objects in the block; none where it is something else, or a part of one."""
        if self.language != "yaml":
            return []
        documents = [document for document in yaml.safe_load_all(self.text) if isinstance(document, dict)]
        return [document for document in documents if {"apiVersion", "kind", "metadata"} <= set(document)]


@cache
def blocks() -> tuple[Block, ...]:
    """Return every fenced block of every page."""
    return tuple(block for page in PAGES for block in _blocks(page))


@cache
def prose(page: Path) -> str:
    """Return the page without its fenced blocks."""
    return _FENCE.sub("", page.read_text())


def _blocks(page: Path) -> Iterator[Block]:
    text = page.read_text()
    for match in _FENCE.finditer(text):
        yield Block(
            page=page,
            line=text.count("\n", 0, match.start("language")) + 1,
            language=match["language"],
            mark=match["mark"] or "",
            text="\n".join(line.removeprefix(match["indent"]) for line in match["text"].splitlines()) + "\n",
        )
