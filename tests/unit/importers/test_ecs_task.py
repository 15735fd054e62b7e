"""A task with several containers, and what it says of all of them: `ecs`, `ecs_order`, `ecs_pod`, `ecs_placement`."""

from __future__ import annotations

from typing import Any

import pytest

from containerapp.importers import ecs
from containerapp.importers.source import Refusal
from containerapp.importers.wishes import Wishes
from tests.unit.importers.ecs_cases import ROLE, apps, container, convert, spec, task

_PORT = [{"containerPort": 80}]


def _names(made: dict[str, Any], field: str) -> list[str]:
    return [each["name"] for each in made.get(field, [])]


def test_containers_start_in_the_order_of_their_dependencies() -> None:
    """What ends before others start is an init container, what runs beside them a sidecar."""

    def needs(*pairs: str) -> list[dict[str, str]]:
        return [dict(zip(("containerName", "condition"), pair.split(), strict=True)) for pair in pairs]

    check = {"command": ["CMD", "ok"]}
    made = convert(
        task(
            container(
                name="app",
                portMappings=_PORT,
                dependsOn=needs("migrate SUCCESS", "proxy HEALTHY", "gone START"),
            ),
            container(
                name="agent", essential=False, dependsOn=needs("proxy START", "app START"), healthCheck=check
            ),
            container(name="migrate", dependsOn=needs("proxy START", "tunnel START"), healthCheck=check),
            container(name="setup", essential=False),
            container(name="proxy", healthCheck=check, dependsOn=needs("setup COMPLETE")),
            container(name="tunnel"),
        )
    )
    (app,) = apps(made)
    assert _names(app["spec"], "sidecars") == ["proxy", "agent", "tunnel"]
    assert _names(app["spec"], "initContainers") == ["migrate", "setup"]
    migrate, setup = app["spec"]["initContainers"]
    assert migrate["after"] == "tunnel"
    assert "after" not in setup
    proxy, agent, _ = app["spec"]["sidecars"]
    assert proxy["startupProbe"]["failureThreshold"] == 30
    assert "readinessProbe" in proxy
    assert "readinessProbe" not in agent
    assert {loss.path for loss in made.losses} == {
        "containerDefinitions[0].dependsOn[2]",
        "containerDefinitions[1].dependsOn[1]",
        "containerDefinitions[2].healthCheck",
    }


def test_a_circle_of_dependencies_keeps_its_order() -> None:
    """ECS refuses it, and an import must end all the same."""
    made = spec(
        task(
            container(portMappings=_PORT),
            container(name="b", dependsOn=[{"containerName": "c", "condition": "START"}]),
            container(name="c", dependsOn=[{"containerName": "b", "condition": "START"}]),
        )
    )
    assert _names(made, "sidecars") == ["b", "c"]
    ended = spec(task(container(dependsOn=[{"containerName": "web", "condition": "SUCCESS"}])))
    assert ended["image"] == "shop:1"


def test_a_sidecar_may_be_named_as_the_apps_own_container() -> None:
    """Two cannot have one name."""
    made = spec(task(container(portMappings=_PORT), container(name="app"), container(name="App")))
    assert _names(made, "sidecars") == ["app-2", "app-3"]


def test_what_has_no_place_in_a_pod_is_left_out() -> None:
    """Log routers and proxies of App Mesh; a template's whole containers have to be given."""
    made = convert(
        task(
            container(),
            container(name="log", firelensConfiguration={"type": "fluentbit"}),
            container(name="envoy"),
            "${XRAY}",  # type: ignore[arg-type]
            proxyConfiguration={"type": "APPMESH", "containerName": "envoy"},
        )
    )
    assert "sidecars" not in apps(made)[0]["spec"]
    assert "${XRAY}" in made.wanted
    with pytest.raises(Refusal, match="shop has no container"):
        ecs.convert([("f", task(container(firelensConfiguration={"type": "fluentd"})))], Wishes())
    with pytest.raises(Refusal, match="import compose"):
        ecs.convert([("compose.yaml", {"services": {"web": {"image": "shop:1"}}})], Wishes())
    with pytest.raises(Refusal, match="describe-task-definition"):
        ecs.convert([("f", {"kind": "Pod"})], Wishes())


def test_containers_that_share_nothing_can_become_apps() -> None:
    """By default they share one Pod; volumes, links, dependencies and calls to localhost keep them together."""
    front = container(
        name="front",
        portMappings=[{"containerPort": 80}],
        environment=[{"name": "API", "value": "http://localhost:9000"}],
    )
    api = container(name="api", portMappings=[{"containerPort": 9000}], links=["cache:c"])
    cache = container(name="cache")
    worker = container(name="worker", mountPoints=[{"sourceVolume": "v", "containerPath": "/v"}])
    helper = container(name="helper", volumesFrom=[{"sourceContainer": "worker"}])
    document = task(front, api, cache, worker, helper, cpu="1024", memory="2048")
    (together,) = apps(convert(document))
    assert len(together["spec"]["sidecars"]) == 4
    first, second = apps(convert(document, split=True))
    assert (first["metadata"]["name"], _names(first["spec"], "sidecars")) == ("shop", ["api", "cache"])
    assert (second["metadata"]["name"], _names(second["spec"], "sidecars")) == ("shop-worker", ["helper"])
    assert "resources" not in second["spec"]
    assert len(apps(convert(task(), split=True))) == 1


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"taskRoleArn": ROLE}, {"identity": {"roleArn": ROLE}}),
        ({"taskRoleArn": ""}, {}),
        ({"tags": [{"key": "team", "value": "checkout"}]}, {"labels": {"team": "checkout"}}),
        ({"cpu": "512", "memory": "1 GB"}, {"resources": {"requests": {"cpu": "500m", "memory": "1Gi"}}}),
        ({"cpu": ".5 vCPU"}, {"resources": {"requests": {"cpu": "500m"}}}),
        ({"ephemeralStorage": {"sizeInGiB": 50}}, {"resources": {"requests": {"ephemeral-storage": "50Gi"}}}),
        ({"runtimePlatform": {"cpuArchitecture": "ARM64"}}, {"placement": {"architectures": ["arm64"]}}),
        ({"pidMode": "task", "ipcMode": "task", "networkMode": "bridge"}, {"shareProcessNamespace": True}),
        (
            {
                "placementConstraints": [
                    {"type": "memberOf", "expression": "attribute:ecs.instance-type == t3.large"}
                ]
            },
            {"placement": {"nodeSelector": {"node.kubernetes.io/instance-type": "t3.large"}}},
        ),
    ],
)
def test_what_a_task_says_of_all_containers(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    """Each has its field, and none is lost."""
    made = convert(task(**fields))
    assert {key: value for key, value in apps(made)[0]["spec"].items() if key != "image"} == expected
    assert made.losses == ()


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"taskRoleArn": "ecsTaskRole"}, "taskRoleArn"),
        ({"executionRoleArn": ROLE}, "executionRoleArn"),
        ({"networkMode": "host"}, "networkMode"),
        ({"pidMode": "host"}, "pidMode"),
        ({"ipcMode": "host"}, "ipcMode"),
        (
            {"runtimePlatform": {"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE"}},
            "runtimePlatform.operatingSystemFamily",
        ),
        (
            {"placementConstraints": [{"type": "memberOf", "expression": "attribute:ecs.subnet-id == x"}]},
            "placementConstraints[0].expression",
        ),
        ({"revision": 3}, "revision"),
        ({"cpu": "all"}, "cpu"),
    ],
)
def test_what_a_task_says_and_kubernetes_does_not(fields: dict[str, Any], path: str) -> None:
    """It is listed, with what to do."""
    made = ecs.convert([("f", task(**fields))], Wishes())
    assert [loss.path for loss in made.losses] == [path]


def test_a_tasks_size_is_shared_by_its_containers() -> None:
    """Those without a size have equal shares of what the others leave, and may use all of it, as on ECS."""
    sized, unsized = container(name="a", cpu=128, memory=256), container(name="b")
    agent = container(name="c", image="aws-otel-collector:1")
    made = spec(task(container(portMappings=_PORT), sized, unsized, agent, cpu="1024", memory="2048"))
    a, b, c = (sidecar["resources"] for sidecar in made["sidecars"])
    assert (
        made["resources"]
        == b
        == {"requests": {"cpu": "412m", "memory": "864Mi"}, "limits": {"memory": "1792Mi"}}
    )
    assert a == {"requests": {"cpu": "125m", "memory": "256Mi"}}
    assert c == {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "1792Mi"}}


def test_a_container_alone_has_its_task() -> None:
    """And at least what a sidecar has; what says its size keeps it."""
    alone = spec(
        task(
            container(portMappings=_PORT), container(name="a", cpu=128, memory=256), cpu="1024", memory="2048"
        )
    )
    assert alone["resources"] == {"requests": {"cpu": "875m", "memory": "1792Mi"}}
    tight = spec(
        task(container(portMappings=_PORT), container(name="a", cpu=128, memory=256), cpu="128", memory="256")
    )
    assert tight["resources"]["requests"] == {"cpu": "50m", "memory": "64Mi"}
    limited = spec(task(container(cpu=256, memory=2048, memoryReservation=1024), cpu="512", memory="2048"))
    assert limited["resources"] == {"requests": {"cpu": "250m", "memory": "1Gi"}, "limits": {"memory": "2Gi"}}
    reserved = convert(
        task(
            container(portMappings=_PORT, memoryReservation=256),
            container(name="a", memoryReservation=64),
            memory="1024",
        )
    )
    made = apps(reserved)[0]["spec"]
    assert made["resources"] == {"requests": {"memory": "256Mi"}, "limits": {"memory": "1Gi"}}
    assert made["sidecars"][0]["resources"] == {"requests": {"memory": "64Mi"}, "limits": {"memory": "1Gi"}}
    without = convert(task(container(memoryReservation=256)))
    assert apps(without)[0]["spec"]["resources"] == {"requests": {"memory": "256Mi"}}
    assert [note.path for note in without.notes][-1] == "containerDefinitions[0].memoryReservation"
    disk = spec(task(cpu="512", memory="1024", ephemeralStorage={"sizeInGiB": 50}))
    assert disk["resources"]["requests"] == {"cpu": "500m", "ephemeral-storage": "50Gi", "memory": "1Gi"}


def test_what_watches_others_is_not_the_app() -> None:
    """Though it stands first."""
    made = spec(task(container(name="agent", image="aws-otel-collector:1"), container(name="web")))
    assert (made["image"], _names(made, "sidecars")) == ("shop:1", ["agent"])


def test_a_task_can_be_a_job() -> None:
    """It has no ports and no probes."""
    made = convert(
        task(container(portMappings=_PORT, command=["report"], healthCheck={"command": ["CMD", "ok"]})),
        {"serviceName": "x", "taskDefinition": "shop:1", "desiredCount": 3},
        job=True,
        name="nightly",
    )
    (job,) = apps(made)
    assert job["kind"] == "ContainerJob"
    assert job["metadata"]["name"] == "nightly"
    assert job["spec"] == {"image": "shop:1", "args": ["report"], "onChange": "Wait"}


def test_names_come_from_what_there_is() -> None:
    """Family, container, and the second one of a name is numbered."""
    made = convert(
        [task(), task(), {"containerDefinitions": [container(name="Api")]}], {"taskDefinitions": [task()]}
    )
    assert [app["metadata"]["name"] for app in apps(made)] == ["shop", "shop-2", "api", "shop-3"]
    (listed,) = apps(convert([container(name="only")]))
    assert listed["metadata"]["name"] == "only"
