"""What imports make is taken by a real API server, and becomes Ready: small inputs of each kind."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from containerapp.importers.compose.application import from_compose
from containerapp.importers.compose.project import read_project
from containerapp.importers.copilot.application import from_copilot
from containerapp.importers.documents import load
from containerapp.importers.source import Imported
from containerapp.importers.wishes import Wishes
from devcluster.cluster import CommandError
from tests.controller.api import Manifest
from tests.controller.disks import disks
from tests.controller.operators import eventually
from tests.controller.world import World
from tests.published import FOLDER, WHERE, Published, apprunner, compose, copilot, ecs

pytestmark = pytest.mark.cluster

IMAGE = "shop:1.0"
COMPOSE = {
    "a web service": """
        web:
          image: shop:1.0
          ports: ["8080:80", "443"]
          environment: {LEVEL: info, PASSWORD: hunter2hunter2, URL: "http://other:9000"}
          healthcheck: {test: [CMD, curl, -f, http://localhost/up], interval: 5s}
          deploy: {replicas: 2, resources: {limits: {cpus: "0.5", memory: 256M}}, labels: {team: shop}}
        other: {image: "shop:1.0"}
        """,
    "files and secrets": """
        web:
          image: shop:1.0
          volumes: ["./web.conf:/etc/web.conf:ro"]
          configs: [{source: text, target: /etc/text, mode: 0440}]
          secrets: [key]
          tmpfs: /run
          shm_size: 64m
        """,
    "storage": """
        db: {image: "shop:1.0", volumes: ["data:/var/lib/data", "shared:/s"], expose: [5432]}
        worker: {image: "shop:1.0", volumes: ["shared:/s", /cache]}
        """,
    "one network": """
        web: {image: "shop:1.0", expose: [80], volumes: ["/tmp/x"]}
        proxy: {image: "shop:1.0", network_mode: "service:web", ports: [81], tmpfs: [/run], environment: {A: 1}}
        """,
    "hardened": """
        web:
          image: shop:1.0
          user: "1000:1000"
          read_only: true
          cap_add: [NET_BIND_SERVICE]
          cap_drop: [ALL]
          security_opt: ["no-new-privileges:true"]
          sysctls: {net.ipv4.tcp_syncookies: 1}
          group_add: ["2000"]
          init: true
          extra_hosts: ["legacy:10.0.0.9"]
          dns_search: corp.example.com
          stop_grace_period: 5s
        """,
    "replaced one by one": """
        web:
          image: shop:1.0
          expose: [80]
          annotations: {example.com/a: b}
          deploy: {replicas: 3, update_config: {parallelism: 1, order: start-first}, endpoint_mode: dnsrr}
        """,
}
COPILOT = {
    "a backend": """
        name: api
        type: Backend Service
        image: {location: "shop:1.0", port: 8080, healthcheck: {command: [CMD-SHELL, ok], start_period: 10s}}
        cpu: 256
        memory: 512
        count: {range: 1-3, cpu_percentage: 70, cooldown: {in: 60s, out: 30s}}
        variables: {LEVEL: info, API_TOKEN: abcdefabcdef}
        network: {connect: true, vpc: {placement: private}}
        exec: true
        """,
    "a worker": """
        name: worker
        type: Worker Service
        image: {location: "shop:1.0"}
        count: 2
        command: [work, hard]
        deployment: {rolling: recreate}
        taskdef_overrides: [{path: "ContainerDefinitions[0].StopTimeout", value: 5}]
        """,
    "further containers": """
        name: api
        type: Backend Service
        image: {location: "shop:1.0", port: 80, depends_on: {init: success, log: start}}
        storage: {readonly_fs: true, volumes: {scratch: {path: /s, read_only: false}}}
        sidecars:
          log: {image: "shop:1.0", port: 8125/udp, mount_points: [{source_volume: scratch, path: /s}]}
          init: {image: "shop:1.0", command: [copy], essential: false}
        """,
    "a file system": """
        name: files
        type: Backend Service
        image: {location: "shop:1.0", port: 80}
        storage: {volumes: {files: {path: /f, read_only: false, efs: {id: fs-0123456789abcdef0}}}}
        """,
    "a schedule": """
        name: report
        type: Scheduled Job
        image: {location: "shop:1.0"}
        on: {schedule: "rate(2h)"}
        retries: 2
        timeout: 10m
        """,
    "another schedule": """
        name: nightly
        type: Scheduled Job
        image: {location: "shop:1.0"}
        on: {schedule: "cron(30 9 ? * MON-FRI *)"}
        sidecars: {log: {image: "shop:1.0"}}
        """,
}
FILES = {"./web.conf": "on\n", "./key": "geheim"}
TOP = "volumes: {data: {}, shared: {}}\nsecrets: {key: {file: ./key}}\nconfigs: {text: {content: text}}\n"


def _of_compose(text: str, namespace: str) -> Imported:
    project = read_project(["c.yaml"], {"c.yaml": f"services:{text}\n{TOP}", **FILES}.get, {})
    return from_compose(project, Wishes(namespace=namespace))


def _of_copilot(text: str, namespace: str) -> Imported:
    manifest = load(text, "manifest.yml")
    return from_copilot(manifest, Wishes(namespace=namespace), environment=None, values={}, read=FILES.get)


def _apply(world: World, imported: Imported, volumes: list[str]) -> None:
    """Apply all manifests; await that each app and each job is Ready."""
    for manifest in imported.manifests:
        for applied in (*disks(manifest), manifest):
            if applied["kind"] == "PersistentVolume":
                volumes.append(applied["metadata"]["name"])
            world.api.apply(applied)
    for manifest in imported.manifests:
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        if kind.startswith("Container"):
            place = manifest["metadata"]["namespace"]
            if "expose" in manifest["spec"]:
                _serve(world, place, name)
            eventually(
                f"{kind} {name} is Ready",
                partial(_is_ready, world, kind, place, name),
                details=partial(_told, world, kind, place, name),
            )


def _serve(world: World, namespace: str, name: str) -> None:
    """Give the load balancer of an app its address, as its controller would."""

    def balanced() -> Manifest | None:
        service = world.api.find("Service", namespace, name)
        is_balanced = service is not None and service["spec"].get("type") == "LoadBalancer"
        return service if is_balanced else world.api.find("Ingress", namespace, name)

    what, details = f"{name} has a load balancer", partial(_told, world, "ContainerApp", namespace, name)
    eventually(what, balanced, details=details)
    found = balanced()
    assert found is not None
    status = {"loadBalancer": {"ingress": [{"hostname": f"{name}.elb.amazonaws.com"}]}}
    world.api.patch(found["kind"], namespace, name, {"status": status}, "status")
    eventually(f"{name} has a URL", partial(_has_address, world, namespace, name), details=details)


def _has_address(world: World, namespace: str, name: str) -> bool:
    conditions = world.api.get("ContainerApp", namespace, name).get("status", {}).get("conditions", [])
    return any(each["type"] == "Exposed" and each["reason"] == "AddressAssigned" for each in conditions)


def _told(world: World, kind: str, namespace: str, name: str) -> str:
    return str(world.api.get(kind, namespace, name).get("status"))


def _is_ready(world: World, kind: str, namespace: str, name: str) -> bool:
    found: dict[str, Any] = world.api.get(kind, namespace, name)
    status = found.get("status", {})
    current = status.get("observedGeneration") == found["metadata"]["generation"]
    conditions = {each["type"]: each["status"] for each in status.get("conditions", [])}
    return current and conditions.get("Ready") == "True"


@pytest.mark.parametrize("case", COMPOSE)
def test_what_compose_becomes_runs(case: str, world: World, volumes: list[str]) -> None:
    """A manifest that is taken and never runs would be no import."""
    _apply(world, _of_compose(COMPOSE[case], world.namespace), volumes)


@pytest.mark.parametrize("case", COPILOT)
def test_what_copilot_becomes_runs(case: str, world: World, volumes: list[str]) -> None:
    """As above, for manifests of AWS Copilot."""
    _apply(world, _of_copilot(COPILOT[case], world.namespace), volumes)


def _runnable(manifest: Manifest, namespace: str) -> Manifest:
    """Return a manifest with an image that exists, and without what this cluster has no controller for."""
    made = json.loads(json.dumps(manifest))
    if made["kind"] != "PersistentVolume":
        made["metadata"]["namespace"] = namespace
    spec = made.get("spec", {})
    for container in (spec, *spec.get("sidecars", []), *spec.get("initContainers", [])):
        if "image" in container:
            container["image"] = IMAGE
            container.pop("secrets", None)
    for field in ("placement", "identity"):  # its nodes are of one kind, and in no cloud
        spec.pop(field, None)
    for volume in spec.get("volumes", []):
        if isinstance(volume, dict) and volume.pop("hostPath", None):  # the platform forbids it
            volume["emptyDir"] = {}
    return dict(made)


@pytest.mark.skipif(not FOLDER.is_dir(), reason=WHERE)
@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("files", [compose, copilot, ecs, apprunner])
def test_what_people_have_published_runs(
    files: Callable[[], Iterator[Published]], world: World, volumes: list[str]
) -> None:
    """Each file in a namespace of its own: taken as it is, and Ready with an image that exists."""
    failed = []
    for number, each in enumerate(files()):
        if each.imported is None:
            continue
        namespace = f"{world.namespace}-{number}"
        world.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        try:
            _dry_run(world, each.imported, namespace)
            runnable = [_runnable(manifest, namespace) for manifest in each.imported.manifests]
            _apply(world, replace(each.imported, manifests=tuple(runnable)), volumes)
        except (AssertionError, CommandError) as error:
            failed.append(f"{each.title}: {error}")
        world.api.delete("Namespace", None, namespace)
    assert not failed, "\n".join(failed)


def _dry_run(world: World, imported: Imported, namespace: str) -> None:
    """Have the API server look at the manifests as they are."""
    listed = {"apiVersion": "v1", "kind": "List", "items": list(imported.manifests)}
    arguments = ("apply", "--server-side", "--dry-run=server", f"--namespace={namespace}", "--filename=-")
    world.cluster.kubectl(*arguments, stdin=json.dumps(listed))
