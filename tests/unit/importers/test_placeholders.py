"""What a pipeline would have filled in: `containerapp.importers.placeholders`."""

from __future__ import annotations

import json

import pytest

from containerapp.importers import placeholders


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("${TAG}", ["TAG"]),
        ("${TAG:-latest}", ["TAG"]),
        ("${{ env.TAG }}", ["env.TAG"]),
        ("{{ image }}:{{tag}}", ["image", "tag"]),
        ("{{ must_env `TAG` }}", ["TAG"]),
        ("$IMAGE", ["IMAGE"]),
        ("<IMAGE1_NAME>", ["IMAGE1_NAME"]),
        ("%TAG% @HOST@ __REGION__ __image__ __main__", ["TAG", "HOST", "REGION", "image"]),
        ("arn:aws:iam::YOUR_ACCOUNT:role/x", ["YOUR_ACCOUNT"]),
        ("arn:aws:ssm:region:ACCOUNT:parameter/x", ["region", "ACCOUNT"]),
        ("ACCOUNT_ID.dkr.ecr.REGION.amazonaws.com/shop:1", ["ACCOUNT_ID", "REGION"]),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop", []),
        ("arn:aws:secretsmanager:eu-west-1:123456789012:secret:x", []),
        ("costs $5, or <b", []),
        ("a" * 200_000, []),
    ],
)
def test_a_placeholder_has_the_name_by_which_its_value_is_given(text: str, names: list[str]) -> None:
    """One that is not seen ends up in a manifest."""
    assert placeholders.names(text) == names


def test_a_shell_expands_its_own_variables() -> None:
    """A command such as `echo $HOME` asks for no value; a placeholder of a template in it does."""
    tree = {"command": ["sh", "-c", "echo $HOME ${X} {{ tag }}"], "env": [{"value": "$HOME"}], "port": 80}
    assert placeholders.names(tree) == ["tag", "HOME"]


def test_values_take_the_places_of_their_placeholders() -> None:
    """What is not given stays as it is."""
    tree = {"image": "${REPO}:${TAG}", "port": 80, "list": ["<TAG>", None]}
    assert placeholders.fill(tree, {"TAG": "1.0"}) == {
        "image": "${REPO}:1.0",
        "port": 80,
        "list": ["1.0", None],
    }


def test_placeholders_without_quotes_become_texts() -> None:
    """A template is no JSON before it is filled in."""
    text = '{"memory": ${{RAM}}, "port": $PORT, "a": "${{RAM}} \\" $X", "image": {{ env "TAG" }}}'
    assert json.loads(placeholders.quoted(text)) == {
        "memory": "${{RAM}}",
        "port": "$PORT",
        "a": '${{RAM}} " $X',
        "image": "{{ env 'TAG' }}",
    }
