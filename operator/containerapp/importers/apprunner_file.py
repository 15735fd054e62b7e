"""`apprunner.yaml`, which App Runner reads from a repository, to a ContainerApp; the image is yet to be built."""

from __future__ import annotations

from containerapp.importers import commands
from containerapp.importers.manifest import Draft
from containerapp.importers.naming import object_name
from containerapp.importers.source import Source
from containerapp.importers.wishes import Wishes

_BUILD = (
    "App Runner builds the image from source: do it in a Dockerfile, push the image, and name it by --image"
)


def draft(root: Source, wishes: Wishes) -> Draft:
    """Return the app that a file describes."""
    app = Draft(name=object_name(wishes.name or "app"), namespace=wishes.namespace)
    run = root.at("run")
    app.put("image", wishes.image_of(app.name, Source(None, "image", root.ledger), own=True))
    port = run.at("network").at("port")
    number = port.number(8080)
    app.put("port", number)
    before = run.at("pre-run").texts()
    run.at("pre-run").note("runs at each start: better do it in the Dockerfile")
    app.put(
        "command", commands.words(" && ".join([*before, "exec " * bool(before) + run.at("command").text()]))
    )
    named = run.at("network").at("env").text()
    variables = [app.variable(item.at("name").text(), item.at("value")) for item in run.at("env").items()]
    app.put("env", [*variables, *([{"name": named, "value": str(number)}] if named else [])])
    secrets = [
        {"name": item.at("name").text(), "valueFrom": item.at("value-from").text()}
        for item in run.at("secrets").items()
    ]
    app.put("secrets", secrets)
    app.put("expose", {"public": True, "via": "alb"})
    root.at("version").take()
    for part in (root.at("runtime"), root.at("build"), run.at("runtime-version")):
        part.lose(_BUILD)
    return app
