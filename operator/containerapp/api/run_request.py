"""A run on demand: what the annotation `run.containerapp.dev/<name>` of a ContainerJob asks for, as JSON.

Each such annotation is one run, whatever its value: two of them that are written at the same moment are two runs. An
empty value asks for a run as the spec says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Self

from pydantic import Field, ValidationError

from containerapp.api.batch import INDEXES
from containerapp.api.schema.fields import Text
from containerapp.api.schema.problems import describe
from containerapp.api.schema.rules import ApiModel, matches
from containerapp.errors import InvalidSpec

PREFIX = "run.containerapp.dev/"
FAILED = "failed"


class RunRequest(ApiModel):
    """What one run has instead of what the spec says."""

    args: Annotated[tuple[Text, ...], Field(max_length=1024)] | None = None
    """Arguments of this run."""
    env: Annotated[dict[str, Text], Field(max_length=128)] = Field(default_factory=dict)
    """Further environment variables, and other values for those of the spec."""
    parameters: Annotated[dict[str, Text], Field(max_length=64)] = Field(default_factory=dict)
    """Values for the words `Ref::<name>`."""
    indexes: (
        Annotated[
            str,
            Field(min_length=1, max_length=4096),
            matches(f"{FAILED}|{INDEXES}", f"must be {FAILED}, or indexes in order, as in 3,7-9"),
        ]
        | None
    ) = None
    """Indexes of the array that run: `failed` are those that have not succeeded in the newest run. Default: all."""

    @classmethod
    def parse(cls, token: str, text: str) -> Self:
        """Read the value of an annotation; `InvalidSpec` says what is wrong with it."""
        try:
            return cls.model_validate_json(text or "{}", by_alias=True, by_name=False)
        except ValidationError as error:
            raise InvalidSpec(
                "InvalidRunRequest",
                f"The annotation {PREFIX}{token} asks for no run: {describe(error)}. Write JSON as in"
                ' {"args": ["--full"], "env": {"DAY": "monday"}, "parameters": {"input": "a"}}, or nothing',
            ) from None


def tokens(annotations: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the names of the runs that are asked for, in order, with the values of their annotations."""
    for key in sorted(annotations):
        if key.startswith(PREFIX):
            yield key.removeprefix(PREFIX), annotations[key]
