"""AWS failures that no server of ours produces: those of the credentials' own sources."""

from __future__ import annotations

import pytest
from botocore import exceptions as botocore
from botocore.parsers import ResponseParserError

from containerapp.api.images import EcrRegistry
from containerapp.aws import errors
from containerapp.errors import Blocked, ContainerAppError, Transient

REGISTRY = EcrRegistry(
    account="123456789012", region="cn-north-1", partition="aws-cn", dns_suffix="amazonaws.com.cn"
)


def _error(code: str, operation: str, status: int = 400, message: str = "no") -> botocore.ClientError:
    return botocore.ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        operation,
    )


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        (_error("AccessDenied", "AssumeRoleWithWebIdentity"), Blocked, "NoCredentials"),
        (_error("InvalidIdentityToken", "AssumeRoleWithWebIdentity"), Blocked, "NoCredentials"),
        (_error("ThrottlingException", "AssumeRole"), Transient, "Throttled"),
        (_error("InternalFailure", "AssumeRole", 500), Transient, "RegistryUnavailable"),
        (botocore.CredentialRetrievalError(provider="x", error_msg="y"), Blocked, "NoCredentials"),
        (botocore.PartialCredentialsError(provider="x", cred_var="y"), Blocked, "NoCredentials"),
        (botocore.ConnectTimeoutError(endpoint_url="https://x"), Transient, "RegistryUnavailable"),
        (botocore.ReadTimeoutError(endpoint_url="https://x"), Transient, "RegistryUnavailable"),
        (botocore.SSLError(endpoint_url="https://x", error=OSError("y")), Transient, "RegistryUnavailable"),
        (ResponseParserError("no JSON"), Transient, "RegistryUnavailable"),
        (botocore.InvalidRegionError(region_name="x"), Blocked, "RegistryRefused"),
    ],
)
def test_tells_credentials_that_cannot_be_had_from_a_registry_that_cannot_be_reached(
    error: botocore.ClientError | botocore.BotoCoreError, kind: type[ContainerAppError], reason: str
) -> None:
    """Whose turn it is to act differs: the platform team's, or nobody's."""
    outcome = errors.from_call(error, REGISTRY, "shop")
    assert type(outcome) is kind
    assert outcome.reason == reason


def test_names_the_resource_in_its_own_partition() -> None:
    """The ARN in the message can be pasted into a policy."""
    outcome = errors.from_call(_error("AccessDeniedException", "BatchGetImage"), REGISTRY, "team/shop")
    assert "`arn:aws-cn:ecr:cn-north-1:123456789012:repository/team/shop`" in outcome.message
    assert "the operator's AWS identity" in outcome.message


def test_names_a_user_by_its_arn() -> None:
    """An identity that is no role has no session to leave out."""
    denied = _error(
        "AccessDeniedException", "BatchGetImage", message="User: arn:aws:iam::1:user/x is not authorized"
    )
    assert "`arn:aws:iam::1:user/x` needs" in errors.from_call(denied, REGISTRY, "shop").message
