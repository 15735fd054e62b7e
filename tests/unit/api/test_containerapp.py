"""What the models accept, fill in and refuse: `containerapp.api.containerapp`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from containerapp.api.containerapp import ContainerApp
from containerapp.api.ports import ContainerPort, Service
from containerapp.api.schema import API_VERSION
from containerapp.cli.kinds import controller_of
from containerapp.errors import InvalidSpec

MANIFESTS = Path(__file__).parents[2] / "manifests"
GOOD = sorted((MANIFESTS / "good").glob("*.yaml"))
BAD = sorted((MANIFESTS / "bad").glob("*.yaml"))


def _app(spec: dict[str, Any] | None = None, **metadata: Any) -> ContainerApp:
    return ContainerApp.parse(
        {
            "apiVersion": API_VERSION,
            "kind": "ContainerApp",
            "metadata": {"name": "shop", **metadata},
            "spec": {"image": "shop:1.4.2", **(spec or {})},
        }
    )


def _refusal(spec: dict[str, Any]) -> str:
    with pytest.raises(InvalidSpec) as caught:
        _app(spec)
    assert caught.value.reason == "InvalidSpec"
    return caught.value.message


def test_an_image_is_all_that_is_needed() -> None:
    """The smallest spec has every default that is safe in production."""
    spec = _app().spec
    assert spec.image_pull_policy == "IfNotPresent"
    assert spec.replicas == 1
    assert spec.termination_grace_period_seconds == 30
    assert not spec.suspend
    assert spec.security.run_as_non_root
    assert not spec.security.allow_privilege_escalation
    assert not spec.security.privileged
    assert spec.security.capabilities.drop == ("ALL",)
    assert spec.security.seccomp_profile.type == "RuntimeDefault"
    assert spec.readiness_probe is None


@pytest.mark.parametrize("field", ["security", "resources", "podLabels", "podAnnotations", "env", "ports"])
def test_a_field_that_is_empty_means_the_same_as_one_that_is_absent(field: str) -> None:
    """Templates may leave empty objects and lists behind; they change nothing."""
    empty: Any = [] if field in {"env", "ports"} else {}
    assert _app({field: empty}).spec == _app().spec


def test_a_null_means_the_same_as_an_absent_field() -> None:
    """The API server drops nulls before it applies defaults, and so do the models."""
    assert _app({"security": None, "port": None, "replicas": None}) == _app()


def test_a_single_port_is_a_tcp_port_named_http() -> None:
    """`port` is short for a list of one."""
    assert _app({"port": 8080}).spec.container_ports() == (ContainerPort(name="http", container_port=8080),)


def test_several_ports_keep_their_order() -> None:
    """The first TCP port is the one that probes ask."""
    dns = {"name": "dns", "containerPort": 53, "protocol": "UDP"}
    web = {"name": "web", "containerPort": 8080}
    spec = _app({"ports": [dns, web]}).spec
    assert [port.name for port in spec.container_ports()] == ["dns", "web"]
    port = spec.probe_port()
    assert port is not None
    assert port.name == "web"


def test_a_worker_has_no_port_and_wants_no_service() -> None:
    """No port at all is no mistake: it is a worker."""
    spec = _app().spec
    assert spec.container_ports() == ()
    assert spec.probe_port() is None
    assert spec.wanted_service() is None


def test_an_app_with_a_port_wants_a_service_even_if_it_says_nothing_of_it() -> None:
    """The default Service is a ClusterIP."""
    assert _app({"port": 8080}).spec.wanted_service() == Service()
    assert _app({"port": 8080, "service": {}}).spec.wanted_service() == Service()


def test_metadata_and_status_may_hold_what_the_operator_does_not_know() -> None:
    """Only the spec is the user's contract; other versions and tools write elsewhere."""
    app = ContainerApp.parse(
        {
            "apiVersion": API_VERSION,
            "kind": "ContainerApp",
            "metadata": {"name": "shop", "managedFields": [{}]},
            "spec": {"image": "shop"},
            "status": {"unheardOf": 1, "image": {"digest": "sha256:1", "colour": "red"}},
        }
    )
    assert app.status.image is not None
    assert app.status.image.digest == "sha256:1"


def test_fields_go_by_their_outside_names_alone() -> None:
    """Python's names are for Python: in a manifest they are unknown fields."""
    assert _refusal({"pod_labels": {}}) == "spec.pod_labels: unknown field: correct its name or remove it"


def test_an_app_cannot_be_changed() -> None:
    """What a reconcile has read stays what it has read."""
    with pytest.raises(ValueError, match="frozen"):
        _app().spec.replicas = 2  # type: ignore[misc]


def _parse(path: Path) -> Any:
    manifest = yaml.safe_load(path.read_text())
    controller = controller_of(manifest)
    assert controller is not None
    return controller.parse(manifest)


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_accepts_a_good_manifest(path: Path) -> None:
    """What the API server accepts, the operator accepts."""
    assert _parse(path).metadata.name == path.stem


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_refuses_a_bad_manifest_and_names_the_field(path: Path) -> None:
    """What the API server refuses, the operator refuses: in the same words, or at the same field in its own."""
    expected = path.read_text().splitlines()[0].removeprefix("# expect: ")
    with pytest.raises(InvalidSpec) as caught:
        _parse(path)
    found = re.search(r"spec(\.\w+(\[\d+\])?)*", expected)
    field = found[0].removesuffix("[1]") if found else expected
    assert expected in caught.value.message or caught.value.message.startswith(field)


def test_there_are_bad_manifests_in_plenty() -> None:
    """An empty folder would make the tests above pass."""
    assert len(BAD) > 90
    assert len(GOOD) > 5


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"replicas": -1}, "spec.replicas: must be 0 or more"),
        ({"replicas": 1001}, "spec.replicas: must be 1000 or less"),
        ({"replicas": "2"}, "spec.replicas: must be a whole number, without quotes"),
        ({"suspend": "no"}, "spec.suspend: must be true or false, without quotes"),
        ({"command": "/bin/shop"}, "spec.command: must be a list"),
        ({"podLabels": "a=b"}, "spec.podLabels: must be an object"),
        ({"security": True}, "spec.security: must be an object"),
        ({"image": ""}, "spec.image: must not be empty"),
        (
            {"imagePullPolicy": "No"},
            "spec.imagePullPolicy: Unsupported value: write 'IfNotPresent', 'Always' or",
        ),
        ({"env": [{"name": "A", "value": 1}]}, "spec.env[0].value: must be text: put it in quotes"),
        (
            {"port": 80, "livenessProbe": {"httpGet": {"port": True}}},
            "spec.livenessProbe.httpGet.port: must be an integer or a string",
        ),
        (
            {"resources": {"requests": {"memory": "1" * 65}}},
            "spec.resources.requests.memory: Too long: at most 64 characters",
        ),
        ({"ports": [{"containerPort": 80}]}, "spec.ports[0].name: Required value: add the field"),
    ],
)
def test_a_refusal_names_the_field_and_the_remedy(spec: dict[str, Any], message: str) -> None:
    """Also where no API server has looked at the manifest."""
    assert _refusal(spec).startswith(message)


def test_a_free_form_field_has_a_bound() -> None:
    """What the schema leaves open is stored, watched and rendered all the same."""
    message = _refusal({"placement": {"affinity": {"nodeAffinity": {"x": "y" * 65536}}}})
    assert "spec.placement.affinity.nodeAffinity: too big: at most 64 KiB of JSON" in message


def test_a_refusal_names_several_mistakes_but_not_a_flood() -> None:
    """A wall of text in a condition helps nobody."""
    message = _refusal({f"wrong{number}": 1 for number in range(7)})
    assert message.count("unknown field") == 5
    assert message.endswith("; and 2 more")


def test_an_object_of_another_kind_is_refused() -> None:
    """The version and kind are part of the contract."""
    with pytest.raises(InvalidSpec, match="kind: Unsupported value: write 'ContainerApp'"):
        ContainerApp.parse(
            {"apiVersion": API_VERSION, "kind": "Pod", "metadata": {"name": "x"}, "spec": {"image": "x"}}
        )


def test_what_is_no_object_at_all_is_refused() -> None:
    """A list or a text in a file of manifests is a user's mistake, not a crash."""
    with pytest.raises(InvalidSpec, match="the object: must be an object"):
        ContainerApp.parse("shop")  # type: ignore[arg-type]


def test_a_probe_may_name_a_port_that_the_app_does_not_declare_by_number() -> None:
    """Kubernetes can ask any port; only names need a declaration."""
    probe = {"tcpSocket": {"port": 9000}}
    assert _app({"livenessProbe": probe}).spec.liveness_probe is not None


def test_a_device_may_be_limited_alone_or_with_an_equal_request() -> None:
    """Kubernetes takes the limit for the request, where only that is given."""
    gpu = {"nvidia.com/gpu": 1}
    assert _app({"resources": {"limits": gpu}}).spec.resources.limits == {"nvidia.com/gpu": "1"}
    assert _app({"resources": {"limits": gpu, "requests": gpu}}).spec.resources.requests


def test_annotations_are_measured_in_bytes() -> None:
    """A letter of two bytes counts twice, as in the API server's own limit."""
    annotations = {f"part-{number}": "ä" * 16000 for number in range(8)}
    assert _app({"podAnnotations": annotations}).spec.pod_annotations
    too_many = annotations | {"one-more": "ä" * 8000}
    assert "podAnnotations are too big" in _refusal({"podAnnotations": too_many})
