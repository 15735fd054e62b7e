"""How rules travel with the models: `containerapp.api.schema.rules`."""

from __future__ import annotations

from typing import Annotated, ClassVar

import pytest
from pydantic import TypeAdapter, ValidationError

from containerapp.api.schema.rules import VALIDATIONS, ApiModel, ListMap, Rule, matches, never

EVEN = Rule(cel="self % 2 == 0", holds=lambda number: number % 2 == 0, message="must be even: add 1")


class _Pair(ApiModel):
    """Two numbers."""

    first_number: Annotated[int, EVEN]
    """The first."""
    second: int = 0
    """The second."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="self.firstNumber >= self.second",
            holds=lambda pair: pair.first_number >= pair.second,
            message="second is above firstNumber: lower it",
            path=".second",
        ),
    )


def test_a_rule_is_upheld_and_written_into_the_schema() -> None:
    """One declaration serves the operator and the API server."""
    adapter: TypeAdapter[int] = TypeAdapter(Annotated[int, EVEN])
    assert adapter.validate_python(2) == 2
    with pytest.raises(ValidationError, match="must be even: add 1"):
        adapter.validate_python(3)
    assert adapter.json_schema()[VALIDATIONS] == [{"rule": "self % 2 == 0", "message": "must be even: add 1"}]


def test_rules_of_one_field_add_up() -> None:
    """A second rule does not replace the first."""
    adapter: TypeAdapter[str] = TypeAdapter(Annotated[str, matches("[a-z]*", "lower"), never("x", "no x")])
    schema = adapter.json_schema()
    assert [rule["message"] for rule in schema[VALIDATIONS]] == ["lower", "no x"]
    assert schema["pattern"] == "^(?:[a-z]*)$"


@pytest.mark.parametrize("text", ["abc\n", "abc d", "", "Abc"])
def test_a_pattern_matches_the_whole_text(text: str) -> None:
    """A line break at the end is no end, as in RE2."""
    adapter: TypeAdapter[str] = TypeAdapter(Annotated[str, matches("[a-z]+", "letters")])
    with pytest.raises(ValidationError, match="letters"):
        adapter.validate_python(text)


def test_a_rule_of_an_object_sees_all_its_fields() -> None:
    """And says at which of them it is to be mended."""
    assert _Pair(first_number=2, second=1).second == 1
    with pytest.raises(ValidationError) as caught:
        _Pair.model_validate({"firstNumber": 2, "second": 3})
    [error] = caught.value.errors()
    assert error["ctx"]["path"] == ".second"
    assert _Pair.model_json_schema()[VALIDATIONS] == [
        {
            "rule": "self.firstNumber >= self.second",
            "message": "second is above firstNumber: lower it",
            "fieldPath": ".second",
        }
    ]


class _Chain(ApiModel):
    """The second rule counts on the first one."""

    divisor: int

    rules = (
        Rule(cel="self.divisor != 0", holds=lambda chain: chain.divisor != 0, message="not by zero"),
        Rule(cel="10 / self.divisor > 2", holds=lambda chain: 10 / chain.divisor > 2, message="too much"),
    )


def test_a_rule_that_counts_on_another_one_is_judged_once_that_holds() -> None:
    """Otherwise a mistake of the user would look like one of ours."""
    with pytest.raises(ValidationError, match="1 validation error") as caught:
        _Chain(divisor=0)
    assert [each["msg"] for each in caught.value.errors()] == ["not by zero"]
    with pytest.raises(ValidationError, match="too much"):
        _Chain(divisor=10)


def test_a_rule_that_fails_on_a_right_object_is_a_bug() -> None:
    """It is not passed over as if it held."""

    class Broken(ApiModel):
        rules = (Rule(cel="true", holds=lambda _: 1 / 0 > 0, message="never said"),)

    with pytest.raises(ZeroDivisionError):
        Broken()


def test_a_wrong_field_hides_only_the_rules_that_read_it() -> None:
    """So that a person mends an object at once; a field that must be there may be missing."""

    class Triple(_Pair):
        third: int = 0

        rules = (*_Pair.rules, Rule(cel="self.third < 5", holds=lambda it: it.third < 5, message="small"))

    def said(**given: object) -> list[str]:
        with pytest.raises(ValidationError) as caught:
            Triple.model_validate(given)
        return [each["msg"] for each in caught.value.errors()]

    assert said(second=3, third=7) == ["Field required", "small"]
    assert said(first_number=3, second=4, third=7) == ["must be even: add 1", "small"]
    assert said(firstNumber=2, second="x", third=7)[1:] == ["small"]
    assert said(firstNumber=2, second=4, third=7, x=1)[1:] == [_Pair.rules[0].message, "small"]


def test_a_copy_of_an_object_is_checked_like_the_object() -> None:
    """An instance may stand where a manifest's part would."""
    pair = _Pair(first_number=2)
    assert _Pair.model_validate(pair) == pair


def test_an_object_is_written_as_it_was_set() -> None:
    """Defaults stay the API server's to fill in."""
    assert _Pair(first_number=2).dump() == {"firstNumber": 2}


def test_a_list_map_refuses_a_second_item_of_the_same_key() -> None:
    """As the API server does, with a word on what to do."""
    adapter: TypeAdapter[tuple[_Pair, ...]] = TypeAdapter(
        Annotated[tuple[_Pair, ...], ListMap("first_number")]
    )
    assert len(adapter.validate_python([{"firstNumber": 2}, {"firstNumber": 4}])) == 2
    with pytest.raises(ValidationError, match="first_number 2 is used twice; rename or remove one of them"):
        adapter.validate_python([{"firstNumber": 2}, {"firstNumber": 2}])
