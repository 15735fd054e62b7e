"""The command line on a real API server: an app from `up` to `down`, and each failure as one clear line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import devcluster
from devcluster import Cluster
from tests.controller.api import Manifest
from tests.controller.disks import disks
from tests.controller.operators import ROOT
from tests.controller.person import Person
from tests.controller.registry import digest_of
from tests.controller.world import World

pytestmark = pytest.mark.cluster


def up(person: Person, manifest: Manifest, *arguments: str) -> str:
    """Launch an app; return what was shown."""
    result = person.here("up", "-y", "-f", "-", *arguments, stdin=yaml.safe_dump(manifest))
    assert result.exit_code == 0, result.output
    return result.stdout


def test_an_app_from_up_to_down(world: World, person: Person) -> None:
    """What a person does in the first hour, each step by one command."""
    manifest = world.app("shop", port=8080, replicas=2)
    shown = up(person, manifest)
    assert f"+ ContainerApp shop in {world.namespace}: created" in shown
    assert "+ Deployment shop: created" in shown
    assert "2 Pods start (0 → 2)" in shown
    assert shown.splitlines()[-1] == f"shop is Ready: http://shop.{world.namespace}.svc:8080"
    assert "No changes." in up(person, manifest)

    row = person.here("list").stdout.splitlines()[1].split()
    assert row[:5] == ["shop", "True", "Running", "shop:1.0", "2"]
    assert person.here("list", "-o", "name").stdout == "containerapp.containerapp.dev/shop\n"
    assert json.loads(person.here("status", "shop", "-o", "json").stdout)["metadata"]["name"] == "shop"

    page = person.here("status", "capp/shop")
    assert page.exit_code == 0
    assert f"shop in {world.namespace}: Ready (Running)" in page.stdout
    assert digest_of("shop 1.0")[:19] in page.stdout
    assert page.stdout.count("Running") >= 3, page.stdout  # the reason, and two Pods
    assert "RolledOut" in person.here("events", "shop").stdout

    before = {pod["metadata"]["uid"] for pod in world.api.list("Pod", world.namespace)}
    assert person.here("scale", "shop", "--replicas", "1").stdout == "shop is scaled from 2 to 1.\n"
    assert person.here("wait", "shop", "--timeout", "60s").exit_code == 0
    assert person.here("restart", "shop").exit_code == 0
    world.until(
        "new Pods run",
        lambda: (
            not before
            & {
                pod["metadata"]["uid"]
                for pod in world.api.list("Pod", world.namespace)
                if "deletionTimestamp" not in pod["metadata"]
            }
        ),
    )
    assert person.here("wait", "shop").exit_code == 0
    assert person.here("open", "shop", "--url").stdout == f"http://shop.{world.namespace}.svc:8080\n"

    gone = person.here("down", "shop", "-y")
    assert gone.exit_code == 0, gone.output
    assert "- Deployment shop" in gone.stdout
    assert world.find("ContainerApp", "shop") is None


def test_down_names_the_claims_that_stay(world: World, person: Person) -> None:
    """Before and after, with their size and the command that deletes them; what goes with its data is said, too."""
    manifest = world.app(
        "shop",
        volumes=[
            {"name": "data", "mountPath": "/data", "claim": {"size": "1Gi"}},
            {"name": "cache", "mountPath": "/cache", "claim": {"size": "1Gi", "retain": False}},
        ],
    )
    volumes = list(disks(manifest))
    for volume in volumes:
        world.api.apply(volume)
    world.api.apply(manifest)
    world.await_ready("shop")
    done = person.here("down", "shop", "-y")
    assert done.exit_code == 0, done.output
    before, after = done.stdout.split("shop is deleted.\n")
    stays = (
        "  PersistentVolumeClaim shop-data (1Gi) stays, with its data. "
        f"To delete it: kubectl delete pvc shop-data -n {world.namespace}\n"
    )
    assert stays in before
    assert after == stays
    assert "- PersistentVolumeClaim shop-cache (1Gi), with its data\n" in before
    assert "- PersistentVolumeClaim shop-data" not in before
    assert world.find("PersistentVolumeClaim", "shop-data") is not None
    for volume in volumes:
        world.api.delete("PersistentVolume", None, volume["metadata"]["name"])


def test_up_follows_a_job_until_it_has_succeeded(world: World, person: Person) -> None:
    """A file of `import` may hold apps and jobs."""
    job = world.app("once") | {"kind": "ContainerJob"}
    shown = up(person, job)
    assert "+ Job once-1: created" in shown
    assert shown.splitlines()[-1] == "once is Ready."


def test_up_ends_with_the_diagnosis_of_an_app_that_does_not_start(world: World, person: Person) -> None:
    """The tag does not exist: the message names the image and the remedy."""
    manifest = world.app("lost", image="shop:9.9")
    result = person.here("up", "-y", "-f", "-", "--timeout", "20s", stdin=yaml.safe_dump(manifest))
    assert result.exit_code == 1, result.output
    assert "The app would not be Ready" in result.stdout
    assert "lost is stalled" in result.stderr
    assert "9.9" in result.stderr
    assert person.here("status", "lost").exit_code == 1


def test_up_ends_with_the_diagnosis_of_a_version_that_was_rolled_back(world: World, person: Person) -> None:
    """The app is Ready, but not as it was asked for."""
    up(person, world.app("back", port=8080))
    crashes = {"devcluster/behaviour": "crash-loop"}
    manifest = world.app("back", port=8080, podAnnotations=crashes)
    result = person.here("up", "-y", "-f", "-", "--timeout", "90s", stdin=yaml.safe_dump(manifest))
    assert result.exit_code == 1, result.output
    assert "back is stalled: RolledBack: Revision 2 has failed." in result.stderr


def test_a_plan_without_the_image_says_that_it_has_no_pods(world: World, person: Person) -> None:
    """The registry may be out of reach from here alone."""
    manifest = yaml.safe_dump(world.app("far", image="registry.invalid/shop:1.0"))
    result = person.here("plan", "-f", "-", stdin=manifest)
    assert "The plan has no Pods, since the image cannot be looked up from here:" in result.stdout
    assert "Deployment" not in result.stdout


def test_up_asks_only_a_person(world: World, person: Person) -> None:
    """In a pipeline nobody answers: the command says so, and applies nothing."""
    result = person.here("up", "-f", "-", stdin=yaml.safe_dump(world.app("asked")))
    assert result.exit_code == 64
    assert "give -y" in result.stderr
    assert world.find("ContainerApp", "asked") is None


def test_an_app_that_scales_by_load_is_not_scaled_by_hand(world: World, person: Person) -> None:
    """Its manifest says where the number is."""
    up(person, world.app("auto", autoscaling={"minReplicas": 1, "maxReplicas": 3}))
    result = person.here("scale", "auto", "--replicas", "2")
    assert result.exit_code == 1
    assert "spec.autoscaling.minReplicas" in result.stderr
    assert person.here("top", "auto").exit_code == 5
    assert "metrics-server" in person.here("top", "auto").stderr


def test_a_deployment_of_others_is_not_restarted(world: World, person: Person) -> None:
    """The app has none, as the name was taken before; an app without an image has none at all."""
    world.kubectl("create", "deployment", "taken", "--image=shop:1.0")
    for name, image in (("taken", "shop:1.0"), ("none", "shop:9.9")):
        world.apply(name, image=image)
        world.await_condition(name, "Ready", "False", "NameTaken" if name == "taken" else "ImageNotFound")
        result = person.here("restart", name)
        assert result.exit_code == 5
        assert f"{name} has no Pods of its own yet. See `containerapp status {name}`." in result.stderr
    assert "annotations" not in world.get("Deployment", "taken")["spec"]["template"]["metadata"]


def test_a_field_of_another_tool_is_taken_over_on_request_alone(world: World, person: Person) -> None:
    """As kubectl's server-side apply."""
    world.apply("shared", port=8080)
    manifest = world.app("shared", port=9090)
    result = person.here("plan", "-f", "-", stdin=yaml.safe_dump(manifest))
    assert result.exit_code == 1
    assert "--force-conflicts" in result.stderr
    assert (
        "9090" in person.here("plan", "--force-conflicts", "-f", "-", stdin=yaml.safe_dump(manifest)).stdout
    )


def test_what_was_scaled_by_hand_is_what_the_manifest_says_again(world: World, person: Person) -> None:
    """`scale` and `up` are one tool: it is in no conflict with itself."""
    manifest = yaml.safe_dump(world.app("counted", replicas=1, port=8080))
    assert person.here("up", "-y", "-f", "-", stdin=manifest).exit_code == 0
    assert person.here("scale", "counted", "--replicas", "2").exit_code == 0
    assert "spec.replicas: 2 → 1" in person.here("plan", "-f", "-", stdin=manifest).stdout
    assert person.here("up", "-y", "-f", "-", stdin=manifest).exit_code == 0
    assert world.get("ContainerApp", "counted")["spec"]["replicas"] == 1


def test_a_namespace_without_apps_says_so(person: Person) -> None:
    """And completion offers nothing."""
    assert "No ContainerApps found." in person.here("list").stderr
    result = person.here("status", "shop")
    assert result.exit_code == 5
    assert 'containerapps.containerapp.dev "shop" not found' in result.stderr


def test_names_are_completed_from_the_cluster(world: World, person: Person) -> None:
    """By the variables that the shell's script sets; of jobs, too, where the command takes them."""
    for name in ("shop", "shed", "till"):
        world.apply(name)
    for name in ("shed", "ship"):
        world.api.apply(world.app(name, suspend=True) | {"kind": "ContainerJob"})

    def completed(command: str, typed: str) -> list[str]:
        words = f"containerapp {command} -n {world.namespace} {typed}"
        done = _process(person, [], _CONTAINERAPP_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD="4")
        return sorted(word.removeprefix("plain,") for word in done.communicate(timeout=60)[0].split())

    assert completed("status", "sh") == ["shed", "ship", "shop"]
    assert completed("wait", "cjob/s") == ["cjob/shed", "cjob/ship"]
    assert completed("logs", "c") == ["cjob/shed"]
    assert completed("down", "s") == ["shed", "shop"]
    assert completed("down", "cj") == ["cjob/shed", "cjob/ship"]
    assert completed("history", "sh") == ["shed", "shop"]
    assert completed("history", "cjob/") == []
    assert completed("scale", "capp/t") == ["capp/till"]
    assert completed("run", "s") == ["shed", "ship"]


# --- failures ----------------------------------------------------------------------------------------


def edited(person: Person, tmp_path: Path, *, server: str | None = None, token: str | None = None) -> str:
    """Return the path of a kubeconfig that differs from the person's."""
    config = yaml.safe_load(person.kubeconfig.read_text())
    if server:
        config["clusters"][0]["cluster"]["server"] = server
    if token:
        config["users"][0]["user"] = {"token": token}
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return str(path)


def test_no_kubeconfig(person: Person, tmp_path: Path) -> None:
    """The remedy is the command that makes one."""
    result = person.here("list", "--kubeconfig", str(tmp_path / "missing"))
    assert result.exit_code == 3
    assert "aws eks update-kubeconfig" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_kubeconfig_that_is_no_yaml(person: Person, tmp_path: Path) -> None:
    """It is named."""
    (tmp_path / "config").write_text("a: [")
    result = person.here("list", "--kubeconfig", str(tmp_path / "config"))
    assert result.exit_code == 3
    assert str(tmp_path / "config") in result.stderr


def test_the_wrong_context(person: Person) -> None:
    """The known ones are named."""
    result = person.here("list", "--context", "elsewhere")
    assert result.exit_code == 3
    assert "no context 'elsewhere'" in result.stderr
    assert yaml.safe_load(person.kubeconfig.read_text())["contexts"][0]["name"] in result.stderr


def test_no_api_server_answers(person: Person, tmp_path: Path) -> None:
    """Whether it is down or not to be reached from here is for the user to see."""
    result = person.here("list", "--kubeconfig", edited(person, tmp_path, server="https://127.0.0.1:1"))
    assert result.exit_code == 3
    assert "does not answer" in result.stderr
    assert result.stderr.count("\n") == 1


def test_expired_credentials(person: Person, tmp_path: Path) -> None:
    """A token that the API server does not accept, and a helper that cannot get one."""
    result = person.here("list", "--kubeconfig", edited(person, tmp_path, token="expired"))  # noqa: S106 - no secret
    assert result.exit_code == 3
    assert "aws sso login" in result.stderr
    config = yaml.safe_load(person.kubeconfig.read_text())
    helper = {"apiVersion": "client.authentication.k8s.io/v1", "command": "false", "interactiveMode": "Never"}
    config["users"][0]["user"] = {"exec": helper}
    (tmp_path / "helper").write_text(yaml.safe_dump(config))
    result = person.here("list", "--kubeconfig", str(tmp_path / "helper"))
    assert result.exit_code == 3
    assert "aws sso login" in result.stderr


def test_a_namespace_that_the_person_may_not_see(person: Person) -> None:
    """The API server's own words say which right is missing."""
    result = person.call("list", "-n", "kube-system")
    assert result.exit_code == 4
    assert 'cannot list resource "containerapps"' in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.fixture
def bare_cluster() -> Iterator[Cluster]:
    """A control plane on which nothing is installed."""
    with devcluster.start(devcluster.Options()) as bare:
        yield bare


def test_no_definition(person: Person, bare_cluster: Cluster) -> None:
    """The operator is not installed there, or it is the wrong context."""
    for command in (["list"], ["plan", "-f", "-"]):
        manifest = yaml.safe_dump(person.world.app("shop") | {"metadata": {"name": "shop"}})
        result = person.call(*command, "--kubeconfig", str(bare_cluster.kubeconfig), stdin=manifest)
        assert result.exit_code == 5, result.output
        assert "the operator is not installed there" in result.stderr


def test_ctrl_c_during_up_leaves_the_app_to_the_operator(
    world: World, person: Person, tmp_path: Path
) -> None:
    """One line says how to look at it; no traceback."""
    manifest = tmp_path / "shop.yaml"
    manifest.write_text(yaml.safe_dump(world.app("shop")))
    world.operator.stop()
    process = _process(person, ["up", "-y", "-f", str(manifest)])
    deadline = time.monotonic() + 60
    while world.find("ContainerApp", "shop") is None and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    world.operator.start()
    assert process.returncode == 130
    assert "containerapp status shop" in said
    assert "Traceback" not in said
    world.await_ready("shop")


def _process(person: Person, arguments: list[str], **variables: str) -> subprocess.Popen[str]:
    """Start the command as a process of its own."""
    environment = {**os.environ, **person.environment, "KUBECONFIG": str(person.kubeconfig), **variables}
    environment["PYTHONPATH"] = str(ROOT / "operator")
    return subprocess.Popen(
        [sys.executable, "-m", "containerapp", *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


# --- doctor ------------------------------------------------------------------------------------------


def test_the_doctor_says_what_is_missing_and_what_mends_it(world: World, person: Person) -> None:
    """As an administrator; a person who may not read nodes gets `skip` for that check."""
    admin = str(world.cluster.kubeconfig)
    report = person.call("doctor", "--kubeconfig", admin, "-o", "json")
    assert report.exit_code == 1, report.output
    found = {item["finding"]: item for item in json.loads(report.stdout)}

    def grade(beginning: str) -> str:
        return next(str(item["grade"]) for text, item in found.items() if text.startswith(beginning))

    assert grade("The definition of ContainerApp") == "ok"
    assert grade("There is no metrics-server") == "warn"
    assert grade("The operator's Deployment") == "fail"  # it runs as a process of the test's
    assert all(item["remedy"] for item in found.values() if item["grade"] in {"warn", "fail"})
    assert "skip" in person.here("doctor").stdout


def test_the_doctor_looks_at_one_app(world: World, person: Person) -> None:
    """The image is asked for with the person's own credentials."""
    world.run("shop", port=8080)
    report = person.here("doctor", "shop")
    assert report.exit_code == 0, report.output
    assert "is found in its registry" in report.stdout
