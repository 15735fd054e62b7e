"""What holds for any description of ECS, Batch or App Runner: an import ends in manifests or in a refusal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from containerapp.importers import apprunner, batch, ecs, writing
from containerapp.importers.source import Imported, Refusal
from containerapp.importers.wishes import Wishes
from tests.unit.importers.test_golden import CASES

_ODD: st.SearchStrategy[Any] = st.sampled_from(
    [
        *(
            None,
            "",
            0,
            -1,
            1.5,
            10**30,
            True,
            "x",
            "1e400",
            "${X}",
            "a b/c:é",
            "localhost:80",
            "arn:aws:iam::1:role/x",
        ),
        *(
            [],
            {},
            [1],
            [[]],
            [None],
            {"a": 1},
            {"name": None},
            [{"name": 1}],
            {"Ref": "X"},
            {"Fn::Join": [1]},
        ),
    ]
)
_BATCH = {
    "jobDefinitionName": "report",
    "parameters": {"day": "x"},
    "retryStrategy": {"attempts": 2, "evaluateOnExit": [{"onExitCode": "1", "action": "RETRY"}]},
    "containerProperties": {
        "image": "report:1",
        "vcpus": 1,
        "command": ["Ref::day"],
        "resourceRequirements": [{"type": "VCPU", "value": "1"}],
    },
    "eksProperties": {
        "podProperties": {
            "containers": [{"name": "a", "volumeMounts": [{"name": "v"}]}],
            "volumes": [{"name": "v"}],
        }
    },
}
_RUNNER = {
    "ServiceName": "shop",
    "SourceConfiguration": {
        "ImageRepository": {"ImageIdentifier": "shop:1", "ImageConfiguration": {"Port": "80"}}
    },
    "InstanceConfiguration": {"Cpu": "1 vCPU"},
    "HealthCheckConfiguration": {"Protocol": "HTTP", "Path": "/"},
}
_INPUTS = [
    *((ecs, json.loads(case.read_text())) for case in CASES if case.suffix == ".json"),
    *((batch, _BATCH), (apprunner, _RUNNER)),
]


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from _paths(each, (*path, key))


def _with(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    """Return the value with another one at a path."""
    if not path:
        return other
    first, *rest = path
    items = value.items() if isinstance(value, dict) else enumerate(value)
    changed = {key: _with(each, tuple(rest), other) if key == first else each for key, each in items}
    return changed if isinstance(value, dict) else list(changed.values())


@given(st.data())
def test_an_import_ends_in_manifests_or_a_refusal(data: st.DataObject) -> None:
    """Whatever a field holds, no traceback ends it; and the same input gives the same text."""
    importer, document = data.draw(st.sampled_from(_INPUTS))
    for _ in range(data.draw(st.integers(1, 3))):
        document = _with(document, data.draw(st.sampled_from(list(_paths(document)))), data.draw(_ODD))
    wishes = Wishes(split=data.draw(st.booleans()), job=data.draw(st.booleans()))

    def convert() -> Imported:
        made: Imported = importer.convert([("file", document)], wishes)
        return made

    try:
        made = convert()
    except Refusal:
        return
    text = writing.to_yaml(made.manifests, made, losses=True)
    again = convert()
    assert writing.to_yaml(again.manifests, again, losses=True) == text
