"""A manifest in the making, shared by all importers: order of fields, environment, resources, the Secret beside it.

An importer makes a `Draft` for each app or job and puts fields into it; `imported` makes an `Imported` of them, once
the API's own models take each one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from containerapp.api.containerapp import ContainerApp
from containerapp.api.containerjob import ContainerJob
from containerapp.api.schema import API_VERSION
from containerapp.errors import InvalidSpec
from containerapp.importers.credentials import is_credential
from containerapp.importers.naming import is_label, unique
from containerapp.importers.source import Imported, Refusal, Source
from containerapp.importers.units import quantity

Manifest = dict[str, Any]

TRUST = "the role's trust policy must let pods.eks.amazonaws.com assume it"
_ORDER = (
    *(
        "name",
        "image",
        "imagePullSecrets",
        "command",
        "args",
        "workingDir",
        "parameters",
        "schedule",
        "timeZone",
    ),
    *(
        "startingDeadlineSeconds",
        "suspend",
        "concurrencyPolicy",
        "onChange",
        "port",
        "ports",
        "replicas",
        "autoscaling",
        "array",
        "retry",
    ),
    *(
        "attemptTimeoutSeconds",
        "deadlineSeconds",
        "resources",
        "env",
        "envFrom",
        "secrets",
        "files",
        "volumes",
    ),
    *(
        "volumeMounts",
        "after",
        "readinessProbe",
        "livenessProbe",
        "startupProbe",
        "expose",
        "service",
        "identity",
    ),
    *("initContainers", "sidecars", "security", "placement", "rollout", "disruption"),
    "terminationGracePeriodSeconds",
)
_EXPANDED = re.compile(r"\$\$|\$\((?P<name>[^)]*)\)")
_BETTER = (
    "Better keep it in AWS Secrets Manager, name it in `secrets`, and change it: it was readable in the input"
)


@dataclass(slots=True, kw_only=True)
class Draft:
    """An app or a job in the making.

    Attributes:
        spec: its fields so far; `put` leaves out what says nothing.
        credentials: from keys to values of the Secret that is written beside it.
        comments: from fields, such as `port` or `sidecars[0]`, to remarks above them.
        expands: whether `$(NAME)` in the input is Kubernetes' own.
    """

    name: str
    kind: Literal["ContainerApp", "ContainerJob"] = "ContainerApp"
    namespace: str | None = None
    spec: dict[str, Any] = field(default_factory=dict)
    credentials: dict[str, str] = field(default_factory=dict)
    comments: dict[str, str] = field(default_factory=dict)
    expands: bool = False

    @property
    def secret_name(self) -> str:
        """Name of the Secret with the credentials."""
        return f"{self.name}-env"

    def put(self, name: str, value: Any, comment: str = "") -> None:
        """Set a field of the spec, with a remark above it; None and what is empty are left out."""
        if value is None or value in ("", [], {}):
            return
        self.spec[name] = value
        if comment:
            self.comments[name] = comment

    def variable(self, name: str, value: Source, *, container: str = "") -> dict[str, Any]:
        """Take an environment variable; a credential goes to the Secret. `container` is empty for the app's own."""
        text = value.text()
        if not is_credential(name, text):
            return {"name": name, "value": text}
        key = self._key(f"{container}.{name}" if container else name)
        self.credentials[key] = text
        value.note(
            f"looks like a credential: it is in the Secret {self.secret_name}, not in the manifest. {_BETTER}"
        )
        return {"name": name, "valueFrom": {"secretKeyRef": {"name": self.secret_name, "key": key}}}

    def _key(self, name: str) -> str:
        """Return a key that a Secret can have, and that no other variable has."""
        return unique(re.sub(r"[^-._A-Za-z0-9]", "_", name), self.credentials)

    def manifests(self) -> list[Manifest]:
        """Return the Secret, where there is one, and the object, its fields in the order of the documentation."""
        written = _in_order if self.expands else _literal
        spec = _in_order(written(self.spec))
        for name in ("sidecars", "initContainers"):
            if name in spec:
                spec[name] = [_in_order(written(container)) for container in spec[name]]
        own = {
            "apiVersion": API_VERSION,
            "kind": self.kind,
            "metadata": self._metadata(self.name),
            "spec": spec,
        }
        if not self.credentials:
            return [own]
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": self._metadata(self.secret_name),
            "stringData": dict(self.credentials),
        }
        return [secret, own]

    def _metadata(self, name: str) -> dict[str, str]:
        return {"name": name, **({"namespace": self.namespace} if self.namespace else {})}


def _literal(fields: dict[str, Any]) -> dict[str, Any]:
    """Return a container whose words and variables reach the program as they are: Kubernetes expands `$` in them."""
    variables = fields.get("env", [])
    names = {each["name"] for each in (*variables, *fields.get("secrets", []))}

    def plain(text: str) -> str:
        return _EXPANDED.sub(lambda found: _escaped(found, names), text)

    written: dict[str, Any] = {
        **{key: [plain(word) for word in fields[key]] for key in ("command", "args") if key in fields},
        "env": [{**each, "value": plain(each["value"])} if "value" in each else each for each in variables],
    }
    return {key: written.get(key, value) for key, value in fields.items()}


def _escaped(found: re.Match[str], names: Collection[str]) -> str:
    """Return what Kubernetes makes of into the text that was found: it leaves references that lead nowhere alone."""
    if found["name"] is None:
        return "$$$$"
    return f"${found[0]}" if found["name"] in names else found[0]


def _in_order(fields: dict[str, Any]) -> dict[str, Any]:
    """Return fields as the documentation orders them, and those that it seldom has by their names."""
    known = [name for name in _ORDER if name in fields]
    return {name: fields[name] for name in (*known, *sorted(fields.keys() - set(known)))}


def imported(roots: Sequence[Source], drafts: Iterable[Draft], others: Iterable[Manifest] = ()) -> Imported:
    """Return what an importer has made of its inputs; `others` are objects that the drafts refer to."""
    drafts = list(drafts)
    manifests = [*others, *(manifest for draft in drafts for manifest in draft.manifests())]
    comments = {
        f"{draft.kind}/{draft.name} spec.{name}": said
        for draft in drafts
        for name, said in draft.comments.items()
    }
    return Imported(
        manifests=tuple(manifests),
        losses=tuple(loss for root in roots for loss in root.ledger.settle(root)),
        notes=tuple(note for root in roots for note in root.ledger.notes),
        comments=comments,
        wanted=tuple(text for root in roots for text in root.ledger.wanted),
    )


def check(made: Imported) -> None:
    """Raise `Refusal` where the API would not take a manifest, in its own words."""
    for manifest in made.manifests:
        title = f"{manifest['kind']} {manifest['metadata']['name']}"
        try:
            _parse(manifest)
        except InvalidSpec as error:
            raise Refusal(f"What becomes of the input is no valid {title}: {error.message}") from None


def _parse(manifest: Manifest) -> None:
    match manifest["kind"]:
        case "ContainerApp":
            ContainerApp.parse(manifest)
        case "ContainerJob":
            ContainerJob.parse(manifest)
        case _:  # a Secret, a ConfigMap: nothing of ours
            return


def cpu(units: float) -> str:
    """Return CPU in Kubernetes' terms: `units` are a thousandth each, as in 250m."""
    whole = round(units)
    return str(whole // 1000) if whole % 1000 == 0 else f"{whole}m"


def memory(mebibytes: int) -> str:
    """Return memory in Kubernetes' terms."""
    return quantity(mebibytes * 1024**2)


def labels(tags: Iterable[tuple[str, Source]]) -> dict[str, str]:
    """Return those tags that can be labels; the others are given up."""
    kept = {}
    for key, value in tags:
        text = value.text()
        if is_label(key, text):
            kept[key] = text
        else:
            value.lose("no label can have this key or value: rename it, or write it to metadata.annotations")
    return kept
