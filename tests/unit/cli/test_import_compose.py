"""`containerapp import compose`: which files are read, where variables come from, what is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from containerapp.cli import main

SHOP = """\
services:
  web:
    build: .
    ports: ["8080:80"]
    environment: {PATH_OF: "$$HOME/x", TAG: "${TAG:-none}"}
    env_file: web.env
    volumes: ["./web.conf:/etc/web.conf:ro"]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a Compose file and what it names; the folder of the process is another one."""
    (tmp_path / "shop").mkdir()
    for name, text in {
        "compose.yaml": SHOP,
        "web.env": "LEVEL=info\n",
        "web.conf": "on\n",
        ".env": "TAG=1\n",
    }.items():
        (tmp_path / "shop" / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "shop"


def call(*arguments: str, stdin: str = "") -> Result:
    """Run the command in this process."""
    result = CliRunner().invoke(main, ["import", "compose", *arguments], input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result


def spec(result: Result) -> dict[str, object]:
    """Return the spec of the only app."""
    assert result.exit_code == 0, result.stderr
    made = [document for document in yaml.safe_load_all(result.stdout) if document["kind"] == "ContainerApp"]
    found: dict[str, object] = made[0]["spec"]
    return found


def test_paths_are_those_from_the_files_folder(folder: Path) -> None:
    """From wherever the command is called; a dollar that Compose leaves is no placeholder."""
    assert spec(call(f"{folder.name}/compose.yaml", "--image", "web=acme/web:1")) == {
        "image": "acme/web:1",
        "port": 80,
        "env": [
            {"name": "LEVEL", "value": "info"},
            {"name": "PATH_OF", "value": "$HOME/x"},
            {"name": "TAG", "value": "1"},
        ],
        "files": [{"path": "/etc/web.conf", "content": "on\n"}],
    }


def test_the_file_of_the_folder_is_the_default(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the override beside it, as Docker Compose takes it."""
    monkeypatch.chdir(folder)
    assert spec(call("--image", "a:1"))["port"] == 80
    (folder / "compose.override.yaml").write_text("services: {web: {image: b:2, ports: !reset []}}")
    found = spec(call())
    assert (found["image"], "port" in found) == ("b:2", False)
    (folder / "more.yaml").write_text("services: {web: {image: c:3}}")
    assert spec(call("compose.yaml", "more.yaml"))["image"] == "c:3"


def test_values_come_from_set_before_env_files(folder: Path) -> None:
    """And these come before `.env`."""
    (folder / "other.env").write_text("TAG=2\nALONE\n")
    named = ("shop/compose.yaml", "--image", "a:1", "--env-file", "shop/other.env")
    assert {"name": "TAG", "value": "2"} in spec(call(*named))["env"]  # type: ignore[operator]
    assert {"name": "TAG", "value": "3"} in spec(call(*named, "--set", "TAG=3"))["env"]  # type: ignore[operator]
    (folder / "other.env").write_text("TAG=$GONE\n")
    assert "--set GONE=…" in call(*named).stderr


def test_standard_input_is_read_once() -> None:
    """Variables are asked for after it was read."""
    done = call(
        "-", stdin="services: {web: {image: 'shop:${TAG}', profiles: [a]}, job: {image: j, profiles: [a]}}"
    )
    assert done.exit_code == 1
    assert "--set TAG=…" in done.stderr
    text = "services: {web: {image: 'shop:${TAG}'}, job: {image: j}}"
    done = call("-", "--set", "TAG=1", "--job", "job", "--profile", "a", stdin=text)
    assert [document["kind"] for document in yaml.safe_load_all(done.stdout)] == [
        "ContainerApp",
        "ContainerJob",
    ]


@pytest.mark.parametrize(
    ("arguments", "stdin", "said"),
    [
        ((), "", "There is no compose.yaml in this folder"),
        (("gone.yaml",), "", "there is no file gone.yaml"),
        (("-", "--env-file", "gone.env"), "services: {}", "There is no file gone.env"),
        (("-",), "services: {web: {build: .}, api: {build: .}}", "Give --image 'web=…' --image 'api=…'."),
        (("-",), "services: [\n}", "standard input:2:1: this is no YAML"),
        (("-",), "a: 1", "no services"),
        (("-", "--sidecar", "a"), "services: {a: {image: a}}", "--sidecar a=APP"),
        (("-",), "services: {web: {image: 'a b'}}", "spec.image"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_failures_name_the_remedy(arguments: tuple[str, ...], stdin: str, said: str) -> None:
    """One line, and no traceback."""
    done = call(*arguments, stdin=stdin)
    assert done.exit_code != 0
    assert said in done.stderr


def test_values_are_asked_for_on_a_terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """All variables first, then images; the file is read once."""
    (tmp_path / "c.yaml").write_text(
        "services: {web: {image: 'shop:${TAG}', user: '${UID}'}, log: {image: log}}"
    )
    asked: list[str] = []

    def answer(question: str, **_: object) -> str:
        asked.append(question)
        return "7"

    monkeypatch.setattr("containerapp.cli.composing.is_terminal", lambda: True)
    monkeypatch.setattr("containerapp.cli.importing.is_terminal", lambda: True)
    monkeypatch.setattr("click.prompt", answer)
    found = spec(call(str(tmp_path / "c.yaml"), "--sidecar", "log=web"))
    assert asked == ["Value of TAG", "Value of UID"]
    assert (found["image"], found["sidecars"]) == ("shop:7", [{"name": "log", "image": "log"}])


def test_an_image_that_was_asked_for_is_filled_in() -> None:
    """Whether it is given by its option, or as the answer to the question."""
    done = call("-", "--set", "IMAGE of web=acme/web:1", stdin="services: {web: {build: .}}")
    assert spec(done)["image"] == "acme/web:1"
