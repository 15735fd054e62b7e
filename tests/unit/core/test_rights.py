"""The rights of the operator follow from its controllers: `containerapp.core.rights`."""

from __future__ import annotations

from pathlib import Path

import yaml

from containerapp.controllers import CONTROLLERS
from containerapp.core.rights import rules
from tests.kinds.toy import GREETING

_CHART = Path(__file__).parents[3] / "charts" / "containerapp-operator"


def test_a_kind_brings_its_rules() -> None:
    """Its objects are read, their status is written, and its children are the operator's."""
    read = ["get", "list", "watch"]
    assert rules([GREETING]) == [
        {"apiGroups": ["containerapp.dev"], "resources": ["greetings"], "verbs": read},
        {"apiGroups": ["containerapp.dev"], "resources": ["greetings/status"], "verbs": ["patch"]},
        {"apiGroups": ["containerapp.dev"], "resources": ["greetings/finalizers"], "verbs": ["update"]},
        {
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "verbs": [*read, "create", "patch", "delete"],
        },
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
        {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "list"]},
    ]


def test_the_chart_has_the_rules_of_these_controllers() -> None:
    """`make generate` writes them."""
    assert yaml.safe_load((_CHART / "files" / "rules.yaml").read_text()) == rules(CONTROLLERS)
