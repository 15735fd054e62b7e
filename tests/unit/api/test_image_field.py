"""The grammar of `spec.image` in the schema against the operator's own: neither accepts what the other refuses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from containerapp.api import images
from containerapp.api.schema.fields import Image
from containerapp.errors import InvalidSpec

FIELD: TypeAdapter[str] = TypeAdapter(Image)
HOST = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
PARTS = st.sampled_from(
    ["a", "shop", "Team", "1.4.2", "9", "localhost", "ghcr.io", "-", "_", ".", ":", "/", "@"]
)


def _field_accepts(text: str) -> bool:
    try:
        FIELD.validate_python(text)
    except ValidationError:
        return False
    return True


def _operator_accepts(text: str) -> bool:
    try:
        images.parse(text, default_registry="registry.example.com")
    except InvalidSpec:
        return False
    return True


@pytest.mark.parametrize(
    "text",
    [
        "shop",
        "shop:1.4.2",
        "team/shop:1.4.2",
        f"{HOST}/team/shop:1.4.2",
        f"shop@sha256:{'0a' * 32}",
        f"{HOST}/shop:1@sha512:{'0a' * 64}",
        "localhost/shop",
        "localhost:5000/shop:V1_2-x",
        "Registry.Example.COM/shop",
        "[::1]:5000/shop:1",
        "a__b/c-d/e--f.g:latest",
    ],
)
def test_a_reference_is_accepted_by_both(text: str) -> None:
    """These are all the ways to write one."""
    assert _field_accepts(text)
    assert _operator_accepts(text)


@given(st.lists(PARTS, max_size=12).map("".join))
def test_what_one_refuses_the_other_refuses(text: str) -> None:
    """Checked on text that is made of a reference's own parts."""
    assert _field_accepts(text) == _operator_accepts(text)
