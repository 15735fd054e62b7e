"""Target groups, call by call: `containerapp.aws.target_health`, by botocore's Stubber and by moto."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
)
from botocore.stub import Stubber

from containerapp.aws import calls
from containerapp.aws.elb_errors import from_call
from containerapp.aws.target_health import TargetHealth
from containerapp.errors import Blocked, ContainerAppError, Transient

GROUP = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/shop/943f017f100becff"
DENIED = (
    "User: arn:aws:sts::123456789012:assumed-role/operator/session is not authorized to perform: "
    "elasticloadbalancing:DescribeTargetHealth"
)


class Elb:
    """A client of Elastic Load Balancing whose calls are stubbed."""

    def __init__(self) -> None:
        self.client: Any = boto3.client("elbv2", region_name="eu-west-1")
        self.stub = Stubber(self.client)
        self.stub.activate()
        self.seen: list[tuple[str, str]] = []
        self.health = TargetHealth(
            connect=lambda: self.client, observe=lambda *outcome: self.seen.append(outcome)
        )

    def says(self, *targets: tuple[str, int, str]) -> None:
        """Expect a question and answer address, port and state."""
        descriptions = [
            {"Target": {"Id": address, "Port": port}, "TargetHealth": {"State": state}}
            for address, port, state in targets
        ]
        answer = {"TargetHealthDescriptions": descriptions}
        self.stub.add_response("describe_target_health", answer, {"TargetGroupArn": GROUP})

    def fails(self, code: str, status: int = 400, message: str = "") -> None:
        """Expect a question and refuse it."""
        self.stub.add_client_error(
            "describe_target_health", code, service_message=message, http_status_code=status
        )


@pytest.fixture
def elb(credentials: pytest.MonkeyPatch) -> Elb:  # noqa: ARG001 - an environment in which a client can be made
    """The target group."""
    return Elb()


async def test_states_are_read_by_address(elb: Elb) -> None:
    """Of an address with several ports the worst state counts, and one that is new to us serves nobody."""
    elb.says(
        ("10.0.0.1", 80, "healthy"),
        ("10.0.0.2", 80, "healthy"),
        ("10.0.0.2", 81, "initial"),
        ("10.0.0.3", 80, "anomalous"),
    )
    assert await elb.health.describe(GROUP) == {
        "10.0.0.1": "healthy",
        "10.0.0.2": "initial",
        "10.0.0.3": "anomalous",
    }
    assert elb.seen == [("DescribeTargetHealth", "ok")]


async def test_a_group_that_is_gone_has_no_targets(elb: Elb) -> None:
    """The load balancer's controller has replaced it: the binding says so next."""
    elb.fails("TargetGroupNotFound")
    assert await elb.health.describe(GROUP) == {}


@pytest.mark.parametrize(
    ("code", "status", "message", "kind", "reason"),
    [
        ("AccessDenied", 403, DENIED, Blocked, "AccessDenied"),
        ("Throttling", 400, "Rate exceeded", Transient, "Throttled"),
        ("ServiceUnavailable", 503, "", Transient, "ElbUnavailable"),
        ("InvalidTarget", 400, "What is that?", Blocked, "ElbRefused"),
    ],
)
async def test_each_refusal_has_its_reason(
    elb: Elb, code: str, status: int, message: str, kind: type[ContainerAppError], reason: str
) -> None:
    """The status shows it, and the metric counts it."""
    elb.fails(code, status, message)
    with pytest.raises(kind) as caught:
        await elb.health.describe(GROUP)
    assert caught.value.reason == reason
    assert elb.seen == [("DescribeTargetHealth", reason)]


async def test_a_denied_right_is_named(elb: Elb) -> None:
    """With the role that lacks it, and without the session, which changes with every Pod."""
    elb.fails("AccessDenied", 403, DENIED)
    with pytest.raises(Blocked) as caught:
        await elb.health.describe(GROUP)
    assert caught.value.message.startswith(
        "Role `operator` of account 123456789012 lacks elasticloadbalancing:DescribeTargetHealth"
    )


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (NoCredentialsError(), "NoCredentials"),
        (EndpointConnectionError(endpoint_url="https://elb"), "ElbUnavailable"),
        (ParamValidationError(report="no ARN"), "ElbRefused"),
        (ClientError({"Error": {"Code": "AccessDenied"}}, "AssumeRoleWithWebIdentity"), "NoCredentials"),
    ],
)
def test_what_never_reached_the_load_balancer_has_a_reason_too(error: Any, reason: str) -> None:
    """No credentials, no network, and STS in their stead."""
    assert from_call(error, "DescribeTargetHealth").reason == reason


async def test_calls_wait_for_their_turn(elb: Elb, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand rollouts at once must not use up what the account's other tools need."""
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr("asyncio.sleep", sleep)
    monkeypatch.setattr(calls, "RATE", 0.1)
    for _ in range(3):
        elb.says()
        assert await elb.health.describe(GROUP) == {}
    assert waited[-1] > 10


async def test_the_client_is_made_with_the_first_call(
    credentials: pytest.MonkeyPatch, moto_endpoint: str
) -> None:
    """By moto: a group that has no targets, and the real client's way there."""
    credentials.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    credentials.setenv("AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2", moto_endpoint)
    credentials.setenv("AWS_ENDPOINT_URL_EC2", moto_endpoint)
    vpc = boto3.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    client: Any = boto3.client("elbv2")
    group = client.create_target_group(Name="shop", Protocol="HTTP", Port=80, VpcId=vpc, TargetType="ip")
    assert await TargetHealth().describe(group["TargetGroups"][0]["TargetGroupArn"]) == {}
