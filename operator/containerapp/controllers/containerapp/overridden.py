"""The condition Overridden: which fields of which children the app's overrides change. Pure.

Asked by the status. It names fields and never their values, which may be secret.
"""

from __future__ import annotations

from collections.abc import Iterator

from containerapp.controllers.containerapp.facts import Facts
from containerapp.controllers.overrides import overridden_fields
from containerapp.controllers.workloads.concerns import Concern
from containerapp.core.conditions import Condition

_MOST = 20
"""Fields of one kind that the message names."""


def overridden(facts: Facts) -> Iterator[Concern]:
    """Yield the condition for an app that has overrides."""
    fields = overridden_fields(facts.app)
    if not fields:
        return
    made = {ref.kind for ref in facts.view.live}
    changes = "; ".join(f"{kind}: {_listed(paths)}" for kind, paths in fields.items())
    idle = [f" There is no {kind} to change." for kind in fields if kind not in made]
    message = f"spec.overrides change {changes}.{''.join(idle)}"
    yield Concern(condition=Condition(type="Overridden", status="True", reason="Patched", message=message))


def _listed(paths: list[str]) -> str:
    more = len(paths) - _MOST
    return ", ".join(paths[:_MOST]) + (f" and {more} more" if more > 0 else "")
