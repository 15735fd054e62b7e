"""The kinds that the commands know: those of CONTROLLERS, by kind, plural or short name, with or without the group."""

from __future__ import annotations

from containerapp.api.crd import Definition
from containerapp.api.schema import GROUP
from containerapp.cli.exits import USAGE, Failure
from containerapp.controllers import CONTROLLERS
from containerapp.core.model import Controller, Manifest


def controller_of(manifest: Manifest) -> Controller | None:
    """Return the controller of a manifest's kind; None where the kind is not ours."""
    named = (manifest.get("apiVersion"), manifest.get("kind"))
    return next(
        (each for each in CONTROLLERS if (each.resource.api_version, each.resource.kind) == named), None
    )


def definition_of(kind: str) -> Definition:
    """Return the definition of a kind that the user has named in any of its ways."""
    return controller_named(kind).definition


def controller_named(kind: str) -> Controller:
    """Return the controller of a kind that the user has named; without a name, that of apps."""
    for controller in CONTROLLERS:
        known = controller.definition
        named = kind.lower().removesuffix(f".{GROUP}")
        if named in {known.kind.lower(), known.plural, known.short_name} or not kind:
            return controller
    kinds = ", ".join(each.definition.kind for each in CONTROLLERS)
    raise Failure(f"There is no kind {kind!r} here. Known: {kinds}.", USAGE)
