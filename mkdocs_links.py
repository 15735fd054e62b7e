"""What the documentation site makes of links that leave docs/: called by mkdocs alone (mkdocs.yml, `hooks`).

The pages at the root of the repository (ARCHITECTURE.md…) become pages of the site. A link to any other file leads into
the repository when DOCS_REPOSITORY names its address, and is plain text otherwise. It never reads or changes a file.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).parent
ROOT_PAGES = ("ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")
_LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s#:]+)(?P<anchor>#[^)\s]*)?\)")


def on_files(files: Any, config: Any) -> Any:
    """Add the pages at the root of the repository to those of docs/."""
    for name in ROOT_PAGES:
        files.append(File(name, str(ROOT), config.site_dir, config.use_directory_urls))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    """Resolve the links of one page."""
    repository = (config.extra["repository"] or "").rstrip("/")  # set to nothing, it is None
    return _LINK.sub(lambda link: resolve(link, page.file.src_uri, repository), markdown)


def resolve(link: re.Match[str], source: str, repository: str) -> str:
    """Return the link as the site needs it; `source` is the page that it stands on, as the site names it."""
    folder = Path(source).parent
    origin = Path() if source in ROOT_PAGES else Path("docs") / folder
    target = Path(os.path.normpath(origin / link["target"]))
    if target.parts[0] == "docs" or str(target) in ROOT_PAGES:
        place = os.path.relpath(target.relative_to("docs") if target.parts[0] == "docs" else target, folder)
        return f"{link['image']}[{link['text']}]({place}{link['anchor'] or ''})"
    return f"[{link['text']}]({repository}/{target})" if repository else link["text"]
