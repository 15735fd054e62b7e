"""What a tenant with the cluster's edit role in one namespace can and cannot do, asked of a real API server.

docs/security.md prints the sentences of the two tables; `tests/docs/test_security.py` compares them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from devcluster import Cluster, CommandError
from tests.chart.releases import APP, DELETION_SECONDS, NAMESPACE, Release, apply
from tests.chart.rendering import CRD_NAME, FULL_NAME
from tests.controller.operators import eventually

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180 + DELETION_SECONDS)]

_OWN, _OTHER = "tenant", "neighbour"
_AS = ("--as=tina", "--as-group=system:authenticated")
_DEPLOYER = ("--as=dora", "--as-group=system:authenticated")
_RBAC = "rbac.authorization.k8s.io"
_PLATFORM = {
    "forbid": {
        "security": ["privileged", "runAsRoot"],
        "serviceTypes": ["LoadBalancer"],
        "serviceAccounts": ["deploy-*"],
        "podAnnotations": ["iam.amazonaws.com/*"],
    },
    "admissionPolicy": {"enabled": True},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """Something that a tenant tries by kubectl; `refusal` is in the API server's answer where it is refused."""

    sentence: str
    command: tuple[str, ...]
    manifest: dict[str, Any] = field(default_factory=dict)
    refusal: str = ""

    def __str__(self) -> str:
        return self.sentence


def _create(sentence: str, manifest: dict[str, Any], refusal: str = "", namespace: str = _OWN) -> Deed:
    command = ("create", "--dry-run=server", f"--namespace={namespace}", "--filename=-")
    return Deed(sentence=sentence, command=command, manifest=manifest, refusal=refusal)


def _run(sentence: str, *command: str, refusal: str = "") -> Deed:
    return Deed(sentence=sentence, command=command, refusal=refusal)


def _app(**spec: Any) -> dict[str, Any]:
    image = {"image": "registry.example/web:1", "port": 8080}
    return APP | {"metadata": {"name": "web"}, "spec": image | spec}


def _pod(**security: Any) -> dict[str, Any]:
    containers = [{"name": "a", "image": "registry.example/a", "securityContext": security}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": containers}}


_SECRET_ENV = {"secretKeyRef": {"name": "database", "key": "password"}}
_IN_OWN = f"--namespace={_OWN}"

CAN = [
    _create("Create, change and delete ContainerApps in its namespace.", _app()),
    _run(
        "Scale them.",
        *("scale", "containerapp/present", "--replicas=3", "--dry-run=server", _IN_OWN),
    ),
    _create(
        "Put any Secret of its namespace into its program's environment.",
        _app(env=[{"name": "PASSWORD", "valueFrom": _SECRET_ENV}]),
    ),
    _create(
        "Run as any ServiceAccount of its namespace that the platform does not forbid, with that account's IAM role.",
        _app(serviceAccountName="somebody"),
    ),
    _create("Run any image that the nodes can pull.", _app(image="docker.io/evil/miner:latest")),
    _create(
        "Ask for relaxations of `security` that neither the platform nor Pod Security forbids.",
        _app(security={"capabilities": {"add": ["NET_ADMIN"]}}),
    ),
    _create("Open a port on every node, unless the platform forbids it.", _app(service={"type": "NodePort"})),
    _run(
        "Read Secrets of its namespace directly: the edit role itself allows it.", "get", "secrets", _IN_OWN
    ),
    _create(
        "Create Pods without the operator: the edit role itself allows it, and no setting of the operator is asked.",
        _pod(privileged=True),
    ),
]

CANNOT = [
    _create("See or touch ContainerApps of another namespace.", _app(), "cannot create", _OTHER),
    _run(
        "Read Secrets of another namespace.", "get", "secrets", f"--namespace={_OTHER}", refusal="cannot list"
    ),
    _run(
        "Write an app's status.",
        *("patch", "containerapp/present", "--subresource=status", "--type=merge", "--patch={}", _IN_OWN),
        refusal='cannot patch resource "containerapps/status"',
    ),
    _create(
        "Ask for what the platform forbids: a privileged container.",
        _app(security={"privileged": True, "allowPrivilegeEscalation": True}),
        "The platform forbids spec.security.privileged",
    ),
    _create(
        "Ask for what the platform forbids: root.",
        _app(security={"runAsNonRoot": False}),
        "The platform forbids spec.security.runAsNonRoot false",
    ),
    _create(
        "Ask for what the platform forbids: a load balancer.",
        _app(service={"type": "LoadBalancer"}),
        "The platform forbids spec.service.type LoadBalancer",
    ),
    _create(
        "Ask for what the platform forbids: a ServiceAccount.",
        _app(serviceAccountName="deploy-all"),
        "The platform forbids spec.serviceAccountName deploy-all",
    ),
    _create(
        "Ask for what the platform forbids: an annotation.",
        _app(podAnnotations={"iam.amazonaws.com/role": "admin"}),
        "The platform forbids spec.podAnnotations iam.amazonaws.com/role",
    ),
    _create(
        "Start a privileged Pod where the namespace enforces Pod Security.",
        _pod(privileged=True),
        "violates PodSecurity",
        "enforced",
    ),
    _run(
        "Take Pod Security off its namespace.",
        *("label", "namespace", "enforced", "pod-security.kubernetes.io/enforce=privileged", "--overwrite"),
        refusal="cannot",
    ),
    _create(
        "Give itself rights.",
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "more"},
            "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": "admin"},
            "subjects": [{"apiGroup": _RBAC, "kind": "User", "name": "tina"}],
        },
        "cannot create resource",
    ),
    _run(
        "Get a token of the operator.",
        *("create", "token", FULL_NAME, f"--namespace={NAMESPACE}"),
        refusal='cannot create resource "serviceaccounts/token"',
    ),
    _run(
        "Take the operator's Lease.",
        *("patch", "lease", FULL_NAME, f"--namespace={NAMESPACE}", "--type=merge", "--patch={}"),
        refusal='resource "leases"',
    ),
    _run(
        "Stop the operator.",
        *("scale", f"deployment/{FULL_NAME}", "--replicas=0", f"--namespace={NAMESPACE}"),
        refusal='resource "deployments',
    ),
    _run(
        "Change the definition.",
        *("delete", "crd", CRD_NAME, "--dry-run=server"),
        refusal='cannot delete resource "customresourcedefinitions"',
    ),
    _run(
        "Change what the platform forbids.",
        *("delete", "validatingadmissionpolicy", FULL_NAME, "--dry-run=server"),
        refusal='cannot delete resource "validatingadmissionpolicies"',
    ),
    _run(
        "Change the quota of its namespace.",
        *("delete", "resourcequota", "apps", "--dry-run=server", _IN_OWN),
        refusal='cannot delete resource "resourcequotas"',
    ),
]

OVER_QUOTA = "Have more ContainerApps than the quota of its namespace."


@pytest.fixture(scope="module")
def tenancy(own_cluster: Cluster) -> Iterator[Cluster]:
    """A cluster with the chart, its policy in force, and a tenant with the edit role in two namespaces."""
    release = Release(cluster=own_cluster)
    try:
        release.install(f"--set-json=platform={json.dumps(_PLATFORM)}")
        _settle_tenants(own_cluster)
        eventually("the edit role knows ContainerApps", lambda: not _refused(own_cluster, CAN[0]))
        eventually(
            "the policy is in force", lambda: "The platform forbids" in _refused(own_cluster, CANNOT[3])
        )
        yield own_cluster
    finally:
        for name in (_OWN, _OTHER, "enforced"):
            own_cluster.kubectl("delete", "namespace", name, "--ignore-not-found")
        release.remove_everything()


def _settle_tenants(cluster: Cluster) -> None:
    for name, labels in (
        (_OWN, {}),
        (_OTHER, {}),
        ("enforced", {"pod-security.kubernetes.io/enforce": "restricted"}),
    ):
        apply(
            cluster, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        )
    for name in (_OWN, "enforced"):
        _bind(cluster, name, "tina", kind="ClusterRole", role="edit")
        for account in ("default", "somebody"):
            meta = {"name": account, "namespace": name}
            apply(cluster, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})
    rules = [{"apiGroups": ["containerapp.dev"], "resources": ["containerapps"], "verbs": ["create"]}]
    meta = {"name": "deployer", "namespace": _OWN}
    apply(cluster, {"apiVersion": f"{_RBAC}/v1", "kind": "Role", "metadata": meta, "rules": rules})
    _bind(cluster, _OWN, "dora", kind="Role", role="deployer")
    apply(cluster, _app() | {"metadata": {"name": "present", "namespace": _OWN}})


def _bind(cluster: Cluster, namespace: str, user: str, *, kind: str, role: str) -> None:
    apply(
        cluster,
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": user, "namespace": namespace},
            "roleRef": {"apiGroup": _RBAC, "kind": kind, "name": role},
            "subjects": [{"apiGroup": _RBAC, "kind": "User", "name": user}],
        },
    )


def _refused(cluster: Cluster, deed: Deed, who: tuple[str, ...] = _AS) -> str:
    """Return what the API server says against the deed; nothing where it lets it pass."""
    try:
        cluster.kubectl(*deed.command, *who, stdin=json.dumps(deed.manifest) if deed.manifest else None)
    except CommandError as error:
        return error.stderr
    return ""


@pytest.mark.parametrize("deed", CAN, ids=str)
def test_a_tenant_can(tenancy: Cluster, deed: Deed) -> None:
    """What a platform team has to know before it hands out the role."""
    assert _refused(tenancy, deed) == ""


@pytest.mark.parametrize("deed", CANNOT, ids=str)
def test_a_tenant_cannot(tenancy: Cluster, deed: Deed) -> None:
    """What holds a tenant back, in the words of what holds it."""
    refusal = _refused(tenancy, deed)
    assert deed.refusal in refusal, refusal or "it was not refused"


def test_to_create_a_containerapp_is_to_create_pods(tenancy: Cluster) -> None:
    """Who may create ContainerApps and nothing else reads Secrets through them, and runs as any account."""
    reading = _run("", "get", "secrets", _IN_OWN)
    running = _create("", _pod())
    by_the_app = _app(env=[{"name": "P", "valueFrom": _SECRET_ENV}], serviceAccountName="somebody")

    assert "cannot list" in _refused(tenancy, reading, _DEPLOYER)
    assert "cannot create" in _refused(tenancy, running, _DEPLOYER)
    assert _refused(tenancy, _create("", by_the_app), _DEPLOYER) == ""


@pytest.mark.timeout(400)
def test_a_quota_bounds_the_number_of_apps(tenancy: Cluster) -> None:
    """Of two apps one is refused: the quota's controller knows a new kind after half a minute."""
    hard = {"count/containerapps.containerapp.dev": "1"}
    meta = {"name": "apps", "namespace": _OWN}
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": meta, "spec": {"hard": hard}}
    more = Deed(sentence=OVER_QUOTA, command=("create", _IN_OWN, "--filename=-"), manifest=_app())

    def is_full() -> bool:
        """Try in earnest, for a dry run counts nothing; a quota from before the kind was known is made again."""
        refusal = _refused(tenancy, more)
        if "status unknown for quota" in refusal:
            tenancy.kubectl("replace", "--force", "--filename=-", stdin=json.dumps(quota))
        elif not refusal:
            tenancy.kubectl("delete", "containerapp", "web", _IN_OWN)
        return "exceeded quota: apps" in refusal

    apply(tenancy, quota)
    eventually("the quota is in force", is_full, timeout=120, interval=1)
