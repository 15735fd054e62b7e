"""The rendered roles grant exactly what follows from CONTROLLERS."""

from __future__ import annotations

from tests.chart.rendering import FULL_NAME, Chart, of_kind
from tests.chart.rights import (
    compare,
    granted,
    needed_for_lease,
    needed_in_cluster,
    needed_in_namespaces,
    rights,
)


def test_the_cluster_role_follows_from_the_child_kinds(chart: Chart) -> None:
    """A new child kind without its rule fails here, and the message is the rule to add."""
    role = chart.only("ClusterRole")

    difference = compare(granted(role["rules"]), needed_in_namespaces() | needed_in_cluster())

    assert not difference, f"files/rules.yaml differs from CONTROLLERS (make generate):{difference}"


def test_without_a_watch_of_secrets_there_is_no_right_on_them(chart: Chart) -> None:
    """To list them is to be able to read them."""
    rules = chart.only("ClusterRole", watchSecrets=False)["rules"]

    assert not [right for right in granted(rules) if right.resource == "secrets"]
    assert (
        compare(
            granted(rules) | rights("", "secrets", "list", "watch"),
            granted(chart.only("ClusterRole")["rules"]),
        )
        == ""
    )


def test_without_a_watch_of_nodes_no_pod_is_patched(chart: Chart) -> None:
    """What an operator does not look at it cannot act on."""
    ordinary, narrow = (
        granted(chart.only("ClusterRole", watchNodes=watches)["rules"]) for watches in (True, False)
    )
    assert ordinary - narrow == rights("", "nodes", "list", "watch") | rights("", "pods", "patch")


def test_bindings_of_target_groups_are_listed_where_rollouts_wait_for_them(chart: Chart) -> None:
    """Of the group that the cluster's controller has, and with no other right."""
    ordinary = granted(chart.only("ClusterRole")["rules"])
    for controller, group in (
        ("aws-load-balancer-controller", "elbv2.k8s.aws"),
        ("auto-mode", "eks.amazonaws.com"),
    ):
        waits = {"awaitTargets": True, "albController": controller}
        rules = chart.only("ClusterRole", expose=waits)["rules"]
        assert granted(rules) - ordinary == rights(group, "targetgroupbindings", "list")


def test_a_missing_rule_is_printed_as_yaml(chart: Chart) -> None:
    """Whoever adds a child kind can paste what the failing test says."""
    rules = [rule for rule in chart.only("ClusterRole")["rules"] if "jobs" not in rule["resources"]]

    difference = compare(granted(rules), needed_in_namespaces() | needed_in_cluster())

    assert (
        "missing:\n- apiGroups:\n  - batch\n  resources:\n  - cronjobs\n  verbs:\n  - create\n" in difference
    )


def test_the_roles_of_served_namespaces_follow_from_the_child_kinds(chart: Chart) -> None:
    """In namespaced mode the same rights are granted, in these namespaces only."""
    roles = of_kind(chart.render(watchNamespaces=["shop", "blog"]), "Role")
    served = [role for role in roles if role["metadata"]["name"] == FULL_NAME]

    assert [role["metadata"]["namespace"] for role in served] == ["shop", "blog"]
    for role in served:
        assert not compare(granted(role["rules"]), needed_in_namespaces())


def test_namespaced_mode_grants_the_operator_nothing_cluster_wide(chart: Chart) -> None:
    """Nobody who serves two namespaces should have to trust the operator with the others."""
    manifests = chart.render(watchNamespaces=["shop"])

    assert of_kind(manifests, "ClusterRoleBinding") == []
    assert [role["metadata"]["name"] for role in of_kind(manifests, "ClusterRole")] == [
        f"{FULL_NAME}-view",
        f"{FULL_NAME}-edit",
    ]


def test_the_lease_role_names_the_one_lease(chart: Chart) -> None:
    """The operator may not touch the Leases of others in its namespace."""
    role = chart.only("Role", f"{FULL_NAME}-lease", leaderElection={"leaseName": "my-lease"})

    assert role["metadata"]["namespace"] == "ops"
    assert not compare(granted(role["rules"]), needed_for_lease("my-lease"))


def test_no_lease_role_is_made_without_leader_election(chart: Chart) -> None:
    """A single replica needs no Lease."""
    manifests = chart.render(replicaCount=1, leaderElection={"enabled": False})

    assert of_kind(manifests, "Role") == []


def test_every_binding_binds_the_operators_service_account(chart: Chart) -> None:
    """A binding to another account would leave the operator without rights and give them to somebody else."""
    for values in ({}, {"watchNamespaces": ["shop", "blog"]}, {"serviceAccount": {"name": "mine"}}):
        manifests = chart.render(**values)
        account = chart.only("Deployment", **values)["spec"]["template"]["spec"]["serviceAccountName"]
        for binding in of_kind(manifests, "ClusterRoleBinding") + of_kind(manifests, "RoleBinding"):
            assert binding["subjects"] == [{"kind": "ServiceAccount", "name": account, "namespace": "ops"}]


def test_rbac_can_be_left_to_somebody_else(chart: Chart) -> None:
    """Where roles are made centrally, the chart makes none."""
    manifests = chart.render(rbac={"create": False})

    assert not [item for item in manifests if item["apiVersion"].startswith("rbac.authorization.k8s.io/")]
