"""The checks of `containerapp doctor` that ask the API server, by answers that it gives, and the whole report."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner, Result

from containerapp.cli import diagnosing, main
from containerapp.cli.findings import Finding, Grade
from containerapp.cli.session import Cluster
from containerapp.errors import Blocked, Transient
from containerapp.kube.client import Answer, Client, NotFound

APIS = "/apis"
AUTO_MODE = {"/apis/eks.amazonaws.com/v1": {"resources": [{"name": "nodeclasses"}]}}
CONTROLLER = {"/apis/elbv2.k8s.aws/v1beta1": {"resources": [{"name": "targetgroupbindings"}]}}
CLASSES = "/apis/networking.k8s.io/v1/ingressclasses"
STORAGE = "/apis/storage.k8s.io/v1/storageclasses"
METRICS = "/apis/metrics.k8s.io/v1beta1"
KUBECONFIG = """\
current-context: here
contexts: [{name: here, context: {cluster: "arn:aws:eks:eu-west-1:123456789012:cluster/prod", namespace: team}}]
"""


class Server:
    """An API server that has these answers; a number is a refusal by that status. What it lacks is not found."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers

    async def get(self, url: str, **_: str) -> Any:
        """Answer a request."""
        match self.answers.get(url, 404):
            case 404:
                raise NotFound("NotFound", "the server has nothing there") from Answer(404, "nothing there")
            case 403:
                raise Blocked("Forbidden", "forbidden") from Answer(403, "nodes is forbidden: User me")
            case int() as status:
                raise Transient("Unavailable", "no") from Answer(status, "service unavailable")
            case answer:
                return answer

    def cluster(self) -> Cluster:
        """Return a connection to it."""
        return Cluster(client=cast("Client", self), namespace="team")


def _named(name: str, **fields: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, **fields}


async def _check(name: str, answers: dict[str, Any]) -> Finding:
    (finding,) = await diagnosing._checked(getattr(diagnosing, f"_{name}"), Server(answers).cluster())
    return finding


@pytest.mark.parametrize(
    ("check", "answers", "grade", "said"),
    [
        ("load_balancers", {}, Grade.WARN, "Neither EKS Auto Mode nor"),
        ("load_balancers", {**AUTO_MODE, CLASSES: {"items": []}}, Grade.WARN, "no IngressClass is theirs"),
        (
            "load_balancers",
            {**AUTO_MODE, CLASSES: {"items": [_named("alb", spec={"controller": "eks.amazonaws.com/alb"})]}},
            Grade.OK,
            "EKS Auto Mode makes load balancers; IngressClass alb.",
        ),
        (
            "load_balancers",
            {**CONTROLLER, CLASSES: 403},
            Grade.OK,
            "The AWS Load Balancer Controller makes load balancers.",
        ),
        ("storage", {STORAGE: {"items": []}}, Grade.WARN, "There is no default StorageClass"),
        ("storage", {STORAGE: 403}, Grade.SKIP, "Skipped: nodes is forbidden"),
        ("metrics", {}, Grade.WARN, "There is no metrics-server"),
        ("metrics", {METRICS: 503}, Grade.WARN, "is registered and does not answer"),
        ("metrics", {METRICS: {"resources": [{"name": "pods"}]}}, Grade.OK, "metrics-server answers"),
        ("pod_identity", {**AUTO_MODE}, Grade.OK, "EKS Auto Mode has the Pod Identity agent"),
        ("nodes", {"/api/v1/nodes": 500}, Grade.SKIP, "Skipped: service unavailable"),
    ],
)
async def test_a_check_of_the_cluster(check: str, answers: dict[str, Any], grade: Grade, said: str) -> None:
    """What is missing has a remedy; what may not be read, or fails, ends that check alone."""
    finding = await _check(check, answers)
    assert (finding.grade, said in finding.said) == (grade, True), finding
    assert bool(finding.remedy) is (grade is Grade.WARN)


async def test_the_default_storage_class_is_named() -> None:
    """Where none is the default, the remedy names one that is there."""
    default = _named("gp3")
    default["metadata"]["annotations"] = {"storageclass.kubernetes.io/is-default-class": "true"}
    assert (await _check("storage", {STORAGE: {"items": [_named("gp2"), default]}})).said.endswith("is gp3.")
    assert "storageclass gp2 " in (await _check("storage", {STORAGE: {"items": [_named("gp2")]}})).remedy


@pytest.mark.parametrize("check", ["metrics", "load_balancers", "nodes"])
async def test_credentials_that_are_not_accepted_end_the_command(check: str) -> None:
    """No check would go better."""
    answers: dict[str, Any] = {METRICS: 401, **AUTO_MODE, CLASSES: 401, "/api/v1/nodes": 401}
    with pytest.raises(Transient):
        await _check(check, answers)


def _doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    """Run the command on a cluster that has a version and nothing else, without credentials for AWS."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    file = tmp_path / "config"
    file.write_text(KUBECONFIG)
    server = Server(
        {
            "/version": {"minor": "30", "gitVersion": "v1.30.1"},
            "/apis/apps/v1/deployments": {"items": []},
            "/api/v1/nodes": {"items": []},
            STORAGE: {"items": []},
        }
    )

    @asynccontextmanager
    async def connected(_target: Any) -> AsyncIterator[Cluster]:
        yield server.cluster()

    monkeypatch.setattr(diagnosing, "connected", connected)
    result = CliRunner().invoke(main, ["doctor", "--kubeconfig", str(file), *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


def test_the_report_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without credentials AWS' checks are skipped; a failure ends with 1; the cluster's name is in the commands."""
    done = _doctor(tmp_path, monkeypatch, "-o", "json")
    assert done.exit_code == 1, done.output
    found = json.loads(done.stdout)
    skipped = [each for each in found if each["grade"] == "skip"]
    assert len(skipped) == 6
    assert all("there are no AWS credentials" in each["finding"] for each in skipped)
    assert all(each["remedy"] for each in found if each["grade"] in {"warn", "fail"})
    said = "\n".join(each["finding"] for each in found)
    for kind in ("ExternalSecret", "ScaledObject", "HTTPRoute", "PodMonitor", "LocalQueue"):
        assert f"The kind {kind} is not installed." in said
    remedies = "\n".join(each["remedy"] for each in found)
    assert "--name prod --kubernetes-version" in remedies
    assert "CLUSTER" not in remedies


def test_the_report_as_text_by_another_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The option goes before the kubeconfig."""
    shown = _doctor(tmp_path, monkeypatch, "--cluster-name", "shop").stdout
    assert "aws eks update-cluster-version --name shop " in shown
    assert "fail  The definition of ContainerApp is not installed." in shown
    assert "skip  Skipped: the subnets' tags: there are no AWS credentials.\n      aws sso login" in shown
