"""What the tests of the ECS importer share: a small task and service, and what becomes of them."""

from __future__ import annotations

from typing import Any

from containerapp.importers import ecs
from containerapp.importers.manifest import check
from containerapp.importers.source import UNKNOWN, Imported
from containerapp.importers.wishes import Wishes

ROLE = "arn:aws:iam::123456789012:role/shop"
SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop-AbCdEf"  # noqa: S105 - an ARN
CLUSTER = "arn:aws:ecs:eu-west-1:123456789012:"


def container(**fields: Any) -> dict[str, Any]:
    """Return a container definition."""
    return {"name": "web", "image": "shop:1", **fields}


def task(*containers: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return a task definition of the family `shop`."""
    return {"family": "shop", "containerDefinitions": list(containers or [container()]), **fields}


def convert(*documents: Any, **wishes: Any) -> Imported:
    """Import documents; the API takes what becomes of them, and nothing of them is unknown."""
    made = ecs.convert([(f"file{index}", each) for index, each in enumerate(documents)], Wishes(**wishes))
    check(made)
    assert [loss.path for loss in made.losses if loss.reason == UNKNOWN] == []
    return made


def apps(made: Imported) -> list[dict[str, Any]]:
    """Return the apps and jobs that were made."""
    return [each for each in made.manifests if each["apiVersion"].startswith("containerapp.dev/")]


def spec(*documents: Any, **wishes: Any) -> dict[str, Any]:
    """Return the spec of the only app."""
    (app,) = apps(convert(*documents, **wishes))
    found: dict[str, Any] = app["spec"]
    return found


def own(**fields: Any) -> dict[str, Any]:
    """Return what becomes of a container's fields, without its image."""
    return {key: value for key, value in spec(task(container(**fields))).items() if key != "image"}


def lost(**fields: Any) -> list[str]:
    """Return which fields of a container are listed."""
    return [
        loss.path.removeprefix("containerDefinitions[0].")
        for loss in convert(task(container(**fields))).losses
    ]
