"""The IAM role of an app's Pods: which method gives it to them, what that needs outside Kubernetes, and how it stands.

Called by the controller before anything is rendered, by the renderers and by the status. Pods get the role as they are
created and not later, so the Deployment waits for the role, and another role makes a new revision. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

from containerapp.controllers.pods.identity import FACT
from containerapp.controllers.pods.metadata import service_account_name
from containerapp.controllers.pods.workload import Workload
from containerapp.controllers.workloads.concerns import Concern, PodFacts
from containerapp.core.conditions import Condition
from containerapp.core.external import (
    Awaited,
    External,
    Place,
    Record,
    Refused,
    Standing,
    Want,
    digest_of,
    normal_json,
)
from containerapp.core.model import Manifest, View
from containerapp.core.policy import Platform
from containerapp.errors import Blocked, ContainerAppError, InvalidSpec, Transient

KIND = "PodIdentityAssociation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """Pods that are created now get the role; `fact` is another one for each role and association.

    By an association, which `record` has, or by `annotations` of the ServiceAccount.
    """

    fact: str
    record: Record | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """The role is on its way."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """The Pods cannot have the role, and `error` is why."""

    error: ContainerAppError


Role: TypeAlias = Granted | Waiting | Denied


def find_role(view: View) -> Role | None:
    """Return how the role of the app's Pods stands; None where it asks for none, and none is left."""
    app, platform, state = view.obj, view.platform, view.external.get(KIND)
    if isinstance(state, Refused):
        return Denied(error=state.error)
    if isinstance(state, Awaited):
        return Waiting(message=state.message)
    if isinstance(state, Standing):
        return Granted(fact=f"{state.record.id}.{state.record.digest}", record=state.record)
    if app.spec.identity is None:
        return None
    if method(app, platform) == "IRSA":
        return _annotated(app.spec.identity.role_arn)
    return Denied(error=_not_configured())


def _annotated(role_arn: str) -> Granted:
    annotations = {"eks.amazonaws.com/role-arn": role_arn, "eks.amazonaws.com/sts-regional-endpoints": "true"}
    return Granted(fact=f"irsa.{digest_of(annotations)}", annotations=annotations)


def facts_of(role: Role | None) -> Mapping[str, str]:
    """Return what the Pods depend on outside the spec."""
    return {FACT: role.fact} if isinstance(role, Granted) else {}


def method(app: Workload, platform: Platform) -> str:
    """Return how the Pods get the role: as the app says, else as the platform team has set; Fargate has IRSA alone."""
    identity, placement = app.spec.identity, app.spec.placement
    if identity is not None and identity.method is not None:
        return identity.method
    return "IRSA" if placement is not None and placement.fargate else platform.identity.method


def wanted(app: Workload, platform: Platform) -> Want | None:
    """Return the association that the app is to have, if it is to have one."""
    identity = app.spec.identity
    if identity is None or method(app, platform) == "IRSA" or not platform.identity.cluster:
        return None
    content: dict[str, Any] = {
        "roleArn": identity.role_arn,
        "disableSessionTags": identity.disable_session_tags,
        **({"targetRoleArn": identity.target_role_arn} if identity.target_role_arn else {}),
        **({"policy": normal_json(identity.policy)} if identity.policy else {}),
    }
    return Want(place=Place(app.metadata.namespace, service_account_name(app)), content=content)


def recorded(manifest: Manifest) -> Record | None:
    """Return what the status of an app, as JSON, has on record of its association."""
    known = (manifest.get("status") or {}).get("identity") or {}
    if not {"associationId", "serviceAccount", "applied"} <= known.keys():
        return None
    place = Place(manifest["metadata"]["namespace"], known["serviceAccount"])
    return Record(id=known["associationId"], place=place, digest=known["applied"])


def forbidden(app: Workload, platform: Platform) -> InvalidSpec | None:
    """Return what to edit where the platform gives the app no such role, or no such way to it."""
    identity = app.spec.identity
    if identity is None:
        return None
    if (refusal := forbidden_role("identity", identity.role_arn, app, platform)) is not None:
        return refusal
    if method(app, platform) != "IRSA":
        return None
    if app.spec.service_account_name is not None:
        return InvalidSpec(
            "InvalidSpec",
            "spec.identity: the app gets its role by IRSA, which annotates the ServiceAccount made for the app, and "
            "serviceAccountName names another: remove serviceAccountName; or remove identity, and annotate that "
            "ServiceAccount with eks.amazonaws.com/role-arn yourself",
        )
    if identity.needs_pod_identity():
        return InvalidSpec(
            "InvalidSpec",
            "spec.identity: the app gets its role by IRSA, and targetRoleArn, policy and disableSessionTags go with "
            "method PodIdentity only: remove them, or set identity.method: PodIdentity",
        )
    return None


def forbidden_role(group: str, role_arn: str, app: Workload, platform: Platform) -> InvalidSpec | None:
    """Return what to edit where the platform gives no app of the namespace the role that `group` names."""
    patterns = [
        each.replace("{namespace}", app.metadata.namespace) for each in platform.identity.allowed_roles
    ]
    if not patterns or any(fnmatchcase(role_arn, pattern) for pattern in patterns):
        return None
    return InvalidSpec(
        "ForbiddenByPlatform",
        f"The platform forbids spec.{group}.roleArn {role_arn} in namespace {app.metadata.namespace}: "
        "name another role, or ask the platform team to allow it (identity.allowedRoles)",
    )


def status_of(app: Workload, role: Role | None) -> Manifest | None:
    """Return what the status keeps of the association; while it is awaited, what was kept before."""
    if isinstance(role, Waiting | Denied):
        known = app.status.identity
        return known.model_dump(by_alias=True, exclude_none=True) if known else None
    record = role.record if role else None
    if record is None:
        return None
    return {"associationId": record.id, "serviceAccount": record.place.name, "applied": record.digest}


def identity_ready(facts: PodFacts) -> Iterator[Concern]:
    """Say whether the Pods have their role."""
    app, role = facts.app, _role(facts)
    match role:
        case None:
            return
        case Waiting(message=message):
            yield Concern(
                condition=_condition("Unknown", "AssociationPending", message),
                obstacle=Transient("WaitingForIdentity", f"The Pods' IAM role: {message}"),
            )
        case Denied(error=error):
            yield Concern(condition=_condition("False", error.reason, error.message), obstacle=error)
        case Granted(record=record):
            account = f"ServiceAccount {service_account_name(app)}"
            arn = app.spec.identity.role_arn if app.spec.identity else ""
            if record is not None:
                message = f"{account} has the role {arn} by EKS Pod Identity ({record.id})."
                yield Concern(condition=_condition("True", "Associated", message))
            else:
                subject = f"system:serviceaccount:{app.metadata.namespace}:{service_account_name(app)}"
                message = (
                    f"{account} is annotated with the role {arn}, whose trust policy must name {subject}."
                )
                yield Concern(condition=_condition("True", "Annotated", message))


def _role(facts: PodFacts) -> Role | None:
    role: Role | None = facts.outcome.gathered.inputs.role
    return role


def _condition(status: str, reason: str, message: str) -> Condition:
    return Condition(type="IdentityReady", status=status, reason=reason, message=message)


def _not_configured() -> Blocked:
    return Blocked(
        "IdentityNotConfigured",
        "spec.identity: the operator does not know the name of its EKS cluster. Set the chart's value "
        "identity.clusterName, or identity.method: irsa; or set spec.identity.method: IRSA",
    )


def _remedy(id_: str) -> str:
    return f"aws eks delete-pod-identity-association --cluster-name <cluster> --association-id {id_}"


EXTERNAL = External(
    kind=KIND,
    finalizer="containerapp.dev/identity",
    wanted=wanted,
    record=recorded,
    remedy=_remedy,
)
