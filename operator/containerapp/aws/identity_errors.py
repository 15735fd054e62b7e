"""What Amazon EKS says against a Pod Identity association: one reason and one remedy for each kind of failure.

Called by the backend for calls that failed. Messages are read in an app's status: they name the role, the
ServiceAccount and what to do, and stay the same from one attempt to the next (no request ids, no session names).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from botocore.exceptions import BotoCoreError, ClientError

from containerapp.api.artifacts import printable
from containerapp.aws.errors import NO_ANSWER, NO_CREDENTIALS, caller
from containerapp.core.external import Gone, Taken
from containerapp.errors import Blocked, ContainerAppError, Transient

if TYPE_CHECKING:
    from containerapp.core.external import Found, Want

_Rule: TypeAlias = tuple[type[ContainerAppError], str, str]

_RULES: Final[dict[str, _Rule]] = {
    "denied": (
        Blocked,
        "AccessDenied",
        "{what} is denied: {caller} lacks {action}. Add this statement to its IAM policy: {statement}",
    ),
    "cluster": (
        Blocked,
        "ClusterNotFound",
        (
            "EKS has no cluster {cluster} in this account and region. Correct the chart's value identity.clusterName, "
            "or aws.region."
        ),
    ),
    "limit": (
        Blocked,
        "AssociationLimitExceeded",
        (
            "Cluster {cluster} has as many Pod Identity associations as EKS allows (5,000). Delete those that nothing "
            "uses, or set identity.method: IRSA."
        ),
    ),
    "rejected": (
        Blocked,
        "IdentityRejected",
        (
            "EKS rejects spec.identity ({code}: {detail}). Check that role {role} exists in the cluster's account, and "
            "that its trust policy lets pods.eks.amazonaws.com do sts:AssumeRole and sts:TagSession."
        ),
    ),
    "credentials": (
        Blocked,
        "NoCredentials",
        (
            "The operator has no AWS credentials for Amazon EKS ({code}). Give its ServiceAccount an IAM role by EKS "
            "Pod Identity or IRSA, with a trust policy that lets it be assumed."
        ),
    ),
    "region": (
        Blocked,
        "NoRegion",
        "The operator does not know in which region its cluster is. Set the chart's value aws.region.",
    ),
    "throttled": (Transient, "Throttled", "EKS limits the rate of calls. It is tried again."),
    "unavailable": (
        Transient,
        "EksUnavailable",
        (
            "Amazon EKS cannot be reached ({code}). It is tried again; if this lasts, check the region and the "
            "operator's network path to the EKS API (VPC endpoint `eks`, NAT, proxy)."
        ),
    ),
    "refused": (
        Blocked,
        "EksRefused",
        "{what} failed ({code}: {detail}). Correct what the message names.",
    ),
    "gone": (Gone, "AssociationGone", "The association is gone."),
    "taken": (Taken, "AssociationExists", "The ServiceAccount has an association already."),
}
_CODES: Final = {
    "AccessDeniedException": "denied",
    "AccessDenied": "denied",
    "UnauthorizedOperation": "denied",
    "ResourceInUseException": "taken",
    "ResourceLimitExceededException": "limit",
    "InvalidParameterException": "rejected",
    "InvalidRequestException": "rejected",
    "UnrecognizedClientException": "credentials",
    "InvalidClientTokenId": "credentials",
    "InvalidSignatureException": "credentials",
    "SignatureDoesNotMatch": "credentials",
    "ExpiredTokenException": "credentials",
    "ExpiredToken": "credentials",
    "ThrottlingException": "throttled",
    "Throttling": "throttled",
    "TooManyRequestsException": "throttled",
    "RequestLimitExceeded": "throttled",
    "ServerException": "unavailable",
    "ServiceUnavailableException": "unavailable",
    "InternalFailure": "unavailable",
}
_OPERATIONS: Final = {
    "ListPodIdentityAssociations": "Listing Pod Identity associations",
    "DescribePodIdentityAssociation": "Reading a Pod Identity association",
    "CreatePodIdentityAssociation": "Creating a Pod Identity association",
    "UpdatePodIdentityAssociation": "Changing a Pod Identity association",
    "DeletePodIdentityAssociation": "Deleting a Pod Identity association",
}
_OF_CLUSTER: Final = {"ListPodIdentityAssociations", "CreatePodIdentityAssociation"}
"""Where nothing but the cluster can be absent."""

_ACTION = re.compile(r"not authorized to perform: (?P<action>[a-z0-9-]+:[A-Za-z]+)")
_PASSES: Final = {"CreatePodIdentityAssociation", "UpdatePodIdentityAssociation"}
_ROLE_ACTIONS: Final = ["iam:PassRole", "iam:GetRole"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What was asked: the operation by its API name, the cluster, and the role where one is named."""

    operation: str
    cluster: str
    role: str = ""


def from_call(error: ClientError | BotoCoreError, call: Call) -> ContainerAppError:
    """Return what a call that raised `error` means for the custom object that it was made for."""
    if isinstance(error, ClientError):
        answer = error.response.get("Error", {})
        code, detail = answer.get("Code", "Unknown"), answer.get("Message", "")
        return _error(_rule(error, code, call), call, code, detail)
    code = type(error).__name__
    if isinstance(error, NO_CREDENTIALS):
        return _error("credentials", call, code)
    if code in {"NoRegionError", "InvalidRegionError"}:
        return _error("region", call, code)
    return _error("unavailable" if isinstance(error, NO_ANSWER) else "refused", call, code, str(error))


def not_configured() -> Blocked:
    """Return what to do where the operator does not know its cluster's name."""
    return Blocked(
        "IdentityNotConfigured",
        "The operator does not know the name of its EKS cluster: set the chart's value identity.clusterName. Or set "
        "identity.method: IRSA.",
    )


def taken(want: Want, found: Found) -> Blocked:
    """Return what to do where the ServiceAccount has an association that is not the app's."""
    account = f"ServiceAccount {want.place.name}"
    if found.owner is not None:
        return Blocked(
            "AssociationTaken",
            f"{account} has an association already, of {found.owner}: one ServiceAccount has one role. Remove "
            "spec.identity from one of the two, or spec.serviceAccountName, so that each has an account of its own.",
        )
    return Blocked(
        "AssociationTaken",
        f"{account} has association {found.id} already, which {found.described}. Delete it (aws eks "
        f"delete-pod-identity-association --association-id {found.id} --cluster-name <cluster>), or remove "
        "spec.identity to keep it.",
    )


def _rule(error: ClientError, code: str, call: Call) -> str:
    if error.operation_name != call.operation and code not in {"Throttling", "ThrottlingException"}:
        return "credentials"  # STS was asked for credentials first, and it is its answer that we hold
    if code == "ResourceNotFoundException":
        return "cluster" if call.operation in _OF_CLUSTER else "gone"
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return _CODES.get(code) or ("unavailable" if status >= 500 else "refused")


def _error(rule: str, call: Call, code: str, detail: str = "") -> ContainerAppError:
    kind, reason, message = _RULES[rule]
    action = _denied_action(call, detail)
    text = message.format(
        what=_OPERATIONS[call.operation],
        cluster=call.cluster,
        role=call.role or "named by spec.identity.roleArn",
        code=code,
        detail=printable(detail, 500),
        caller=caller(detail),
        action=action,
        statement=_statement(call, action),
    )
    return kind(reason, text[0].upper() + text[1:])


def _denied_action(call: Call, detail: str) -> str:
    found = _ACTION.search(detail)
    return found["action"] if found else f"eks:{call.operation}"


def _statement(call: Call, action: str) -> str:
    """Return the statement that is missing; a role is passed by these two actions together."""
    if action.startswith("iam:") and call.operation in _PASSES:
        return json.dumps({"Effect": "Allow", "Action": _ROLE_ACTIONS, "Resource": call.role})
    return json.dumps({"Effect": "Allow", "Action": action, "Resource": "*"})
