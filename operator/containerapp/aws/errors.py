"""What AWS says went wrong, in the operator's own words: one reason and one remedy for each kind of failure.

Called by the ECR source for calls that failed and for single images that a call could not answer. Messages are
read in an app's status: they name the repository and what to do, hold no secrets, and stay the same from one
attempt to the next (no request ids, no session names), so that an unchanged failure is no news.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias

from botocore import exceptions as botocore
from botocore.parsers import ResponseParserError

from containerapp.api.artifacts import printable
from containerapp.errors import Blocked, ContainerAppError, Transient

if TYPE_CHECKING:
    from containerapp.api.images import EcrRegistry, ImageReference

_Rule: TypeAlias = tuple[type[ContainerAppError], str, str]

_RULES: Final[dict[str, _Rule]] = {
    "repository": (
        Blocked,
        "RepositoryNotFound",
        "{where} does not exist. Create it and push the image, or correct spec.image.",
    ),
    "denied": (
        Blocked,
        "AccessDenied",
        (
            "The operator may not look up images in {where}: {identity} needs `ecr:BatchGetImage` on `{arn}`. Allow it "
            "in that identity's IAM policy and, where the registry belongs to another account, in the repository's "
            "policy too."
        ),
    ),
    "rejected": (
        Blocked,
        "CredentialsRejected",
        (
            "AWS rejected the operator's credentials ({code}) when it was asked about {where}. Check that they belong "
            "to this partition, that the region is enabled for their account, and that the node's clock is right."
        ),
    ),
    "credentials": (
        Blocked,
        "NoCredentials",
        (
            "The operator has no AWS credentials to look up {where} with ({code}). Give its ServiceAccount an IAM role "
            "by EKS Pod Identity or IRSA, with a trust policy that lets it be assumed."
        ),
    ),
    "expired": (
        Transient,
        "ExpiredToken",
        (
            "The operator's AWS credentials have expired. They renew themselves with EKS Pod Identity and IRSA; renew "
            "them by hand if they were given as environment variables."
        ),
    ),
    "throttled": (
        Transient,
        "Throttled",
        "ECR in {region} limits the rate of lookups for account {account}. It is asked again by itself.",
    ),
    "limit": (
        Blocked,
        "LimitExceeded",
        (
            "ECR refused to look up {where}, because a service quota of account {account} is used up. Raise it in "
            "Service Quotas, or delete what is not needed."
        ),
    ),
    "unavailable": (
        Transient,
        "RegistryUnavailable",
        (
            "ECR in {region} cannot be reached ({code}). It is asked again by itself; if this lasts, check the region "
            "in spec.image and the operator's network path to the ECR API (VPC endpoint `ecr.api`, NAT, proxy)."
        ),
    ),
    "kms": (
        Blocked,
        "KmsError",
        "ECR cannot use the KMS key that encrypts {where}. Enable the key, and let ECR and the operator use it.",
    ),
    "upstream-denied": (
        Blocked,
        "UpstreamAccessDenied",
        (
            "ECR's pull-through cache was refused by the registry behind {where}. Correct the credentials in the "
            "Secrets Manager secret of the pull-through cache rule."
        ),
    ),
    "upstream-throttled": (
        Transient,
        "UpstreamTooManyRequests",
        (
            "The registry behind {where} limits the rate of ECR's pull-through cache. It is asked again by itself; "
            "credentials in the pull-through cache rule raise the limit."
        ),
    ),
    "upstream": (
        Transient,
        "UpstreamUnavailable",
        (
            "ECR's pull-through cache cannot fetch from the registry behind {where}. It is asked again by itself; if "
            "this lasts, check the image's name, the pull-through cache rule and the registry's status."
        ),
    ),
    "image": (
        Blocked,
        "ImageNotFound",
        "{where} has no image `{tag}`. Push the image or correct spec.image.",
    ),
    "inaccessible": (
        Blocked,
        "ImageInaccessible",
        (
            "The image `{tag}` in {where} is archived or otherwise out of reach. Restore it in ECR, or name another "
            "in spec.image."
        ),
    ),
    "unsupported": (
        Blocked,
        "UnsupportedManifest",
        (
            "{where} has `{tag}`, which is {detail}, not a container image that nodes can run. Correct spec.image, or "
            "build and push the image with a current tool."
        ),
    ),
    "refused": (
        Blocked,
        "RegistryRefused",
        "ECR refused to look up {where} ({code}: {detail}). Correct spec.image, or what the message names.",
    ),
}

_CALL_CODES: Final = {
    "RepositoryNotFoundException": "repository",
    "AccessDeniedException": "denied",
    "AccessDenied": "denied",
    "UnrecognizedClientException": "rejected",
    "InvalidClientTokenId": "rejected",
    "InvalidSignatureException": "rejected",
    "SignatureDoesNotMatch": "rejected",
    "IncompleteSignature": "rejected",
    "MissingAuthenticationToken": "rejected",
    "MissingAuthenticationTokenException": "rejected",
    "AuthFailure": "rejected",
    "OptInRequired": "rejected",
    "ExpiredTokenException": "expired",
    "ExpiredToken": "expired",
    "RequestExpired": "expired",
    "Throttling": "throttled",
    "ThrottlingException": "throttled",
    "ThrottledException": "throttled",
    "RequestThrottled": "throttled",
    "RequestThrottledException": "throttled",
    "RequestLimitExceeded": "throttled",
    "TooManyRequestsException": "throttled",
    "LimitExceededException": "limit",
    "KmsException": "kms",
    "UnableToGetUpstreamImageException": "upstream",
    "ServerException": "unavailable",
    "InternalFailure": "unavailable",
    "ServiceUnavailable": "unavailable",
}
_IMAGE_CODES: Final = {
    "ImageNotFound": "image",
    "InvalidImageTag": "image",
    "InvalidImageDigest": "image",
    "KmsError": "kms",
    "UpstreamAccessDenied": "upstream-denied",
    "UpstreamTooManyRequests": "upstream-throttled",
    "UpstreamUnavailable": "upstream",
    "ImageInaccessible": "inaccessible",
}
NO_CREDENTIALS: Final = (
    botocore.NoCredentialsError,
    botocore.PartialCredentialsError,
    botocore.CredentialRetrievalError,
    botocore.ProfileNotFound,
    botocore.TokenRetrievalError,
    botocore.UnauthorizedSSOTokenError,
    botocore.SSOTokenLoadError,
)
NO_ANSWER: Final = (botocore.HTTPClientError, botocore.ConnectionError, ResponseParserError)
_CALLER = re.compile(r"User: (?P<arn>arn:[^\s]+) is not authorized")
_ASSUMED_ROLE = re.compile(r"arn:[^:]+:sts::(?P<account>\d+):assumed-role/(?P<role>[^/]+)/.*")


def from_call(
    error: botocore.ClientError | botocore.BotoCoreError, registry: EcrRegistry, repository: str
) -> ContainerAppError:
    """Return what a call about `repository` that raised `error` means for everything it asked about."""
    if isinstance(error, botocore.ClientError):
        answer = error.response.get("Error", {})
        code, detail = answer.get("Code", "Unknown"), answer.get("Message", "")
        return _error(_call_rule(error, code), registry, repository, code=code, detail=detail)
    rule = "refused"
    if isinstance(error, NO_CREDENTIALS):
        rule = "credentials"
    elif isinstance(error, NO_ANSWER):
        rule = "unavailable"
    return _error(rule, registry, repository, code=type(error).__name__, detail=str(error))


def from_failure(
    code: str, detail: str, registry: EcrRegistry, reference: ImageReference
) -> ContainerAppError:
    """Return what ECR's failure `code` for one image of an otherwise good call means."""
    rule = _IMAGE_CODES.get(code, "refused")
    return _error(rule, registry, reference.repository, code=code, detail=detail, tag=_tag(reference))


def not_an_image(what: str, registry: EcrRegistry, reference: ImageReference) -> ContainerAppError:
    """Return that an image which ECR has found is something else, as in "a Helm chart"."""
    return _error("unsupported", registry, reference.repository, detail=what, tag=_tag(reference))


def _tag(reference: ImageReference) -> str:
    return reference.tag or reference.digest or ""


def no_answer(registry: EcrRegistry, repository: str) -> ContainerAppError:
    """Return the failure of an image that ECR neither returned nor refused."""
    return _error("unavailable", registry, repository, code="no answer")


def _call_rule(error: botocore.ClientError, code: str) -> str:
    rule = _CALL_CODES.get(code)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if rule is None and status >= 500:
        rule = "unavailable"
    if error.operation_name != "BatchGetImage" and rule not in {"throttled", "unavailable"}:
        # STS was asked for credentials first, and it is its answer that we hold.
        rule = "credentials"
    return rule or "refused"


def _error(rule: str, registry: EcrRegistry, repository: str, **details: str) -> ContainerAppError:
    kind, reason, message = _RULES[rule]
    facts = {
        "where": f"the ECR repository `{repository}` of account {registry.account} in {registry.region}",
        "arn": registry.repository_arn(repository),
        "identity": caller(details.get("detail", "")),
        "account": registry.account,
        "region": registry.region,
    }
    text = message.format_map(facts | {name: printable(detail, 500) for name, detail in details.items()})
    return kind(reason, text[0].upper() + text[1:])


def caller(detail: str) -> str:
    """Return who was refused, without the session's name, which changes with every Pod."""
    match = _CALLER.search(detail)
    if match is None:
        return "the operator's AWS identity"
    role = _ASSUMED_ROLE.fullmatch(match["arn"])
    return f"role `{role['role']}` of account {role['account']}" if role else f"`{match['arn']}`"
