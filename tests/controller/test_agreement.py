"""Three readers of one app: the operator's parser, the rules on a real API server, and a Deployment of the same values.

The first two must agree on every value. What they take a Deployment must take too, and hold unchanged; what they refuse
although a Deployment would take it is named here, with the reason.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import devcluster
from containerapp.api import crd
from containerapp.api.containerapp import ContainerApp
from containerapp.api.schema import API_VERSION
from containerapp.api.schema.quantity import BYTES_PATTERN, QUANTITY_PATTERN
from containerapp.controllers.containerapp.definition import DEFINITION
from containerapp.errors import Blocked, InvalidSpec
from containerapp.kube.client import Client, connect, path
from tests.builders import inputs, rendered
from tests.definitions import define

pytestmark = pytest.mark.cluster

Manifest = dict[str, Any]

_BATCH, _BATCHES = 50, 6
_AGREED = {"taken", "refused", "refused by us alone"}
_APPLY = "fieldManager=containerapp-operator&fieldValidation=Strict&force=true&dryRun=All"
_CREATE = "fieldValidation=Strict&dryRun=All"

_MANTISSA = st.one_of(
    st.sampled_from(
        ["0", "1", "1.5", ".5", "5.", "1.1", "512.0", "0.1", "+2", "-1", "", ".", "1.2.3", "\u0661"]
    ),
    st.integers(0, 10**20).map(str),
    st.decimals(0, 10**6, places=3).map(str),
)
_SUFFIX = st.sampled_from(
    [
        "",
        "Ki",
        "Mi",
        "Gi",
        "Ti",
        "Ei",
        "m",
        "u",
        "n",
        "k",
        "M",
        "G",
        "E",
        "e3",
        "E3",
        "e-3",
        "e0",
        "e18",
        "K",
        "MB",
        "e",
    ]
)
_QUANTITY = st.builds(str.__add__, _MANTISSA, _SUFFIX)
_RESOURCE = st.sampled_from(["cpu", "memory", "ephemeral-storage"])
_AMOUNTS = st.dictionaries(_RESOURCE, _QUANTITY, max_size=2)
_CHARACTER = st.one_of(
    *(
        st.characters(categories=[category])
        for category in ("Cc", "Cf", "Co", "Cn", "Zl", "Zp", "Zs", "Mn", "So", "Lo")
    ),
    st.characters(exclude_categories=["Cs"]),
    st.sampled_from("\x7f\x85\x92\xa0\u2028\u2029\ufeff\ufffe\uffff\U0001fffe"),
)
_TEXT = st.text(_CHARACTER, max_size=12)
_NAME = st.one_of(
    st.sampled_from(
        ["LOG_LEVEL", "Logging:LogLevel:Default", "1ST", "a b", "-.x", "A=B", "", "..", "\u00e4", "~", "\x7f"]
    ),
    st.text(_CHARACTER, max_size=4),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=8),
)
_ENV = st.lists(
    st.fixed_dictionaries({"name": _NAME, "value": _TEXT}), max_size=2, unique_by=lambda item: item["name"]
)
_LABEL = st.one_of(_TEXT, st.sampled_from(["", "a.b", "-a", "A_b-9", "x" * 63, "x" * 64]))
_SPECS = st.fixed_dictionaries(
    {},
    optional={
        "env": _ENV,
        "args": st.lists(_TEXT, max_size=2),
        "resources": st.fixed_dictionaries({}, optional={"requests": _AMOUNTS, "limits": _AMOUNTS}),
        "podLabels": st.dictionaries(st.sampled_from(["team", "example.com/team"]), _LABEL, max_size=1),
        "podAnnotations": st.dictionaries(st.just("note"), _TEXT, max_size=1),
    },
)


@pytest.fixture(scope="module")
def defined(cluster: devcluster.Cluster) -> devcluster.Cluster:
    """The cluster with the definition installed."""
    define(cluster, crd.render_yaml(DEFINITION))
    return cluster


async def test_parser_rules_and_deployment_agree(
    defined: devcluster.Cluster, log_in: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """A value that one takes and another refuses ends in an app that waits, or in one that runs with another value."""
    log_in(defined.kubeconfig)
    specs: list[Manifest] = []

    @settings(
        max_examples=_BATCHES,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        database=None,
    )
    @given(batch=st.lists(_SPECS, min_size=_BATCH, max_size=_BATCH))
    def collect(batch: list[Manifest]) -> None:
        specs.extend(batch)

    collect()
    verdicts: Counter[str] = Counter()
    async with connect(lambda *_: None) as client:
        for spec in specs:
            verdict = await _judge(client, spec)
            assert verdict in _AGREED, f"{verdict}: {spec}"
            verdicts[verdict] += 1
    with capsys.disabled():
        sys.stdout.write(f"\n{len(specs)} specs: {dict(verdicts)}\n")
    assert set(verdicts) == _AGREED


async def _judge(client: Client, spec: Manifest) -> str:
    """Return what the three readers make of a spec."""
    app = _read(spec)
    if (app is not None) != await _takes(_create_app(client, spec)):
        return "parser and rules differ"
    deployed = await _takes(_create_deployment(client, spec))
    if app is None:
        stricter = deployed and _is_stricter(spec)
        return "refused by us alone" if stricter else "a Deployment takes it" if deployed else "refused"
    if not deployed:
        return "no Deployment takes it"
    return "taken" if await _held(client, app) == _meant(app) else "changed"


def _read(spec: Manifest) -> ContainerApp | None:
    try:
        return ContainerApp.parse(_app(spec))
    except InvalidSpec:
        return None


def _app(spec: Manifest) -> Manifest:
    return {
        "apiVersion": API_VERSION,
        "kind": "ContainerApp",
        "metadata": {"name": "agreed", "namespace": "default", "uid": "1"},
        "spec": {"image": "shop:1", **spec},
    }


async def _takes(request: Awaitable[Manifest]) -> bool:
    try:
        await request
    except Blocked:
        return False
    return True


def _create_app(client: Client, spec: Manifest) -> Awaitable[Manifest]:
    return client._json("POST", path(API_VERSION, "containerapps", "default"), body=_app(spec), query=_CREATE)


def _create_deployment(client: Client, spec: Manifest) -> Awaitable[Manifest]:
    """Ask for a Deployment with the very same values, as a user writes it by hand."""
    container = {"name": "app", "image": "shop:1"} | {
        field: spec[field] for field in ("env", "args", "resources") if field in spec
    }
    labels = {**spec.get("podLabels", {}), "app": "agreed"}
    manifest = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "agreed"},
        "spec": {
            "selector": {"matchLabels": {"app": "agreed"}},
            "template": {
                "metadata": {"labels": labels, "annotations": spec.get("podAnnotations", {})},
                "spec": {"containers": [container]},
            },
        },
    }
    return client._json("POST", path("apps/v1", "deployments", "default"), body=manifest, query=_CREATE)


async def _held(client: Client, app: ContainerApp) -> tuple[Any, ...]:
    """Apply the operator's own Deployment, and return what the API server would hold of the app's values."""
    (manifest,) = [child for child in rendered(app, inputs(app=app)) if child["kind"] == "Deployment"]
    stored = await client._json(
        "PATCH",
        path("apps/v1", "deployments", "default", "agreed"),
        body=manifest,
        content_type="application/apply-patch+yaml",
        query=_APPLY,
    )
    template = stored["spec"]["template"]
    (container,) = template["spec"]["containers"]
    labels = {key: template["metadata"]["labels"].get(key) for key in app.spec.pod_labels}
    return (
        [(item["name"], item.get("value", "")) for item in container.get("env", [])],
        container.get("args", []),
        template["metadata"].get("annotations", {}),
        labels,
    )


def _meant(app: ContainerApp) -> tuple[Any, ...]:
    spec = app.spec
    return (
        [(item.name, item.value or "") for item in spec.env],
        list(spec.args),
        spec.pod_annotations,
        spec.pod_labels,
    )


def _is_stricter(spec: Manifest) -> bool:
    """Whether the app has what a Deployment takes and nobody wants: parts of a byte, and units without a number."""
    amounts: Iterable[tuple[str, str]] = (
        item for part in spec.get("resources", {}).values() for item in part.items()
    )
    return any(
        not re.fullmatch(QUANTITY_PATTERN if name == "cpu" else BYTES_PATTERN, amount)
        for name, amount in amounts
    )
