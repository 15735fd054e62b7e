"""What a model can promise beyond its types: rules that the API server and the operator check alike.

A `Rule` states one proposition twice, as CEL for the API server and as a predicate for Python, with one
message that names the remedy. Models carry their rules; `containerapp.api.crd` writes them into the
CustomResourceDefinition, and `ContainerApp.parse` upholds them for whatever did not pass an API server.
Nothing here knows a particular field.
"""

from __future__ import annotations

import ast
import inspect
import re
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from textwrap import dedent
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    ValidationError,
    create_model,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

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
        raise self.error()

    def error(self) -> PydanticCustomError:
        """What is said of a value for which the rule does not hold."""
        return PydanticCustomError("rule", "{message}", {"message": self.message, "path": self.path})

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


def docstrings_of(model: type[BaseModel]) -> dict[str, str]:
    """Return the docstrings below the fields of a model and of its bases, by the name of the field.

    Read from the source by those who write a schema. Pydantic reads them for each model as it is imported
    (`use_attribute_docstrings`), which is a quarter of what a start of the command line costs.
    """
    found: dict[str, str] = {}
    for each in reversed(model.__mro__):
        if issubclass(each, BaseModel) and each is not BaseModel:
            (parsed,) = ast.parse(dedent(inspect.getsource(each))).body
            assert isinstance(parsed, ast.ClassDef)  # noqa: S101 - the source of a class
            found |= dict(_docstrings(parsed))
    return found


def _docstrings(parsed: ast.ClassDef) -> Iterator[tuple[str, str]]:
    """Yield name and docstring of the annotated names that have one."""
    for field, below in pairwise(parsed.body):
        match field, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str() as text)),
            ):
                yield name, inspect.cleandoc(text)
            case _:
                continue


class ApiModel(BaseModel):
    """Base of every object of the API: camelCase outside, frozen, unknown fields refused, rules upheld."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_alias=True,
        validate_by_name=True,
        serialize_by_alias=True,
        extra="forbid",
        frozen=True,
    )
    rules: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="wrap")
    @classmethod
    def _uphold_rules(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        # The API server drops nulls before it applies defaults; so do we.
        if isinstance(data, dict) and None in data.values():
            data = {key: value for key, value in data.items() if value is not None}
        try:
            model = handler(data)
        except ValidationError as error:
            raise _with_rules(cls, data, error) from None
        if found := [_detail(rule.error(), data) for rule in _broken(cls.rules, model)]:
            raise ValidationError.from_exception_data(cls.__name__, found)
        return model

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        reference = handler(schema)
        written = handler.resolve_ref_schema(reference)
        properties, described = written.get("properties", {}), docstrings_of(cls)
        for name in cls.model_fields.keys() & described.keys():
            properties[cls.model_fields[name].alias or name]["description"] = described[name]
        if cls.rules:
            written[VALIDATIONS] = [rule.validation() for rule in cls.rules]
        return reference

    def dump(self) -> dict[str, Any]:
        """The object as it is written in a manifest: what was set, by its outside names."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _broken(rules: Iterable[Rule], model: ApiModel, *, sound: bool = True) -> Iterator[Rule]:
    """Yield the rules that do not hold.

    In a model that is not `sound` a rule that cannot be judged is left out: it reads a field that is wrong, or counts
    on another rule.
    """
    for rule in rules:
        try:
            holds = rule.holds(model)
        except Exception:
            if sound:
                raise
            continue
        if not holds:
            sound = False
            yield rule


def _with_rules(cls: type[ApiModel], data: Any, error: ValidationError) -> ValidationError:
    """Add the rules that do not hold whatever the wrong fields are meant to be, so that all is mended at once."""
    details = error.errors(include_url=False)
    found = [
        _detail(PydanticCustomError(each["type"], each["msg"], each.get("ctx")), each["input"], each["loc"])
        for each in details
    ]
    wrong = {each["loc"][0] for each in details if each["loc"]}
    if isinstance(data, dict) and wrong:
        unset = {name: field.alias for name, field in cls.model_fields.items() if wrong & {name, field.alias}}
        given = {key: data[key] for key in data.keys() - wrong - unset.keys() - {*unset.values()}}
        model = _without_rules(cls).model_validate(given)
        for name in unset:
            del model.__dict__[name]  # to read it is an AttributeError from now on
        found += [_detail(rule.error(), data) for rule in _broken(cls.rules, model, sound=False)]
    return ValidationError.from_exception_data(error.title, found)


@cache
def _without_rules(cls: type[ApiModel]) -> type[ApiModel]:
    """Return the model without its rules, in which no field is required."""
    optional: dict[str, Any] = {
        name: Annotated[field.annotation, *field.metadata, Field(default=None)]
        for name, field in cls.model_fields.items()
        if field.is_required()
    }
    return create_model(cls.__name__, __base__=cls, rules=(ClassVar[tuple[Rule, ...]], ()), **optional)


def _detail(error: PydanticCustomError, value: Any, place: tuple[int | str, ...] = ()) -> InitErrorDetails:
    return InitErrorDetails(type=error, loc=place, input=value)


class StatusModel(ApiModel):
    """Base of what the operator writes and reads back: a field that a newer operator wrote is ignored."""

    model_config = ConfigDict(extra="ignore")
