"""Specs to try out, drawn from the CustomResourceDefinition: mostly right, wrong at the edges.

Used by property tests of the models and by the one that sets them against a real API server. Values come from a small
stock for each kind, so that rules between fields are often met and often broken.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from containerapp.api import crd
from containerapp.controllers.containerapp.definition import DEFINITION

Schema = dict[str, Any]

_STOCK = {
    "image": [
        "shop:1.4.2",
        "ghcr.io/Team/shop",
        "shop@sha256:12",
        f"a/b:1@sha256:{'0' * 64}",
        "a b",
        "https://a/b",
    ],
    "fieldPath": ["metadata.name", "metadata.labels['team']", "status.phase"],
    "resource": ["limits.cpu", "limits.memory", "memory"],
    "workingDir": ["/srv", "srv"],
    "localhostProfile": ["a/b.json", "/a", "a/../b"],
    "add": ["NET_BIND_SERVICE", "CAP_CHOWN", "chown"],
    "drop": ["ALL"],
    "appProtocol": ["http", "kubernetes.io/h2c", "/"],
    "loadBalancerClass": ["service.k8s.aws/nlb"],
    "path": ["/", "/metrics", "metrics", "/a b"],
    "valueFrom": [
        "shop",
        "/shop/token:3",
        "arn:aws:ssm:eu-west-1:123456789012:parameter/shop",
        "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:shop-AbCdEf:key::",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop-AbCdEf:key",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop-AbCdEf:key:a:b",
        "arn:aws:secretsmanager:eu-west-1:ACCOUNT:secret:shop",
        "a:b:c",
    ],
    "interval": ["30s", "1m", "0s", "30"],
}
_WORDS = ["http", "dns", "a", "LOG_LEVEL", "9", "-", "", "a" * 64]
_QUANTITIES = [1, 2, -1, "1", "500m", "2", "1Gi", "0.5", "1Ki", "1MB", ".", "1e3"]
_PERCENTAGES = [1, 2, 0, -1, "25%", "100%", "0%", "101%", "1"]
_PORTS = [1, 8080, 0, 65536, "http", "dns", "nope", "UPPER"]
_KEYS = {
    "requests": ["cpu", "memory", "nvidia.com/gpu", "hugepages-2Mi", "ram"],
    "limits": ["cpu", "memory", "nvidia.com/gpu", "hugepages-2Mi"],
}
_LABELS = [
    "team",
    "example.com/team",
    "Example.com/team",
    "app.kubernetes.io/name",
    "containerapp.dev/x",
    "-a",
    "a/b/c",
]
_ALTERNATIVES = (
    {"httpGet", "tcpSocket", "exec", "grpc"},
    {"fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef"},
    {"configMapRef", "secretRef"},
    {"port", "ports"},
    {"value", "valueFrom"},
    {"maxUnavailable", "minAvailable"},
    {"averageUtilization", "averageValue", "value"},
    {"resource", "containerResource", "pods", "object", "external"},
)


def specs() -> st.SearchStrategy[Schema]:
    """Specs of ContainerApps, right and wrong."""
    schema = crd.openapi_schema(DEFINITION)["properties"]["spec"]
    return _objects(schema).map(lambda spec: {"image": "shop:1.4.2"} | spec)


def _values(name: str, schema: Schema) -> st.SearchStrategy[Any]:
    if "properties" in schema:
        return _objects(schema)
    if "additionalProperties" in schema:
        keys = st.sampled_from(_KEYS.get(name, _LABELS))
        return st.dictionaries(keys, _values(name, schema["additionalProperties"]), max_size=3)
    if "items" in schema:
        return st.lists(_values(name, schema["items"]), max_size=3)
    return st.sampled_from(_stock(name, schema))


def _stock(name: str, schema: Schema) -> list[Any]:
    if "x-kubernetes-int-or-string" in schema:
        if name in {"maxSurge", "maxUnavailable", "minAvailable"}:
            return _PERCENTAGES
        return _PORTS if name == "port" else _QUANTITIES
    if "enum" in schema:
        return [*schema["enum"] * 3, "Other"]
    if "maximum" in schema:
        low, high = schema["minimum"], schema["maximum"]
        return [low, low + 1, min(high, 8080), high] * 3 + [low - 1, high + 1]
    return [False, True] if schema["type"] == "boolean" else _STOCK.get(name, _WORDS)


def _objects(schema: Schema) -> st.SearchStrategy[Schema]:
    values = {name: _values(name, part) for name, part in schema["properties"].items()}
    return _some_of(values, frozenset(schema.get("required", [])))


@st.composite
def _some_of(draw: st.DrawFn, values: dict[str, st.SearchStrategy[Any]], required: frozenset[str]) -> Schema:
    wanted = set(required)
    if optional := sorted(set(values) - required):
        wanted |= draw(st.sets(st.sampled_from(optional), max_size=3))
    for group in _ALTERNATIVES:
        if group <= set(values) and draw(st.integers(0, 9)):  # one time in ten the rule is left to chance
            wanted = (wanted - group) | {draw(st.sampled_from(sorted(group)))}
    return {name: draw(value) for name, value in values.items() if name in wanted}
