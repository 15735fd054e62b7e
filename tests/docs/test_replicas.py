"""`replicas` taken out of a manifest in the guide's way keeps the number of Pods; in another way, not."""

from __future__ import annotations

import json
from typing import Any

import pytest

import devcluster
from containerapp.api import crd
from containerapp.controllers.containerapp.definition import DEFINITION
from tests.definitions import define

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def api(cluster: devcluster.Cluster) -> devcluster.Cluster:
    """The cluster with the definition installed."""
    define(cluster, crd.render_yaml(DEFINITION))
    return cluster


def _app(**spec: Any) -> str:
    return json.dumps(
        {
            "apiVersion": "containerapp.dev/v1alpha1",
            "kind": "ContainerApp",
            "metadata": {"name": "shop"},
            "spec": {"image": "registry.example/shop:1", **spec},
        }
    )


def _replicas(api: devcluster.Cluster, namespace: str) -> int:
    command = ("get", "containerapp", "shop", f"--namespace={namespace}", "--output=json")
    return int(json.loads(api.kubectl(*command))["spec"]["replicas"])


def _apply_then_scale(api: devcluster.Cluster, namespace: str, *flags: str) -> tuple[str, ...]:
    apply = ("apply", *flags, f"--namespace={namespace}", "--filename=-")
    api.kubectl(*apply, stdin=_app(replicas=4))
    api.kubectl("scale", "capp/shop", "--replicas=7", f"--namespace={namespace}")
    return apply


def test_taken_out_of_what_kubectl_remembers_first_the_number_stays(
    api: devcluster.Cluster, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`kubectl apply edit-last-applied`, by an editor that deletes the line."""
    apply = _apply_then_scale(api, namespace)
    monkeypatch.setenv("KUBE_EDITOR", "sed -i /replicas/d")
    api.kubectl("apply", "edit-last-applied", "capp/shop", f"--namespace={namespace}")
    api.kubectl(*apply, stdin=_app())
    assert _replicas(api, namespace) == 7


def test_taken_out_of_the_file_alone_the_number_falls_to_one(api: devcluster.Cluster, namespace: str) -> None:
    """Why the guide has that section."""
    apply = _apply_then_scale(api, namespace)
    api.kubectl(*apply, stdin=_app())
    assert _replicas(api, namespace) == 1


def test_with_server_side_apply_the_number_stays_once_another_has_set_it(
    api: devcluster.Cluster, namespace: str
) -> None:
    """A field with two owners stays when one of them leaves it out."""
    apply = _apply_then_scale(api, namespace, "--server-side")
    api.kubectl(*apply, stdin=_app())
    assert _replicas(api, namespace) == 7
