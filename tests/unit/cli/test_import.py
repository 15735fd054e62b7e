"""`containerapp import` without a cluster: options, files, placeholders, where manifests and reports go."""

from __future__ import annotations

import json
import stat
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from containerapp.cli import main

SERVICE = """\
{"Service": {"ServiceName": "shop", "SourceConfiguration": {"ImageRepository": {
  "ImageIdentifier": "${REPO}:1", "ImageConfiguration": {"Port": $PORT, "RuntimeEnvironmentVariables": {
    "DB_PASSWORD": "hunter2"}}}}, "Status": "RUNNING"}}
"""
VALUES = ("--set", "REPO=acme/shop", "--set", "${PORT}=8000")


def call(*arguments: str, stdin: str = SERVICE) -> Result:
    """Run a command in this process."""
    result = CliRunner().invoke(main, ["import", *arguments], input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result


def test_manifests_and_what_is_lost_are_one_text() -> None:
    """So that a pipe keeps both; a summary goes to standard error."""
    done = call("apprunner", "-", *VALUES, "-n", "team")
    assert done.exit_code == 0
    secret, app = yaml.safe_load_all(done.stdout)
    assert secret["stringData"] == {"DB_PASSWORD": "hunter2"}
    assert (app["metadata"], app["spec"]["port"]) == ({"name": "shop", "namespace": "team"}, 8000)
    assert done.stdout.startswith("# Not carried over:\n# - Service.Status: ")
    assert "Not carried over: 1; to look at: 1. See the list." in done.stderr


def test_files_hold_what_belongs_to_each(tmp_path: Path) -> None:
    """The manifests, the credentials that only the owner reads, the report."""
    out, report = tmp_path / "shop.yaml", tmp_path / "report.json"
    done = call("apprunner", "-", *VALUES, "-o", str(out), "--report", str(report), "--output", "json")
    assert (done.exit_code, done.stdout) == (0, "")
    secret = tmp_path / "shop.secret.yaml"
    assert "hunter2" not in out.read_text() + report.read_text() + done.stderr
    assert "Not carried" not in out.read_text()
    assert yaml.safe_load(secret.read_text())["kind"] == "Secret"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert json.loads(report.read_text())["losses"] == [
        {"path": "Service.Status", "reason": "App Runner's own"}
    ]
    assert f"{secret} has credentials" in done.stderr


@pytest.mark.parametrize("kind", ["shop.yaml", "shop.secret.yaml", "report.txt"])
def test_a_file_that_exists_is_not_written_over(tmp_path: Path, kind: str) -> None:
    """What a person has changed by hand since is lost otherwise; no other file is written either."""
    out, report = str(tmp_path / "shop.yaml"), str(tmp_path / "report.txt")
    arguments = ("apprunner", "-", *VALUES, "-o", out, "--report", report)
    (tmp_path / kind).write_text("of a person")
    done = call(*arguments)
    assert done.exit_code == 1
    assert f"{tmp_path / kind} exists. Name another file, or give --force to write over it." in done.stderr
    assert [file.read_text() for file in tmp_path.iterdir()] == ["of a person"]
    assert call(*arguments, "--force").exit_code == 0
    assert stat.S_IMODE((tmp_path / "shop.secret.yaml").stat().st_mode) == 0o600
    assert "of a person" not in (tmp_path / kind).read_text()
    assert call(*arguments).exit_code == 0, "the same files are no loss"


@pytest.mark.parametrize("options", [("--report", "-"), ("--output", "json")])
def test_a_report_can_go_to_standard_error(options: tuple[str, str]) -> None:
    """Beside the manifests."""
    done = call("apprunner", "-", *VALUES, *options)
    assert "Service.Status" in done.stderr


def test_placeholders_are_named_where_none_can_be_asked() -> None:
    """All at once, as options that can be pasted."""
    done = call("apprunner", "-")
    assert done.exit_code == 1
    assert "--set 'REPO=…' --set 'PORT=…'" in done.stderr
    kept = call(
        "apprunner", "-", "--set", "PORT=80", "--image", "shop:1", stdin=SERVICE.replace("hunter2", "${X}")
    )
    assert "--set 'X=…'" in kept.stderr
    assert call("apprunner", "-", "--set", "PORT=80", "--set", "REPO=a").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "stdin", "said"),
    [
        (("apprunner", "-", "--set", "X"), SERVICE, "write --set X=VALUE"),
        (("apprunner", "missing.json"), "", "There is no file missing.json"),
        (("apprunner", "-"), '{"a": 1,\n "b" 1}', "standard input:2:6: this is no JSON"),
        (("apprunner", "-"), "a: [1\nb: 2", "standard input:2:2: this is no YAML"),
        (("apprunner", "-"), "# c\na: '1\n\"b", "standard input"),
        (("apprunner", "-"), "a: 1", "describe-service"),
        (("apprunner", "-", "--image", "B AD"), SERVICE.replace("$PORT", "80"), "spec.image"),
        (("apprunner", "-", *VALUES, "-o", "/no/such/file"), SERVICE, "cannot be written"),
        (("kubernetes", "-"), "", "kubernetes"),
    ],
)
def test_failures_name_the_remedy(arguments: tuple[str, ...], stdin: str, said: str) -> None:
    """One line, and no traceback."""
    done = call(*arguments, stdin=stdin)
    assert done.exit_code != 0
    assert said in done.stderr


def test_what_is_json_but_for_comments_and_tabs_is_read() -> None:
    """People write both."""
    text = '# shop\n{\n\t"Service": {"ServiceName": "shop",\n\t"SourceConfiguration": {"X": 1,},},\n}\n'
    done = call("apprunner", "-", "--image", "shop:1", stdin=text)
    assert (done.exit_code, yaml.safe_load(done.stdout)["metadata"]["name"]) == (0, "shop")


_TASK = '{"family": "shop", "containerDefinitions": [{"name": "shop", "image": "shop:1", %s}]}'


@pytest.mark.parametrize(
    ("text", "given", "env"),
    [
        (_TASK % '"environment": [{"name": "A", "value": "<MOTTO>"}]', 'MOTTO=say "a\\b"', 'say "a\\b"'),
        (_TASK % '"environment": [{"name": "A", "value": ${V}}]', "V=1.10", "1.10"),
        (_TASK % '"environment": ${ALL}', 'ALL=[{"name": "A", "value": "b"}]', "b"),
        (
            "containerDefinitions: [{image: a, environment: [{name: A, value: <MOTTO>}]}]",
            "MOTTO=a: b",
            "a: b",
        ),
        ("containerDefinitions:\n- image: a\n  environment:\n  - {name: A, value: {{ V }}}\n", "V=x", "x"),
        (
            "containerDefinitions: [{image: a, environment: [{name: A, value: <VERSION>}]}]",
            "VERSION=1.10",
            "1.10",
        ),
    ],
)
def test_the_value_of_a_placeholder_arrives_as_it_was_given(text: str, given: str, env: str) -> None:
    """Also one with quotes, and one that YAML would read as a number; a list is one where it stands for one."""
    done = call("ecs", "-", "--set", given, stdin=text)
    assert done.exit_code == 0, done.stderr
    assert yaml.safe_load(done.stdout)["spec"]["env"] == [{"name": "A", "value": env}]


_TEMPLATE = """
Resources:
  Task:
    Type: %s
    Properties: %s
"""


@pytest.mark.parametrize(
    ("kind", "resource", "properties"),
    [
        ("ecs", "AWS::ECS::TaskDefinition", "{ContainerDefinitions: [{Name: a, Image: !Ref Image}]}"),
        ("batch", "AWS::Batch::JobDefinition", '{ContainerProperties: {Image: !Join ["", [!Ref Image]]}}'),
    ],
)
def test_parameters_of_a_template_are_given_by_their_names(kind: str, resource: str, properties: str) -> None:
    """As the message says that asks for them."""
    text = _TEMPLATE % (resource, properties)
    assert "--set 'Image=…'" in call(kind, "-", stdin=text).stderr
    done = call(kind, "-", "--set", "Image=shop:1", stdin=text)
    assert done.exit_code == 0, done.stderr
    assert yaml.safe_load(done.stdout)["spec"]["image"] == "shop:1"


def test_formats_are_listed_with_what_they_read() -> None:
    """And each has its own help."""
    listed = call("--help").stdout
    for name, said in import_module("containerapp.cli.commands.import").FORMATS.items():
        assert said in listed
        assert said in call(name, "--help").stdout
