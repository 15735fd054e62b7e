"""Invariants of what is rendered, whatever the app: `containerapp.controllers.containerapp.children`."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from containerapp.controllers.containerapp.controller import retained
from containerapp.core.diff import stamped
from containerapp.core.model import Manifest, ObjectRef, PinnedImage
from tests.builders import an_app, inputs, rendered, unresolved
from tests.expectations import of_kind
from tests.strategies import names, pinned_images, specs, unhurried

_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
_DNS_1035 = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_DNS_1123 = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


def _children(spec: Manifest, image: PinnedImage, name: str = "shop") -> list[Manifest]:
    return rendered(app := an_app(spec, name=name), inputs(image, app=app))


def _template(spec: Manifest, image: PinnedImage) -> Manifest:
    template: Manifest = of_kind(_children(spec, image), "Deployment")["spec"]["template"]
    return template


def _values(value: Any, key: str) -> list[Any]:
    """Return everything that stands under `key`, at any depth."""
    if isinstance(value, dict):
        below = [found for item in value.values() for found in _values(item, key)]
        return ([value[key]] if key in value else []) + below
    return [found for item in value for found in _values(item, key)] if isinstance(value, list) else []


@unhurried
@given(specs(), pinned_images())
def test_the_same_app_is_always_rendered_the_same(spec: Manifest, image: PinnedImage) -> None:
    """Key order included: a restart of the operator writes nothing, and its hash is the same."""
    first, second = _children(spec, image), _children(spec, image)
    assert repr(first) == repr(second)
    assert [stamped(manifest) for manifest in first] == [stamped(manifest) for manifest in second]


@unhurried
@given(names, specs(), pinned_images())
def test_names_and_labels_are_legal_and_unique(name: str, spec: Manifest, image: PinnedImage) -> None:
    """RFC 1035 for what gets a DNS name; label values of at most 63 characters."""
    children = _children(spec, image, name)
    identities = [(child["kind"], child["metadata"]["name"]) for child in children]
    assert len(set(identities)) == len(identities)
    assert all(_DNS_1035.fullmatch(identity[1]) for identity in identities)
    assert all(_DNS_1123.fullmatch(account) for account in _values(children, "serviceAccountName"))
    for labels in _values(children, "labels") + _values(children, "matchLabels"):
        assert all(_LABEL_VALUE.fullmatch(value) for value in labels.values())


def _without_peers(child: Manifest) -> Manifest:
    """Leave out whom a NetworkPolicy lets in and out: those are Pods of others."""
    if child["kind"] != "NetworkPolicy":
        return child
    return child | {"spec": {"podSelector": child["spec"]["podSelector"]}}


@unhurried
@given(specs(), pinned_images())
def test_every_selector_chooses_the_pods(spec: Manifest, image: PinnedImage) -> None:
    """Kubernetes refuses a Deployment that does not, and a Service that does not has no endpoints."""
    children = _children(spec, image)
    pod_labels = of_kind(children, "Deployment")["spec"]["template"]["metadata"]["labels"]
    selectors = list(_values([_without_peers(child) for child in children], "matchLabels"))
    selectors += [child["spec"]["selector"] for child in children if child["kind"] == "Service"]
    assert len(selectors) >= 3
    assert all(selector.items() <= pod_labels.items() for selector in selectors)


@unhurried
@given(specs(), pinned_images(), specs(), pinned_images())
def test_a_selector_never_changes(
    spec: Manifest, image: PinnedImage, other: Manifest, other_image: PinnedImage
) -> None:
    """Kubernetes makes it immutable: whatever becomes of the spec, it is the same."""
    before = of_kind(_children(spec, image), "Deployment")
    after = of_kind(_children(other, other_image), "Deployment")
    assert before["spec"]["selector"] == after["spec"]["selector"]


@unhurried
@given(spec=specs(), image=pinned_images(), replicas=st.integers(0, 1000), suspend=st.booleans())
def test_scaling_never_changes_the_pod_template(
    *, spec: Manifest, image: PinnedImage, replicas: int, suspend: bool
) -> None:
    """An HPA or `kubectl scale` must not restart what runs."""
    scaled = {**spec, "replicas": replicas, "suspend": suspend}
    assert _template(scaled, image) == _template(spec, image)
    count = of_kind(_children(scaled, image), "Deployment")["spec"].get("replicas")
    assert count == (0 if suspend else None if "autoscaling" in spec else replicas)


@unhurried
@given(specs(), pinned_images())
def test_the_image_always_runs_by_digest(spec: Manifest, image: PinnedImage) -> None:
    """No tag ever reaches a node."""
    (container,) = _template(spec, image)["spec"]["containers"]
    assert container["image"].endswith(f"@{image.digest}")


@unhurried
@given(specs(), pinned_images())
def test_requests_are_always_set_and_memory_is_always_bounded(spec: Manifest, image: PinnedImage) -> None:
    """No container runs without a promise, and none takes its neighbours' memory."""
    for resources in _values(_template(spec, image), "resources"):
        assert resources["requests"].keys() >= {"cpu", "memory"}
        assert "memory" in resources["limits"]


@unhurried
@given(specs(), pinned_images())
def test_every_probe_asks_a_port_or_runs_a_command(spec: Manifest, image: PinnedImage) -> None:
    """The API server refuses a probe without a port; a named one must be the container's."""
    (container,) = _template(spec, image)["spec"]["containers"]
    known = {port["name"] for port in container.get("ports", [])}
    for handler in ("httpGet", "tcpSocket", "grpc"):
        for action in _values(container, handler):
            assert isinstance(action["port"], int) or action["port"] in known


@unhurried
@given(specs(), pinned_images())
def test_everything_is_owned_by_the_app(spec: Manifest, image: PinnedImage) -> None:
    """The garbage collector removes it all with the app, and there is one controller."""
    for child in _children(spec, image):
        (owner,) = child["metadata"]["ownerReferences"]
        assert owner["uid"] == an_app().metadata.uid
        assert owner["controller"] is True
        assert owner["blockOwnerDeletion"] is True


@unhurried
@given(specs())
def test_without_a_digest_nothing_runs_but_all_else_is_there(spec: Manifest) -> None:
    """The Service has its address before the first Pod."""
    app = an_app(spec)
    kinds = {child["kind"] for child in rendered(app, unresolved())}
    assert "Deployment" not in kinds
    assert ("Service" in kinds) == bool(app.spec.container_ports())
    assert ("ServiceAccount" in kinds) == (app.spec.service_account_name is None)


@given(specs())
def test_retains_the_account_that_the_user_names_and_nothing_else(spec: Manifest) -> None:
    """It may be the very one that was made for the app before, and must outlive its being made."""
    name = spec.get("serviceAccountName")
    wanted = {ObjectRef(api_version="v1", kind="ServiceAccount", name=name)} if name else set()
    assert retained(an_app(spec), unresolved()) == wanted
