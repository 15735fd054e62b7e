"""The program of a service: image, command, environment, health."""

from __future__ import annotations

import re
from typing import Any

from containerapp.importers.compose.parts import Part, seconds
from containerapp.importers.compose.project import VariablesMissing
from containerapp.importers.compose.variables import Variables, parse_env, parse_raw_env
from containerapp.importers.probes import handler, probe
from containerapp.importers.source import Source
from containerapp.importers.units import words

_PULL = {"always": "Always", "missing": None, "if_not_present": None, "never": "Never"}
ARCHITECTURES = {"amd64": "amd64", "x86_64": "amd64", "arm64": "arm64", "aarch64": "arm64"}

_OF_THE_CALLER = "its value is that of the caller's environment: give it by --set {name}=…"


def process(part: Part) -> None:
    """Carry what runs in the container."""
    service = part.service
    _image(part)
    _command(part)
    part.put("workingDir", service.at("working_dir").text())
    for key, name in (("stdin_open", "stdin"), ("tty", "tty")):
        part.put(name, service.at(key).flag() or None)
    _environment(part)
    _health(part)


def _image(part: Part) -> None:
    service = part.service
    only = len(part.model.names) == 1 or part.name == part.model.alone
    part.put("image", part.model.wishes.image_of(part.name, service.at("image"), own=only))
    service.at("build").lose(
        "nothing is built in the cluster: build the image in your pipeline, push it, and name it by its tag"
    )
    policy = service.at("pull_policy")
    if str(policy.value) in _PULL:
        part.put("imagePullPolicy", _PULL[policy.text()])
    else:
        policy.lose(
            "images run by the digest that their tag has when `image` changes; change the tag to pull"
        )
    _platform(part)


def _platform(part: Part) -> None:
    platform = part.service.at("platform")
    system, _, rest = str(platform.value or "").partition("/")
    architecture = ARCHITECTURES.get(rest.partition("/")[0])
    if system != "linux" or architecture is None or part.sidecar:
        platform.lose("nodes run linux/amd64 or linux/arm64: build the image for one of them")
        return
    platform.take()
    part.merge("placement", {"architectures": [architecture]})


def _command(part: Part) -> None:
    """Carry entrypoint and command. One that is empty takes the image's away, which Kubernetes cannot."""
    entrypoint, command = part.service.at("entrypoint"), part.service.at("command")
    program, arguments = _words(entrypoint), _words(command)
    if _is_cleared(entrypoint):
        program, arguments = arguments, []
        if not program:
            entrypoint.ledger.losses[entrypoint.path] = _CLEARED.format("ENTRYPOINT", "CMD")
    elif _is_cleared(command) and not program:
        command.ledger.losses[command.path] = _CLEARED.format("CMD", "ENTRYPOINT")
    part.put("command", program)
    part.put("args", arguments)


_CLEARED = "a Pod runs the image with its {}, which is taken away here: write the image's {} to `command`"


def _words(given: Source) -> list[str]:
    return given.texts() if isinstance(given.value, list) else words(given.text())


def _is_cleared(given: Source) -> bool:
    return given.value in ("", [])


def _environment(part: Part) -> None:
    """Carry variables: those of the env files first, then the service's own over them."""
    variables = _of_files(part)
    for name, value in part.service.at("environment").entries():
        given = part.model.project.values.get(name) if value.value is None else value.value
        if given is None:
            value.ledger.losses[value.path] = _OF_THE_CALLER.format(name=name)
        else:
            variables[name] = Source(given, value.path, value.ledger)
    part.put(
        "env", [part.draft.variable(name, value, container=part.sidecar) for name, value in variables.items()]
    )


def _of_files(part: Part) -> dict[str, Source]:
    found: dict[str, Source] = {}
    variables = Variables(part.model.project.values)
    for file in part.service.at("env_file").items():
        path = str(file.at("path").value)
        text = part.model.project.read(path)
        if text is None:
            file.lose(
                f"there is no file {path} here: put it there, or make a Secret of it and name that in `envFrom`"
            )
            continue
        file.take()
        raw = file.at("format").value == "raw"
        read = parse_raw_env(text) if raw else parse_env(text, path, variables)
        for name, value in read.items():
            given = part.model.project.values.get(name) if value is None else value
            if given is None:
                file.ledger.losses[f"{path}: {name}"] = _OF_THE_CALLER.format(name=name)
            else:
                found[name] = Source(given, f"{path}: {name}", file.ledger)
    if variables.missing:
        raise VariablesMissing(variables.missing)
    return found


def _health(part: Part) -> None:
    """Carry the health check as a readiness probe: Compose, too, restarts nothing that it finds unhealthy."""
    check = part.service.at("healthcheck")
    if part.is_job and not part.sidecar:
        check.lose("a job has no probes: its end says whether it has succeeded")
        return
    if check.at("disable").flag():
        check.take()
        return
    test = check.at("test")
    listed = test.texts() if isinstance(test.value, list) else ["CMD-SHELL", test.text()] if test else []
    asks = handler(_of_itself(listed, part.name), _first_port(part)) if listed else None
    if asks is None and listed:
        check.take()
        return
    if asks is None:
        check.lose(
            "times without a command: those of the image's HEALTHCHECK, which Kubernetes does not read"
        )
        return
    times = {
        "periodSeconds": _seconds(check.at("interval"), 30),
        "timeoutSeconds": _seconds(check.at("timeout"), 30),
        "failureThreshold": check.at("retries").number(3),
    }
    part.put("readinessProbe", probe(asks, **times))
    for key in ("start_period", "start_interval"):
        check.at(key).take()  # a Pod gets no traffic before its first success, however long that takes


def _of_itself(words: list[str], name: str) -> list[str]:
    """Return a check with the service's own name replaced: it leads to no Pod before one is ready."""
    own = re.compile(
        rf"(?<![\w./@-]){re.escape(name)}(?=:[0-9]|\s+[0-9]+\b)|(?<=://){re.escape(name)}(?=[:/]|$)"
    )
    return [own.sub("localhost", word) for word in words]


def _seconds(source: Source, default: int) -> int:
    return seconds(source) or default


def _first_port(part: Part) -> int | None:
    if "port" in part.fields:
        return int(part.fields["port"])
    ports: list[dict[str, Any]] = part.fields.get("ports", [])
    return next((port["containerPort"] for port in ports if "protocol" not in port), None)
