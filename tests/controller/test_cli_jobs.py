"""The command line about jobs on a real API server: the page of `status`, and `up` of several."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from tests.controller.api import Manifest
from tests.controller.endings import finish
from tests.controller.person import Person
from tests.controller.world import World
from tests.expectations import conditions

pytestmark = pytest.mark.cluster

_FAILS = {"devcluster/behaviour": "fail"}
_SLOW = {"devcluster/ready-after": "600s"}


def _job(world: World, name: str, **spec: Any) -> Manifest:
    return world.app(name, **spec) | {"kind": "ContainerJob"}


def _await(world: World, name: str, kind: str) -> None:
    def holds() -> bool:
        status = world.get("ContainerJob", name).get("status", {})
        return conditions(status).get(kind, {}).get("status") == "True"

    world.until(f"{name} is {kind}", holds)


def test_the_page_of_a_job_says_how_its_runs_went(world: World, person: Person) -> None:
    """Which indexes have failed, and why; also of a run before the newest one."""
    world.api.apply(_job(world, "report", array={"size": 12}, podAnnotations=_SLOW))
    world.until(
        "all have a Pod",
        lambda: world.get("ContainerJob", "report").get("status", {}).get("active") == 12,
    )
    finish(world, "report-1", 42)
    _await(world, "report", "Failed")
    world.until("the cause is known", lambda: "lastFailure" in world.get("ContainerJob", "report")["status"])
    page = person.here("status", "report")
    assert page.exit_code == 1
    lines = page.stdout.splitlines()
    assert lines[0] == f"report in {world.namespace}: Stalled (RunFailed)"
    assert "  Runs   with each change, and on demand" in lines
    assert "  Newest report-1: 0 of 12 succeeded, 12 failed, failed indexes 0-11" in lines
    assert "report-1 has failed (exit code 42): " in page.stdout
    assert "  | the disk is full" in lines
    (row,) = (line.split() for line in lines if line.startswith("report-1  "))
    assert (row[1], row[2], row[-1]) == ("Spec", "Failed", "0-11")
    assert "… and 2 more" in lines
    assert "RunFailed" in page.stdout

    world.api.apply(_job(world, "report", array={"size": 12}, args=["x"]))
    world.until(
        "it has run again", lambda: world.get("ContainerJob", "report")["status"]["run"] == "report-2"
    )
    _await(world, "report", "Complete")
    page = person.here("status", "cjob/report")
    assert page.exit_code == 0
    rows = [line.split() for line in page.stdout.splitlines() if line.startswith("report-")]
    assert [(row[0], row[2], row[-1]) for row in rows if row[1] == "Spec"] == [
        ("report-2", "Succeeded", "-"),
        ("report-1", "Failed", "0-11"),
    ]
    assert "RunStarted" in person.here("events", "cjob/report").stdout
    shown = json.loads(person.here("status", "report", "-o", "json").stdout)
    assert (shown["kind"], shown["metadata"]["name"]) == ("ContainerJob", "report")
    assert yaml.safe_load(person.here("status", "report", "-o", "yaml").stdout) == shown


def test_the_page_of_a_job_says_when_it_runs(world: World, person: Person) -> None:
    """By its schedule, or when it is asked to; before its first run, too."""
    world.api.apply(_job(world, "nightly", schedule="30 2 29 2 *", timeZone="Europe/Berlin"))
    world.api.apply(_job(world, "resting", schedule="@daily", suspend=True))
    world.api.apply(_job(world, "asked", onChange="Wait"))
    world.api.apply(_job(world, "off", suspend=True))
    for name in ("nightly", "resting", "asked", "off"):
        _await(world, name, "Ready")
    nightly = person.here("status", "nightly").stdout
    assert "by the schedule 30 2 29 2 * of Europe/Berlin; next at 20" in nightly
    assert "-02-29 02:30 CET, in " in nightly
    assert "  Runs   by the schedule @daily; suspended" in person.here("status", "resting").stdout
    asked = person.here("status", "asked").stdout.splitlines()
    assert asked[0] == f"asked in {world.namespace}: Ready (OnDemand)"
    assert "  Runs   on demand" in asked
    assert not any(line.startswith("RUN ") for line in asked)
    assert "  Runs   with each change, and on demand; suspended" in person.here("status", "off").stdout


def test_of_an_app_and_a_job_of_one_name_the_page_is_of_the_app(world: World, person: Person) -> None:
    """The job is asked for by its kind; what there is not is one clear line."""
    world.api.apply(_job(world, "shop", suspend=True))
    assert json.loads(person.here("status", "shop", "-o", "json").stdout)["kind"] == "ContainerJob"
    world.apply("shop")
    assert json.loads(person.here("status", "shop", "-o", "json").stdout)["kind"] == "ContainerApp"
    assert json.loads(person.here("status", "cjob/shop", "-o", "json").stdout)["kind"] == "ContainerJob"
    absent = person.here("status", "absent")
    assert (absent.exit_code, "not found" in absent.stderr) == (5, True)
    assert person.here("status", "cjob/absent").exit_code == 5
    assert person.here("status", "pod/absent").exit_code == 64


def test_a_job_is_waited_for_as_an_app_is(world: World, person: Person) -> None:
    """By its name, or by its kind where an app has the name; with the same exit codes."""
    world.api.apply(_job(world, "report"))
    done = person.here("wait", "report", "--for", "Complete", "--timeout", "60s")
    assert (done.exit_code, done.stdout) == (0, "report: Complete\n")
    assert person.here("wait", "cjob/report", "--timeout", "60s").stdout == "report: Ready\n"
    late = person.here("wait", "cjob/report", "--for", "Failed", "--timeout", "1s")
    assert (late.exit_code, "report is not Failed within 1 s" in late.stderr) == (124, True)
    world.run("report", serviceAccountName="default")
    assert person.here("wait", "report", "--for", "RolledOut", "--timeout", "60s").exit_code == 0
    assert person.here("wait", "cjob/absent").exit_code == 5
    assert person.here("wait", "absent").exit_code == 5


def test_a_job_is_deleted_by_its_kind_alone(world: World, person: Person) -> None:
    """A second `down` of an app must not take the job of its name with it."""
    world.api.apply(_job(world, "report"))
    _await(world, "report", "Complete")
    assert person.here("down", "report", "-y").exit_code == 5
    assert world.find("ContainerJob", "report") is not None
    done = person.here("down", "cjob/report", "-y")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith(f"- ContainerJob report in {world.namespace}, with its Pods: 1\n")
    assert "- Job report-1\n" in done.stdout
    assert done.stdout.endswith("report is deleted.\n")
    assert world.find("ContainerJob", "report") is None


def test_the_logs_of_a_job_are_shown_by_its_name(world: World, person: Person) -> None:
    """As its page is; where it has no Pods, the message says so."""
    world.api.apply(_job(world, "off", suspend=True))
    _await(world, "off", "Ready")
    found = person.here("logs", "off")
    assert (found.exit_code, "off has no Pods" in found.stderr) == (5, True)


def test_up_names_each_that_does_not_become_ready(world: World, person: Person) -> None:
    """An app that stalls first hides no other, and no app that is Ready."""
    manifests = [
        world.app("lost", image="shop:9.9"),
        _job(world, "broken", podAnnotations=_FAILS),
        world.app("fine", port=8080),
    ]
    text = yaml.safe_dump_all(manifests)
    result = person.here("up", "-y", "-f", "-", "--timeout", "60s", stdin=text)
    assert result.exit_code == 1, result.output
    assert "lost is stalled: " in result.stderr
    assert "broken is stalled: RunFailed: " in result.stderr
    assert f"fine is Ready: http://fine.{world.namespace}.svc:8080" in result.stdout.splitlines()
