"""What an image says of itself: `containerapp.api.image_config`, of well-formed and of odd text."""

from __future__ import annotations

import json
from typing import Any

import pytest

from containerapp.api.image_config import (
    architecture,
    architectures_in_index,
    config_digest,
    exposed_ports,
    image_in_index,
)

DIGESTS = [f"sha256:{number:064x}" for number in range(4)]


def _entry(number: int, os: str, architecture: str) -> dict[str, Any]:
    return {"digest": DIGESTS[number], "platform": {"os": os, "architecture": architecture}}


@pytest.mark.parametrize(
    ("entries", "digest"),
    [
        (
            [
                _entry(0, "unknown", "unknown"),
                _entry(1, "linux", "arm64"),
                _entry(2, "linux", "amd64"),
                _entry(3, "windows", "amd64"),
            ],
            DIGESTS[2],
        ),
        ([_entry(1, "linux", "arm64"), _entry(3, "windows", "amd64")], DIGESTS[1]),
        ([{"digest": "md5:1", "platform": {"os": "linux"}}, _entry(1, "linux", "arm64")], DIGESTS[1]),
        ([_entry(3, "windows", "amd64"), {"digest": DIGESTS[0]}, "odd"], None),
        ("odd", None),
    ],
)
def test_an_index_leads_to_the_image_for_linux(entries: Any, digest: str | None) -> None:
    """That for amd64 before the others; attestations are of no platform."""
    assert image_in_index(json.dumps({"manifests": entries})) == digest


@pytest.mark.parametrize(
    ("entries", "architectures"),
    [
        (
            [_entry(0, "unknown", "unknown"), _entry(1, "linux", "arm64"), _entry(2, "linux", "amd64")],
            {"amd64", "arm64"},
        ),
        ([_entry(3, "windows", "amd64"), _entry(1, "linux", "arm64")], {"arm64"}),
        ([{"platform": {"os": "linux", "architecture": 5}}, {"platform": {"os": "linux"}}, "odd"], set()),
        ("odd", set()),
    ],
)
def test_an_index_says_what_its_images_are_built_for(entries: Any, architectures: set[str]) -> None:
    """Those for Linux; attestations are of no platform."""
    assert architectures_in_index(json.dumps({"manifests": entries})) == architectures


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ('{"architecture": "arm64"}', {"arm64"}),
        ('{"architecture": 5}', set()),
        ("{}", set()),
        ("<html>", set()),
    ],
)
def test_a_configuration_says_what_its_image_is_built_for(config: str, named: set[str]) -> None:
    """Of an image that stands alone there is no index."""
    assert architecture(config) == named


@pytest.mark.parametrize(
    ("manifest", "digest"),
    [
        (json.dumps({"config": {"digest": DIGESTS[0]}}), DIGESTS[0]),
        ('{"config": {"digest": 5}}', None),
        ('{"config": []}', None),
        ("[]", None),
        ("<html>", None),
    ],
)
def test_a_manifest_names_its_configuration(manifest: str, digest: str | None) -> None:
    """Whatever else it may be, it is no error."""
    assert config_digest(manifest) == digest


@pytest.mark.parametrize(
    ("config", "ports"),
    [
        (
            {"config": {"ExposedPorts": {"9090/tcp": {}, "80": {}, "8080/tcp": {}, "53/udp": {}}}},
            (80, 8080, 9090),
        ),
        ({"config": {"ExposedPorts": {"0/tcp": {}, "70000/tcp": {}, "x/tcp": {}, "1234567/tcp": {}}}}, ()),
        ({"config": {"ExposedPorts": None}}, ()),
        ({"config": None}, ()),
        ([], ()),
    ],
)
def test_ports_are_those_of_tcp_the_lowest_first(config: Any, ports: tuple[int, ...]) -> None:
    """What is no port is left out."""
    assert exposed_ports(json.dumps(config)) == ports
