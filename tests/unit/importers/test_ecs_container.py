"""Each field of a container definition: `containerapp.importers.ecs_container`, `ecs_ports`, `ecs_volumes`."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.importers.ecs_cases import SECRET, apps, container, convert, lost, own, spec, task

_MIB = "linuxParameters"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"entryPoint": ["serve"], "command": ["--all"]}, {"command": ["serve"], "args": ["--all"]}),
        ({"command": "serve --all"}, {"args": ["serve", "--all"]}),
        ({"workingDirectory": "/srv"}, {"workingDir": "/srv"}),
        ({"interactive": True, "pseudoTerminal": True}, {"stdin": True, "tty": True}),
        ({"environment": [{"name": "A", "value": 1}]}, {"env": [{"name": "A", "value": "1"}]}),
        (
            {"secrets": [{"name": "A", "valueFrom": SECRET}]},
            {"secrets": [{"name": "A", "valueFrom": SECRET}]},
        ),
        ({"cpu": "256", "memory": 512}, {"resources": {"requests": {"cpu": "250m", "memory": "512Mi"}}}),
        (
            {"memory": 1024, "memoryReservation": 256},
            {"resources": {"requests": {"memory": "256Mi"}, "limits": {"memory": "1Gi"}}},
        ),
        (
            {"resourceRequirements": [{"type": "GPU", "value": "1"}]},
            {"resources": {"limits": {"nvidia.com/gpu": "1"}}},
        ),
        (
            {"resourceRequirements": [{"type": "VCPU", "value": "0.5"}, {"type": "MEMORY", "value": "64"}]},
            {"resources": {"requests": {"cpu": "500m", "memory": "64Mi"}}},
        ),
        ({"user": "1000:2000"}, {"security": {"runAsUser": 1000, "runAsGroup": 2000}}),
        ({"user": "root:root"}, {"security": {"runAsUser": 0, "runAsGroup": 0, "runAsNonRoot": False}}),
        ({"user": "root"}, {"security": {"runAsUser": 0, "runAsNonRoot": False}}),
        (
            {"privileged": True, "readonlyRootFilesystem": "true"},
            {
                "security": {
                    "privileged": True,
                    "allowPrivilegeEscalation": True,
                    "runAsNonRoot": False,
                    "readOnlyRootFilesystem": True,
                }
            },
        ),
        (
            {_MIB: {"capabilities": {"add": ["CAP_SYS_PTRACE", "NET_RAW"], "drop": ["MKNOD"]}}},
            {"security": {"capabilities": {"add": ["SYS_PTRACE", "NET_RAW"]}}},
        ),
        ({"dockerSecurityOptions": ["no-new-privileges:true"]}, {}),
        ({_MIB: {"initProcessEnabled": True}}, {"shareProcessNamespace": True}),
        ({"stopTimeout": 60}, {"terminationGracePeriodSeconds": 60}),
        ({"hostname": "shop-1"}, {"hostname": "shop-1"}),
        ({"dockerLabels": {"team": "checkout"}}, {"podAnnotations": {"team": "checkout"}}),
        (
            {
                "links": ["db:database", "cache"],
                "extraHosts": [{"ipAddress": "10.0.0.7", "hostname": "Legacy"}],
            },
            {
                "hostAliases": [
                    {"ip": "127.0.0.1", "hostnames": ["database", "cache"]},
                    {"ip": "10.0.0.7", "hostnames": ["legacy"]},
                ]
            },
        ),
        (
            {"dnsServers": ["10.0.0.2", "10.0.0.2"], "dnsSearchDomains": ["corp.example.com"]},
            {"dnsConfig": {"nameservers": ["10.0.0.2"], "searches": ["corp.example.com"]}},
        ),
        (
            {"systemControls": [{"namespace": "net.ipv4.tcp_keepalive_time", "value": "60"}]},
            {"security": {"sysctls": [{"name": "net.ipv4.tcp_keepalive_time", "value": "60"}]}},
        ),
        (
            {"restartPolicy": {"enabled": True}, "versionConsistency": "enabled", "disableNetworking": False},
            {},
        ),
        ({"portMappings": [{"containerPort": 80, "hostPort": 0}]}, {"port": 80}),
        (
            {
                "portMappings": [
                    {"containerPort": 50051, "appProtocol": "grpc", "name": "api"},
                    {"containerPort": 50051},
                    {"containerPort": 53, "protocol": "udp"},
                ]
            },
            {
                "ports": [
                    {"name": "api", "containerPort": 50051, "appProtocol": "grpc"},
                    {"name": "port-53", "containerPort": 53, "protocol": "UDP"},
                ]
            },
        ),
    ],
)
def test_a_field_that_kubernetes_has_is_carried_over(
    fields: dict[str, Any], expected: dict[str, Any]
) -> None:
    """And nothing of it is listed."""
    assert own(**fields) == expected
    assert lost(**fields) == []


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"workingDirectory": "srv"}, "workingDirectory"),
        ({"user": "www-data"}, "user"),
        ({"user": "²"}, "user"),
        ({"user": "1000:staff"}, "user"),
        ({"dockerSecurityOptions": ["apparmor:x"]}, "dockerSecurityOptions[0]"),
        ({"hostname": "Shop_1"}, "hostname"),
        ({"dockerLabels": {"containerapp.dev/x": "1"}}, "dockerLabels.containerapp.dev/x"),
        ({"extraHosts": [{"ipAddress": "db", "hostname": "x"}]}, "extraHosts[0]"),
        ({"dnsServers": ["resolver"]}, "dnsServers[0]"),
        ({"dnsServers": ["fe80::1%eth0"]}, "dnsServers[0]"),
        ({"systemControls": [{"namespace": "net.core.somaxconn", "value": "1"}]}, "systemControls[0]"),
        ({"systemControls": [{"namespace": "net.ipv4.tcp_rmem", "value": ""}]}, "systemControls[0]"),
        ({"versionConsistency": "disabled"}, "versionConsistency"),
        ({"disableNetworking": True}, "disableNetworking"),
        ({"ulimits": [{"name": "nofile", "softLimit": 1}]}, "ulimits"),
        ({_MIB: {"maxSwap": 5}}, "linuxParameters.maxSwap"),
        ({"environment": [{"value": "x"}]}, "environment[0]"),
        (
            {"resourceRequirements": [{"type": "InferenceAccelerator", "value": "x"}]},
            "resourceRequirements[0].value",
        ),
        ({"portMappings": [{"containerPort": 80, "hostPort": 8080}]}, "portMappings[0].hostPort"),
        ({"portMappings": [{"containerPortRange": "80-90"}]}, "portMappings[0].containerPortRange"),
        ({"mountPoints": [{"sourceVolume": "a", "containerPath": "etc"}]}, "mountPoints[0]"),
        ({"mountPoints": [{"containerPath": "/etc"}]}, "mountPoints[0]"),
        ({"volumesFrom": [{"sourceContainer": "gone"}]}, "volumesFrom[0]"),
        ({"portMappings": [{"containerPort": 8080, "name": "web"}]}, "portMappings[0].name"),
        ({_MIB: {"tmpfs": [{"containerPath": "t", "size": 1}]}}, "linuxParameters.tmpfs[0]"),
        (
            {_MIB: {"tmpfs": [{"containerPath": "/t", "size": 1, "mountOptions": ["ro"]}]}},
            "linuxParameters.tmpfs[0].mountOptions",
        ),
    ],
)
def test_a_field_that_kubernetes_lacks_is_listed(fields: dict[str, Any], path: str) -> None:
    """With what to do, and the rest is imported all the same."""
    assert lost(**fields) == [path]


def test_a_variable_counts_once() -> None:
    """The API refuses the same name twice."""
    fields = {
        "environment": [
            {"name": "A", "value": "1"},
            {"name": "A", "value": "2"},
            {"name": "B", "value": "3"},
        ],
        "secrets": [{"name": "B", "valueFrom": SECRET}],
    }
    assert own(**fields)["env"] == [{"name": "A", "value": "2"}]
    assert lost(**fields) == ["environment[0]", "environment[2]"]


def test_an_init_process_and_sysctls_of_several_containers_are_one_pods() -> None:
    """Of the same sysctl the last one counts."""
    control = [{"namespace": "net.ipv4.tcp_keepalive_time", "value": "60"}]
    other = container(name="b", systemControls=[{**control[0], "value": "90"}])
    made = spec(task(container(systemControls=control), other))
    assert made["security"]["sysctls"] == [{"name": "net.ipv4.tcp_keepalive_time", "value": "90"}]


def test_a_health_check_holds_traffic_back_and_restarts() -> None:
    """By a request where it is one."""
    check = {"command": ["CMD-SHELL", "curl -f http://localhost:8080/ok || exit 1"], "startPeriod": 10}
    made = own(healthCheck=check, portMappings=[{"containerPort": 8080}])
    asked = {"httpGet": {"path": "/ok"}, "periodSeconds": 30, "timeoutSeconds": 5}
    assert made["readinessProbe"] == made["livenessProbe"] == asked
    assert made["startupProbe"] == {"httpGet": {"path": "/ok"}, "timeoutSeconds": 5, "failureThreshold": 10}
    assert "readinessProbe" not in own(healthCheck={"command": ["NONE"]})


def test_volumes_are_mounted_where_they_were() -> None:
    """Folders of the Pod, of the node, and of a file system with its claim beside the app."""
    volumes: list[dict[str, Any]] = [
        {"name": "cache"},
        {"name": "scratch", "host": {}},
        {"name": "docker_sock", "host": {"sourcePath": "/var/run/docker.sock"}},
        {"name": "odd", "host": {"sourcePath": "C:"}},
        {
            "name": "data",
            "efsVolumeConfiguration": {
                "fileSystemId": "fs-1",
                "rootDirectory": "/shop",
                "transitEncryption": "DISABLED",
                "transitEncryptionPort": 1,
                "authorizationConfig": {"accessPointId": "fsap-1", "iam": "ENABLED"},
            },
        },
        {"name": "plain", "efsVolumeConfiguration": {"fileSystemId": "fs-2"}},
        {"name": "win", "fsxWindowsFileServerVolumeConfiguration": {"fileSystemId": "fs-3"}},
        {"name": "local", "dockerVolumeConfiguration": {"scope": "task", "driver": "local"}},
        {"name": "shared", "dockerVolumeConfiguration": {"scope": "shared"}},
        {"name": "unused"},
    ]
    points: list[dict[str, Any]] = [
        {"sourceVolume": each["name"], "containerPath": f"/mnt/{each['name']}/"} for each in volumes[:-1]
    ]
    points[0]["readOnly"] = True
    points += [
        {"sourceVolume": "docker_sock", "containerPath": "/again"},
        {"sourceVolume": "cache", "containerPath": "/again"},
        {"sourceVolume": "missing", "containerPath": "/missing"},
    ]
    made = convert(task(container(mountPoints=points), volumes=volumes), namespace="team")
    found = {each["name"]: each for each in apps(made)[0]["spec"]["volumes"]}
    assert found["cache"] == {"name": "cache", "mountPath": "/mnt/cache", "readOnly": True, "emptyDir": {}}
    assert (
        found["docker-sock"]["hostPath"]
        == found["docker-sock-2"]["hostPath"]
        == {"path": "/var/run/docker.sock"}
    )
    assert found["docker-sock-2"]["mountPath"] == "/again"
    for name in ("scratch", "odd", "local", "shared", "missing"):
        assert found[name]["emptyDir"] == {}
    assert found["data"]["existingClaim"] == {"name": "shop-data", "accessMode": "ReadWriteMany"}
    assert found["win"]["existingClaim"]["name"] == "shop-win"
    assert "unused" not in found
    volume, claim = made.manifests[:2]
    assert volume["metadata"] == {"name": "team-shop-data"}
    assert volume["spec"]["csi"] == {
        "driver": "efs.csi.aws.com",
        "volumeHandle": "fs-1:/shop:fsap-1",
        "volumeAttributes": {"encryptInTransit": "false"},
    }
    assert volume["spec"]["mountOptions"] == ["iam"]
    assert claim["metadata"] == {"name": "shop-data", "namespace": "team"}
    assert made.manifests[2]["spec"]["csi"]["volumeHandle"] == "fs-2"
    assert [loss.path for loss in made.losses] == [
        "containerDefinitions[0].mountPoints[10].containerPath",
        "volumes[4].efsVolumeConfiguration.transitEncryptionPort",
        "volumes[6].fsxWindowsFileServerVolumeConfiguration",
        "volumes[8].dockerVolumeConfiguration",
    ]


def test_memory_as_a_folder_is_a_volume() -> None:
    """That of /dev/shm too; a sidecar's is out of the app's way."""
    linux = {"sharedMemorySize": 64, "tmpfs": [{"containerPath": "/cache/", "size": 2048}]}
    made = spec(
        task(container(linuxParameters=linux), container(name="b", linuxParameters={"sharedMemorySize": 8}))
    )
    assert made["volumes"] == [
        {"name": "shm", "mountPath": "/dev/shm", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},  # noqa: S108
        {"name": "cache", "mountPath": "/cache", "emptyDir": {"medium": "Memory", "sizeLimit": "2Gi"}},
        {"name": "shm-2", "mountPath": "/mnt/shm-2", "emptyDir": {"medium": "Memory", "sizeLimit": "8Mi"}},
    ]
    assert made["sidecars"][0]["volumeMounts"] == [{"name": "shm-2", "mountPath": "/dev/shm"}]  # noqa: S108


def test_a_sidecar_shares_the_volumes_of_another_container() -> None:
    """`volumesFrom` copies its mounts."""
    first = container(mountPoints=[{"sourceVolume": "data", "containerPath": "/data"}])
    second = container(
        name="b", volumesFrom=[{"sourceContainer": "web", "readOnly": True}, {"sourceContainer": "x"}]
    )
    made = spec(task(first, second, volumes=[{"name": "data"}]))
    assert made["sidecars"][0]["volumeMounts"] == [{"name": "data", "mountPath": "/data", "readOnly": True}]
    alone = spec(task(container(), {**first, "name": "b"}))
    assert alone["volumes"] == [{"name": "data", "mountPath": "/mnt/data", "emptyDir": {}}]
