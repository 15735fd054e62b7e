"""What `containerapp init` offers where credentials for AWS are there, and that it asks as ever where none are."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from click.testing import CliRunner, Result

from containerapp.api.images import parse
from containerapp.aws.asking import Aws, Unasked
from containerapp.aws.repositories import Repository, image_config, repositories, tags
from containerapp.cli import beginning, choosing, main
from tests.aws.conftest import ACCOUNT
from tests.aws.played import REGION, Played

if TYPE_CHECKING:
    from mypy_boto3_ecr import ECRClient

HOST = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
OCI = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "sha256:" + "c" * 64
REST = "web\n\n\n\n\n"
"""Answers to the questions after that for the image, of which all but the first are left to their defaults."""


def _push(ecr: ECRClient, repository: str, tag: str) -> None:
    manifest = {"schemaVersion": 2, "mediaType": OCI, "config": {"digest": CONFIG}, "annotations": {"t": tag}}
    ecr.put_image(repositoryName=repository, imageManifest=json.dumps(manifest), imageTag=tag)


def _init(monkeypatch: pytest.MonkeyPatch, typed: str, *arguments: str) -> Result:
    monkeypatch.setattr(beginning, "_has_terminal", lambda: True)
    result = CliRunner().invoke(main, ["init", "shop", "-f", "-", *arguments], input=typed)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


def _image(result: Result) -> str:
    text = result.stdout[result.stdout.index("apiVersion") :]
    return str(yaml.safe_load(text)["spec"]["image"])


@pytest.fixture
def filled(credentials: pytest.MonkeyPatch, ecr: Callable[[str], ECRClient]) -> pytest.MonkeyPatch:
    """A registry with two repositories, one of them empty."""
    credentials.setenv("AWS_REGION", REGION)
    client = ecr(REGION)
    for name in ("till", "shop"):
        client.create_repository(repositoryName=name)
    for tag in ("1.0", "1.1"):
        _push(client, "shop", tag)
        time.sleep(1.1)  # moto counts the time of a push in seconds
    return credentials


@pytest.mark.parametrize(
    ("typed", "image"),
    [
        ("1\n1\n", "shop:1.1"),
        ("shop\n2\n", "shop:1.0"),
        ("9\n1\n1.0\n", "shop:1.0"),
        ("2\nv7\n", "till:v7"),
        ("till:v8\n", "till:v8"),
    ],
)
def test_repositories_and_tags_are_choices(filled: pytest.MonkeyPatch, typed: str, image: str) -> None:
    """By number or by name; a repository without images has its tag asked for."""
    done = _init(filled, typed + REST)
    assert done.exit_code == 0, done.output
    assert f"Repositories in Amazon ECR, {REGION}:\n    1  shop\n    2  till\n" in done.stdout
    assert _image(done) == f"{HOST}/{image}"
    if image.startswith("shop"):
        assert done.stdout.index("1  1.1  20") < done.stdout.index("2  1.0  20")
    assert ("9 is none of the numbers from 1 to 2." in done.output) is typed.startswith("9")


def test_an_image_in_full_is_taken_as_it_is(filled: pytest.MonkeyPatch) -> None:
    """The choices bind nobody."""
    assert _image(_init(filled, "ghcr.invalid/team/shop:2\n" + REST)) == "ghcr.invalid/team/shop:2"


def test_without_credentials_it_asks_as_ever_and_at_once(no_aws: pytest.MonkeyPatch) -> None:
    """Not a word of AWS."""
    no_aws.setenv("AWS_REGION", REGION)
    began = time.monotonic()
    done = _init(no_aws, f"{HOST}/shop:1\n" + REST)
    assert time.monotonic() - began < 5
    assert _image(done) == f"{HOST}/shop:1"
    assert "Image (registry/name:tag) [public.ecr.aws" in done.stdout
    assert "Port that it listens on [8080]" in done.stdout
    assert "redential" not in done.output


def _played(**more: Any) -> Played:
    manifest = json.dumps({"config": {"digest": CONFIG}})
    return Played({"ecr.BatchGetImage": {"images": [{"imageManifest": manifest}], "failures": []}, **more})


def _url(tmp_path: Path, *ports: str) -> dict[str, Any]:
    """Return ECR's answer with the address of a configuration."""
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"config": {"ExposedPorts": {port: {} for port in ports}}}))
    return {"ecr.GetDownloadUrlForLayer": {"downloadUrl": file.as_uri(), "layerDigest": CONFIG}}


@pytest.mark.parametrize(
    ("ports", "question", "port"),
    [
        (("9000/tcp", "3000/tcp"), "Port that it listens on (the image exposes 3000, 9000) [3000]", 3000),
        ((), "Port that it listens on [8080]", 8080),
    ],
)
def test_the_port_is_preset_by_what_the_image_exposes(
    no_aws: pytest.MonkeyPatch, tmp_path: Path, ports: tuple[str, ...], question: str, port: int
) -> None:
    """By its configuration in ECR; with -y it is taken unasked, and a flag goes before it."""
    played = _played(**_url(tmp_path, *ports))
    no_aws.setattr(choosing, "Aws", lambda region: Aws(region=region, connect=played.connect))
    done = _init(no_aws, REST, "--image", f"{HOST}/shop:1")
    assert question in done.stdout

    def written(*arguments: str) -> int:
        result = _init(no_aws, "", "--image", f"{HOST}/shop:1", "-y", *arguments)
        return int(yaml.safe_load(result.stdout)["spec"]["port"])

    assert written() == port
    asked = len(played.asked)
    assert written("--port", "81") == 81
    assert len(played.asked) == asked


@pytest.mark.usefixtures("no_aws")
def test_of_an_index_the_image_for_linux_is_read(tmp_path: Path) -> None:
    """Its own manifest is asked for by digest; an image without configuration, or without a way to it, is said."""
    reference = parse(f"{HOST}/shop@{CONFIG}", default_registry="")
    assert reference.ecr is not None
    index = {"manifests": [{"digest": CONFIG, "platform": {"os": "linux"}}]}
    manifest = json.dumps({**index, "config": {"digest": CONFIG}})
    played = _played(**_url(tmp_path, "80/tcp"))
    played.answers["ecr.BatchGetImage"] = {"images": [{"imageManifest": manifest}], "failures": []}
    aws = Aws(region=REGION, connect=played.connect)
    assert b"80/tcp" in image_config(aws, reference.ecr, reference)
    assert played.asked.count("ecr.BatchGetImage") == 2
    (tmp_path / "config.json").unlink()
    with pytest.raises(Unasked, match="cannot be fetched"):
        image_config(aws, reference.ecr, reference)
    played.answers["ecr.BatchGetImage"] = {"images": [], "failures": []}
    with pytest.raises(Unasked, match="has no configuration"):
        image_config(aws, reference.ecr, reference)


@pytest.mark.usefixtures("no_aws")
def test_charts_are_no_choice_and_long_lists_are_cut(capsys: pytest.CaptureFixture[str]) -> None:
    """A list of choices fits on a screen."""
    details = [
        {
            "imageTags": ["chart"],
            "imagePushedAt": datetime(2026, 3, 1, tzinfo=UTC),
            "artifactMediaType": "helm",
        },
        {"imageTags": ["a", "b"], "imagePushedAt": datetime(2026, 1, 1, tzinfo=UTC)},
        {"imageTags": ["c"], "imagePushedAt": datetime(2026, 2, 1, tzinfo=UTC)},
    ]
    named = [{"repositoryName": name, "repositoryUri": f"{HOST}/{name}"} for name in ("zoo", "app")]
    played = Played(
        {"ecr.DescribeImages": {"imageDetails": details}, "ecr.DescribeRepositories": {"repositories": named}}
    )
    aws = Aws(region=REGION, connect=played.connect)
    assert [tag.name for tag in tags(aws, Repository(name="zoo", uri="x"))] == ["c", "a", "b"]
    assert [each.name for each in repositories(aws)] == ["app", "zoo"]
    choosing._show([f"t{number}" for number in range(20)])
    assert capsys.readouterr().out.splitlines()[-2:] == ["   15  t14", "       … and 5 more, by name"]


def test_an_image_of_no_named_registry_is_not_asked_for() -> None:
    """The operator's default registry decides what it is; and what is no image has no port."""
    assert choosing.ports_of("shop:1") == ()
    assert choosing.ports_of("Shop:::") == ()


def test_a_registry_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time is shortened for the test."""

    def wait(_reference: Any) -> bytes:
        time.sleep(2)
        return b""

    monkeypatch.setattr(choosing, "PATIENCE", 0.1)
    monkeypatch.setattr(choosing, "_config", wait)
    began = time.monotonic()
    assert choosing.ports_of("registry.example.com/shop:1") == ()
    assert time.monotonic() - began < 1
