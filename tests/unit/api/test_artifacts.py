"""What a manifest describes: `containerapp.api.artifacts`."""

from __future__ import annotations

import json

import pytest

from containerapp.api.artifacts import other_than_image, printable


@pytest.mark.parametrize(
    ("manifest", "other"),
    [
        ({"config": {"mediaType": "application/vnd.oci.image.config.v1+json"}}, None),
        ({"config": {"mediaType": "application/vnd.docker.container.image.v1+json"}}, None),
        ({"config": {"digest": "sha256:1"}}, None),
        ({"manifests": []}, None),
        ({"config": {"mediaType": "application/vnd.cncf.helm.config.v1+json"}}, "a Helm chart"),
        ({"config": {"mediaType": "application/vnd.acme.x"}}, "an artifact of type application/vnd.acme.x"),
        (
            {"config": {"mediaType": "application/vnd.oci.empty.v1+json"}, "artifactType": "text/x\u202e"},
            "an artifact of type text/x?",
        ),
        ([], "no manifest"),
    ],
)
def test_what_is_no_image_is_named(manifest: object, other: str | None) -> None:
    """By its configuration's type; a manifest that does not say is taken for an image's."""
    assert other_than_image(json.dumps(manifest)) == other


def test_what_is_no_json_is_no_manifest() -> None:
    """However deep it is."""
    assert other_than_image(b"[" * 100_000) == "no JSON"


def test_a_text_is_shown_in_printable_characters_and_no_more_than_fit() -> None:
    """Whatever a registry wrote: no colours, no other direction, no page of it."""
    assert printable("a\x1b[31m\u202e\udcff") == "a?[31m??"
    assert printable("x" * 100, 10) == "xxxxxxx..."
