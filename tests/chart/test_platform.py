"""What the platform forbids, on a real API server: its admission policy says what the operator says, in its words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from containerapp.settings import load
from devcluster import Cluster, CommandError
from tests.chart.releases import APP, DELETION_SECONDS, Release, apply, read
from tests.chart.rendering import FULL_NAME, Chart, container
from tests.controller.operators import eventually
from tests.platform_cases import ALLOWED, FORBIDDEN, FORBIDDEN_BY_DEFAULT, SETTINGS, Case

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(120 + DELETION_SECONDS)]


def _values() -> str:
    """Return the values that mean the same as the settings of the cases."""
    given = load(**SETTINGS)
    return json.dumps(
        {
            "forbid": {
                "security": given.forbidden_security,
                "serviceTypes": given.forbidden_service_types,
                "serviceAnnotations": given.forbidden_service_annotations,
                "podAnnotations": given.forbidden_pod_annotations,
                "serviceAccounts": given.forbidden_service_accounts,
                "overrides": given.forbidden_overrides,
            },
            "allow": {"hostPaths": given.allowed_host_paths},
            "admissionPolicy": {"enabled": True},
        }
    )


@pytest.fixture(scope="module")
def policed(own_cluster: Cluster) -> Iterator[Cluster]:
    """A cluster in which the chart is installed with its admission policy, which is in force."""
    release = Release(cluster=own_cluster)
    try:
        release.install()
        apply(own_cluster, _app({"security": {"runAsNonRoot": False}}, "from-before"))
        release.upgrade(f"--set-json=platform={_values()}")
        eventually("the policy is in force", lambda: _refusal(own_cluster, FORBIDDEN[0]))
        yield own_cluster
    finally:
        release.remove_everything()


def _app(spec: dict[str, Any], name: str) -> dict[str, Any]:
    return APP | {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"image": "registry.example/web:1", **spec},
    }


def _refusal(cluster: Cluster, case: Case) -> str:
    """Return why the API server would not take the app; nothing where it would."""
    try:
        cluster.kubectl(
            *("create", "--dry-run=server", "--filename=-"), stdin=json.dumps(_app(case.spec, case.name))
        )
    except CommandError as error:
        return error.stderr
    return ""


@pytest.mark.parametrize("case", [*FORBIDDEN, *FORBIDDEN_BY_DEFAULT], ids=str)
def test_kubectl_apply_refuses_what_the_operator_refuses(policed: Cluster, case: Case) -> None:
    """In the operator's words; of several things the API server names the first."""
    refusal = _refusal(policed, case)
    asked = [f"The platform forbids {words}: remove it from the manifest" for words in case.words.split("; ")]
    assert f"ValidatingAdmissionPolicy '{FULL_NAME}'" in refusal
    assert any(words in refusal for words in asked), refusal


@pytest.mark.parametrize("case", ALLOWED, ids=str)
def test_kubectl_apply_takes_what_the_operator_takes(policed: Cluster, case: Case) -> None:
    """Neither is stricter than the other."""
    assert _refusal(policed, case) == ""


def test_an_app_from_before_the_policy_can_be_labelled_scaled_and_deleted_but_not_edited(
    policed: Cluster,
) -> None:
    """A policy must not keep anybody from cleaning up, nor the garbage collector from its work."""
    policed.kubectl("label", "containerapp/from-before", "team=shop")
    policed.kubectl("scale", "containerapp/from-before", "--replicas=2")
    assert read(policed, "containerapp", "from-before")["spec"]["replicas"] == 2
    with pytest.raises(CommandError, match=r"The platform forbids spec\.security.runAsNonRoot false"):
        policed.kubectl("patch", "containerapp/from-before", "--type=merge", '--patch={"spec":{"port":80}}')
    policed.kubectl("delete", "containerapp", "from-before", "--cascade=foreground")


def test_a_release_for_some_namespaces_forbids_in_these_alone(chart: Chart) -> None:
    """Another release serves the other namespaces, by rules of its own."""
    platform = json.loads(_values())
    narrow = chart.only("ValidatingAdmissionPolicyBinding", watchNamespaces=["shop"], platform=platform)
    wide = chart.only("ValidatingAdmissionPolicyBinding", platform=platform)

    (expression,) = narrow["spec"]["matchResources"]["namespaceSelector"]["matchExpressions"]
    assert expression == {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["shop"]}
    assert "matchResources" not in wide["spec"]


def test_the_operator_is_told_the_same_as_the_policy(chart: Chart) -> None:
    """One value, two places."""
    variables = {
        item["name"]: item.get("value")
        for item in container(chart.only("Deployment", platform=json.loads(_values())))["env"]
    }
    for name, value in SETTINGS.items():
        assert variables[f"CONTAINERAPP_{name.upper()}"] == value.replace(", ", ",")
