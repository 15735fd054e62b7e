"""A plan as text, JSON and Markdown."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click

from containerapp.cli.planning import Action, AppPlan, ObjectPlan, PodsPlan
from containerapp.cli.prices import BUILT_IN
from containerapp.core.changes import FieldChange

_SIGNS = {Action.CREATE: ("+", "green"), Action.CHANGE: ("~", "yellow"), Action.DELETE: ("-", "red")}
_DONE = {
    Action.CREATE: "created",
    Action.CHANGE: "changed",
    Action.DELETE: "deleted",
    Action.NONE: "unchanged",
}
_LONGEST = 100


def text(plans: Sequence[AppPlan]) -> str:
    """Each object that changes with its fields, then what becomes of the Pods."""
    return "\n".join(line for plan in plans for line in _app(plan)) + f"\n{summary(plans)}"


def summary(plans: Sequence[AppPlan]) -> str:
    """One line over all apps."""
    counts = Counter(each.action for plan in plans for each in (plan.app, *plan.children))
    if all(plan.empty for plan in plans):
        return "No changes."
    shown = (Action.CREATE, Action.CHANGE, Action.DELETE)
    restarts = sum(plan.pods.before for plan in plans if plan.pods.restart)
    parts = ", ".join(f"{counts[action]} {_DONE[action]}" for action in shown)
    return f"Objects: {parts}. Pods that restart: {restarts}."


def as_json(plans: Sequence[AppPlan]) -> str:
    """Everything, for scripts."""
    document = {"changes": not all(plan.empty for plan in plans), "apps": [_json(plan) for plan in plans]}
    return json.dumps(document, indent=2, ensure_ascii=False)


def markdown(plans: Sequence[AppPlan]) -> str:
    """A comment for a pull request."""
    lines: list[str] = []
    for plan in plans:
        lines += [
            f"### {plan.key.kind} `{plan.key.namespace}/{plan.key.name}`",
            "",
            f"**{pods(plan.pods)}**",
            "",
        ]
        if said := cost(plan):
            lines += [said, ""]
        if plan.problem:
            lines += [f"> {plan.problem}", ""]
        changed = [each for each in (plan.app, *plan.children) if each.action is not Action.NONE]
        if not changed:
            lines += ["No changes.", ""]
            continue
        lines += ["```diff", *(line for each in changed for line in _diff(each)), "```", ""]
    return "\n".join([*lines, summary(plans)])


RENDERERS: dict[str, Callable[[Sequence[AppPlan]], str]] = {
    "text": text,
    "json": as_json,
    "markdown": markdown,
}


def pods(plan: PodsPlan) -> str:
    """Say in one sentence what becomes of the Pods."""
    if plan.restart:
        how = "all at once" if plan.strategy == "Recreate" else "one after another"
        verb = "restarts" if plan.before == 1 else "restart"
        scaled = f", and {plan.after} run afterwards" if plan.after != plan.before else ""
        return f"{_number(plan.before)} {verb}, {how}{scaled}."
    if plan.resize:
        return f"{_number(plan.before)}: resized in place where the nodes allow it, else restarted."
    if plan.before == plan.after:
        return "No Pod restarts."
    count = abs(plan.after - plan.before)
    verb = ("start" if plan.after > plan.before else "end") + ("s" if count == 1 else "")
    return f"{_number(count)} {verb} ({plan.before} → {plan.after}); no other Pod restarts."


def cost(plan: AppPlan) -> str:
    """Say in one sentence what becomes of the estimated cost; nothing where it stays."""
    before, after = plan.cost
    if str(before) == str(after):
        return ""
    table = f"prices of {BUILT_IN.region}, {BUILT_IN.as_of}"
    return f"Estimated cost a month: {before} → {after} ({table}; not a bill)."


def _number(count: int) -> str:
    return "1 Pod" if count == 1 else f"{count} Pods"


def _app(plan: AppPlan) -> Iterator[str]:
    where = f" in {plan.key.namespace}"
    yield from _object(plan.app, where)
    for child in plan.children:
        if child.action is not Action.NONE:
            yield from _object(child, "")
    yield f"  {pods(plan.pods)}"
    if said := cost(plan):
        yield f"  {said}"
    if plan.problem:
        yield click.style(f"  {plan.problem}", fg="red")
    yield ""


def _object(plan: ObjectPlan, where: str) -> Iterator[str]:
    sign, colour = _SIGNS.get(plan.action, (" ", None))
    yield click.style(f"{sign} {plan.kind} {plan.name}{where}: {_DONE[plan.action]}", fg=colour, bold=True)
    if plan.action is Action.CHANGE:
        for field in plan.fields:
            yield f"    {field.path}: {_change(plan, field)}"


def _change(plan: ObjectPlan, field: FieldChange) -> str:
    before, after = (_value(plan, field.path, value) for value in (field.before, field.after))
    if field.before is None:
        return f"{click.style('+', fg='green')} {after}"
    if field.after is None:
        return f"{click.style('-', fg='red')} {before}"
    return f"{before} → {after}"


def _value(plan: ObjectPlan, path: str, value: Any) -> str:
    """Return a value on one line; what a Secret holds stays hidden."""
    if plan.kind == "Secret" and path.partition(".")[0] in {"data", "stringData"}:
        return "(hidden)"
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"


def _diff(plan: ObjectPlan) -> Iterator[str]:
    sign = {Action.CREATE: "+", Action.DELETE: "-"}.get(plan.action, "!")
    yield f"{sign} {plan.kind} {plan.name}: {_DONE[plan.action]}"
    if plan.action is Action.CHANGE:
        for field in plan.fields:
            if field.before is not None:
                yield f"-   {field.path}: {_value(plan, field.path, field.before)}"
            if field.after is not None:
                yield f"+   {field.path}: {_value(plan, field.path, field.after)}"


def _json(plan: AppPlan) -> dict[str, Any]:
    return {
        "kind": plan.key.kind,
        "namespace": plan.key.namespace,
        "name": plan.key.name,
        "action": plan.app.action.value,
        "fields": _fields(plan.app),
        "objects": [
            {"kind": each.kind, "name": each.name, "action": each.action.value, "fields": _fields(each)}
            for each in plan.children
        ],
        "pods": {
            "before": plan.pods.before,
            "after": plan.pods.after,
            "restart": plan.pods.restart,
            "resize": plan.pods.resize,
            "strategy": plan.pods.strategy,
        },
        "problem": plan.problem,
        "cost": {
            when: {"least": cost.least, "most": cost.most}
            for when, cost in zip(("before", "after"), plan.cost, strict=True)
        },
    }


def _fields(plan: ObjectPlan) -> list[dict[str, Any]]:
    hidden = plan.kind == "Secret"
    return [
        {"path": field.path} if hidden else {"path": field.path, "before": field.before, "after": field.after}
        for field in plan.fields
    ]
