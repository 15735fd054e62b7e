"""Each form of ECS' `valueFrom`, and what is said of one that is wrong."""

from __future__ import annotations

import pytest

from containerapp.api.containerapp import ContainerApp
from containerapp.api.secrets import Parameter, Secret, Source, parse
from containerapp.errors import InvalidSpec
from tests.builders import an_app, app_manifest

_SM = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop/db-AbCdEf"
_PARAMETER = "arn:aws:ssm:eu-west-1:123456789012:parameter/shop/db"


@pytest.mark.parametrize(
    ("text", "source"),
    [
        (_SM, Secret(arn=_SM)),
        (_SM.replace("shop/", "rds!"), Secret(arn=_SM.replace("shop/", "rds!"))),
        (f"{_SM}:password::", Secret(arn=_SM, json_key="password")),
        (f"{_SM}:::", Secret(arn=_SM)),
        (f"{_SM}::AWSPREVIOUS:", Secret(arn=_SM, version_stage="AWSPREVIOUS")),
        (f"{_SM}:a key::9d4cb84b", Secret(arn=_SM, json_key="a key", version_id="9d4cb84b")),
        (_PARAMETER, Parameter(name=_PARAMETER)),
        (f"{_PARAMETER}:3", Parameter(name=_PARAMETER, selector="3")),
        ("db-password", Parameter(name="db-password")),
        ("/shop/prod/db_password", Parameter(name="/shop/prod/db_password")),
        ("/shop/prod/db.password:live", Parameter(name="/shop/prod/db.password", selector="live")),
    ],
)
def test_every_form_is_understood(text: str, source: Source) -> None:
    """Users paste from their task definitions."""
    app = an_app({"secrets": [{"name": "DB_PASSWORD", "valueFrom": text}]})
    assert app.spec.secrets[0].source == parse(text) == source


@pytest.mark.parametrize(
    "prefix",
    [
        "aws-cn:{}:cn-north-1",
        "aws-us-gov:{}:us-gov-west-1",
        "aws-iso-b:{}:us-isob-east-1",
        "aws-eusc:{}:eusc-de-east-1",
    ],
)
def test_every_partition_is_understood(prefix: str) -> None:
    """China, GovCloud, the isolated regions and the European Sovereign Cloud have ARNs of their own."""
    secret = f"arn:{prefix.format('secretsmanager')}:123456789012:secret:shop-AbCdEf"
    parameter = f"arn:{prefix.format('ssm')}:123456789012:parameter/shop"
    entries = [{"name": "A", "valueFrom": f"{secret}:key::"}, {"name": "B", "valueFrom": parameter}]
    found = [entry.source for entry in an_app({"secrets": entries}).spec.secrets]
    assert found == [Secret(arn=secret, json_key="key"), Parameter(name=parameter)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "arn:aws:secretsmanager:eu-west-1:ACCOUNT_ID:secret:shop",
            "replace placeholders such as ACCOUNT_ID",
        ),
        ("{{SECRETS_ARN}}:HOST::", "replace placeholders"),
        ("arn:aws:s3:::shop/env.json", "as in an ECS task definition"),
        ("", "as in an ECS task definition"),
        (f"{_SM}:password", "leave empty what does not matter"),
        (f"{_SM}:password:", "leave empty what does not matter"),
        (f"{_SM}:password:::", "leave empty what does not matter"),
        (f"{_SM}:password:AWSCURRENT:9d4cb84b", "keep one"),
        (f"{_PARAMETER}:1:2", "as in an ECS task definition"),
    ],
)
def test_a_wrong_form_is_refused_with_the_remedy(text: str, words: str) -> None:
    """The message stands in the answer of `kubectl apply`."""
    with pytest.raises(InvalidSpec) as refused:
        ContainerApp.parse(app_manifest({"secrets": [{"name": "DB_PASSWORD", "valueFrom": text}]}))
    assert words in refused.value.message
    assert "spec.secrets[0].valueFrom" in refused.value.message


def test_a_name_is_given_once() -> None:
    """Of two values one would be lost silently."""
    env, secret = {"name": "PORT", "value": "1"}, {"name": "PORT", "valueFrom": "port"}
    with pytest.raises(InvalidSpec, match="both env and secrets"):
        an_app({"env": [env], "secrets": [secret]})
