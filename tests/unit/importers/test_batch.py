"""Job definitions of AWS Batch: `containerapp.importers.batch` and `batch_pod`."""

from __future__ import annotations

from typing import Any

import pytest

from containerapp.importers import batch
from containerapp.importers.manifest import check
from containerapp.importers.source import UNKNOWN, Imported, Refusal
from containerapp.importers.wishes import Wishes

ROLE = "arn:aws:iam::123456789012:role/report"


def _convert(*documents: Any, **wishes: Any) -> Imported:
    made = batch.convert([(f"file{index}", each) for index, each in enumerate(documents)], Wishes(**wishes))
    check(made)
    assert [loss.path for loss in made.losses if loss.reason == UNKNOWN] == []
    return made


def _definition(**fields: Any) -> dict[str, Any]:
    return {
        "jobDefinitionName": "report",
        "type": "container",
        "containerProperties": {"image": "report:1"},
        **fields,
    }


def _spec(*documents: Any, **wishes: Any) -> dict[str, Any]:
    """Return the spec of the only job, without what every job has."""
    (job,) = _convert(*documents, **wishes).manifests
    assert job["kind"] == "ContainerJob"
    assert (job["spec"].pop("onChange"), job["spec"].pop("concurrencyPolicy")) == ("Wait", "Allow")
    return {key: value for key, value in job["spec"].items() if key != "image"}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"parameters": {"input": "s3://x", "empty": ""}}, {"parameters": {"input": "s3://x", "empty": ""}}),
        ({"retryStrategy": {"attempts": 3}}, {"retry": {"attempts": 3}}),
        (
            {
                "retryStrategy": {
                    "evaluateOnExit": [
                        {"onExitCode": "137", "action": "RETRY"},
                        {"onStatusReason": "Host EC2*", "action": "retry"},
                        {"onReason": "*", "action": "EXIT"},
                    ]
                }
            },
            {
                "retry": {
                    "onExit": [
                        {"action": "Retry", "exitCode": "137"},
                        {"action": "Retry", "disruption": True},
                        {"action": "Exit", "exitCode": "*"},
                    ]
                }
            },
        ),
        ({"timeout": {"attemptDurationSeconds": 600}}, {"attemptTimeoutSeconds": 600}),
        ({"arrayProperties": {"size": 10}}, {"array": {"size": 10}}),
        ({"platformCapabilities": ["FARGATE"]}, {"placement": {"fargate": True}}),
        (
            {
                "platformCapabilities": ["FARGATE"],
                "containerProperties": {
                    "image": "report:1",
                    "runtimePlatform": {"cpuArchitecture": "ARM64"},
                },
            },
            {"placement": {"architectures": ["arm64"]}},
        ),
        ({"tags": {"team": "data"}, "propagateTags": False}, {"labels": {"team": "data"}}),
    ],
)
def test_what_a_definition_says(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    """Each has its field."""
    assert _spec(_definition(**fields)) == expected


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"parameters": {"a b": "x"}}, "parameters.a b"),
        (
            {"retryStrategy": {"evaluateOnExit": [{"onExitCode": "0", "action": "EXIT"}]}},
            "retryStrategy.evaluateOnExit[0]",
        ),
        (
            {"retryStrategy": {"evaluateOnExit": [{"onReason": "CannotPull*"}]}},
            "retryStrategy.evaluateOnExit[0]",
        ),
        ({"schedulingPriority": 1}, "schedulingPriority"),
        ({"revision": 3}, "revision"),
        ({"type": "multinode"}, "type"),
        (
            {"ecsProperties": {"taskProperties": [{}, {"platformVersion": "1"}]}},
            "ecsProperties.taskProperties[1]",
        ),
    ],
)
def test_what_a_definition_says_and_kubernetes_does_not(fields: dict[str, Any], path: str) -> None:
    """It is listed, with what to do."""
    assert [loss.path for loss in _convert(_definition(**fields)).losses] == [path]


def test_a_container_of_batch_is_one_of_ecs() -> None:
    """Its command is the image's CMD, and a word without a value is a parameter of each run."""
    container = {
        "image": "report:1",
        "vcpus": 2,
        "memory": 2048,
        "command": ["report", "Ref::day"],
        "jobRoleArn": ROLE,
        "environment": [{"name": "LEVEL", "value": "info"}],
        "resourceRequirements": [{"type": "GPU", "value": "1"}],
        "networkConfiguration": {"assignPublicIp": "ENABLED"},
        "enableExecuteCommand": False,
    }
    made = _spec(_definition(containerProperties=container))
    assert made == {
        "args": ["report", "Ref::day"],
        "parameters": {"day": ""},
        "resources": {"requests": {"cpu": "2", "memory": "2Gi"}, "limits": {"nvidia.com/gpu": "1"}},
        "env": [{"name": "LEVEL", "value": "info"}],
        "identity": {"roleArn": ROLE},
    }
    assert _spec({**container, "resourceRequirements": []}, name="other")["args"] == ["report", "Ref::day"]


def test_a_task_of_ecs_has_its_sidecars() -> None:
    """The essential container is the job's own."""
    task = {
        "taskRoleArn": ROLE,
        "containers": [
            {"name": "proxy", "image": "proxy:1", "essential": False},
            {"name": "report", "image": "report:1"},
        ],
    }
    definition = {"jobDefinitionName": "report", "ecsProperties": {"taskProperties": [task]}}
    made = _spec(definition)
    assert made["sidecars"] == [{"name": "proxy", "image": "proxy:1"}]
    assert made["identity"] == {"roleArn": ROLE}


_POD = {
    "serviceAccountName": "report",
    "hostNetwork": False,
    "dnsPolicy": "Default",
    "imagePullSecrets": [{"name": "registry"}],
    "shareProcessNamespace": True,
    "metadata": {"labels": {"team": "data"}, "annotations": {"a": "b"}, "namespace": "jobs"},
    "securityContext": {"runAsUser": 1000, "fsGroup": 2000},
    "containers": [
        {
            "name": "report",
            "image": "report:1",
            "imagePullPolicy": "Always",
            "command": ["report"],
            "args": ["--all"],
            "env": [{"name": "LEVEL", "value": "info"}],
            "resources": {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}},
            "securityContext": {"runAsUser": 0, "readOnlyRootFilesystem": True},
            "volumeMounts": [
                {"name": "scratch", "mountPath": "/scratch", "subPath": "a", "readOnly": True},
                {"name": "config", "mountPath": "/etc/report"},
                {"name": "gone", "mountPath": "/gone"},
            ],
        },
        {
            "name": "agent",
            "image": "agent:1",
            "securityContext": {"privileged": True},
            "volumeMounts": [
                {"name": "data", "mountPath": "/data"},
                {"name": "keys", "mountPath": "/keys"},
                {"name": "gone", "mountPath": "/gone"},
            ],
        },
    ],
    "initContainers": [{"name": "setup", "image": "setup:1"}],
    "volumes": [
        {"name": "scratch", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
        {"name": "config", "secret": {"secretName": "report", "optional": True}},
        {"name": "keys", "secret": {"secretName": "keys"}},
        {"name": "data", "persistentVolumeClaim": {"claimName": "data", "readOnly": False}},
        {"name": "unused", "emptyDir": {}},
    ],
}


def test_a_pod_keeps_its_fields() -> None:
    """They have the same names; of Secrets the job's own container has files."""
    made = _convert({"jobDefinitionName": "report", "eksProperties": {"podProperties": _POD}})
    (job,) = made.manifests
    assert job["metadata"] == {"name": "report", "namespace": "jobs"}
    spec = job["spec"]
    assert spec["security"] == {
        "runAsUser": 0,
        "fsGroup": 2000,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": False,
    }
    assert spec["resources"] == {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}}
    assert spec["volumes"] == [
        {
            "name": "scratch",
            "mountPath": "/scratch",
            "subPath": "a",
            "readOnly": True,
            "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"},
        },
        {
            "name": "data",
            "mountPath": "/mnt/data",
            "existingClaim": {"name": "data", "accessMode": "ReadWriteMany"},
        },
    ]
    assert spec["files"] == [{"path": "/etc/report", "secret": "report", "optional": True}]
    (agent,) = spec["sidecars"]
    assert agent["security"] == {"privileged": True, "allowPrivilegeEscalation": True, "runAsNonRoot": False}
    assert [mount["name"] for mount in agent["volumeMounts"]] == ["data"]
    assert spec["initContainers"] == [{"name": "setup", "image": "setup:1"}]
    assert {key: spec[key] for key in ("dnsPolicy", "serviceAccountName", "podLabels", "podAnnotations")} == {
        "dnsPolicy": "Default",
        "serviceAccountName": "report",
        "podLabels": {"team": "data"},
        "podAnnotations": {"a": "b"},
    }
    pod = "eksProperties.podProperties"
    assert [loss.path.removeprefix(pod) for loss in made.losses] == [
        ".containers[0].volumeMounts[2]",
        ".containers[1].volumeMounts[1]",
        ".containers[1].volumeMounts[2]",
        ".volumes[2].secret",
        ".volumes[4]",
    ]


def test_a_pod_with_the_nodes_network_gets_its_own() -> None:
    """Kubernetes' own defaults are left out."""
    pod = {
        "hostNetwork": True,
        "dnsPolicy": "ClusterFirst",
        "containers": [{"image": "report:1", "volumeMounts": [{"name": "host", "mountPath": "/host/"}]}],
        "volumes": [{"name": "host", "hostPath": {"path": "/opt/"}}],
    }
    made = _convert(
        {"jobDefinitionName": "report", "eksProperties": {"podProperties": pod}}, namespace="team"
    )
    (job,) = made.manifests
    assert job["metadata"]["namespace"] == "team"
    assert job["spec"]["volumes"] == [{"name": "host", "mountPath": "/host", "hostPath": {"path": "/opt"}}]
    assert [loss.path.rpartition(".")[2] for loss in made.losses] == ["hostNetwork"]
    other = {"dnsPolicy": "ClusterFirstWithHostNet", "containers": [{"image": "report:1"}]}
    made = _convert({"jobDefinitionName": "report", "eksProperties": {"podProperties": other}})
    assert [loss.path.rpartition(".")[2] for loss in made.losses] == ["dnsPolicy"]


def test_several_definitions_become_several_jobs() -> None:
    """Described, rendered for CloudFormation, or in several files."""
    template = {
        "Description": "x",
        "Resources": {
            "Nightly": {
                "Type": "AWS::Batch::JobDefinition",
                "DependsOn": "Queue",
                "Properties": {
                    "Type": "container",
                    "ContainerProperties": {"Image": "nightly:1"},
                    "Parameters": {"day": "1"},
                },
            },
            "Queue": {"Type": "AWS::Batch::JobQueue"},
        },
    }
    made = _convert({"jobDefinitions": [_definition()]}, [_definition()], template, name="first")
    assert [job["metadata"]["name"] for job in made.manifests] == ["first", "report", "nightly"]
    assert {loss.path for loss in made.losses} == {
        "file2.Description",
        "file2.Resources.Nightly.DependsOn",
        "file2.Resources.Queue",
    }


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"kind": "Job"}, "describe-job-definitions"),
        ("text", "describe-job-definitions"),
        ({"jobDefinitionName": "mpi", "nodeProperties": {"numNodes": 2}}, "mpi: a job of several nodes"),
        ({"jobDefinitions": [{"jobDefinitionName": "none"}]}, "none has no container"),
    ],
)
def test_what_is_no_job_of_one_pod_is_refused(document: Any, said: str) -> None:
    """With what to use instead."""
    with pytest.raises(Refusal, match=said):
        batch.convert([("file", document)], Wishes())
