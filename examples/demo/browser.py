"""Pictures for people: the sample's page and a terminal's output, taken by Chromium where there is one.

Chromium verifies the certificate of a page as it does for a user: the authority of the run is one that its profile
trusts, so name, dates and signature have to be right. (A flag that lets the errors of one key pass would check none.)
Nothing else depends on a picture; a machine without Chromium goes without, and the demo says how to get them.
"""

from __future__ import annotations

import html
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from devcluster import DevclusterError, system
from examples.demo import commands
from examples.demo.console import Console
from examples.demo.errors import DemoError

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_CERTUTIL = {"certutil": "libnss3-tools"}
_CERTUTIL_SECONDS = 30
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
    "--virtual-time-budget=2000",
)
_TERMINAL = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; padding: 18px 22px; background: #10161f; color: #d5dfeb; }}
pre {{ margin: 0; font: 14px/1.55 "DejaVu Sans Mono", ui-monospace, monospace; }}
b {{ color: #6fd3a8; font-weight: normal; }}
</style><pre>{lines}</pre>
"""


MISSING = (
    "no pictures: they need Chromium and certutil (Debian, Ubuntu: apt-get install chromium libnss3-tools); "
    "the page needs any browser"
)
"""What to say, once, where they are not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A host that no name server knows, with a certificate that no browser trusts yet."""

    host: str
    address: str
    """Where it is; a port may follow the address."""
    authority: Path
    """The certificate of the authority to trust, in PEM."""


def find() -> str | None:
    """Return the path of Chromium or a relative of it, if one is installed and can be made to trust an authority."""
    program = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if program is None:
        return None
    try:
        system.require(_CERTUTIL)
    except DevclusterError:
        return None
    return program


def command(program: str, home: Path, site: Site | None = None) -> list[str]:
    """Return how Chromium starts with its own profile below a directory, in which it trusts and finds a site."""
    prefix, mapped = [], []
    if site is not None:
        _trust(site.authority, home)
        prefix = ["env", f"HOME={home}"]
        mapped = [f"--host-resolver-rules=MAP {site.host} {site.address}"]
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    return [
        *(*prefix, program, *sandbox, "--no-first-run", "--no-proxy-server"),
        *(f"--user-data-dir={home / 'profile'}", *mapped),
    ]


def photograph(
    url: str,
    picture: Path,
    console: Console,
    *,
    size: tuple[int, int] = (1000, 640),
    site: Site | None = None,
) -> str:
    """Save what a browser window of the given size shows of a page, and return the page as the browser has it."""
    program = find()
    if program is None:
        return ""
    picture.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        home = Path(scratch)
        page = home / "page.html"
        commands.run(
            [
                *(*command(program, home, site), *_FLAGS, f"--window-size={size[0]},{size[1]}"),
                *(f"--screenshot={picture.absolute()}", "--dump-dom", url),
            ],
            console=console,
            doing=f"taking the picture {picture.name}",
            log=home / "chromium.log",
            output=page,
        )
        shown = page.read_text(errors="replace")
    if not shown:  # Chromium's own pages, such as the one for a certificate that it refuses, are no documents
        picture.unlink(missing_ok=True)
        raise DemoError(f"Chromium does not show {url}: it finds no page there, or refuses its certificate")
    console.note(f"picture: {picture}")
    return shown


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


def _trust(authority: Path, home: Path) -> None:
    """Make the key database in which Chromium on Linux looks for authorities beside its own."""
    database = home / ".pki" / "nssdb"
    if database.exists():
        return
    database.mkdir(parents=True)
    for arguments in (
        ["-N", "--empty-password"],
        ["-A", "-n", "demo", "-t", "C,,", "-i", str(authority)],
    ):
        done = subprocess.run(
            ["certutil", *arguments, "-d", f"sql:{database}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_CERTUTIL_SECONDS,
        )
        if done.returncode:
            raise DemoError(f"certutil {arguments[0]} failed: {done.stderr.strip()}")
