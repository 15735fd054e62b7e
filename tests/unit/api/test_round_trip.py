"""What holds of every spec, whatever stands in it: `containerapp.api.containerapp`."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, assume, find, given, settings
from hypothesis import strategies as st

from containerapp.api.containerapp import ContainerApp
from containerapp.api.schema import API_VERSION
from containerapp.errors import InvalidSpec
from tests.strategies import unhurried
from tests.unit.api.spec_strategies import specs

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 70000) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    ["port", "ports", "env", "resources", "security", "readinessProbe", "podLabels", "service"]
)
BROAD = settings(
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow], deadline=None, max_examples=60
)


def _read(spec: Any) -> ContainerApp | None:
    try:
        return ContainerApp.parse(
            {"apiVersion": API_VERSION, "kind": "ContainerApp", "metadata": {"name": "shop"}, "spec": spec}
        )
    except InvalidSpec:
        return None


def test_the_specs_tried_are_right_and_wrong() -> None:
    """The tests below would hold of specs that are all refused, too. Sixty draws miss a good one now and then."""
    many = settings(BROAD, max_examples=2000)
    assert find(specs(), lambda spec: len(spec) > 3 and _read(spec) is not None, settings=many)
    assert find(specs(), lambda spec: _read(spec) is None, settings=many)


@BROAD
@given(specs())
def test_what_is_accepted_is_the_same_when_written_and_read_again(spec: dict[str, Any]) -> None:
    """A manifest survives the way through the models."""
    app = _read(spec)
    assume(app is not None)
    assert app is not None
    again = ContainerApp.parse(app.dump())
    assert again == app
    assert again.dump() == app.dump()


@BROAD
@given(specs())
def test_ports_have_distinct_names_however_they_are_written(spec: dict[str, Any]) -> None:
    """Kubernetes refuses a Pod whose ports share a name; probes ask one of them."""
    app = _read(spec)
    assume(app is not None)
    assert app is not None
    ports = app.spec.container_ports()
    assert len({port.name for port in ports}) == len(ports)
    assert app.spec.probe_port() in (*ports, None)
    assert (app.spec.wanted_service() is None) == (not ports)


@unhurried
@given(JSON)
def test_any_json_is_read_or_refused_and_never_crashes(value: Any) -> None:
    """Whatever somebody puts there, the other apps go on."""
    _read(value)


@unhurried
@given(FIELDS, JSON)
def test_any_json_in_a_field_is_read_or_refused(field: str, value: Any) -> None:
    """The rules see only what has the right shape."""
    _read({"image": "shop", field: value})
