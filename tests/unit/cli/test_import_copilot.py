"""`containerapp import copilot`: environments, the workspace, what is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from containerapp.cli import main

MANIFEST = """\
name: shop
type: Backend Service
image: {build: Dockerfile, port: 8080}
env_file: shop.env
secrets: {DB: "/copilot/${COPILOT_APPLICATION_NAME}/${COPILOT_ENVIRONMENT_NAME}/db"}
environments:
  test: {count: 2}
  prod: {count: 5}
"""
STATIC = "name: site\ntype: Static Site\nfiles: [{source: dist}]\n"


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace of Copilot; the folder of the process is another one."""
    folder = tmp_path / "work" / "copilot" / "shop"
    folder.mkdir(parents=True)
    (folder / "manifest.yml").write_text(MANIFEST)
    (tmp_path / "work" / "shop.env").write_text("LEVEL=info\n")
    monkeypatch.chdir(tmp_path)
    return folder / "manifest.yml"


def call(*arguments: str, stdin: str = "") -> Result:
    """Run the command in this process."""
    result = CliRunner().invoke(main, ["import", "copilot", *arguments], input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result


def test_one_environment_goes_to_standard_output(workspace: Path) -> None:
    """With the files of the workspace, and the names of the application and the environment."""
    done = call(str(workspace), "--env", "prod", "--app", "acme", "--image", "shop:1")
    assert done.exit_code == 0, done.stderr
    assert yaml.safe_load(done.stdout)["spec"] == {
        "image": "shop:1",
        "port": 8080,
        "replicas": 5,
        "env": [{"name": "LEVEL", "value": "info"}],
        "secrets": [{"name": "DB", "valueFrom": "/copilot/acme/prod/db"}],
    }


def test_each_environment_gets_a_file(workspace: Path) -> None:
    """And a report of its own, where one is asked for."""
    done = call(
        str(workspace), "--app", "acme", "--image", "shop:1", "-o", "shop.yaml", "--report", "report.txt"
    )
    assert done.exit_code == 0, done.stderr
    assert yaml.safe_load(Path("shop.test.yaml").read_text())["spec"]["replicas"] == 2
    assert yaml.safe_load(Path("shop.prod.yaml").read_text())["spec"]["replicas"] == 5
    assert "image.build" in Path("report.prod.txt").read_text()
    done = call(str(workspace), "--app", "acme", "--image", "shop:1", "-o", "b.yaml", "--report", "-")
    assert done.stderr.count("image.build") == 2


def test_no_environment_is_written_where_one_has_a_file(workspace: Path) -> None:
    """The command is repeated with another name as if it had not been called."""
    Path("shop.prod.yaml").write_text("of a person")
    done = call(str(workspace), "--app", "acme", "--image", "shop:1", "-o", "shop.yaml")
    assert done.exit_code == 1
    assert "shop.prod.yaml exists." in done.stderr
    assert not Path("shop.test.yaml").exists()


def test_a_manifest_without_environments_is_for_any() -> None:
    """From standard input, whose paths are those of this folder."""
    done = call("-", "--image", "shop:1", stdin="name: a\ntype: Worker Service\nenv_file: gone.env\n")
    assert done.exit_code == 0, done.stderr
    assert yaml.safe_load(done.stdout)["spec"] == {"image": "shop:1"}
    assert "env_file" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "stdin", "said"),
    [
        (("gone.yml",), "", "There is no file gone.yml"),
        (("-",), MANIFEST, "the environments test, prod: choose one by --env"),
        (("-", "--env", "test"), MANIFEST, "Give --image 'shop=…' --set 'COPILOT_APPLICATION_NAME=…'"),
        (("-",), STATIC, "Amazon S3"),
        (("-",), "a: [\n}", "standard input:2:1: this is no YAML"),
        (("-",), "a: 1", "no manifest of a Copilot service"),
    ],
)
def test_failures_name_the_remedy(arguments: tuple[str, ...], stdin: str, said: str) -> None:
    """One line, and no traceback."""
    done = call(*arguments, stdin=stdin)
    assert done.exit_code != 0
    assert said in done.stderr
