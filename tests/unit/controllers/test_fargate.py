"""What Fargate bills: `containerapp.controllers.pods.fargate`, held against the table of AWS' guide."""

from __future__ import annotations

from typing import Any

import pytest

from containerapp.controllers.pods.fargate import fargate_error, fargate_size


def _container(cpu: str | None = None, memory: str | None = None, **fields: Any) -> dict[str, Any]:
    requests = {name: amount for name, amount in (("cpu", cpu), ("memory", memory)) if amount is not None}
    return {"name": "c", "resources": {"requests": requests}, **fields}


@pytest.mark.parametrize(
    ("cpu", "memory", "billed"),
    [
        (None, None, "0.25 vCPU and 0.5 GB"),
        ("100m", "256Mi", "0.25 vCPU and 0.5 GB"),
        ("100m", "257Mi", "0.25 vCPU and 1 GB"),
        ("251m", "256Mi", "0.5 vCPU and 1 GB"),
        ("250m", "2Gi", "0.5 vCPU and 3 GB"),
        ("1", "8Gi", "2 vCPU and 9 GB"),
        ("1", "7936Mi", "1 vCPU and 8 GB"),
        ("4", "29Gi", "4 vCPU and 30 GB"),
        ("4", "30Gi", "8 vCPU and 32 GB"),
        ("16", "100Gi", "16 vCPU and 104 GB"),
    ],
)
def test_rounds_up_to_a_size_that_fargate_has(cpu: str | None, memory: str | None, billed: str) -> None:
    """With 256 MiB on top, which may move a Pod up a row: 1 vCPU and 8 GB become 2 vCPU and 9 GB."""
    assert str(fargate_size({"containers": [_container(cpu, memory)]})) == billed


def test_containers_that_run_together_add_up_and_the_biggest_init_container_counts_alone() -> None:
    """A native sidecar is an init container that runs on."""
    app, sidecar = _container("500m", "1Gi"), _container("500m", "512Mi", restartPolicy="Always")
    together = {"containers": [app], "initContainers": [sidecar, _container("250m", "256Mi")]}
    assert str(fargate_size(together)) == "1 vCPU and 2 GB"
    first = {"containers": [app], "initContainers": [_container("4", "1Gi"), _container("2", "10Gi")]}
    assert str(fargate_size(first)) == "4 vCPU and 11 GB"


@pytest.mark.parametrize(
    ("container", "words"),
    [
        (_container("17", "1Gi"), "17 vCPU and, with the 256 MiB that Fargate adds, 2 GB"),
        (_container("1", "120Gi"), "121 GB of memory"),
        ({"name": "c", "resources": {"requests": {"ephemeral-storage": "176Gi"}}}, "176 GiB of ephemeral-storage"),
    ],
)  # fmt: skip
def test_says_what_is_too_big(container: dict[str, Any], words: str) -> None:
    """Such a Pod would be Pending for ever."""
    assert words in str(fargate_error({"containers": [container]}))


def test_finds_nothing_wrong_with_what_fits() -> None:
    """The most that a Pod may ask for."""
    biggest = _container("16", "119.75Gi")
    biggest["resources"]["requests"]["ephemeral-storage"] = "175Gi"
    assert fargate_error({"containers": [biggest]}) is None
