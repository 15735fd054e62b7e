"""The pages for whoever installs and runs the operator name what there is, all of it."""

from __future__ import annotations

import json
import re

import yaml
from prometheus_client import CollectorRegistry

from containerapp.metrics import Metrics
from containerapp.settings import Settings
from tests.chart.rendering import REQUIRED, ROOT, Chart, of_kind

_INSTALL = (ROOT / "docs" / "install.md").read_text()
_OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
_FAMILY = re.compile(r"\bcontainerapp_[a-z_]+\b")


def test_every_setting_is_described_in_its_own_words() -> None:
    """The page and `containerapp settings` say the same."""
    for name, field in Settings.model_fields.items():
        row = next(
            (row for row in _OPERATIONS.splitlines() if f"| `CONTAINERAPP_{name.upper()}` |" in row), ""
        )
        assert f"| {field.description} |" in row, f"docs/operations.md does not describe {name} so: {row}"


def test_exactly_the_metrics_that_exist_are_described() -> None:
    """A dashboard built from the page works, and one built from /metrics finds its explanations there."""
    registry = CollectorRegistry()
    Metrics(registry, ["ContainerApp"])
    exposed = {
        family.name + ("_total" if family.type == "counter" else ""): family.documentation
        for family in registry.collect()
    }

    for name, meaning in exposed.items():
        row = next((row for row in _OPERATIONS.splitlines() if row.startswith(f"| `{name}` |")), "")
        assert f"| {meaning} |" in row, f"docs/operations.md does not describe {name} so: {row}"
    mentioned = {name.removesuffix("_bucket") for name in _FAMILY.findall(_OPERATIONS)}
    assert mentioned == set(exposed)


def test_the_policy_allows_what_the_operator_asks_of_ecr_and_no_more() -> None:
    """Least privilege holds on the other side of the cluster's border, too."""
    documents = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", _INSTALL, re.DOTALL)]

    statements = [statement for document in documents for statement in document["Statement"]]
    allowed = [statement["Action"] for statement in statements if "Resource" in statement]
    assert allowed == ["ecr:BatchGetImage"]


def test_the_role_is_bound_to_the_account_that_the_commands_install(chart: Chart) -> None:
    """Pod Identity and IRSA bind a role to a ServiceAccount by name: it must be the one that the chart makes."""
    release, namespace = "containerapp-operator", "containerapp-system"
    text = chart.run("template", release, str(chart.path), f"--namespace={namespace}", *REQUIRED)
    (account,) = of_kind([item for item in yaml.safe_load_all(text) if item], "ServiceAccount")
    name = account["metadata"]["name"]

    assert f"helm install {release} charts/containerapp-operator \\\n  --namespace {namespace}" in _INSTALL
    assert f"--namespace {namespace} --service-account {name}" in _INSTALL
    assert f"system:serviceaccount:{namespace}:{name}" in _INSTALL
