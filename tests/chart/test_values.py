"""Every value is documented, typed and bounded, in three places that say the same; bad values are refused."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.chart.rendering import CHART, ROOT, Chart, HelmError

_VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
_SCHEMA = json.loads((CHART / "values.schema.json").read_text())
_IGNORED = {"global", "enabled"}
"""What a parent chart hands down, for itself."""

BAD_VALUES = [
    ("replicaCount", -1),
    ("replicaCount", 2.5),
    ("replicaCount", "two"),
    ("replicas", 3),
    ("image.repository", "https://registry.example/operator"),
    ("image.repository", "Registry/Operator"),
    ("image.tag", "v1 beta"),
    ("image.digest", "sha256:short"),
    ("image.pullPolicy", "Sometimes"),
    ("image.name", "operator"),
    ("imagePullSecrets", ["pull"]),
    ("imagePullSecrets", [{"name": ""}]),
    ("nameOverride", "Operator"),
    ("fullnameOverride", "a" * 53),
    ("watchNamespaces", "shop"),
    ("watchNamespaces", ["Shop"]),
    ("watchNamespaces", ["shop", "shop"]),
    ("watchNamespaces", ["shop,blog"]),
    ("defaultRegistry", ""),
    ("defaultRegistry", "https://registry.example"),
    ("allowedRegistries", "ghcr.io"),
    ("allowedRegistries", ["https://ghcr.io"]),
    ("privateRegistries", ["registry.example.com:port"]),
    ("insecureRegistries", ["registry one"]),
    ("skipTagResolving", ["localhost,kind.local"]),
    ("expose.via", "nginx"),
    ("expose.className", "ALB"),
    ("expose.gateway", "shared"),
    ("expose.gatewayController", ""),
    ("expose.albController", "alb"),
    ("network.default", "closed"),
    ("network.allowedNamespaces", ["Monitoring"]),
    ("network.loadBalancerCidrs", ["10.0.0.0"]),
    ("imageRefreshInterval", 5),
    ("imageRefreshInterval", "5m"),
    ("workers", 0),
    ("workers", 257),
    ("shutdownTimeout", -1),
    ("log.format", "xml"),
    ("log.level", "DEBUG"),
    ("leaderElection.enabled", "yes"),
    ("leaderElection.leaseName", "My_Lease"),
    ("leaderElection.leaseDuration", 1),
    ("leaderElection.renewDeadline", 1),
    ("leaderElection.retryPeriod", 0.5),
    ("http.host", ""),
    ("http.port", 80),
    ("http.port", 65536),
    ("aws.region", "Ireland"),
    ("aws.roleArn", "arn:aws:iam::123456789012:user/me"),
    ("crds.keep", "no"),
    ("serviceAccount.name", "Operator"),
    ("serviceAccount.annotations", {"a": 1}),
    ("rbac.create", None),
    ("workers", None),
    ("podDisruptionBudget.maxUnavailable", 0),
    ("podDisruptionBudget.maxUnavailable", "0%"),
    ("service.port", 9090),
    ("serviceMonitor.interval", "30"),
    ("prometheusRule.enabled", "yes"),
    ("prometheusRule.runbookUrl", "https://wiki.example.com/runbooks/"),
    ("prometheusRule.runbookUrl", "no page"),
    ("dashboard.labels", {"grafana_dashboard": 1}),
    ("networkPolicy.from", {}),
    ("networkPolicy.restrictEgress", "yes"),
    ("networkPolicy.extraEgress", {}),
    ("resources.limit", {"memory": "1Gi"}),
    ("resources.requests.memory", True),
    ("caBundle.configMap", "Corporate"),
    ("caBundle.key", ""),
    ("caBundle.aws", "yes"),
    ("extraVolumes", [{"configMap": {"name": "ca"}}]),
    ("extraVolumeMounts", [{"name": "ca"}]),
    ("secrets.backend", "vault"),
    ("secrets.stores.secretsManager", "AWS"),
    ("secrets.stores.parameterStore", ""),
    ("secrets.stores.kind", "Store"),
    ("secrets.refreshInterval", "hourly"),
    ("secrets.csi.podIdentity", "yes"),
    ("platform.forbid.security", ["root"]),
    ("platform.forbid.security", "privileged"),
    ("platform.forbid.serviceTypes", ["ClusterIP"]),
    ("platform.forbid.serviceAnnotations", ["a b"]),
    ("platform.forbid.podAnnotations", ["*/role"]),
    ("platform.forbid.serviceAccounts", ["Admin"]),
    ("platform.forbid.overrides", ["service"]),
    ("platform.admissionPolicy.enabled", "yes"),
    ("enabled", "true"),
    ("extraEnv", {"HTTPS_PROXY": "http://proxy"}),
    ("extraEnv", [{"value": "no name"}]),
    ("podLabels", {"a": True}),
    ("nodeSelector", ["pool"]),
    ("tolerations", {"key": "a"}),
    ("affinity", "none"),
]


def _leaves(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, part in schema["properties"].items():
        if "properties" in part:
            yield from _leaves(part, f"{path}{name}.")
        else:
            yield f"{path}{name}", part


def _objects(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "properties" in schema:
        yield schema
        for part in schema["properties"].values():
            yield from _objects(part)


def _value(path: str) -> Any:
    found = _VALUES
    for name in path.split("."):
        found = found[name]
    return found


def _comments() -> dict[str, str]:
    """What stands above each key of values.yaml."""
    found: dict[str, str] = {}
    stack: list[str] = []
    above = ""
    for line in (CHART / "values.yaml").read_text().splitlines():
        if key := re.match(r"( *)(\w+):", line):
            stack = [*stack[: len(key[1]) // 2], key[2]]
            found[".".join(stack)] = above
        above = line.strip().removeprefix("# ") if line.strip().startswith("#") else ""
    return found


def _documented_table() -> str:
    rows = ["| Value | Default | Meaning |", "|---|---|---|"]
    for path, part in _leaves(_SCHEMA):
        if path not in _IGNORED:
            rows.append(f"| `{path}` | `{json.dumps(_value(path))}` | {part['description']} |")
    return "\n".join(rows)


def test_the_schema_knows_exactly_the_values_that_there_are() -> None:
    """A value without a type, or a type without a value, is a mistake in one of the files."""
    described = {path for path, _ in _leaves(_SCHEMA)} - _IGNORED

    for path in described:
        _value(path)
    documented = {path for path, comment in _comments().items() if comment}
    assert documented == described


def test_values_and_schema_describe_each_value_alike() -> None:
    """Editors show the schema, people read values.yaml: neither may lie."""
    comments = _comments()

    for path, part in _leaves(_SCHEMA):
        if path not in _IGNORED:
            assert comments[path] == part["description"], path
            assert part["description"].endswith("."), path


def test_the_schema_lets_nothing_unknown_through() -> None:
    """A mistyped value must not be ignored without a word."""
    for part in _objects(_SCHEMA):
        assert part["additionalProperties"] is False


def test_the_installation_page_lists_every_value() -> None:
    """The table there is this one, to the letter; the message shows what it should be."""
    table = _documented_table()

    assert table in (ROOT / "docs" / "install.md").read_text(), f"docs/install.md should contain:\n{table}"


@pytest.mark.parametrize(("path", "value"), BAD_VALUES, ids=lambda part: json.dumps(part)[:40])
def test_a_bad_value_is_refused_by_its_name(chart: Chart, path: str, value: Any) -> None:
    """The message names the value, so that it can be found and mended."""
    with pytest.raises(HelmError) as refusal:
        chart.render(**{path: value})

    message = str(refusal.value)
    assert "values don't meet the specifications of the schema" in message
    assert path.split(".", maxsplit=1)[0] in message
    assert path.rsplit(".", maxsplit=1)[-1] in message


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("defaultRegistry", "localhost:5000/team"),
        ("aws.region", "us-gov-west-1"),
        ("aws.roleArn", "arn:aws-us-gov:iam::123456789012:role/path/containerapp-operator"),
        ("podDisruptionBudget.maxUnavailable", "50%"),
        ("resources.limits.cpu", 2),
        ("leaderElection.retryPeriod", 1.5),
        ("replicaCount", 0),
        ("http.host", "127.0.0.1"),
        ("enabled", True),
        ("enabled", False),
        ("platform.forbid.serviceAccounts", ["*", "deploy-*"]),
        ("global", {"parent": "chart"}),
    ],
    ids=json.dumps,
)
def test_an_unusual_but_good_value_is_taken(chart: Chart, path: str, value: Any) -> None:
    """The bounds keep mistakes out, not people in other partitions or with other tastes."""
    assert chart.render(**{path: value})
