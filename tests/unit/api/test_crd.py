"""The CustomResourceDefinition and the reference page that the models give: `containerapp.api.crd`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from containerapp.api import crd
from containerapp.api.containerapp import ContainerApp
from containerapp.api.crd import Column, Definition
from containerapp.api.schema import GROUP
from containerapp.controllers import CONTROLLERS
from containerapp.controllers.containerapp.definition import DEFINITION

ROOT = Path(__file__).parents[3]
GOOD = sorted((ROOT / "tests" / "manifests" / "good").glob("*.yaml"))
VALIDATIONS = "x-kubernetes-validations"


def _schemas(path: str, schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema at and below one, with its path."""
    yield path, schema
    for name, part in schema.get("properties", {}).items():
        yield from _schemas(f"{path}.{name}", part)
    for key, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if key in schema:
            yield from _schemas(path + mark, schema[key])


DEFINITIONS = tuple(controller.definition for controller in CONTROLLERS)
SCHEMAS = dict(_schemas("", crd.openapi_schema(DEFINITION)))
SPEC = {path: schema for path, schema in SCHEMAS.items() if path.startswith(".spec")}


def _written(path: str, value: Any) -> Iterator[str]:
    """The path of every field that a manifest writes."""
    yield path
    if isinstance(value, list):
        for item in value:
            yield from _written(f"{path}[]", item)
    elif isinstance(value, dict):
        opened = "additionalProperties" in SCHEMAS.get(path, {})
        for name, part in value.items():
            yield from _written(f"{path}{{}}" if opened else f"{path}.{name}", part)


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda each: each.kind)
def test_the_committed_definition_is_the_one_the_models_give(definition: Definition) -> None:
    """`containerapp crd KIND > crds/containerapp.dev_PLURAL.yaml` repairs a failure here."""
    committed = ROOT / "crds" / f"{GROUP}_{definition.plural}.yaml"
    assert committed.read_text() == crd.render_yaml(definition)


def test_there_is_a_committed_definition_for_each_kind_and_no_other() -> None:
    """A kind without one cannot be installed; one without a kind has no controller."""
    committed = {path.name for path in (ROOT / "crds").glob("*.yaml")}
    assert committed == {f"{GROUP}_{definition.plural}.yaml" for definition in DEFINITIONS}


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda each: each.kind)
def test_the_reference_page_is_the_one_the_models_give(definition: Definition) -> None:
    """Documentation that is written by hand is out of date."""
    page = ROOT / "docs" / "reference" / f"{definition.kind.lower()}.md"
    assert page.read_text() == crd.reference_page(definition)


def test_the_yaml_means_the_definition() -> None:
    """And it is the same each time."""
    assert yaml.safe_load(crd.render_yaml(DEFINITION)) == crd.custom_resource_definition(DEFINITION)
    assert crd.render_yaml(DEFINITION) == crd.render_yaml(DEFINITION)


def test_yaml_has_no_anchors_where_an_object_stands_twice() -> None:
    """People and other YAML readers stumble over them."""
    shared = {"a": 1}
    assert crd.to_yaml({"one": shared, "two": shared}) == "one:\n  a: 1\ntwo:\n  a: 1\n"


def test_the_names_and_subresources_are_what_users_type() -> None:
    """`kubectl get capp`, `kubectl get all`, `kubectl scale` and an HPA."""
    spec = crd.custom_resource_definition(DEFINITION)["spec"]
    assert spec["names"]["shortNames"] == ["capp"]
    assert spec["names"]["categories"] == ["all"]
    [version] = spec["versions"]
    assert version["subresources"] == {
        "status": {},
        "scale": {
            "specReplicasPath": ".spec.replicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        },
    }
    shown = [column["name"] for column in version["additionalPrinterColumns"] if "priority" not in column]
    assert shown == ["Ready", "Status", "Image", "Replicas", "URL", "Age"]


def test_a_kind_without_replicas_cannot_be_scaled() -> None:
    """`kubectl scale` is offered only where the spec has a count."""
    definition = Definition(
        kind="Job", plural="jobs", short_name="j", model=ContainerApp, columns=(_AGE, _MESSAGE)
    )
    document = crd.custom_resource_definition(definition)
    [version] = document["spec"]["versions"]
    assert document["metadata"]["name"] == f"jobs.{GROUP}"
    assert document["spec"]["names"]["listKind"] == "JobList"
    assert version["subresources"] == {"status": {}}
    assert [column.get("priority") for column in version["additionalPrinterColumns"]] == [None, 1]


_AGE = Column(name="Age", type="date", path=".metadata.creationTimestamp", description="Its age.")
_MESSAGE = Column(name="Message", type="string", path=".status.message", description="Why.", priority=1)


def test_every_field_has_a_description() -> None:
    """`kubectl explain` reads like documentation."""
    undocumented = [
        path
        for path, schema in SCHEMAS.items()
        if path.rpartition(".")[2] not in {"metadata", "name", "items"}
        and not path.startswith(".metadata")
        and not path.endswith(("[]", "{}"))
        and not schema.get("description", "").endswith((".", ":", "it."))
    ]
    assert undocumented == []


def test_the_schema_is_structural() -> None:
    """The API server refuses, prunes or ignores anything else."""
    allowed = {"description", "default", "properties", "required", "items", "additionalProperties"}
    for path, schema in SCHEMAS.items():
        assert set(schema) <= allowed | set(crd._KEPT), path
        assert "type" in schema or "x-kubernetes-int-or-string" in schema, path
        assert schema.get("type") != "null", path


def test_everything_in_the_spec_is_bounded() -> None:
    """The API server counts a rule's cost by the largest value that could reach it."""
    for path, schema in SPEC.items():
        match schema.get("type"):
            case "string":
                assert "enum" in schema or "maxLength" in schema, path
            case "array":
                assert "maxItems" in schema, path
                assert "x-kubernetes-list-type" in schema, path
            case "integer":
                assert {"minimum", "maximum"} <= set(schema), path
            case "object":
                assert "properties" in schema or "maxProperties" in schema, path
            case other:
                assert other in {"boolean", None}, path


def test_lists_that_are_merged_name_their_key() -> None:
    """So that two managers can own different items under server-side apply."""
    keys = {
        path: schema["x-kubernetes-list-map-keys"]
        for path, schema in SCHEMAS.items()
        if schema.get("x-kubernetes-list-type") == "map"
    }
    assert keys == {
        ".spec.env": ["name"],
        ".spec.files": ["path"],
        ".spec.hostAliases": ["ip"],
        ".spec.imagePullSecrets": ["name"],
        ".spec.initContainers": ["name"],
        ".spec.initContainers[].env": ["name"],
        ".spec.initContainers[].secrets": ["name"],
        ".spec.ports": ["name"],
        ".spec.secrets": ["name"],
        ".spec.security.sysctls": ["name"],
        ".spec.sidecars": ["name"],
        ".spec.sidecars[].env": ["name"],
        ".spec.sidecars[].ports": ["name"],
        ".spec.sidecars[].secrets": ["name"],
        ".spec.volumes": ["name"],
        ".status.conditions": ["type"],
    }


def test_every_rule_has_a_message_with_a_remedy() -> None:
    """The message stands at the user's terminal, alone."""
    rules = [(path, rule) for path, schema in SCHEMAS.items() for rule in schema.get(VALIDATIONS, [])]
    assert len(rules) > 40
    for path, rule in rules:
        assert set(rule) <= {"rule", "message", "fieldPath"}, path
        assert len(rule["message"]) > 30, path


def test_defaults_are_written_once_and_without_empties() -> None:
    """An object's default repeats its fields' own, because rules see it before they are filled in."""
    security = SCHEMAS[".spec.security"]
    assert security["default"] == {
        "runAsNonRoot": True,
        "readOnlyRootFilesystem": False,
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    for name, value in security["default"].items():
        assert security["properties"][name]["default"] == value
    assert "default" not in SCHEMAS[".spec.service"]
    (condition,) = SCHEMAS[".status"]["default"]["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == ("Ready", "Unknown", "Pending")
    assert "observedGeneration" not in condition
    assert SCHEMAS[".spec.replicas"]["default"] == 1


def test_a_list_has_no_defaults_in_it() -> None:
    """With one, `kubectl apply` would find the list changed each time, and GitOps tools see drift."""
    assert [path for path, schema in SCHEMAS.items() if "[]" in path and "default" in schema] == []


def test_what_an_object_requires_is_required() -> None:
    """Everything else may be left out."""
    assert SCHEMAS[""]["required"] == ["spec"]
    assert SCHEMAS[".spec"]["required"] == ["image"]
    assert SCHEMAS[".spec.ports[]"]["required"] == ["name", "containerPort"]


def test_the_good_manifests_use_every_field() -> None:
    """What no manifest uses, no test on an API server has tried; probes count as one, metrics as well."""
    manifests = [yaml.safe_load(path.read_text()) for path in GOOD]
    used = {_one_of_a_kind(path) for manifest in manifests for path in _written(".spec", manifest["spec"])}
    known = {_one_of_a_kind(path) for path in SPEC if not path.endswith(("[]", "{}"))}
    assert known - used == set()
    assert known >= {".spec.probe.grpc.port", ".spec.ports[].appProtocol"}


def _one_of_a_kind(path: str) -> str:
    path = re.sub(r"(readiness|liveness|startup)Probe", "probe", path)
    path = re.sub(r"\.(sidecars|initContainers)\[\]\.(\w+)(\[\])?\.", r".\2\3.", path)
    return re.sub(r"(autoscaling\.metrics\[\])\.\w+\.(metric|target|name)\b", r"\1.any.\2", path)


@pytest.mark.parametrize(
    "row",
    [
        "| `image` | string | required | Container image to run",
        "| `port` | integer, 1 to 65535 |  | The one port",
        "| `replicas` | integer, 0 to 1000 | `1` | Number of Pods",
        '| `imagePullPolicy` | `IfNotPresent`, `Always`, `Never` | `"IfNotPresent"` | When a node',
        "| `requests` | map of integer or string |  | What is kept free",
        "| `env` | list of object |  | Environment variables",
    ],
)
def test_the_reference_page_tells_type_bounds_and_default(row: str) -> None:
    """One line a field."""
    assert any(line.startswith(row) for line in crd.reference_page(DEFINITION).splitlines())


def test_the_reference_page_tells_what_is_refused() -> None:
    """Rules of scalars stand with the object that holds them."""
    page = crd.reference_page(DEFINITION)
    spec = page[page.index("## `spec`") : page.index("## `spec.imagePullSecrets[]`")]
    assert "- the image contains white space: remove it\n" in spec
    assert "## `status.image`" in page


def test_the_schema_describes_exactly_the_models() -> None:
    """No field is lost on the way."""
    names = {field.alias for field in ContainerApp.model_fields["spec"].annotation.model_fields.values()}  # type: ignore[union-attr]
    assert set(SCHEMAS[".spec"]["properties"]) == names
