"""What the API server really allows: the operator by the chart's roles, people by the cluster's own view and edit."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devcluster import Cluster, CommandError
from tests.chart.releases import APP, DELETION_SECONDS, NAMESPACE, Release, apply, read
from tests.chart.rendering import FULL_NAME
from tests.chart.rights import (
    Right,
    compare,
    granted,
    needed_for_lease,
    needed_in_cluster,
    needed_in_namespaces,
)

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(120 + DELETION_SECONDS)]

_OPERATOR = f"system:serviceaccount:{NAMESPACE}:{FULL_NAME}"
_NOBODY = f"system:serviceaccount:{NAMESPACE}:nobody"
_AGGREGATION_SECONDS = 30.0


@pytest.fixture(scope="module")
def installed(own_cluster: Cluster) -> Iterator[Cluster]:
    """A cluster in which the chart is installed, serving everything."""
    release = Release(cluster=own_cluster)
    try:
        release.install()
        yield own_cluster
    finally:
        release.remove_everything()


@pytest.fixture(scope="module")
def developer(installed: Cluster) -> Path:
    """A kubeconfig of somebody who may edit the namespace `default`."""
    return _person(installed, "edit")


@pytest.fixture(scope="module")
def reader(installed: Cluster) -> Path:
    """A kubeconfig of somebody who may view the namespace `default`."""
    return _person(installed, "view")


def _person(cluster: Cluster, role: str) -> Path:
    apply(
        cluster,
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": f"person-{role}", "namespace": "default"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": f"person-{role}"}],
        },
    )
    _await_aggregation(cluster, role)
    return cluster.kubeconfig_for_user(f"person-{role}")


def _await_aggregation(cluster: Cluster, role: str) -> None:
    """The controller-manager copies aggregated rules into the built-in roles a moment after they appear."""
    deadline = time.monotonic() + _AGGREGATION_SECONDS
    while not _may_list(cluster, role):
        assert time.monotonic() < deadline, f"the rules did not reach the role {role}"
        time.sleep(0.1)


def _may_list(cluster: Cluster, role: str) -> bool:
    rules = [rule for rule in read(cluster, "clusterrole", role)["rules"] if "resources" in rule]
    return Right("containerapp.dev", "containerapps", "list") in granted(rules)


def _allowed(cluster: Cluster, user: str, namespace: str) -> set[Right]:
    """All that the API server says the user may do in a namespace beyond what every ServiceAccount may."""
    return _all_allowed(cluster, user, namespace) - _all_allowed(cluster, _NOBODY, namespace)


def _all_allowed(cluster: Cluster, user: str, namespace: str) -> set[Right]:
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    answer = cluster.kubectl(
        *("create", f"--as={user}", "--as-group=system:serviceaccounts", "--as-group=system:authenticated"),
        *("--output=json", "--validate=false", "--filename=-"),
        stdin=json.dumps(review),
    )
    rules = json.loads(answer)["status"]["resourceRules"]
    return granted(rules)


def _can_i(cluster: Cluster, question: str, namespace: str) -> str:
    """Ask for the operator; kubectl prints the answer, and ends with 1 when it is no."""
    asked = ("auth", "can-i", *question.split(), f"--as={_OPERATOR}", f"--namespace={namespace}")
    try:
        return cluster.kubectl(*asked).strip()
    except CommandError as error:
        if "error" in error.stderr.lower():
            raise
        return "no"


def test_the_operator_may_do_what_it_needs_and_nothing_else(installed: Cluster) -> None:
    """The API server's own answer, in a namespace with apps and in the operator's."""
    everywhere = needed_in_namespaces() | needed_in_cluster()

    difference = compare(_allowed(installed, _OPERATOR, "default"), everywhere)
    assert not difference, difference

    at_home = everywhere | needed_for_lease(FULL_NAME)
    difference = compare(_allowed(installed, _OPERATOR, NAMESPACE), at_home)
    assert not difference, difference


@pytest.mark.parametrize(
    ("question", "namespace"),
    [
        ("patch deployments", "default"),
        ("watch containerapps.containerapp.dev", "default"),
        ("patch containerapps.containerapp.dev --subresource=status", "default"),
        (f"update leases.coordination.k8s.io/{FULL_NAME}", NAMESPACE),
    ],
)
def test_the_operator_may_do_its_work(installed: Cluster, question: str, namespace: str) -> None:
    """The same question that an administrator would ask."""
    assert _can_i(installed, question, namespace) == "yes"


@pytest.mark.parametrize(
    ("question", "namespace"),
    [
        ("update containerapps.containerapp.dev", "default"),
        ("delete containerapps.containerapp.dev", "default"),
        ("update leases.coordination.k8s.io/other", NAMESPACE),
        (f"update leases.coordination.k8s.io/{FULL_NAME}", "default"),
        ("get secrets", "default"),
        ("patch secrets", "default"),
        ("create pods", "default"),
        ("create pods --subresource=exec", "default"),
        ("create serviceaccounts --subresource=token", "default"),
        ("list namespaces", "default"),
        ("patch customresourcedefinitions.apiextensions.k8s.io", "default"),
        ("create rolebindings.rbac.authorization.k8s.io", "default"),
    ],
)
def test_the_operator_is_refused_what_an_attacker_would_ask_for(
    installed: Cluster, question: str, namespace: str
) -> None:
    """No secrets, no Pods of its own, no way to more rights; and no writing to anybody's spec."""
    assert _can_i(installed, question, namespace) == "no"


def test_in_namespaced_mode_the_operator_has_rights_in_these_namespaces_only(own_cluster: Cluster) -> None:
    """Serving two namespaces gives no right in a third."""
    release = Release(cluster=own_cluster, name="tenant")
    user = f"system:serviceaccount:{NAMESPACE}:tenant-containerapp-operator"
    for name in ("shop", "blog"):
        apply(own_cluster, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    try:
        release.install('--set-json=watchNamespaces=["shop","blog"]', "--set=crds.install=false")

        for name in ("shop", "blog"):
            difference = compare(_allowed(own_cluster, user, name), needed_in_namespaces())
            assert not difference, difference
        assert _allowed(own_cluster, user, "default") == set()
    finally:
        release.uninstall()


def test_a_developer_with_edit_runs_apps(installed: Cluster, developer: Path) -> None:
    """Creating, scaling, changing and deleting apps needs no role of the platform team's making."""
    app = json.dumps(APP)

    installed.kubectl("apply", "--filename=-", stdin=app, kubeconfig=developer)
    installed.kubectl("scale", "containerapp/web", "--replicas=3", kubeconfig=developer)
    assert read(installed, "containerapp", "web")["spec"]["replicas"] == 3
    with pytest.raises(CommandError, match='cannot patch resource "containerapps/status"'):
        installed.kubectl(
            *("patch", "containerapp/web", "--subresource=status", "--type=merge", "--patch={}"),
            kubeconfig=developer,
        )
    installed.kubectl("delete", "containerapp", "web", kubeconfig=developer)


def test_a_reader_with_view_sees_apps_and_changes_nothing(installed: Cluster, reader: Path) -> None:
    """The status is for everybody, the spec is not."""
    apply(installed, APP)

    assert "web" in installed.kubectl("get", "containerapps", kubeconfig=reader)
    with pytest.raises(CommandError, match="cannot patch resource"):
        installed.kubectl("scale", "containerapp/web", "--replicas=5", kubeconfig=reader)
    with pytest.raises(CommandError, match="cannot delete resource"):
        installed.kubectl("delete", "containerapp", "web", kubeconfig=reader)
    with pytest.raises(CommandError, match="forbidden"):
        installed.kubectl("get", "containerapps", "--namespace=kube-system", kubeconfig=reader)
