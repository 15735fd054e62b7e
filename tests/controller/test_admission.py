"""What `kubectl apply` accepts and refuses, before the operator sees it: the definition on a real API server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import devcluster
from containerapp.api import crd
from containerapp.api.containerapp import ContainerApp
from containerapp.api.schema import API_VERSION
from containerapp.controllers import CONTROLLERS
from containerapp.controllers.containerapp.definition import DEFINITION
from containerapp.errors import InvalidSpec
from devcluster.cluster import CommandError
from tests.definitions import define
from tests.unit.api.spec_strategies import specs

pytestmark = pytest.mark.cluster

MANIFESTS = Path(__file__).parents[1] / "manifests"
GOOD = sorted((MANIFESTS / "good").glob("*.yaml"))
BAD = sorted((MANIFESTS / "bad").glob("*.yaml"))


@pytest.fixture(scope="module")
def api(cluster: devcluster.Cluster) -> devcluster.Cluster:
    """The cluster with the definition installed."""
    for controller in CONTROLLERS:
        define(cluster, crd.render_yaml(controller.definition))
    return cluster


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_refuses_a_bad_manifest_and_names_the_remedy(api: devcluster.Cluster, path: Path) -> None:
    """Each file says in its first line what the user must be told."""
    first, *rest = path.read_text().splitlines()
    arguments = [line.removeprefix("# with: ") for line in rest if line.startswith("# with: ")]
    with pytest.raises(CommandError) as caught:
        api.kubectl("apply", "--namespace=default", f"--filename={path}", *arguments)
    assert first.removeprefix("# expect: ") in caught.value.stderr


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_accepts_a_good_manifest_and_changes_nothing_in_it(
    api: devcluster.Cluster, namespace: str, path: Path
) -> None:
    """`kubectl diff` afterwards is empty, and so is a second apply."""
    where = f"--namespace={namespace}"
    assert api.kubectl("apply", where, f"--filename={path}").strip().endswith("created")
    assert api.kubectl("diff", where, f"--filename={path}") == ""
    assert api.kubectl("apply", where, f"--filename={path}").strip().endswith("unchanged")


def test_an_app_that_no_operator_has_seen_says_so(api: devcluster.Cluster, namespace: str) -> None:
    """To people, and to tools that read kstatus: those take an object without conditions for healthy."""
    where = f"--namespace={namespace}"
    api.kubectl("apply", where, f"--filename={GOOD[0]}")
    (app,) = json.loads(api.kubectl("get", "capp", where, "--output=json"))["items"]
    assert app["status"]["observedGeneration"] != app["metadata"]["generation"]
    _, row = api.kubectl("get", "capp", where).splitlines()
    assert row.split()[1:3] == ["Unknown", "Pending"]


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_the_operator_reads_what_the_api_server_has_stored(
    api: devcluster.Cluster, namespace: str, path: Path
) -> None:
    """The defaults that the API server filled in are those of the models."""
    api.kubectl("apply", f"--namespace={namespace}", f"--filename={path}")
    stored = json.loads(api.kubectl("get", "capp", path.stem, f"--namespace={namespace}", "--output=json"))
    assert ContainerApp.parse(stored).spec == ContainerApp.parse(yaml.safe_load(path.read_text())).spec


def test_explain_reads_like_documentation(api: devcluster.Cluster) -> None:
    """The field's text comes from its model, also deep below."""
    image = " ".join(api.kubectl("explain", "containerapp.spec.image").split())
    assert "Container image to run, for example" in image
    assert "a tag that is pushed again does not restart the app" in image
    assert "Scheme" not in image
    deep = " ".join(api.kubectl("explain", "capp.spec.env.valueFrom.secretKeyRef.optional").split())
    assert "Whether the container may start without it" in deep
    status = " ".join(api.kubectl("explain", "capp.status.image.latestDigest").split())
    assert "Digest that the tag stands for now" in status


def test_scale_changes_the_replicas(api: devcluster.Cluster, namespace: str) -> None:
    """`kubectl scale` and a HorizontalPodAutoscaler speak to the scale subresource."""
    where = f"--namespace={namespace}"
    api.kubectl("apply", where, f"--filename={MANIFESTS / 'good' / 'web.yaml'}")
    api.kubectl("scale", where, "capp/web", "--replicas=5")
    assert api.kubectl("get", where, "capp/web", "--output=jsonpath={.spec.replicas}") == "5"
    with pytest.raises(CommandError, match="less than or equal to 1000"):
        api.kubectl("scale", where, "capp/web", "--replicas=2000")


def test_the_scale_subresource_tells_the_pods_and_their_selector(
    api: devcluster.Cluster, namespace: str
) -> None:
    """An HPA finds the Pods by the selector in the status."""
    where = f"--namespace={namespace}"
    api.kubectl("apply", where, f"--filename={MANIFESTS / 'good' / 'web.yaml'}")
    status = {"status": {"replicas": 3, "selector": "app.kubernetes.io/name=web"}}
    api.kubectl(
        "patch", where, "capp/web", "--subresource=status", "--type=merge", f"--patch={json.dumps(status)}"
    )
    scale = json.loads(api.kubectl("get", where, "capp/web", "--subresource=scale", "--output=json"))
    assert scale["spec"]["replicas"] == 3
    assert scale["status"] == {"replicas": 3, "selector": "app.kubernetes.io/name=web"}


def test_a_plain_get_shows_the_columns(api: devcluster.Cluster, namespace: str) -> None:
    """And the app is part of `kubectl get all`."""
    where = f"--namespace={namespace}"
    api.kubectl("apply", where, f"--filename={MANIFESTS / 'good' / 'minimal.yaml'}")
    header = api.kubectl("get", "capp", where).splitlines()[0].split()
    assert header == ["NAME", "READY", "STATUS", "IMAGE", "REPLICAS", "URL", "AGE"]
    wide = api.kubectl("get", "capp", where, "--output=wide").splitlines()[0].split()
    assert wide[-3:] == ["DESIRED", "DIGEST", "MESSAGE"]
    assert "containerapp.containerapp.dev/minimal" in api.kubectl("get", "all", where, "--output=name")


def test_two_managers_own_different_items_of_a_list(api: devcluster.Cluster, namespace: str) -> None:
    """Under server-side apply, env, ports and pull secrets are merged by name."""

    def apply(manager: str, variable: str) -> None:
        spec = {"image": "shop:1.4.2", "env": [{"name": variable, "value": manager}]}
        manifest = {
            "apiVersion": API_VERSION,
            "kind": DEFINITION.kind,
            "metadata": {"name": "shared"},
            "spec": spec,
        }
        api.kubectl(
            "apply",
            "--server-side",
            f"--field-manager={manager}",
            f"--namespace={namespace}",
            "--filename=-",
            stdin=json.dumps(manifest),
        )

    apply("one", "FIRST")
    apply("two", "SECOND")
    names = api.kubectl(
        "get", "capp/shared", f"--namespace={namespace}", "--output=jsonpath={.spec.env[*].name}"
    )
    assert names.split() == ["FIRST", "SECOND"]


@settings(
    max_examples=4,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
@given(batch=st.lists(specs(), min_size=60, max_size=60))
def test_the_api_server_and_the_models_agree_on_any_spec(
    api: devcluster.Cluster, batch: list[dict[str, Any]]
) -> None:
    """Each rule is written twice, as CEL and in Python; here the two are set against each other."""
    manifests = {
        f"app-{number}": {
            "apiVersion": API_VERSION,
            "kind": DEFINITION.kind,
            "metadata": {"name": f"app-{number}"},
            "spec": spec,
        }
        for number, spec in enumerate(batch)
    }
    expected = {name for name, manifest in manifests.items() if _operator_reads(manifest)}
    accepted, said = _dry_run(api, manifests)
    different = {name: manifests[name]["spec"] for name in accepted ^ expected}
    assert not different, f"{different}\n{said}"


def _operator_reads(manifest: dict[str, Any]) -> bool:
    try:
        ContainerApp.parse(manifest)
    except InvalidSpec:
        return False
    return True


def _dry_run(api: devcluster.Cluster, manifests: dict[str, Any]) -> tuple[set[str], str]:
    """The names of the manifests that the API server would take, and what it said of the others."""
    documents = "\n---\n".join(map(json.dumps, manifests.values()))
    arguments = ("create", "--dry-run=server", "--namespace=default", "--filename=-")
    try:
        api.kubectl(*arguments, stdin=documents)
    except CommandError as error:
        refused = {name for name in manifests if f'"{name}" is invalid' in error.stderr}
        return set(manifests) - refused, error.stderr
    return set(manifests), ""
