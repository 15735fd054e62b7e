"""`history`, `diff` and `rollback` on a real API server."""

from __future__ import annotations

import pytest
import yaml

from tests.controller.person import Person
from tests.controller.registry import digest_of
from tests.controller.world import World

pytestmark = pytest.mark.cluster


def test_an_app_goes_back_to_an_earlier_revision_and_forward_again(world: World, person: Person) -> None:
    """The manifest stays as it is but for the pin, and `--release` removes that."""
    newer = world.registry.push("2.0", "shop 2.0 of the command line")
    for tag in ("1.0", "2.0"):
        manifest = yaml.safe_dump(world.app("shop", image=f"shop:{tag}"))
        result = person.here("up", "-y", "-f", "-", stdin=manifest)
        assert result.exit_code == 0, result.output
    rows = [line.split() for line in person.here("history", "shop").stdout.splitlines()[1:]]
    assert [row[:3] for row in rows] == [["2", "runs", "Good"], ["1", "Good", "Created"]]

    difference = person.here("diff", "shop", "1", "2")
    assert difference.exit_code == 2
    assert "spec.containers[app].image" in difference.stdout
    assert person.here("diff", "shop", "1", "1").exit_code == 0
    assert person.here("diff", "shop", "1", "9").exit_code == 5

    back = person.here("rollback", "shop")
    assert back.exit_code == 0, back.output
    assert "stays at revision 1" in back.stdout
    assert "revision 1 runs" in back.stdout
    assert "pinned" in person.here("history", "shop").stdout
    page = person.here("status", "shop").stdout.splitlines()
    runs, asked = digest_of("shop 1.0")[:19], newer[:19]
    assert f"  Image  shop:1.0 ({runs}…); the spec asks for shop:2.0 ({asked}…)" in page
    assert "  Pinned to revision 1, until `containerapp rollback shop --release`" in page
    again = person.here("rollback", "shop")
    assert again.exit_code == 5, "it would run revision 2 again"
    assert "shop has no earlier revision that was good. It stays at revision 1" in again.stderr
    forward = person.here("rollback", "shop", "--release")
    assert forward.exit_code == 0, forward.output
    assert "revision 2 runs" in forward.stdout
    assert "rollout" not in world.get("ContainerApp", "shop")["spec"] or not (
        world.get("ContainerApp", "shop")["spec"]["rollout"].get("revision")
    )
    assert f"  Image  shop:2.0 ({asked}…, for " in person.here("status", "shop").stdout
    assert person.here("rollback", "shop", "--to", "7").exit_code == 5


def test_the_page_of_an_app_that_was_rolled_back_shows_what_runs(world: World, person: Person) -> None:
    """The version that has failed is what the spec asks for, and is not what answers."""
    world.registry.push("2.1", "shop 2.1 that crashes")
    world.run("shop")
    world.apply("shop", image="shop:2.1", podAnnotations={"devcluster/behaviour": "crash-loop"})
    world.await_condition("shop", "RolledOut", "False", "RolledBack")
    page = person.here("status", "shop").stdout
    assert f"  Image  shop:1.0 ({digest_of('shop 1.0')[:19]}…); the spec asks for shop:2.1 (" in page
