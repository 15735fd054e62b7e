"""What `containerapp doctor` asks AWS, and what it makes of the answers."""

from __future__ import annotations

import json
import socket
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from containerapp.aws.asking import Aws
from containerapp.cli import aws_checks
from containerapp.cli.aws_checks import examine_aws
from containerapp.cli.findings import Finding, Grade
from tests.aws.played import REGION, Played

ROLE = "arn:aws:iam::123456789012:role/nodes/shop-nodes"
CHECKS = 6


def _in(days: int) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


def _version(status: str = "STANDARD_SUPPORT", days: int = 300) -> Any:
    found = {
        "clusterVersion": "1.34",
        "versionStatus": status,
        "endOfStandardSupportDate": _in(days),
        "endOfExtendedSupportDate": _in(days + 365),
    }
    return {"clusterVersions": [found]}


def _subnet(name: str, zone: str, *, public: bool = False, **tags: str) -> Any:
    named = {"elb": "kubernetes.io/role/elb", "internal": "kubernetes.io/role/internal-elb"}
    return {
        "SubnetId": name,
        "AvailabilityZone": f"{REGION}{zone}",
        "MapPublicIpOnLaunch": public,
        "Tags": [{"Key": named[key], "Value": value} for key, value in tags.items()],
    }


def _profile(status: str = "ACTIVE", **labels: str) -> Any:
    selector = {"namespace": "te?m*", **({"labels": labels} if labels else {})}
    return {
        "fargateProfile": {
            "fargateProfileName": "apps",
            "podExecutionRoleArn": ROLE,
            "status": status,
            "selectors": [{"namespace": "other"}, selector],
        }
    }


def _simulated(*refused: str) -> Any:
    actions = ("ecr:GetAuthorizationToken", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
    results = [
        {"EvalActionName": each, "EvalDecision": "implicitDeny" if each in refused else "allowed"}
        for each in actions
    ]
    return {"EvaluationResults": results}


def _policies(*names: str) -> Any:
    return {"AttachedPolicies": [{"PolicyArn": f"arn:aws:iam::aws:policy/{name}"} for name in names]}


def _balancers(applications: int, most: str = "50") -> Any:
    return {
        "elbv2.DescribeLoadBalancers": {"LoadBalancers": [{"Type": "application"}] * applications},
        "elbv2.DescribeAccountLimits": {"Limits": [{"Name": "application-load-balancers", "Max": most}]},
    }


READY: dict[str, Any] = {
    "eks.DescribeCluster": {
        "cluster": {
            "name": "prod",
            "version": "1.34",
            "resourcesVpcConfig": {"vpcId": "vpc-1"},
            "computeConfig": {"nodeRoleArn": ROLE},
        }
    },
    "eks.DescribeClusterVersions": _version(),
    "eks.ListNodegroups": {"nodegroups": ["workers"]},
    "eks.DescribeNodegroup": {"nodegroup": {"nodeRole": ROLE}},
    "eks.ListFargateProfiles": {"fargateProfileNames": ["apps"]},
    "eks.DescribeFargateProfile": _profile(tier="batch"),
    "eks.DescribeAddon": {"addon": {"status": "ACTIVE"}},
    "iam.ListAttachedRolePolicies": _policies("AmazonEC2ContainerRegistryPullOnly"),
    "ec2.DescribeSubnets": {
        "Subnets": [
            _subnet("subnet-1", "a", public=True, elb="1"),
            _subnet("subnet-2", "b", public=True, elb=""),
            _subnet("subnet-3", "a", internal="1"),
            _subnet("subnet-4", "b", internal="1"),
        ]
    },
    **_balancers(3),
}
"""A cluster that lacks nothing."""


async def _examine(changes: dict[str, Any] | None = None, cluster: str | None = "prod") -> list[Finding]:
    played = Played({**READY, **(changes or {})})
    aws = Aws(region=REGION, connect=played.connect)
    return [finding.naming(cluster) for finding in await examine_aws(aws, cluster, "team")]


async def _changed(changes: dict[str, Any]) -> list[Finding]:
    """Return the findings that a change brings about."""
    before = {finding.said for finding in await _examine()}
    return [finding for finding in await _examine(changes) if finding.said not in before]


@pytest.mark.usefixtures("no_aws")
async def test_a_cluster_that_lacks_nothing_is_ok_throughout() -> None:
    """Each check says what it has seen."""
    found = await _examine()
    assert {finding.grade for finding in found} == {Grade.OK}
    text = "\n".join(finding.said for finding in found)
    assert f"EKS supports Kubernetes 1.34 until {_in(300):%Y-%m-%d}." in text
    assert "The role shop-nodes may pull images from ECR." in text
    assert "The add-on eks-pod-identity-agent is active." in text
    assert "Fargate runs Pods of the namespace team: apps (tier=batch)." in text
    assert "2 subnets in 2 zones have the tag kubernetes.io/role/elb, for public load balancers." in text
    assert "3 of 50 Application Load Balancers" in text


@pytest.mark.parametrize(
    ("changes", "grade", "said", "remedy"),
    [
        (
            {"eks.DescribeClusterVersions": _version(days=20)},
            Grade.WARN,
            "Standard support of Kubernetes 1.34 ends",
            "aws eks update-cluster-version --name prod --kubernetes-version 1.35",
        ),
        (
            {"eks.DescribeClusterVersions": _version("EXTENDED_SUPPORT", -20)},
            Grade.WARN,
            "is in extended support, which costs more",
            "1.35",
        ),
        (
            {"eks.DescribeClusterVersions": _version("UNSUPPORTED", -900)},
            Grade.FAIL,
            "does not support Kubernetes 1.34 any more",
            "1.35",
        ),
        (
            {"eks.DescribeClusterVersions": {"clusterVersions": []}},
            Grade.SKIP,
            "Skipped: the support of the cluster's version: EKS does not list Kubernetes 1.34.",
            "",
        ),
        (
            {
                "iam.ListAttachedRolePolicies": _policies("AmazonEKSWorkerNodePolicy"),
                "iam.SimulatePrincipalPolicy": _simulated("ecr:GetAuthorizationToken", "ecr:BatchGetImage"),
            },
            Grade.FAIL,
            "may not pull images from ECR: it lacks ecr:GetAuthorizationToken, ecr:BatchGetImage.",
            "--role-name shop-nodes --policy-arn arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPullOnly",
        ),
        (
            {
                "iam.ListAttachedRolePolicies": _policies(),
                "iam.SimulatePrincipalPolicy": _simulated("ecr:BatchGetImage"),
            },
            Grade.WARN,
            "has ecr:BatchGetImage for single repositories of ECR at most",
            "attach-role-policy",
        ),
        (
            {"eks.DescribeAddon": {"addon": {"status": "DEGRADED"}}},
            Grade.WARN,
            "The add-on eks-pod-identity-agent is degraded",
            "aws eks describe-addon --cluster-name prod",
        ),
        (
            {"eks.DescribeFargateProfile": _profile()},
            Grade.OK,
            "apps (every Pod)",
            "",
        ),
        (
            {"eks.DescribeFargateProfile": _profile("CREATE_FAILED")},
            Grade.WARN,
            "The Fargate profile apps is create_failed",
            "--fargate-profile-name apps --query fargateProfile.health",
        ),
        (
            {"eks.ListFargateProfiles": {"fargateProfileNames": []}},
            Grade.WARN,
            "No Fargate profile selects the namespace team",
            "aws eks create-fargate-profile --cluster-name prod",
        ),
        (
            {"ec2.DescribeSubnets": {"Subnets": [*READY["ec2.DescribeSubnets"]["Subnets"][1:]]}},
            Grade.WARN,
            "Subnets with the tag kubernetes.io/role/elb are in 1 zone: a public Application",
            "aws ec2 create-tags --tags Key=kubernetes.io/role/elb,Value=1 --resources subnet-2",
        ),
        (
            {"ec2.DescribeSubnets": {"Subnets": [*READY["ec2.DescribeSubnets"]["Subnets"][:2]]}},
            Grade.WARN,
            "Subnets with the tag kubernetes.io/role/internal-elb are none: an internal Application",
            "--resources SUBNETS",
        ),
        (
            _balancers(40),
            Grade.WARN,
            "40 of 50 Application Load Balancers",
            "--quota-code L-53DA6B97 --desired-value 100",
        ),
        (_balancers(2, "2"), Grade.FAIL, "no app gets another one", "--desired-value 4"),
    ],
)
@pytest.mark.usefixtures("no_aws")
async def test_what_is_missing_is_said_with_what_mends_it(
    changes: dict[str, Any], grade: Grade, said: str, remedy: str
) -> None:
    """And the cluster's name stands in the command."""
    (finding,) = await _changed(changes)
    assert (finding.grade, said in finding.said, remedy in finding.remedy) == (grade, True, True), finding


@pytest.mark.usefixtures("no_aws")
async def test_an_agent_that_is_no_add_on_is_left_to_the_check_of_the_cluster() -> None:
    """It may be a DaemonSet of the Helm chart, which AWS does not know."""
    assert await _changed({"eks.DescribeAddon": "ResourceNotFoundException"}) == []
    assert (
        len(await _examine({"eks.DescribeAddon": "ResourceNotFoundException"})) == len(await _examine()) - 1
    )


@pytest.mark.usefixtures("no_aws")
async def test_a_cluster_without_known_roles_skips_that_check() -> None:
    """Nodes of one's own have a role that EKS does not know."""
    bare = {"cluster": {"version": "1.34", "resourcesVpcConfig": {"vpcId": "vpc-1"}}}
    none: dict[str, Any] = {
        "eks.ListNodegroups": {"nodegroups": []},
        "eks.ListFargateProfiles": {"fargateProfileNames": []},
    }
    found = await _changed({"eks.DescribeCluster": bare, **none})
    assert Grade.SKIP in {finding.grade for finding in found}
    assert any("no node group, Auto Mode or Fargate profile" in finding.said for finding in found)


@pytest.mark.parametrize(
    ("code", "why", "remedy"),
    [
        (
            "AccessDeniedException",
            "your AWS identity may not ask",
            "Allow your identity ec2:DescribeSubnets.",
        ),
        (
            "UnauthorizedOperation",
            "your AWS identity may not ask",
            "Allow your identity ec2:DescribeSubnets.",
        ),
        ("RequestExpired", "the AWS credentials have expired", "aws sso login"),
        ("AuthFailure", "AWS does not accept the credentials", "aws sso login"),
        ("Throttling", "ec2:DescribeSubnets is refused (Throttling: No.)", ""),
    ],
)
@pytest.mark.usefixtures("no_aws")
async def test_a_refusal_ends_one_check_and_names_the_remedy(code: str, why: str, remedy: str) -> None:
    """The other checks go on."""
    (finding,) = await _changed({"ec2.DescribeSubnets": code})
    assert (finding.grade, finding.said) == (Grade.SKIP, f"Skipped: the subnets' tags: {why}.")
    assert remedy in finding.remedy


@pytest.mark.usefixtures("no_aws")
async def test_a_cluster_that_eks_does_not_know_is_named() -> None:
    """The quotas are the account's, and are read all the same."""
    found = await _examine(
        {"eks.DescribeCluster": "ResourceNotFoundException", "eks.DescribeAddon": "ResourceNotFoundException"}
    )
    skipped = [finding for finding in found if finding.grade is Grade.SKIP]
    assert "EKS has no cluster prod in eu-west-1" in skipped[0].said
    assert "--cluster-name" in skipped[0].remedy
    assert found[-1].grade is Grade.OK
    denied = await _examine({"eks.DescribeCluster": "AccessDeniedException"})
    assert "Allow your identity eks:DescribeCluster." in {finding.remedy for finding in denied}


@pytest.mark.usefixtures("no_aws")
async def test_without_a_name_all_but_the_quotas_is_skipped() -> None:
    """As on a cluster that is not of EKS."""
    found = await _examine(cluster=None)
    assert [finding.grade for finding in found] == [Grade.SKIP] * (CHECKS - 1) + [Grade.OK]
    assert "the kubeconfig names no EKS cluster" in found[0].said


@pytest.mark.parametrize(
    ("region", "profile", "why"),
    [
        (REGION, None, "there are no AWS credentials"),
        (None, None, "no AWS region is known"),
        (REGION, "gone", "The config profile (gone) could not be found"),
    ],
)
async def test_without_credentials_each_check_is_skipped_at_once(
    no_aws: pytest.MonkeyPatch, region: str | None, profile: str | None, why: str
) -> None:
    """No check waits for anything."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        no_aws.delenv(name, raising=False)
    began = time.monotonic()
    found = await examine_aws(Aws(region=region, profile=profile), "prod", "team")
    assert time.monotonic() - began < 5
    assert [finding.grade for finding in found] == [Grade.SKIP] * CHECKS
    assert all(finding.said.startswith("Skipped: ") and why in finding.said for finding in found)


async def test_a_profile_that_wants_a_code_is_not_used(no_aws: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """It would ask for the code on the terminal, in the midst of the checks."""
    file = tmp_path / "config"
    file.write_text(
        "[profile two]\nrole_arn = arn:aws:iam::123456789012:role/a\nsource_profile = one\n"
        "mfa_serial = arn:aws:iam::123456789012:mfa/me\n[profile one]\naws_access_key_id = x\n"
        "aws_secret_access_key = x\n"
    )
    no_aws.setenv("AWS_CONFIG_FILE", str(file))
    found = await examine_aws(Aws(region=REGION, profile="two"), "prod", "team")
    assert {finding.grade for finding in found} == {Grade.SKIP}
    assert "mfa_serial" in found[0].said
    assert "export-credentials" in found[0].remedy


async def test_an_aws_that_never_answers_does_not_hold_the_command(
    credentials: pytest.MonkeyPatch,
) -> None:
    """A socket that takes connections and says nothing; the time is shortened for the test."""
    credentials.setattr(aws_checks, "PATIENCE", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        credentials.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        found = await examine_aws(Aws(region=REGION), "prod", "team")
    assert time.monotonic() - began < 3
    assert {finding.said.rpartition(": ")[2] for finding in found} == {
        "AWS has not answered within 1 seconds."
    }


async def test_an_aws_that_refuses_connections_is_said(credentials: pytest.MonkeyPatch) -> None:
    """Two attempts, and then the cause."""
    credentials.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    found = await examine_aws(Aws(region=REGION), "prod", "team")
    assert all("AWS does not answer (EndpointConnectionError)" in finding.said for finding in found)


async def test_a_server_of_its_own_is_read_as_aws_is(
    credentials: pytest.MonkeyPatch, moto_endpoint: str
) -> None:
    """By moto, over HTTP: what it does not know of EKS is skipped."""
    credentials.setenv("AWS_ENDPOINT_URL", moto_endpoint)

    def client(service: str) -> Any:
        return boto3.client(service, region_name="eu-west-3")  # type: ignore[call-overload]

    trust = {"Version": "2012-10-17", "Statement": []}
    role = client("iam").create_role(RoleName="doctor-nodes", AssumeRolePolicyDocument=json.dumps(trust))[
        "Role"
    ]["Arn"]
    eks = client("eks")
    eks.create_cluster(
        name="doctor", roleArn=role, version="1.34", resourcesVpcConfig={"subnetIds": ["subnet-1"]}
    )
    eks.create_nodegroup(clusterName="doctor", nodegroupName="a", subnets=["subnet-1"], nodeRole=role)
    eks.create_fargate_profile(
        clusterName="doctor",
        fargateProfileName="f",
        podExecutionRoleArn=role,
        selectors=[{"namespace": "team"}],
    )
    found = await examine_aws(Aws(region="eu-west-3"), "doctor", "team")
    text = "\n".join(finding.line() for finding in found)
    assert "role/internal-elb, for internal load balancers" not in text, (
        "of the default VPC, which moto names"
    )
    assert "Fargate runs Pods of the namespace team: f (every Pod)." in text
    assert "0 of 20 Application Load Balancers" in text
