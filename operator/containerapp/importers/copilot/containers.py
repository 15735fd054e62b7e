"""The containers of a Copilot manifest: the service's own, and `sidecars`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from containerapp.importers import probes, units
from containerapp.importers.compose.variables import parse_raw_env
from containerapp.importers.manifest import Draft
from containerapp.importers.naming import container_name, port_name
from containerapp.importers.source import Source
from containerapp.importers.wishes import Wishes

Fields = dict[str, Any]

BUILD = "build the image in your pipeline, push it, and name it by --image"
_CREDENTIALS = (
    "make a Secret of type kubernetes.io/dockerconfigjson, and name it in imagePullSecrets; ECR needs none"
)
_LABELS = "a label of Docker: what reads such labels does not see Pods; write podLabels"
_SECRET = re.compile(r"(arn:aws(-[a-z]+)*:[a-z]+:[^:]+:[^:]+:)?[-A-Za-z0-9_./+=@${}:!]+")
_RESOLVED = re.compile(r"\{\{resolve:(ssm|ssm-secure|secretsmanager):([^{}]+)\}\}")
_ENDED = {"success", "complete"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What the modules of this package work on.

    Attributes:
        manifest: the manifest for one environment; draft: the app or the job in the making.
        values: values of placeholders, among them the region and the account.
        read: the text of a file by its path from the root of the workspace; None where there is none.
        beside: objects that the app refers to.
    """

    manifest: Source
    draft: Draft
    wishes: Wishes
    values: Mapping[str, str]
    read: Callable[[str], str | None]
    beside: list[Fields] = field(default_factory=list)
    volumes: dict[str, str] = field(default_factory=dict)
    """From names of the manifest's volumes to those of the app's."""

    def value(self, name: str) -> str:
        """Return a value, or the placeholder that asks for it."""
        return self.values.get(name, f"${{{name}}}")


def own(work: Work) -> None:
    """Carry the service's own container."""
    manifest, draft = work.manifest, work.draft
    image = manifest.at("image")
    draft.put("image", work.wishes.image_of(manifest.at("name").text(), image.at("location"), own=True))
    image.at("credentials").lose(_CREDENTIALS)
    image.at("labels").lose(_LABELS)
    _process(work, manifest, draft.spec, "")
    queue = work.values.get("COPILOT_QUEUE_URI")
    if queue and manifest.at("subscribe"):
        draft.put("env", [*draft.spec.get("env", []), {"name": "COPILOT_QUEUE_URI", "value": queue}])
    _health(image.at("healthcheck") or image.at("build").at("healthcheck"), draft.spec, job=_is_job(draft))
    image.at("build").lose(BUILD)


def _is_job(draft: Draft) -> bool:
    return draft.kind == "ContainerJob"


def _process(work: Work, container: Source, fields: Fields, name: str) -> None:
    """Put command, environment and secrets; `name` is empty for the app's own container."""
    for key, field_name in (("entrypoint", "command"), ("command", "args")):
        given = container.at(key)
        _put(
            fields, field_name, given.texts() if isinstance(given.value, list) else units.words(given.text())
        )
    variables, secrets = _variables(work, container)
    for secret_name, secret in container.at("secrets").entries():
        reference = _reference(work, secret)
        if reference:
            secrets[secret_name] = reference
    _put(
        fields,
        "env",
        [
            work.draft.variable(key, value, container=name)
            for key, value in variables.items()
            if key not in secrets
        ],
    )
    _put(fields, "secrets", [{"name": key, "valueFrom": where} for key, where in secrets.items()])


def _put(fields: Fields, name: str, value: Any) -> None:
    if value not in (None, "", [], {}):
        fields[name] = value


def _variables(work: Work, container: Source) -> tuple[dict[str, Source], dict[str, str]]:
    """Return variables with a value, those of the env file first, and those that are kept in a store."""
    found, secrets = _of_file(work, container.at("env_file")), {}
    for name, value in container.at("variables").entries():
        resolved = _RESOLVED.fullmatch(value.text().strip())
        if value.at("from_cfn"):
            found[name] = _exported(work, value.at("from_cfn"))
        elif resolved:
            secrets[name] = _resolved(work, resolved, value)
        elif isinstance(value.value, (dict, list)):
            value.lose("it is a function of CloudFormation: look its value up, and write it to env")
        else:
            found[name] = value
    return found, secrets


def _exported(work: Work, export: Source) -> Source:
    """Return the value of an export of a CloudFormation stack, or a placeholder that asks for it."""
    name = export.text()
    export.note(
        f"the value of an export: aws cloudformation list-exports --query \"Exports[?Name=='{name}'].Value\""
    )
    return Source(work.value(name), export.path, export.ledger)


def _resolved(work: Work, resolved: re.Match[str], value: Source) -> str:
    value.note("kept in a store: read from there by `secrets`, and not written out")
    store, name = resolved[1], resolved[2]
    return _secret_arn(work, name) if store == "secretsmanager" else name


def _of_file(work: Work, file: Source) -> dict[str, Source]:
    path = file.text()
    text = work.read(path) if path else None
    if path and text is None:
        file.lose(
            f"there is no file {path} here: call the command in the workspace, or name a Secret in envFrom"
        )
    values = parse_raw_env(text or "")
    return {
        name: Source(value, f"{path}: {name}", file.ledger)
        for name, value in values.items()
        if value is not None
    }


def _reference(work: Work, secret: Source) -> str:
    """Return where a secret is kept, as ECS writes it; empty where that cannot be said."""
    managed = secret.at("secretsmanager")
    if managed:
        return _secret_arn(work, managed.text())
    if secret.at("from_cfn"):
        return str(_exported(work, secret.at("from_cfn")).value)
    text = secret.text()
    if not _SECRET.fullmatch(text):
        secret.lose("it is no name of a parameter and no ARN: write it to secrets")
        return ""
    return text


def _secret_arn(work: Work, name: str) -> str:
    """Return the ARN of a secret by its name; a key of its JSON may follow."""
    if name.startswith("arn:"):
        return name
    where = f"{work.value('AWS_REGION')}:{work.value('AWS_ACCOUNT_ID')}"
    return f"arn:aws:secretsmanager:{where}:secret:{name}"


def _health(check: Source, fields: Fields, *, job: bool) -> None:
    """Put a container's health check: ECS sends no traffic before it succeeds, and replaces what fails."""
    if job:
        check.lose("a job has no probes: its end says whether it has succeeded")
        return
    asks = probes.handler(check.at("command").texts(), None) if check.at("command") else None
    times = {
        name: units.duration(check.at(key).text()) or default
        for name, key, default in (
            ("interval", "interval", 10),
            ("timeout", "timeout", 5),
            ("start", "start_period", 0),
        )
    }
    retries = check.at("retries").number(2)
    if asks:
        fields.update(probes.checks(asks, retries=retries, **times))


def beside(work: Work) -> None:
    """Carry the sidecars; one that the service waits for to end is an init container."""
    waits = work.manifest.at("image").at("depends_on")
    ended = {name for name, wait in waits.entries() if wait.text() in _ENDED}
    known = dict(work.manifest.at("sidecars").entries())
    for name, wait in waits.entries():
        if name not in known:
            wait.lose("there is no such sidecar")
    sidecars: list[Fields] = []
    inits: list[Fields] = []
    for name, sidecar in known.items():
        made = _sidecar(work, name, sidecar, ends=name in ended)
        (inits if name in ended else sidecars).append(made)
    work.draft.put("sidecars", sidecars)
    work.draft.put("initContainers", inits)


def _sidecar(work: Work, name: str, sidecar: Source, *, ends: bool) -> Fields:
    fields: Fields = {"name": container_name(name)}
    image = sidecar.at("image")
    location = image.at("location") if isinstance(image.value, dict) else image
    fields["image"] = work.wishes.image_of(name, location, own=False)
    image.at("build").lose(BUILD)
    _process(work, sidecar, fields, fields["name"])
    _health(sidecar.at("healthcheck"), fields, job=ends)
    if not ends:
        _ports(work, sidecar.at("port"), fields)
    sidecar.at("essential").take()  # a container of a Pod is started again whenever it ends
    sidecar.at("port").take()
    sidecar.at("labels").lose(_LABELS)
    for credentials in (sidecar.at("credentialsParameter"), image.at("credentials")):
        credentials.lose(_CREDENTIALS)
    for other, wait in sidecar.at("depends_on").entries():
        wait.lose(
            f"sidecars start in the order of their list: put {other} before {name}, with a startupProbe"
        )
    _mounts(work, sidecar.at("mount_points"), fields)
    return fields


def _ports(work: Work, port: Source, fields: Fields) -> None:
    """Put the port of a sidecar, unless the app's Service leads to it."""
    text, _, protocol = port.text().partition("/")
    taken = {each["containerPort"] for each in work.draft.spec.get("ports", [])} | {
        work.draft.spec.get("port")
    }
    if units.is_number(text) and int(text) not in taken:
        more = {"protocol": protocol.upper()} if protocol.lower() in {"udp", "sctp"} else {}
        fields["ports"] = [{"name": port_name(fields["name"], int(text)), "containerPort": int(text), **more}]


def _mounts(work: Work, points: Source, fields: Fields) -> None:
    mounts = []
    for point in points.items():
        name, path = point.at("source_volume").text(), point.at("path").text().rstrip("/")
        read_only = point.at("read_only").flag(default=True)
        if name in work.volumes and path:
            mounts.append(
                {"name": work.volumes[name], "mountPath": path, **({"readOnly": True} if read_only else {})}
            )
        else:
            point.lose("it needs a path, and the name of a volume of storage.volumes")
    _put(fields, "volumeMounts", mounts)
