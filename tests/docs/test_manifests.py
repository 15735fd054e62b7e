"""Every manifest in the documentation works as it is printed."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

import devcluster
from containerapp.api import crd, images
from containerapp.api.containerapp import ContainerApp
from containerapp.controllers import CONTROLLERS
from containerapp.controllers.workloads.image import pin
from containerapp.errors import InvalidSpec
from devcluster.cluster import CommandError
from tests.builders import DIGEST, KIND, UID, inputs, rendered
from tests.definitions import define
from tests.docs.pages import Block, blocks

MANIFESTS = [block for block in blocks() if block.manifests and not block.mark.startswith("not applied: ")]
REFUSED = [block for block in MANIFESTS if block.mark == "refused"]
GOOD = [block for block in MANIFESTS if block.mark != "refused"]


@pytest.fixture(scope="module")
def api(cluster: devcluster.Cluster) -> devcluster.Cluster:
    """The cluster with the definition installed."""
    for controller in CONTROLLERS:
        define(cluster, crd.render_yaml(controller.definition))
    return cluster


@pytest.mark.cluster
@pytest.mark.parametrize("block", GOOD, ids=str)
def test_the_api_server_takes_it_and_changes_nothing(
    api: devcluster.Cluster, namespace: str, block: Block
) -> None:
    """A reader may paste it: no field is unknown, none is refused, and `kubectl diff` is empty afterwards."""
    where = (f"--namespace={namespace}", "--filename=-")
    api.kubectl("apply", "--validate=strict", *where, stdin=block.text)
    assert api.kubectl("diff", *where, stdin=block.text) == ""


@pytest.mark.cluster
@pytest.mark.parametrize("block", REFUSED, ids=str)
def test_the_api_server_refuses_what_the_page_calls_refused(
    api: devcluster.Cluster, namespace: str, block: Block
) -> None:
    """And in the words that the page prints below it."""
    with pytest.raises(CommandError) as refusal:
        api.kubectl("apply", f"--namespace={namespace}", "--filename=-", stdin=block.text)
    following = blocks()[blocks().index(block) + 1]
    assert refusal.value.stderr.strip() == following.text.strip()


@pytest.mark.parametrize("block", GOOD, ids=str)
def test_the_operator_can_render_it(block: Block) -> None:
    """What the API server takes, the operator understands."""
    for manifest in block.manifests:
        if manifest["kind"] == KIND:
            app = ContainerApp.parse(_stored(manifest))
            reference = images.parse(app.spec.image, default_registry="docker.io")
            image = pin(reference, reference.digest or DIGEST, None)
            assert rendered(app, inputs(image, app=app))


@pytest.mark.parametrize("block", REFUSED, ids=str)
def test_the_operator_refuses_what_the_page_calls_refused(block: Block) -> None:
    """A spec that got past the API server is refused all the same."""
    (manifest,) = block.manifests
    with pytest.raises(InvalidSpec):
        ContainerApp.parse(_stored(manifest))


def test_marks_are_few_and_known() -> None:
    """A misspelt mark must not keep a manifest from being tried."""
    marks = {block.mark.partition(":")[0] for block in blocks() if block.mark}
    assert marks <= {"refused", "not applied", "file"}
    assert REFUSED


@pytest.mark.parametrize("block", [block for block in blocks() if block.language == "yaml"], ids=str)
def test_all_yaml_is_yaml(block: Block) -> None:
    """Parts of manifests, too."""
    assert all(document is not None for document in yaml.safe_load_all(block.text))


def _stored(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return the object with what the API server would add."""
    added = {"namespace": "default", "uid": UID, "generation": 1}
    return {**manifest, "metadata": manifest["metadata"] | added}
