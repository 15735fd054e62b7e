"""What the operator's image holds of others: a bill of materials for machines, and a notice of licences for people.

Both come from the lock file, and the licences from the metadata of the packages that are installed here. The packages
of the base image are not in them: the base is named by its digest.
"""

from __future__ import annotations

import json
import subprocess
import uuid
from importlib import metadata
from pathlib import Path
from typing import Any

_EXPORT = ("export", "--frozen", "--quiet", "--no-dev", "--no-emit-project", "--format", "cyclonedx1.5")
_HEAD = """\
containerapp-operator

The operator is licensed under the Apache License, Version 2.0: see LICENSE.
Its image holds the Python packages below, each under its own licence, whose text stands in the package's
*.dist-info folder in the image; and the packages of its base image, whose licences stand in /usr/share/doc there.
Written by `make notice`.

"""


def sbom(uv: Path) -> str:
    """Return the bill of materials: the same text for the same lock file."""
    bill = _bill(uv)
    components = [_with_licence(component) for component in bill["components"]]
    bill["metadata"].pop("timestamp")
    identity = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(components, sort_keys=True))
    return (
        json.dumps({**bill, "serialNumber": f"urn:uuid:{identity}", "components": components}, indent=2)
        + "\n"
    )


def notice(uv: Path) -> str:
    """Return the name, the version and the licence of each package."""
    found = [
        (component["name"], component["version"], licence)
        for component in _bill(uv)["components"]
        if (licence := _licence(component["name"])) is not None
    ]
    return _HEAD + "".join(f"{name} {version}: {licence}\n" for name, version, licence in sorted(found))


def _bill(uv: Path) -> dict[str, Any]:
    done = subprocess.run([str(uv), *_EXPORT], stdout=subprocess.PIPE, check=True, timeout=60)
    return dict(json.loads(done.stdout))


def _with_licence(component: dict[str, Any]) -> dict[str, Any]:
    licence = _licence(component["name"])
    return component | ({"licenses": [{"license": {"name": licence}}]} if licence else {})


def _licence(name: str) -> str | None:
    """Return what the installed package says of its licence; None where it is not installed on this platform."""
    try:
        about = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return None
    classified = [
        text.rpartition(" :: ")[2]
        for text in about.get_all("Classifier") or []
        if text.startswith("License :: ") and text != "License :: OSI Approved"
    ]
    expression, stated = (
        next(iter(about.get_all(key) or []), "") for key in ("License-Expression", "License")
    )
    return expression or ", ".join(sorted(classified)) or stated.partition("\n")[0] or "see the package"
