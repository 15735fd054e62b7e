"""What a manifest of Copilot says for one environment: `environments.NAME` laid over the rest.

As Copilot merges: maps by their keys, everything else replaced. Of alternatives, the one that the environment names
replaces the other: `image.location` and `image.build`, a number of tasks and a range. Pure and total.
"""

from __future__ import annotations

from typing import Any

from containerapp.importers.documents import Tagged

_ALTERNATIVES = (
    {"location", "build"},
    {"from_cfn", "secretsmanager"},
    {"id", "uid"},
    {"spot", "range"},
    {"spot", "cpu_percentage"},
    {"spot", "memory_percentage"},
)


def names(manifest: Any) -> list[str]:
    """Return the names of the environments that the manifest has something for."""
    environments = manifest.get("environments") if isinstance(manifest, dict) else None
    return [str(name) for name in environments] if isinstance(environments, dict) else []


def for_environment(manifest: dict[str, Any], environment: str | None) -> dict[str, Any]:
    """Return the manifest as it is for an environment; as it is for those without a word of their own with None."""
    base = {key: value for key, value in manifest.items() if key != "environments"}
    environments = manifest.get("environments")
    override = environments.get(environment) if isinstance(environments, dict) else None
    merged: dict[str, Any] = untagged(_merged(base, override or {}))
    return merged


def _merged(base: Any, override: Any) -> Any:
    if not (isinstance(base, dict) and isinstance(override, dict)):
        return base if override is None else override
    dropped = {
        key
        for pair in _ALTERNATIVES
        for key in pair & base.keys()
        if pair & override.keys() and key not in override
    }
    kept = {key: value for key, value in base.items() if key not in dropped}
    return {**kept, **{key: _merged(kept.get(key), value) for key, value in override.items()}}


def untagged(value: Any) -> Any:
    """Return a tree with tags of YAML, such as `!GetAtt`, as maps: a function of CloudFormation, which is no value."""
    match value:
        case dict():
            return {key: untagged(inner) for key, inner in value.items()}
        case list():
            return [untagged(inner) for inner in value]
        case Tagged(tag, inner):
            return {tag: untagged(inner)}
        case _:
            return value
