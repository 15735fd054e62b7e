"""`containerapp render --resolve` against a private ECR: digests and architectures, by the credentials of the user."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
import yaml
from click.testing import CliRunner, Result

from containerapp.cli import main
from tests.aws.conftest import ACCOUNT
from tests.aws.played import REGION

if TYPE_CHECKING:
    from mypy_boto3_ecr import ECRClient

HOST = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
DIGEST = "sha256:" + "1d" * 32
INDEX = "application/vnd.oci.image.index.v1+json"


@pytest.fixture
def intel(ecr: Callable[[str], ECRClient]) -> str:
    """An image in ECR that is built for amd64 alone."""
    client = ecr(REGION)
    client.create_repository(repositoryName="shop")
    manifest = {"schemaVersion": 2, "manifests": [{"platform": {"os": "linux", "architecture": "amd64"}}]}
    client.put_image(
        repositoryName="shop",
        imageManifest=json.dumps(manifest),
        imageManifestMediaType=INDEX,
        imageTag="1.4.2",
        imageDigest=DIGEST,
    )
    return f"{HOST}/shop:1.4.2"


def _rendered(image: str, *architectures: str) -> Result:
    placement = {"placement": {"architectures": list(architectures)}} if architectures else {}
    app = {
        "apiVersion": "containerapp.dev/v1alpha1",
        "kind": "ContainerApp",
        "metadata": {"name": "shop"},
        "spec": {"image": image, **placement},
    }
    done = CliRunner().invoke(main, ["render", "-f", "-", "--resolve"], input=yaml.safe_dump(app))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    return done


@pytest.mark.parametrize("architectures", [(), ("amd64",)])
def test_the_image_runs_by_its_digest(intel: str, architectures: tuple[str, ...]) -> None:
    """As the operator would write it."""
    done = _rendered(intel, *architectures)
    assert done.exit_code == 0, done.output
    deployment = next(each for each in yaml.safe_load_all(done.stdout) if each["kind"] == "Deployment")
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == f"{HOST}/shop@{DIGEST}"


def test_an_image_that_is_not_built_for_the_nodes_is_refused(intel: str) -> None:
    """In the operator's words."""
    done = _rendered(intel, "arm64")
    assert done.exit_code == 1
    assert f"{intel} is built for amd64, and not for arm64" in done.stderr


def test_an_image_that_is_not_there_is_said(intel: str) -> None:
    """Likewise."""
    done = _rendered(intel.replace("1.4.2", "9"))
    assert done.exit_code == 1
    assert "9" in done.stderr
    assert "Traceback" not in done.output
