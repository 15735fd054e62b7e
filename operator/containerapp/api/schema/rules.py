"""What a model can promise beyond its types: rules that the API server and the operator check alike.

A `Rule` states one proposition twice, as CEL for the API server and as a predicate for Python, with one
message that names the remedy. Models carry their rules; `containerapp.api.crd` writes them into the
CustomResourceDefinition, and `ContainerApp.parse` upholds them for whatever did not pass an API server.
Nothing here knows a particular field.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic.json_schema import JsonSchemaValue

VALIDATIONS = "x-kubernetes-validations"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One proposition about a value, for a field (`Annotated[..., Rule]`) or an object (`ApiModel.rules`).

    `path` says which field below the value an error is shown at (CEL's `fieldPath`), such as `.ports`.
    `pattern` additionally goes into the schema, for editors that know nothing of CEL.
    """

    cel: str
    holds: Callable[[Any], bool]
    message: str
    path: str = ""
    pattern: str = ""

    def validation(self) -> dict[str, str]:
        """The rule as an entry of `x-kubernetes-validations`."""
        entry = {"rule": self.cel, "message": self.message}
        return entry | {"fieldPath": self.path} if self.path else entry

    def check(self, value: Any) -> Any:
        """The value itself, or an error that carries the rule's message."""
        if self.holds(value):
            return value
        raise PydanticCustomError("rule", "{message}", {"message": self.message, "path": self.path})

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        written = handler(schema)
        if self.pattern:
            written["pattern"] = self.pattern
        return written | {VALIDATIONS: [*written.get(VALIDATIONS, []), self.validation()]}


def matches(pattern: str, message: str) -> Rule:
    """The whole text matches the pattern, which is RE2 without the anchors."""
    anchored = f"^(?:{pattern})$"
    compiled = re.compile(pattern)
    return Rule(
        cel=f'self.matches(r"{anchored}")',
        holds=lambda text: compiled.fullmatch(text) is not None,
        message=message,
        pattern=anchored,
    )


def never(pattern: str, message: str) -> Rule:
    """No part of the text matches the pattern."""
    compiled = re.compile(pattern)
    return Rule(
        cel=f'!self.matches(r"{pattern}")',
        holds=lambda text: compiled.search(text) is None,
        message=message,
    )


@dataclass(frozen=True, slots=True)
class ListMap:
    """A list whose items differ in one field: merged by it in server-side apply, unique in it."""

    key: str

    def check(self, items: tuple[Any, ...]) -> tuple[Any, ...]:
        """The items themselves, or an error that names the first duplicate."""
        seen: set[str] = set()
        for item in items:
            value = getattr(item, self.key)
            if value in seen:
                message = f"Duplicate value: {self.key} {value!r} is used twice; rename or remove one of them"
                raise PydanticCustomError("rule", "{message}", {"message": message, "path": ""})
            seen.add(value)
        return items

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        kind = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [self.key]}
        return handler(schema) | kind


def is_empty(value: Any) -> bool:
    """Whether Kubernetes would drop the value when it writes the object: for `Field(exclude_if=...)`."""
    return not value


class ApiModel(BaseModel):
    """Base of every object of the API: camelCase outside, frozen, unknown fields refused, rules upheld."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_alias=True,
        validate_by_name=True,
        serialize_by_alias=True,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
    )
    rules: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="wrap")
    @classmethod
    def _uphold_rules(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        # The API server drops nulls before it applies defaults; so do we.
        if isinstance(data, dict) and None in data.values():
            data = {key: value for key, value in data.items() if value is not None}
        model = handler(data)
        for rule in cls.rules:
            rule.check(model)
        return model

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        reference = handler(schema)
        if cls.rules:
            written = handler.resolve_ref_schema(reference)
            written[VALIDATIONS] = [rule.validation() for rule in cls.rules]
        return reference

    def dump(self) -> dict[str, Any]:
        """The object as it is written in a manifest: what was set, by its outside names."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)
