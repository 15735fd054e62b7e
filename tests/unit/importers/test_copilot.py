"""Manifests of Copilot as apps and jobs: each documented field is carried, or listed with what to do instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from containerapp.importers import placeholders
from containerapp.importers.copilot.application import from_copilot
from containerapp.importers.copilot.environments import for_environment, names
from containerapp.importers.documents import load
from containerapp.importers.manifest import check
from containerapp.importers.source import UNKNOWN, Imported, Refusal
from containerapp.importers.wishes import Wishes

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "copilot_manifests.yaml").read_text())
VALUES = {
    "AWS_REGION": "eu-west-1",
    "AWS_ACCOUNT_ID": "123456789012",
    "export-a": "exported",
    "export-q": "/exported/q",
}
FILES = {"web.env": "A=1\nB=2\nALONE\n"}


def convert(
    manifest: Any, environment: str | None = None, wishes: Wishes | None = None, **values: str
) -> Imported:
    """Import a manifest; what the API would refuse, or no step has looked at, fails."""
    result = from_copilot(
        manifest, wishes or Wishes(), environment=environment, values=VALUES | values, read=FILES.get
    )
    if not placeholders.names(list(result.manifests)):
        check(result)
    assert [loss.path for loss in result.losses if loss.reason == UNKNOWN] == []
    return result


def service(**fields: Any) -> dict[str, Any]:
    """Return a manifest of a service of one image and port."""
    return {"name": "web", "type": "Backend Service", "image": {"location": "web:1", "port": 80}, **fields}


def spec(result: Imported) -> dict[str, Any]:
    """Return the spec of the app or the job, without the image."""
    found = next(manifest for manifest in result.manifests if manifest["kind"].startswith("Container"))
    return {key: value for key, value in found["spec"].items() if key != "image"}


@pytest.mark.parametrize("case", CASES, ids=[str(case["manifest"])[:60] for case in CASES])
def test_a_field_is_carried_or_listed(case: dict[str, Any]) -> None:
    """Exactly what the case says, and what is listed has a reason with something to do."""
    manifest = service(type=case.get("type", "Backend Service"), **case["manifest"])
    result = convert(manifest, wishes=Wishes(image="web:3", images={"init": "init:1"}))
    assert sorted(loss.path for loss in result.losses) == sorted(case.get("lists", []))
    assert all(len(loss.reason) > 15 for loss in result.losses)
    if "becomes" in case:
        assert spec(result) == case["becomes"]


KEYS = {
    "": """
        name type image entrypoint command http nlb cpu memory platform count exec network variables env_file secrets
        storage publish subscribe logging observability taskdef_overrides deployment sidecars tags on retries timeout
        """,
    "image": "build location credentials labels depends_on port healthcheck",
    "healthcheck": """
        command interval retries timeout start_period path port success_codes healthy_threshold unhealthy_threshold
        grace_period
        """,
    "http": """
        path alb healthcheck deregistration_delay target_container target_port stickiness allowed_source_ips alias
        hosted_zone redirect_to_https version additional_rules private
        """,
    "nlb": """
        port healthcheck target_container target_port ssl_policy stickiness alias additional_listeners
        deregistration_delay
        """,
    "count": """
        spot range cooldown cpu_percentage memory_percentage requests response_time queue_delay
        """,
    "range": "min max spot_from",
    "queue_delay": "acceptable_latency msg_processing_time cooldown",
    "network": "connect vpc",
    "vpc": "placement security_groups",
    "storage": "ephemeral readonly_fs volumes",
    "efs": "id root_dir uid gid auth",
    "auth": "iam access_point_id",
    "deployment": "rolling rollback_alarms",
    "sidecar": """
        port image essential credentialsParameter variables secrets env_file mount_points labels depends_on entrypoint
        command healthcheck
        """,
    "mount": "source_volume path read_only",
    "rule": "path value",
}
"""The fields of aws.github.io/copilot-cli/docs/manifest, and of internal/pkg/manifest, version 1.34, of June 2025."""


def test_every_documented_field_has_a_case() -> None:
    """A field that nobody has thought of would be called unknown."""
    tried: dict[str, set[str]] = {"": {"name", "type"}}

    def walk(key: str, value: Any) -> None:
        if isinstance(value, dict):
            tried.setdefault(key, set()).update(value)
            for name, inner in value.items():
                below = {"sidecars": "sidecar", "listeners": "nlb"}.get(key, str(name))
                walk(below, inner)
        for item in value if isinstance(value, list) else ():
            walk({"mount_points": "mount", "taskdef_overrides": "rule"}.get(key, key), item)
            if key in {"additional_rules", "additional_listeners"}:
                walk("http" if key == "additional_rules" else "nlb", item)

    for case in CASES:
        walk("", case["manifest"])
    untried = {key: set(fields.split()) - tried[key] for key, fields in KEYS.items()}
    assert not any(untried.values()), untried


@pytest.mark.parametrize("count", ["${TASKS}", {"range": "1-${TASKS}"}])
def test_placeholders_of_the_number_of_tasks_are_asked_for(count: Any) -> None:
    """One Pod would be started otherwise, without a word."""
    manifest = service(count=count)
    assert placeholders.names(list(convert(manifest).wanted)) == ["TASKS"]
    found = spec(convert(manifest, TASKS="3"))
    assert found.get("replicas") == 3 or found["autoscaling"]["maxReplicas"] == 3


MANIFEST = """
name: web
type: Load Balanced Web Service
image: {build: Dockerfile, port: 80}
count: {range: 1-3, cpu_percentage: 70}
variables: {ENV: "${COPILOT_ENVIRONMENT_NAME}", A: base, QUEUE: !GetAtt Queue.Arn}
secrets: {S: {from_cfn: x}, T: plain}
environments:
  test: {variables: {A: test}, count: {spot: 1}, http: {path: /}}
  prod: {image: {location: "web:9"}, count: 5, secrets: {S: {secretsmanager: y}}, command: [a, b]}
  empty:
"""


def test_an_environment_that_the_manifest_does_not_name_is_pointed_out() -> None:
    """It may be one without a word of its own, or a slip of the pen."""
    manifest = service(environments={"test": {"count": 2}})
    said = "nothing of its own for the environment prod; it does for test"
    assert any(said in note.reason for note in convert(manifest, "prod").notes)
    assert not any("environment prod" in note.reason for note in convert(service(), "prod").notes)


def test_an_environment_is_laid_over_the_rest() -> None:
    """Maps by their keys, the rest replaced; of alternatives, the one that is named."""
    manifest = load(MANIFEST, "m.yml", literal=True)
    assert names(manifest) == ["test", "prod", "empty"]
    test, prod = for_environment(manifest, "test"), for_environment(manifest, "prod")
    assert test["count"] == {"spot": "1"}
    assert test["variables"] == {
        "ENV": "${COPILOT_ENVIRONMENT_NAME}",
        "A": "test",
        "QUEUE": {"!GetAtt": "Queue.Arn"},
    }
    assert (prod["count"], prod["image"]) == ("5", {"location": "web:9", "port": "80"})
    assert prod["secrets"] == {"S": {"secretsmanager": "y"}, "T": "plain"}
    assert prod["command"] == ["a", "b"]
    assert for_environment(manifest, "empty") == for_environment(manifest, None)
    assert for_environment({"a": [{"b": 1}]}, "x") == {"a": [{"b": 1}]}
    assert names("text") == names({"environments": ["a"]}) == []


def test_an_environment_names_itself() -> None:
    """Where a manifest asks for its name; what else is missing is a placeholder."""
    result = convert(load(MANIFEST, "m.yml", literal=True), "test", Wishes(name="shop", namespace="team"))
    assert result.manifests[0]["metadata"] == {"name": "shop", "namespace": "team"}
    assert {"name": "ENV", "value": "test"} in spec(result)["env"]
    assert placeholders.names(list(result.manifests)) == ["IMAGE of web", "x"]
    asked = from_copilot(
        service(secrets={"S": {"secretsmanager": "n"}}), Wishes(), environment=None, values={}, read=FILES.get
    )
    assert placeholders.names(list(asked.manifests)) == ["AWS_REGION", "AWS_ACCOUNT_ID"]


def test_a_credential_goes_to_a_secret() -> None:
    """Of the app, and of a sidecar under its name."""
    result = convert(
        service(
            variables={"PASSWORD": "hunter2hunter2"},
            sidecars={"x": {"image": "x", "variables": {"TOKEN": "abcabcabc"}}},
        )
    )
    assert result.manifests[0]["stringData"] == {"PASSWORD": "hunter2hunter2", "x.TOKEN": "abcabcabc"}


def test_a_queue_that_is_named_scales_the_worker() -> None:
    """As many messages a Pod as it works off within the time that is accepted; down to none."""
    delay = {"acceptable_latency": "15m", "msg_processing_time": "1s"}
    url = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders"
    manifest = {
        **service(subscribe={"topics": []}, count={"range": "0-9", "queue_delay": delay}),
        "type": "Worker Service",
        "image": {"location": "web:1"},
    }
    result = convert(manifest, COPILOT_QUEUE_URI=url)
    assert spec(result) == {
        "autoscaling": {
            "minReplicas": 0,
            "maxReplicas": 9,
            "triggers": [{"sqs": {"queueUrl": url, "messagesPerPod": 900}}],
        },
        "env": [{"name": "COPILOT_QUEUE_URI", "value": url}],
    }


def test_a_file_system_is_a_volume_and_a_claim() -> None:
    """As the EFS driver takes them; only the claim is in the namespace."""
    volumes = {
        "f": {"path": "/f", "efs": {"id": "fs-1", "root_dir": "/d", "auth": {"access_point_id": "fsap-1"}}}
    }
    volume, claim, _ = convert(
        service(storage={"volumes": volumes}), wishes=Wishes(namespace="team")
    ).manifests
    assert volume["metadata"] == {"name": "team-web-f"}
    assert volume["spec"]["csi"] == {"driver": "efs.csi.aws.com", "volumeHandle": "fs-1:/d:fsap-1"}
    assert volume["spec"]["mountOptions"] == ["iam"]
    assert claim["metadata"] == {"name": "web-f", "namespace": "team"}
    assert claim["spec"]["volumeName"] == "team-web-f"


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        (service(type="Static Site"), "Amazon S3"),
        (service(type="Environment"), "manifest of an environment"),
        (service(type="Other"), "no manifest of a Copilot service"),
        ("text", "no manifest of a Copilot service"),
        (service(platform="windows/amd64"), "build its image for linux"),
        (service(platform={"osfamily": "windows_server_2022_core"}), "build its image for linux"),
    ],
)
def test_what_can_be_no_app_is_refused(manifest: Any, said: str) -> None:
    """With what to do instead."""
    with pytest.raises(Refusal, match=said):
        convert(manifest)
