"""The pages about imports show what the commands do: each of their commands is run on the files that they show."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from containerapp.cli import main
from tests.docs.pages import Block, blocks

FILES = {
    "from-compose.md": {
        "web.env": "SHOP_CURRENCY=EUR\n",
        "nginx.conf": "events {}\n",
        ".env": "DB_PASSWORD=hunter2\n",
        "production.yaml": "services: {web: {deploy: {replicas: 1}}}\n",
    },
    "from-copilot.md": {},
    "from-ecs.md": {},
    "from-batch.md": {},
}
"""What lies beside the files that a page shows."""
_MARK = "file: "
_OFFLINE = {"import", "validate"}


def shown(page: str) -> list[tuple[str, str]]:
    """Return the files of a page: their names and what is shown of them."""
    return [(block.mark.removeprefix(_MARK), block.text) for block in _files(page)]


def inputs(page: str) -> dict[str, str]:
    """Return the files that are there before: the first one, and all in JSON."""
    return {
        block.mark.removeprefix(_MARK): block.text
        for index, block in enumerate(_files(page))
        if index == 0 or block.language == "json"
    }


def _files(page: str) -> list[Block]:
    return [block for block in blocks() if block.page.name == page and block.mark.startswith(_MARK)]


def commands(page: str, program: str = "containerapp") -> list[list[str]]:
    """Return the calls of a program of a page, without its name."""
    lines = [
        line
        for block in blocks()
        if block.page.name == page and block.language == "sh"
        for line in block.text.splitlines()
    ]
    return [shlex.split(line)[1:] for line in lines if line.startswith(f"{program} ")]


@pytest.mark.parametrize("page", FILES)
def test_each_command_does_what_the_page_shows(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader who copies them gets the same files."""
    monkeypatch.chdir(tmp_path)
    known = shown(page)
    given = inputs(page)
    for name, text in {**FILES[page], **given}.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)
    calls = commands(page)
    assert calls
    for arguments in calls:
        if arguments[0] not in _OFFLINE or "--cluster" in arguments:
            continue  # run where there is a cluster, or an AWS
        done = CliRunner().invoke(main, arguments)
        assert done.exit_code == 0, f"{arguments}: {done.output}"
    for name, text in known:
        if name in given:
            continue
        written = Path(name).read_text()
        if name.endswith(".yaml") and "apiVersion" in text:
            assert yaml.safe_load(text) in list(yaml.safe_load_all(written))
        else:
            assert text in written
