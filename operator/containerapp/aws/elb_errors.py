"""What Elastic Load Balancing, ACM or EKS says against a question: one reason and one remedy for each failure.

Called for calls that failed. Messages are read in an app's status: they stay the same from one attempt to the next (no
request ids, no session names).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from containerapp.api.artifacts import printable
from containerapp.aws.errors import NO_ANSWER, NO_CREDENTIALS, caller
from containerapp.errors import Blocked, ContainerAppError, Transient

if TYPE_CHECKING:
    from collections.abc import Mapping

_DENIED: Final = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}
_THROTTLED: Final = {"Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException"}
_GONE: Final = {"TargetGroupNotFound", "ValidationError"}
_SERVICES: Final[Mapping[str, str]] = {
    "DescribeTargetHealth": "elasticloadbalancing",
    "DescribeAccountLimits": "elasticloadbalancing",
    "ListCertificates": "acm",
    "DescribeCertificate": "acm",
    "ListFargateProfiles": "eks",
    "DescribeFargateProfile": "eks",
}


def is_gone(error: ClientError | BotoCoreError) -> bool:
    """Whether there is no such target group."""
    return isinstance(error, ClientError) and _code(error) in _GONE


def from_call(error: ClientError | BotoCoreError, operation: str) -> ContainerAppError:
    """Return what a call of `operation` that raised `error` means."""
    action = f"{_SERVICES[operation]}:{operation}"
    if isinstance(error, NO_CREDENTIALS):
        return _no_credentials(action, type(error).__name__)
    if not isinstance(error, ClientError):
        if isinstance(error, NO_ANSWER):
            return _unavailable(action, type(error).__name__)
        return Blocked(
            "ElbRefused", f"{action} failed ({type(error).__name__}): {printable(str(error), 300)}"
        )
    code, detail = _code(error), error.response.get("Error", {}).get("Message", "")
    if code in _THROTTLED:
        return Transient("Throttled", f"AWS limits the rate of {action}. It is asked again.")
    if error.operation_name != operation:
        # STS was asked for credentials first, and it is its answer that we hold.
        return _no_credentials(action, code)
    if code in _DENIED:
        who = caller(detail)
        said = f"{who[0].upper()}{who[1:]} lacks {action}: allow it in that identity's IAM policy, on resource *."
        return Blocked("AccessDenied", said)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if status >= 500:
        return _unavailable(action, code)
    return Blocked("ElbRefused", f"{action} failed ({code}): {printable(detail, 300)}")


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "Unknown"))


def _no_credentials(action: str, code: str) -> Blocked:
    return Blocked(
        "NoCredentials",
        f"The operator has no AWS credentials for {action} ({code}). Give its ServiceAccount an IAM role by EKS Pod "
        "Identity or IRSA.",
    )


def _unavailable(action: str, code: str) -> Transient:
    return Transient("ElbUnavailable", f"AWS cannot be reached for {action} ({code}). It is asked again.")
