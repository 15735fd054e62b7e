"""Certificates and quotas, call by call: `containerapp.aws.account`, by botocore's Stubber and by moto."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from containerapp.aws.account import AwsAccount
from containerapp.core.account import FARGATE, LOAD_BALANCERS, Certificate, FargateProfile

ARN = "arn:aws:acm:eu-west-1:123456789012:certificate/0b7e4c1a-5f0d-4f5e-9d43-6a1d7c2b9e01"
LISTED = {
    "CertificateStatuses": ["ISSUED"],
    "Includes": {
        "keyTypes": ["RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1"]
    },
    "MaxItems": 1000,
}


class Aws:
    """Clients whose calls are stubbed."""

    def __init__(self) -> None:
        self.clients: dict[str, Any] = {
            name: boto3.client(name, region_name="eu-west-1") for name in ("elbv2", "acm", "eks")
        }
        self.stubs = {name: Stubber(client) for name, client in self.clients.items()}
        for stub in self.stubs.values():
            stub.activate()
        self.seen: list[tuple[str, str]] = []
        self.account = AwsAccount(
            cluster="prod",
            connect=self.clients.__getitem__,
            observe=lambda *outcome: self.seen.append(outcome),
        )

    def limits(self, **limits: str) -> None:
        """Expect the question for quotas."""
        found = [{"Name": name.replace("_", "-"), "Max": most} for name, most in limits.items()]
        self.stubs["elbv2"].add_response("describe_account_limits", {"Limits": found}, {})

    def certificates(self, *summaries: Any, parameters: Any = None, **rest: str) -> None:
        """Expect the question for certificates."""
        answer = {"CertificateSummaryList": list(summaries), **rest}
        self.stubs["acm"].add_response("list_certificates", answer, parameters or LISTED)


@pytest.fixture
def aws(credentials: pytest.MonkeyPatch) -> Aws:  # noqa: ARG001 - an environment in which clients can be made
    """The account."""
    return Aws()


async def test_quotas_and_certificates_are_read_page_by_page(aws: Aws) -> None:
    """A certificate of more than a hundred names takes a call more."""
    aws.limits(rules_per_application_load_balancer="100", targets_per_application_load_balancer="1000")
    aws.certificates(
        {
            "CertificateArn": ARN,
            "DomainName": "a.com",
            "SubjectAlternativeNameSummaries": ["a.com", "*.a.com"],
        },
        NextToken="more",
    )
    big = {"CertificateArn": f"{ARN}2", "DomainName": "b.com", "HasAdditionalSubjectAlternativeNames": True}
    aws.certificates(big, parameters={**LISTED, "NextToken": "more"})
    described = {"Certificate": {"DomainName": "b.com", "SubjectAlternativeNames": ["b.com", "c.com"]}}
    aws.stubs["acm"].add_response("describe_certificate", described, {"CertificateArn": f"{ARN}2"})
    found = await aws.account.ask(LOAD_BALANCERS)
    assert found.limits == {
        "rules-per-application-load-balancer": 100,
        "targets-per-application-load-balancer": 1000,
    }
    assert found.certificates == (
        Certificate(arn=ARN, domains=("a.com", "*.a.com")),
        Certificate(arn=f"{ARN}2", domains=("b.com", "c.com")),
    )
    assert found.errors == ()
    assert aws.seen == [("DescribeAccountLimits", "ok"), ("ListCertificates", "ok")]


async def test_what_may_not_be_asked_is_not_known(aws: Aws) -> None:
    """The other half is, and each failure has its reason."""
    aws.limits(rules_per_application_load_balancer="100")
    aws.stubs["acm"].add_client_error("list_certificates", "AccessDeniedException")
    found = await aws.account.ask(LOAD_BALANCERS)
    assert (found.certificates, found.limits) == (None, {"rules-per-application-load-balancer": 100})
    assert [error.reason for error in found.errors] == ["AccessDenied"]
    assert "acm:ListCertificates" in found.errors[0].message
    aws.stubs["elbv2"].add_client_error("describe_account_limits", "Throttling")
    aws.certificates(
        {"CertificateArn": ARN, "DomainName": "b.com", "HasAdditionalSubjectAlternativeNames": True}
    )
    aws.stubs["acm"].add_client_error("describe_certificate", "AccessDeniedException")
    found = await aws.account.ask(LOAD_BALANCERS)
    assert (found.certificates, found.limits) == (None, None)
    assert [error.reason for error in found.errors] == ["Throttled", "AccessDenied"]
    assert "acm:DescribeCertificate" in found.errors[1].message


async def test_the_fargate_profiles_are_read_page_by_page(aws: Aws) -> None:
    """Each with its selectors; of the rest nothing is asked."""
    eks, cluster = aws.stubs["eks"], {"clusterName": "prod"}
    eks.add_response("list_fargate_profiles", {"fargateProfileNames": ["web"], "nextToken": "more"}, cluster)
    eks.add_response(
        "list_fargate_profiles", {"fargateProfileNames": ["batch"]}, {**cluster, "nextToken": "more"}
    )
    for name, selector in (
        ("web", {"namespace": "team-*"}),
        ("batch", {"namespace": "a", "labels": {"b": "c"}}),
    ):
        profile = {"fargateProfileName": name, "status": "ACTIVE", "selectors": [selector]}
        asked = {**cluster, "fargateProfileName": name}
        eks.add_response("describe_fargate_profile", {"fargateProfile": profile}, asked)
    found = await aws.account.ask(FARGATE)
    assert found.profiles == (
        FargateProfile(name="web", status="ACTIVE", selectors=(("team-*", {}),)),
        FargateProfile(name="batch", status="ACTIVE", selectors=(("a", {"b": "c"}),)),
    )
    assert (found.limits, found.certificates, found.profiles_error) == (None, None, None)
    assert aws.seen == [("ListFargateProfiles", "ok")]


async def test_why_the_fargate_profiles_are_not_known(aws: Aws) -> None:
    """The action that is missing is named, whether it is to list or to describe."""
    eks = aws.stubs["eks"]
    eks.add_client_error("list_fargate_profiles", "AccessDeniedException")
    found = await aws.account.ask(FARGATE)
    assert (found.profiles, found.errors) == (None, ())
    assert "eks:ListFargateProfiles" in str(found.profiles_error)
    eks.add_response("list_fargate_profiles", {"fargateProfileNames": ["web"]}, {"clusterName": "prod"})
    eks.add_client_error("describe_fargate_profile", "AccessDeniedException")
    assert "eks:DescribeFargateProfile" in str((await aws.account.ask(FARGATE)).profiles_error)


async def test_the_clients_are_made_with_the_first_call(
    credentials: pytest.MonkeyPatch, moto_endpoint: str
) -> None:
    """By moto: its own quotas, and one certificate."""
    credentials.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    for service in ("ELASTIC_LOAD_BALANCING_V2", "ACM"):
        credentials.setenv(f"AWS_ENDPOINT_URL_{service}", moto_endpoint)
    found = await AwsAccount().ask(LOAD_BALANCERS)
    assert found.errors == ()
    assert found.limits is not None
    assert found.limits["rules-per-application-load-balancer"] == 100
