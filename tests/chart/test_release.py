"""Install, upgrade and uninstall on a real API server: CRDs follow the chart, and apps outlive the operator."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from devcluster import Cluster, CommandError
from tests.chart.releases import (
    APP,
    DELETION_SECONDS,
    NAMESPACE,
    Release,
    apply,
    chart_variant,
    previous_chart,
    read,
    spec_fields,
)
from tests.chart.rendering import CHART, CRD_NAME, FULL_NAME

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(120 + DELETION_SECONDS)]


@pytest.fixture
def release(own_cluster: Cluster) -> Iterator[Release]:
    """A name to install the chart under; nothing of it is left afterwards."""
    release = Release(cluster=own_cluster)
    yield release
    release.remove_everything()


def _app_uid(cluster: Cluster) -> str:
    return str(read(cluster, "containerapp", "web")["metadata"]["uid"])


def test_an_upgrade_from_the_previous_chart_keeps_apps_and_brings_new_fields(
    release: Release, tmp_path: Path
) -> None:
    """Users of the last release upgrade with one command and lose nothing."""
    release.install(chart=previous_chart(tmp_path / "previous"))
    apply(release.cluster, APP)
    before = _app_uid(release.cluster)

    release.upgrade()

    assert _app_uid(release.cluster) == before
    assert "suspend" in spec_fields(release.cluster)


def test_a_later_charts_crd_reaches_the_cluster_by_upgrade(release: Release, tmp_path: Path) -> None:
    """Helm's own crds/ directory would leave the cluster with the old schema."""
    release.install()
    apply(release.cluster, APP)
    before = _app_uid(release.cluster)

    later = chart_variant(
        tmp_path / "later", "99.0.0", lambda fields: fields.update(later={"type": "string"})
    )
    release.upgrade(chart=later)

    assert "later" in spec_fields(release.cluster)
    assert _app_uid(release.cluster) == before


def test_an_upgrade_with_nothing_new_leaves_the_deployment_alone(release: Release) -> None:
    """Running the same command twice restarts no operator."""
    release.install()
    before = read(release.cluster, "deployment", FULL_NAME, f"--namespace={NAMESPACE}")

    release.upgrade()

    after = read(release.cluster, "deployment", FULL_NAME, f"--namespace={NAMESPACE}")
    assert after["metadata"]["generation"] == before["metadata"]["generation"]


def test_an_uninstall_keeps_the_apps_and_a_reinstall_takes_them_up(release: Release) -> None:
    """Uninstalling the operator is no way to lose a production namespace."""
    release.install()
    apply(release.cluster, APP)
    before = _app_uid(release.cluster)

    assert CRD_NAME in release.uninstall()

    assert _app_uid(release.cluster) == before
    release.install()
    assert _app_uid(release.cluster) == before


def test_another_release_takes_kept_crds_over_only_when_told_to(release: Release) -> None:
    """A second release must not quietly become the owner of the first one's CRDs."""
    release.install()
    apply(release.cluster, APP)
    before = _app_uid(release.cluster)
    release.uninstall()
    other = Release(cluster=release.cluster, name="other")
    try:
        with pytest.raises(CommandError, match="cannot be imported into the current release"):
            other.install()
        other.install("--take-ownership")

        assert _app_uid(release.cluster) == before
    finally:
        other.remove_everything()


def test_an_uninstall_deletes_the_crds_when_told_to(release: Release) -> None:
    """Whoever wants everything gone says so first, and reads what it means."""
    release.install()
    apply(release.cluster, APP)

    assert "DELETES EVERY ContainerApp" in release.upgrade("--set=crds.keep=false")
    release.uninstall()

    with pytest.raises(CommandError, match="NotFound"):
        read(release.cluster, "crd", CRD_NAME)


def test_leaving_the_crds_out_of_a_release_later_keeps_them(release: Release) -> None:
    """Handing the CRDs to somebody else is not a deletion."""
    release.install()
    apply(release.cluster, APP)
    before = _app_uid(release.cluster)

    release.upgrade("--set=crds.install=false")

    assert _app_uid(release.cluster) == before


def test_every_object_passes_strict_validation_under_the_restricted_standard(
    release: Release, own_cluster: Cluster
) -> None:
    """The API server knows every field of ours, and would run our Pods beside the strictest neighbours."""
    text = own_cluster.helm(
        *("template", "capp", str(CHART), f"--namespace={NAMESPACE}"),
        *("--set=image.repository=registry.example/operator", "--set=networkPolicy.enabled=true"),
        "--set=dashboard.enabled=true",
    )
    release.install()
    own_cluster.kubectl(
        *("label", "namespace", NAMESPACE, "--overwrite", "pod-security.kubernetes.io/warn=restricted")
    )

    answer = own_cluster.kubectl(
        *("apply", "--dry-run=server", "--validate=strict", "--server-side", "--force-conflicts"),
        *("--warnings-as-errors", "--filename=-"),
        stdin=text,
    )

    assert f"deployment.apps/{FULL_NAME} serverside-applied" in answer
