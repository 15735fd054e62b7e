"""Pictures for people: the sample's page and a terminal's output, taken by Chromium where there is one.

Nothing else depends on a picture; a machine without Chromium goes without, and the demo says how to get them.
"""

from __future__ import annotations

import html
import os
import shutil
import tempfile
from pathlib import Path

from examples.demo import commands
from examples.demo.console import Console

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Without the network flags Chromium spends its time on look-ups that have nothing to do with the page.
_FLAGS = (
    "--headless=new",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--no-first-run",
    "--no-proxy-server",
    "--virtual-time-budget=2000",
)
_TERMINAL = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; padding: 18px 22px; background: #10161f; color: #d5dfeb; }}
pre {{ margin: 0; font: 14px/1.55 "DejaVu Sans Mono", ui-monospace, monospace; }}
b {{ color: #6fd3a8; font-weight: normal; }}
</style><pre>{lines}</pre>
"""


MISSING = (
    "no pictures: they need Chromium (Debian, Ubuntu: apt-get install chromium); the page needs any browser"
)
"""What to say, once, where there is none."""


def find() -> str | None:
    """Return the path of Chromium or a relative of it, if one is installed."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


def photograph(url: str, picture: Path, console: Console, *, size: tuple[int, int] = (1000, 640)) -> None:
    """Save what a browser window of the given size shows of a page."""
    program = find()
    if program is None:
        return
    picture.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [
            *(program, *_FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])),
            *(f"--user-data-dir={profile}", f"--window-size={size[0]},{size[1]}"),
            *(f"--screenshot={picture.absolute()}", url),
        ]
        log = Path(profile) / "chromium.log"
        commands.run(command, console=console, doing=f"taking the picture {picture.name}", log=log)
    console.note(f"picture: {picture}")


def photograph_terminal(prompts: dict[str, str], picture: Path, console: Console) -> None:
    """Save a picture of a terminal in which the given commands said what they said."""
    lines = [
        line
        for command, output in prompts.items()
        for line in (f"<b>$ {html.escape(command)}</b>", *html.escape(output.rstrip()).splitlines(), "")
    ][:-1]
    widest = max(len(html.unescape(line)) for line in lines)
    with tempfile.TemporaryDirectory() as scratch:
        page = Path(scratch) / "terminal.html"
        page.write_text(_TERMINAL.format(lines="\n".join(lines)))
        size = (round(widest * 8.43) + 44, round(len(lines) * 21.7) + 36)
        photograph(page.as_uri(), picture, console, size=size)
