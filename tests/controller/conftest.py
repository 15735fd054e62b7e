"""The operator under test: one for the session, under the chart's ServiceAccount, beside a registry of its own.

A test that needs an operator of another kind stops this one; the next test that asks for `world` finds it running
again. Nobody but the chart gives the operator any rights. Each worker of a parallel run has a cluster of its own here,
for an operator serves all of its cluster.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import devcluster
from devcluster import Cluster, binaries
from tests.chart.rendering import Chart
from tests.controller.api import Api
from tests.controller.audit import Audit
from tests.controller.installation import NAMESPACE, install
from tests.controller.operators import Identity, Operator
from tests.controller.person import Person, admit
from tests.controller.registry import HOST, Registry, environment
from tests.controller.world import World


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Build helm and Prometheus before the first test, so that no test's time-out has to cover it."""
    fixtures = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    needed = {"chart_on_cluster": "helm", "prometheus": "prometheus"}
    if session.config.option.collectonly or not fixtures & set(needed):
        return
    capture = session.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
        binaries.obtain([program for fixture, program in needed.items() if fixture in fixtures])


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A control plane with three simulated nodes and an audit log, where nobody else's operator runs."""
    with devcluster.start(devcluster.Options(nodes=devcluster.Kwok(count=3), audit=True)) as own:
        yield own


@pytest.fixture(scope="session")
def api(cluster: Cluster) -> Iterator[Api]:
    """The API server, as its administrator sees it."""
    api = Api(cluster.kubeconfig)
    yield api
    api.close()


@pytest.fixture(scope="session")
def chart_on_cluster(cluster: Cluster) -> Chart:
    """The operator's chart."""
    return Chart(helm=cluster.binary("helm"))


@pytest.fixture(scope="session")
def identity(cluster: Cluster, api: Api, chart_on_cluster: Chart) -> Identity:
    """The operator's ServiceAccount, roles and settings, as the chart makes them for a whole cluster."""
    manifests = chart_on_cluster.render(defaultRegistry=HOST, adoptionNamespaces=["test-*"])
    return install(cluster, api, manifests)


@pytest.fixture(scope="session")
def registry() -> Iterator[Registry]:
    """An ECR with one image, `shop:1.0`."""
    registry = Registry()
    registry.open()
    registry.push("1.0", "shop 1.0")
    yield registry
    registry.close()


@pytest.fixture(scope="session")
def audit(cluster: Cluster, identity: Identity) -> Audit:
    """The operator's requests."""
    if cluster.audit_log is None:
        pytest.skip("this cluster keeps no audit log")
    return Audit(log=cluster.audit_log, user=identity.user)


@pytest.fixture(scope="session")
def session_operator(
    identity: Identity, registry: Registry, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Operator]:
    """The operator of all tests that need no other; not necessarily running."""
    operator = Operator(
        identity=identity,
        directory=tmp_path_factory.mktemp("operator"),
        environment=environment(registry.endpoint),
    )
    yield operator
    operator.kill()


@pytest.fixture
def world(
    cluster: Cluster,
    api: Api,
    namespace: str,
    session_operator: Operator,
    registry: Registry,
    audit: Audit,
) -> World:
    """A namespace, served by the session's operator."""
    registry.open()
    if not session_operator.running:
        session_operator.start()
    return World(
        cluster=cluster,
        api=api,
        namespace=namespace,
        operator=session_operator,
        registry=registry,
        audit=audit,
    )


@pytest.fixture
def own_operator(world: World, identity: Identity, tmp_path: Path) -> Iterator[Operator]:
    """An operator of the test's own in place of the session's: not started yet, its settings open to change."""
    session, own = (
        world.operator,
        Operator(
            identity=identity,
            directory=tmp_path,
            environment=environment(world.registry.endpoint),
        ),
    )
    session.stop()
    world.operator = own
    yield own
    own.kill()


@pytest.fixture
def narrow_identity(
    cluster: Cluster, api: Api, chart_on_cluster: Chart, identity: Identity, namespace: str
) -> Identity:
    """A second installation of the chart that serves the test's namespace alone, with Roles."""
    manifests = chart_on_cluster.render(
        defaultRegistry=HOST, watchNamespaces=[namespace], fullnameOverride=f"narrow-{namespace[-6:]}"
    )
    assert identity.namespace == NAMESPACE
    return install(cluster, api, manifests)


@pytest.fixture
def person(world: World) -> Person:
    """An admin of the test's namespace, at a terminal."""
    return admit(world)


@pytest.fixture
def volumes(world: World) -> Iterator[list[str]]:
    """The names of the volumes that a test makes, which go at its end."""
    made: list[str] = []
    yield made
    for name in made:
        world.api.delete("PersistentVolume", None, name)
