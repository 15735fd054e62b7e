"""The commands that ask no cluster: validate, render, schema, explain, completion, and what their failures say."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml
from click.testing import CliRunner, Result

from containerapp.cli import exits, main, reviewing
from containerapp.cli.apps import bare
from containerapp.cli.exits import Failure
from containerapp.cli.main import SECTIONS
from containerapp.cli.options import Duration, Source
from containerapp.cli.reading import read

MANIFESTS = Path(__file__).parents[2] / "manifests"
GOOD = sorted((MANIFESTS / "good").glob("*.yaml"))
BAD = sorted((MANIFESTS / "bad").glob("*.yaml"))
COMMANDS = [name for section in SECTIONS.values() for name in section]

MISTAKEN = """\
apiVersion: containerapp.dev/v1alpha1
kind: ContainerApp
metadata: {name: shop}
spec:
  image: shop:1.0
  replicas: "3"
  port: 8080
  ports:
  - {name: http, containerPort: 8080}
"""


def call(*arguments: str, stdin: str | bytes | None = None) -> Result:
    """Run a command in this process."""
    result = CliRunner().invoke(main, list(arguments), input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_the_help_that_the_list_promises(name: str) -> None:
    """The list is written beside the commands, so that it needs no import of them."""
    result = call(name, "--help")
    assert result.exit_code == 0
    listed = next(section[name] for section in SECTIONS.values() if name in section)
    assert listed in call("--help").stdout
    assert listed.split()[0] == result.stdout.split("\n")[2].split()[0]


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.stem)
def test_what_the_api_server_refuses_is_found_offline_with_its_place(file: Path) -> None:
    """Line and column lie within the spec or the metadata, not at some default."""
    result = call("validate", "-f", str(file), "-o", "json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert found
    assert all(mistake["message"] and mistake["line"] > 1 and mistake["column"] >= 1 for mistake in found)


@pytest.mark.parametrize("file", GOOD, ids=lambda file: file.stem)
def test_what_the_api_server_takes_is_valid_and_can_be_rendered(file: Path) -> None:
    """The same file serves in a pipeline and on a cluster."""
    assert call("validate", "-f", str(file)).exit_code == 0
    rendered = call("render", "-f", str(file), "-n", "team")
    assert rendered.exit_code == 0
    children = list(yaml.safe_load_all(rendered.stdout))
    assert ("Deployment" in {child["kind"] for child in children}) is (file.stem != "held"), (
        "of a revision that exists"
    )
    assert {child["metadata"]["namespace"] for child in children} == {"team"}


def test_the_texts_of_an_app_are_rendered_beside_its_pods() -> None:
    """The ConfigMap is there under the name that the Pods mount, and the operator's own history is not."""
    result = call("render", "-f", str(MANIFESTS / "good" / "files-and-volumes.yaml"))
    children = {child["kind"]: child for child in yaml.safe_load_all(result.stdout)}
    mounted = children["Deployment"]["spec"]["template"]["spec"]["volumes"]
    assert children["ConfigMap"]["data"]
    assert children["ConfigMap"]["metadata"]["name"] in {
        volume["configMap"]["name"] for volume in mounted if "configMap" in volume
    }
    assert "ControllerRevision" not in children


def test_each_mistake_stands_where_it_was_made() -> None:
    """A value of the wrong type, and a rule between two other fields: both are mended in one round."""
    text = call("validate", "-f", "-", stdin=MISTAKEN).stdout
    assert (
        "standard input:6:3: ContainerApp shop: spec.replicas: must be a whole number, without quotes" in text
    )
    assert "standard input:7:3: ContainerApp shop: spec.port: spec.port and spec.ports are both given" in text


def test_of_a_field_that_is_wrong_no_rule_is_shown() -> None:
    """What it is meant to be decides; a rule of other fields is shown, whatever field is missing or wrong."""
    text = call("validate", "-f", "-", stdin=MISTAKEN.replace("port: 8080", "port: http", 1)).stdout
    assert "spec.port: must be a whole number" in text
    assert "are both given" not in text
    without = MISTAKEN.replace("  image: shop:1.0\n", "  service: {}\n  volumes: [{name: a}]\n")
    text = call("validate", "-f", "-", stdin=without).stdout
    for said in (
        "spec.image: Required value",
        "spec.volumes[0].mountPath: Required value",
        "spec.volumes[0]: a volume needs exactly one of",
        "are both given",
    ):
        assert said in text
    assert "spec.service" not in text


def test_every_rule_that_does_not_hold_is_shown() -> None:
    """The API server names all of them, too."""
    text = (
        MISTAKEN.replace('"3"', "3")
        + "  rollout: {progressDeadlineSeconds: 5}\n  startupProbe: {httpGet: {port: a}}\n"
    )
    found = call("validate", "-f", "-", stdin=text).stdout
    assert "are both given" in found
    assert "rollout.progressDeadlineSeconds must be > startupProbe" in found
    assert "startupProbe.httpGet.port names no TCP port" in found


def test_a_key_that_is_given_twice_is_a_mistake() -> None:
    """YAML readers take the last one in silence."""
    text = call("validate", "-f", "-", stdin=f"{MISTAKEN}  image: shop:2.0\n".replace('"3"', "3")).stdout
    assert "standard input:10:3: ContainerApp shop: image: is given twice" in text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1,\nb: 2\n", "standard input:3:1: this is no YAML"),
        ("a: 1\n\tb: 2\n", "standard input:2:1: this is no YAML"),
        ("a: \0\n", "standard input is no YAML: unacceptable character"),
        ("a: !!int x\n", "standard input is no YAML: invalid literal for int()"),
        (b"a: \xff\n", "standard input is no UTF-8 text: invalid start byte at byte 3."),
        ("kind: Secret\napiVersion: v1\n", "There is no ContainerApp and no ContainerJob in standard input."),
    ],
)
def test_a_text_that_cannot_be_read_ends_with_one_line(text: str | bytes, said: str) -> None:
    """With its place, and no traceback."""
    result = call("render", "-f", "-", stdin=text)
    assert result.exit_code == 1
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_a_report_for_a_build_server_and_one_for_a_code_host() -> None:
    """JUnit counts objects; SARIF names lines."""
    suite = ET.fromstring(call("validate", "-f", "-", "-o", "junit", stdin=MISTAKEN).stdout)  # noqa: S314 - our own
    assert (suite.get("tests"), suite.get("failures")) == ("1", "1")
    sarif = json.loads(call("validate", "-f", "-", "-o", "sarif", stdin=MISTAKEN).stdout)
    result, _ = sarif["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["region"] == {"startLine": 6, "startColumn": 3}


def test_folders_are_read_and_objects_of_others_are_left_out(tmp_path: Path) -> None:
    """As kubectl reads them: one level, unless -R asks for more."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "app.yaml").write_text((MANIFESTS / "good" / "minimal.yaml").read_text())
    (tmp_path / "other.yaml").write_text("kind: Secret\napiVersion: v1\nmetadata: {name: s}\n")
    assert "There is no ContainerApp" in call("render", "-f", str(tmp_path)).stderr
    result = call("render", "-R", "-f", str(tmp_path), "-o", "name")
    assert result.stdout.split() == ["serviceaccount/minimal", "deployment.apps/minimal"]
    assert "Secret s is left out" in result.stderr


def test_an_empty_file_name_is_not_the_folder_one_is_in() -> None:
    """A variable of a script that is not set would apply all of it."""
    result = call("render", "-f", "")
    assert result.exit_code == 64
    assert "-f has no file" in result.stderr


def test_one_object_is_described_once(tmp_path: Path) -> None:
    """Of two that differ a plan of each alone would be wrong; in another namespace it is another object."""
    app = "apiVersion: containerapp.dev/v1alpha1\nkind: ContainerApp\nmetadata: {name: shop%s}\nspec: {image: shop}\n"
    (tmp_path / "a.yaml").write_text(app % "")
    (tmp_path / "b.yaml").write_text(f"---\n{app % ', namespace: team'}")
    documents = read(Source(filenames=(str(tmp_path),)))
    reviewing.require_distinct(documents, "other")
    with pytest.raises(Failure, match=r"is described twice, in .*a\.yaml:1 and in .*b\.yaml:2: leave one"):
        reviewing.require_distinct(documents, "team")


def test_without_a_manifest_the_usage_is_told() -> None:
    """With the code of a wrong call, which no result of a plan has."""
    result = call("validate")
    assert result.exit_code == 64
    assert "-f FILE" in result.stderr
    assert call("validat").exit_code == 64
    assert "Did you mean validate?" in call("validat").stderr


def test_the_schema_closes_every_object() -> None:
    """An editor marks a misspelt field."""
    schema = json.loads(call("schema", "capp").stdout)
    assert schema["properties"]["spec"]["additionalProperties"] is False
    assert schema["properties"]["spec"]["properties"]["ports"]["items"]["additionalProperties"] is False
    assert "x-kubernetes" not in json.dumps(schema)
    assert call("schema", "Pod").exit_code == 64


def test_a_field_is_explained_without_a_cluster() -> None:
    """Type, bounds, default, rules; a path may leave out `spec`."""
    text = call("explain", "replicas").stdout
    assert "FIELD:    spec.replicas <integer, 0 to 1000>" in text
    assert "Default: 1" in text
    assert "  autoscaling <object>" in call("explain", "spec", "-R").stdout
    assert "its fields: " in call("explain", "spec.autoscaling.cpus").stderr.lower()
    assert "Pattern: " in call("explain", "ports.name").stdout


def test_a_pattern_that_nobody_can_read_is_left_out() -> None:
    """That of a schedule has more than two thousand characters; its rule says the same in words."""
    text = call("explain", "--kind", "cjob", "schedule").stdout
    assert "Pattern" not in text
    assert "five fields of cron" in text


def test_the_name_of_another_kind_is_refused() -> None:
    """`history cjob/report` would show the app of that name."""
    result = call("history", "cjob/report")
    assert result.exit_code == 64
    assert "takes the name of a ContainerApp. See `containerapp status cjob/report`." in result.stderr
    assert "There is no kind 'foo'" in call("history", "foo/report").stderr


@pytest.mark.parametrize("name", ["", "capp/", "..", "shop?dryRun=All", "a b"])
@pytest.mark.parametrize("command", ["status", "down", "restart", "run", "doctor", "logs"])
def test_what_is_no_name_is_refused_before_any_request(command: str, name: str) -> None:
    """An empty variable of a script would ask for all apps of the namespace."""
    result = call(command, name)
    assert result.exit_code == 64
    assert f"{name!r} is no name" in result.stderr


@pytest.mark.parametrize("kind", ["capp", "containerapps", "ContainerApp", "containerapp.containerapp.dev"])
def test_a_kind_is_known_with_its_group(kind: str) -> None:
    """As `list -o name` and kubectl print it."""
    assert bare(f"{kind}/shop") == "shop"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90.0),
        ("30s", 30.0),
        ("1m30s", 90.0),
        ("1h5m", 3900.0),
        ("1.5h", 5400.0),
        ("1d", 86400.0),
        ("500ms", 0.5),
    ],
)
def test_a_time_is_written_as_for_kubectl(text: str, seconds: float) -> None:
    """And in days."""
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "nan", "inf", "-5m", "m", "5 m", "1s5", "5x"])
def test_what_is_no_time_is_refused(text: str) -> None:
    """Nothing waits for ever by a slip."""
    for arguments in (("logs", "shop", "--since"), ("wait", "shop", "--timeout")):
        result = call(*arguments, text)
        assert result.exit_code == 64
        assert "is no time: write 30s, 10m, 1h30m or 1d" in result.stderr


def test_the_exit_codes_are_in_the_help_and_in_the_documentation() -> None:
    """A pipeline is written by them."""
    known = {code for name, code in vars(exits).items() if name.isupper() and isinstance(code, int)}
    said = call("--help").stdout.partition("Ends with ")[2]
    assert {int(number) for number in re.findall(r"\d+", said)} == known | {0}
    table = (MANIFESTS.parents[1] / "docs" / "cli.md").read_text().partition("## Exit codes")[2]
    assert {int(number) for number in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)} == known | {0}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_help_has_the_line_for_each_shell(shell: str) -> None:
    """As it is pasted."""
    lines = [line.strip() for line in call("completion", "--help").stdout.splitlines()]
    assert any(
        line.startswith(f"In {shell}: ") and f"containerapp completion {shell}" in line for line in lines
    )


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_is_a_script_of_the_shell(shell: str) -> None:
    """It asks the command itself, by a variable."""
    assert "_CONTAINERAPP_COMPLETE" in call("completion", shell).stdout


def test_help_and_render_start_fast(tmp_path: Path) -> None:
    """In CPU time against an empty Python, and against the libraries alone; with bytecode, for else nothing is fast."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(tmp_path)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    run = [sys.executable, "-m", "containerapp"]

    def cost(*command: str) -> float:
        spent = []
        for _ in range(4):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(command, env=environment, check=True, capture_output=True, timeout=60)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        return min(spent)

    empty = cost(sys.executable, "-c", "pass")
    assert cost(*run, "--help") < 12 * empty
    libraries = cost(sys.executable, "-c", "import click, pydantic, yaml; pydantic.BaseModel")
    assert cost(*run, "render", "-f", str(MANIFESTS / "good" / "web.yaml")) < 6 * libraries


# --- init --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "spec"),
    [
        ([], {"port": 8080, "replicas": 2}),
        (["--preset", "worker"], {"replicas": 1}),
        (
            ["--port", "80", "--size", "large", "--replicas", "3", "--health", "/ok"],
            {"port": 80, "replicas": 3, "readinessProbe": {"httpGet": {"path": "/ok"}}},
        ),
    ],
)
def test_a_manifest_by_flags_is_valid(flags: list[str], spec: dict[str, object]) -> None:
    """What is written passes `validate`, and has what was asked for."""
    result = call("init", "shop", "-y", "--image", "shop:1.0", "-f", "-", *flags)
    assert result.exit_code == 0, result.output
    assert call("validate", "-f", "-", stdin=result.stdout).exit_code == 0
    written = yaml.safe_load(result.stdout)["spec"]
    assert spec.items() <= written.items()
    assert ("port" in written) == ("port" in spec)


def test_a_public_app_has_a_load_balancer() -> None:
    """Reached from the internet, by its name where it has one."""
    text = call("init", "shop", "-y", "--public", "--host", "shop.example.com", "-f", "-").stdout
    assert yaml.safe_load(text)["spec"]["expose"] == {"hosts": ["shop.example.com"], "public": True}


def test_a_manifest_is_not_written_over(tmp_path: Path) -> None:
    """Unless the user says so."""
    file = tmp_path / "shop.yaml"
    assert call("init", "shop", "-y", "-f", str(file)).exit_code == 0
    assert call("init", "till", "-y", "-f", str(file)).exit_code == 1
    assert call("init", "till", "-y", "-f", str(file), "--force").exit_code == 0
    assert "name: till" in file.read_text()


def test_an_answer_that_cannot_be_is_refused_with_the_remedy() -> None:
    """Before anything is written."""
    result = call("init", "1shop", "-y", "-f", "-")
    assert result.exit_code == 1
    assert "rename the app" in result.stderr
    assert call("init", "-y").exit_code == 64
    assert call("init", "shop").exit_code == 64


def test_a_manifest_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    """A folder that does not exist is a slip of the user, not a bug."""
    result = call("init", "shop", "-y", "-f", str(tmp_path / "nowhere" / "shop.yaml"))
    assert result.exit_code == 1
    assert "cannot be written: No such file or directory" in result.stderr


def test_a_worker_is_not_given_an_address() -> None:
    """A port that is left out without a word is missed when nothing answers."""
    result = call("init", "shop", "-y", "--preset", "worker", "--port", "80", "--public", "-f", "-")
    assert result.exit_code == 64
    assert "leave --port, --public out" in result.stderr


def test_the_sample_application_has_all_its_files(tmp_path: Path) -> None:
    """Its manifest is valid."""
    folder = tmp_path / "sample"
    assert call("init", str(folder), "--sample").exit_code == 0
    assert {"Dockerfile", "main.go", "containerapp.yaml"} <= {path.name for path in folder.iterdir()}
    assert call("validate", "-f", str(folder / "containerapp.yaml")).exit_code == 0
    assert call("init", str(folder), "--sample").exit_code == 1
