"""Secrets as an ECS task definition names them: `{name, valueFrom}`, with every form of `valueFrom`.

A group of fields of each container, and the one place that reads a `valueFrom`: the models check it by the rules
here, the renderers of both backends ask `parse`. What is named here is where a value is kept, never the value.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

from pydantic import Field

from containerapp.api.schema.rules import ApiModel, ListMap, Rule, matches

_ARN = r"arn:aws(-[a-z]+)*:{service}:[a-z]+(-[a-z]+)+-[0-9]+:[0-9]{{12}}:"
_SECRET = _ARN.format(service="secretsmanager") + r"secret:[-A-Za-z0-9/_+=.@!]+"
_PARAMETER = rf"({_ARN.format(service='ssm')}parameter/)?[-A-Za-z0-9_./]+(:[-A-Za-z0-9_.]+)?"
_PLAIN, _WITH_PART = 7, 10
"""Parts of the ARN of a secret, between its colons: without and with what ECS adds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A secret of AWS Secrets Manager, or one key of the JSON that it holds; AWSCURRENT unless a version is named."""

    arn: str
    json_key: str = ""
    version_stage: str = ""
    version_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter of AWS Systems Manager, by its name, path or ARN; `selector` is a version or a label of it."""

    name: str
    selector: str = ""


Source: TypeAlias = Secret | Parameter
"""Where a value is kept."""


def parse(value_from: str) -> Source:
    """Return what a `valueFrom` stands for, once the rules have let it through."""
    parts = value_from.split(":")
    if len(parts) < _PLAIN or parts[2] != "secretsmanager":
        return _parameter(value_from)
    json_key, stage, version = parts[_PLAIN:] or ("", "", "")
    return Secret(arn=":".join(parts[:_PLAIN]), json_key=json_key, version_stage=stage, version_id=version)


def _parameter(value_from: str) -> Parameter:
    prefix, slash, rest = value_from.partition(":parameter/")
    name, _, selector = (rest if slash else value_from).partition(":")
    return Parameter(name=f"{prefix}{slash}{name}" if slash else name, selector=selector)


def _is_secret(value_from: str) -> bool:
    return ":secretsmanager:" in value_from


ValueFrom = Annotated[
    str,
    Field(max_length=1200),
    matches(
        rf"{_SECRET}(:[^:]*)*|{_PARAMETER}",
        "valueFrom is written as in an ECS task definition: the ARN of a Secrets Manager secret, with or without"
        " :json-key:version-stage:version-id after it, or the name or ARN of an SSM parameter; replace placeholders"
        " such as ACCOUNT_ID",
    ),
    Rule(
        cel=f"!self.contains(':secretsmanager:') || self.split(':').size() in [{_PLAIN}, {_WITH_PART}]",
        holds=lambda text: not _is_secret(text) or len(text.split(":")) in {_PLAIN, _WITH_PART},
        message="valueFrom has one, two or more than three parts after the ARN of the secret: write all of"
        " :json-key:version-stage:version-id and leave empty what does not matter, as in"
        " secret:shop-db-AbCdEf:password::",
    ),
    Rule(
        cel=f"self.split(':').size() != {_WITH_PART} || self.split(':')[8] == '' || self.split(':')[9] == ''",
        holds=lambda text: len(text.split(":")) != _WITH_PART or "" in text.split(":")[8:],
        message="valueFrom names both a version stage and a version ID: keep one, and leave the other one empty",
    ),
]
SecretName = Annotated[
    str,
    Field(max_length=253),
    matches(
        r"[-._a-zA-Z0-9]+",
        "the name of a secret's variable has letters, digits, '_', '-' and '.' only, as in DB_PASSWORD",
    ),
]


class SecretVar(ApiModel):
    """An environment variable whose value is kept in AWS Secrets Manager or in the SSM Parameter Store."""

    name: SecretName
    """Name of the variable, for example `DB_PASSWORD`."""
    value_from: ValueFrom
    """Where the value is kept, as in an ECS task definition: the ARN of a Secrets Manager secret, with
    `:json-key:version-stage:version-id` after it for one key of its JSON or another version than the current one
    (parts may be empty, their colons stay), or the name, path or ARN of an SSM parameter."""

    @property
    def source(self) -> Source:
        """The parsed `value_from`."""
        return parse(self.value_from)


SecretVars = Annotated[tuple[SecretVar, ...], Field(max_length=128), ListMap("name")]


def _names(items: Iterable[Any]) -> set[str]:
    return {item.name for item in items}


SECRET_RULES: tuple[Rule, ...] = (
    Rule(
        cel="!has(self.env) || !has(self.secrets)"
        " || !sets.intersects(self.env.map(each, each.name), self.secrets.map(each, each.name))",
        holds=lambda container: _names(container.env).isdisjoint(_names(container.secrets)),
        message="a name stands in both env and secrets: remove one of the two",
        path=".secrets",
    ),
)
"""Rules of everything that has `env` and `secrets`."""
