"""What people have published is imported: nearly all of it, and every value is carried or listed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from containerapp.importers.source import UNKNOWN
from tests.published import FOLDER, WHERE, Published, apprunner, batch, compose, copilot, ecs

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=WHERE)


@pytest.mark.parametrize(
    ("files", "unheard_of"),
    [(compose, []), (copilot, []), (ecs, ["enableLogging"]), (batch, []), (apprunner, [])],
)
def test_nearly_all_files_are_imported(
    files: Callable[[], Iterator[Published]], unheard_of: list[str]
) -> None:
    """What is refused, those refuse too whose files they are; only fields that these do not have are unknown."""
    found = list(files())
    imported = [each.imported for each in found if each.imported]
    losses = [loss for each in imported for loss in each.losses]
    whole = sum(not each.losses for each in imported)
    refused = [f"{each.title}: {each.refusal}" for each in found if not each.imported]
    said = f"{len(found)} files, {whole} whole, {len(imported) - whole} with losses, refused: {refused}"
    assert len(imported) >= 0.95 * len(found), said
    assert [loss.path for loss in losses if loss.reason == UNKNOWN] == unheard_of


def test_services_with_a_load_balancer_are_exposed() -> None:
    """Also where the file says no more of the load balancer than its target group."""
    balanced = [
        each
        for each in ecs()
        if each.imported and "loadbalancers" in (FOLDER / "ecs" / each.title).read_text().lower()
    ]
    bare = [
        f"{each.title}: {manifest['metadata']['name']}"
        for each in balanced
        for manifest in (each.imported.manifests if each.imported else ())
        if manifest["kind"] == "ContainerApp" and "expose" not in manifest["spec"]
    ]
    assert (len(balanced) > 0, bare) == (True, [])
