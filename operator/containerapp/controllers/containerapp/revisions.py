"""Revisions: each distinct Pod template of an app, numbered and kept as a ControllerRevision. Pure.

The metadata of a ControllerRevision says what the template was rendered from, so that a decision needs no template.
Read by `choice`, written by the renderer of the kind. A fingerprint never depends on the version of the operator: an
upgrade must not look like an edit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from containerapp.api.containerapp import ContainerApp
from containerapp.api.images import parse
from containerapp.controllers.workloads.image import by_tag, pin
from containerapp.controllers.workloads.images import noted_others, others_noted
from containerapp.core.fingerprint import digest_of
from containerapp.core.model import (
    DIGEST_ANNOTATION,
    IMAGE_ANNOTATION,
    REFRESH_ANNOTATION,
    Manifest,
    ObjectRef,
    PinnedImage,
    Resource,
)
from containerapp.errors import InvalidSpec

RESOURCE = Resource(
    api_version="apps/v1", kind="ControllerRevision", plural="controllerrevisions", metadata_only=True
)

REVISION = "containerapp.dev/revision"
"""On a ControllerRevision and on the Deployment: the number of the revision. On Pods: that of the revision that they
were made for; a point and a number follow where Pods of another one have it already."""
RETRY = "containerapp.dev/retry"
"""On an app: any new value tries a revision once more that has failed. On a ControllerRevision: the value answered."""
_FINGERPRINT = "containerapp.dev/fingerprint"
_TEMPLATE = "containerapp.dev/template-hash"
_OPERATOR = "containerapp.dev/operator-version"
_CAUSE = "containerapp.dev/cause"
_FAILURE = "containerapp.dev/failure"
_REJECTED = "containerapp.dev/rejected"
_BEFORE = "containerapp.dev/before-job"
_FILES = "containerapp.dev/files"
_SECRETS = "containerapp.dev/secrets"
_SHAPE = "containerapp.dev/template-shape"
_LABEL = "containerapp.dev/pods-label"
_SUCCEEDED = "Succeeded"

NOT_IN_TEMPLATE = (
    "image",  # what it stands for is a part of its own
    "replicas",
    "autoscaling",
    "disruption",
    "rollout",
    "labels",
    "service",
    "expose",
    "network",
    "suspend",
    "reload",
)
"""Fields of the spec that never reach the Pod template: an edit makes no revision."""


class Cause(StrEnum):
    """Why a revision was made."""

    CREATED = "Created"
    IMAGE = "ImageChanged"
    DIGEST = "DigestChanged"
    SPEC = "SpecChanged"
    CONFIGURATION = "ConfigurationChanged"
    UPGRADE = "OperatorUpgraded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What a template is rendered from, part by part: the spec, the images, and the facts outside the spec."""

    spec: str
    images: str
    facts: str

    @classmethod
    def of(cls, app: ContainerApp, image: PinnedImage, facts: Mapping[str, str]) -> Fingerprint:
        """Return the fingerprint of what is asked for now; fields that have their defaults count as absent."""
        excluded = {name for name in NOT_IN_TEMPLATE if name in type(app.spec).model_fields}
        spec = app.spec.model_dump(by_alias=True, mode="json", exclude_defaults=True, exclude=excluded)
        images = [image.reference, image.image, *(each.image for _, each in image.others)]
        return cls(spec=digest_of(spec), images=digest_of(images), facts=digest_of(facts))

    @classmethod
    def read(cls, text: str) -> Fingerprint:
        """Read what `str` has written; what is malformed equals no other."""
        spec, _, rest = text.partition("-")
        images, _, facts = rest.partition("-")
        return cls(spec=spec, images=images, facts=facts)

    def __str__(self) -> str:
        return f"{self.spec}-{self.images}-{self.facts}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One revision, as the metadata of its ControllerRevision tells.

    `failure` is the diagnosis of its last failure, empty where there was none. While it is `rejected` the last good
    revision runs in its place. `retried` is the value of the annotation that its last try answers, `files` the name of
    the ConfigMap with the texts that its Pods mount, `secrets` are the names of what fetches its secrets. `shape` is
    the hash of all of the template that only new Pods can have, `label` what its Pods carry instead of the number.
    """

    number: int
    fingerprint: Fingerprint
    template: str
    pin: PinnedImage
    operator: str
    cause: Cause
    failure: str = ""
    rejected: bool = False
    retried: str = ""
    before_done: bool = False
    files: str = ""
    secrets: tuple[str, ...] = ()
    shape: str = ""
    label: str = ""
    created: str = ""

    @property
    def pods(self) -> str:
        """The value of the label by which its Pods are found."""
        return self.label or str(self.number)

    @classmethod
    def read(cls, manifest: Manifest) -> Revision | None:
        """Read a live ControllerRevision; None where its metadata is not what we have written."""
        notes = manifest["metadata"].get("annotations") or {}
        try:
            return cls(
                number=int(notes[REVISION]),
                fingerprint=Fingerprint.read(notes[_FINGERPRINT]),
                template=notes[_TEMPLATE],
                pin=_pin(notes),
                operator=notes[_OPERATOR],
                cause=Cause(notes[_CAUSE]),
                failure=notes.get(_FAILURE, ""),
                rejected=notes.get(_REJECTED) == "true",
                retried=notes.get(RETRY, ""),
                before_done=notes.get(_BEFORE) == _SUCCEEDED,
                files=notes.get(_FILES, ""),
                secrets=tuple(filter(None, notes.get(_SECRETS, "").split(","))),
                shape=notes.get(_SHAPE, ""),
                label=notes.get(_LABEL, ""),
                created=manifest["metadata"].get("creationTimestamp", ""),
            )
        except (KeyError, ValueError, InvalidSpec):
            return None

    def annotations(self) -> dict[str, str]:
        """Return what `read` reads. A value that no longer holds is overwritten, for a patch removes nothing."""
        return {
            REVISION: str(self.number),
            _FINGERPRINT: str(self.fingerprint),
            _TEMPLATE: self.template,
            _OPERATOR: self.operator,
            _CAUSE: self.cause,
            IMAGE_ANNOTATION: self.pin.reference,
            **({DIGEST_ANNOTATION: self.pin.digest} if self.pin.digest else {}),
            **({REFRESH_ANNOTATION: self.pin.refresh} if self.pin.refresh is not None else {}),
            **others_noted(self.pin),
            **({_FAILURE: self.failure, _REJECTED: str(self.rejected).lower()} if self.failure else {}),
            **({RETRY: self.retried} if self.retried else {}),
            **({_BEFORE: _SUCCEEDED} if self.before_done else {}),
            **({_FILES: self.files} if self.files else {}),
            **({_SECRETS: ",".join(self.secrets)} if self.secrets else {}),
            **({_SHAPE: self.shape} if self.shape else {}),
            **({_LABEL: self.label} if self.label else {}),
        }

    def ref(self, app: str) -> ObjectRef:
        """Return the reference of the ControllerRevision."""
        return RESOURCE.ref(f"{app}-{self.number}")


def read_all(manifests: Iterable[Manifest]) -> tuple[Revision, ...]:
    """Return the revisions among an app's children, the oldest first."""
    found = (Revision.read(manifest) for manifest in manifests if manifest["kind"] == RESOURCE.kind)
    return tuple(sorted((each for each in found if each is not None), key=lambda each: each.number))


def running_number(workload: Manifest | None) -> int | None:
    """Return the number of the revision whose template the Deployment, or the before-job, has."""
    text = ((workload or {}).get("metadata", {}).get("annotations") or {}).get(REVISION, "")
    return int(text) if text.isdigit() else None


def pods_label(deployment: Manifest | None) -> str:
    """Return what the Pods of the Deployment's template carry; empty where there is none, or none of ours."""
    template = (deployment or {}).get("spec", {}).get("template", {})
    labels = template.get("metadata", {}).get("labels") or {}
    label = str(labels.get(REVISION, ""))
    return label if re.fullmatch(r"[0-9]+(\.[0-9]+)?", label) else ""


def labelled(template: Manifest, label: str) -> Manifest:
    """Return the template with what tells of which revision its Pods are, by which they are found."""
    metadata = template["metadata"]
    return {**template, "metadata": {**metadata, "labels": {**metadata["labels"], REVISION: label}}}


def _pin(notes: Mapping[str, str]) -> PinnedImage:
    reference = parse(notes[IMAGE_ANNOTATION], default_registry="docker.io")
    digest, refresh = notes.get(DIGEST_ANNOTATION), notes.get(REFRESH_ANNOTATION)
    found = pin(reference, digest, refresh) if digest else by_tag(reference, refresh)
    return replace(found, others=noted_others(notes))
