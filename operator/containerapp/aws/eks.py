"""What AWS knows of an EKS cluster that apps run on: facts, not judgements. It reads, and writes nothing.

Called by `doctor`, each method in a thread of its own. The cluster itself is described once, from the beginning.
Methods raise `Unasked` where AWS does not answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from containerapp.aws.asking import Aws, Unasked, begin
from containerapp.core.account import FargateProfile

_PULLING_POLICIES: Final = frozenset(
    f"aws:policy/AmazonEC2ContainerRegistry{kind}"
    for kind in ("PullOnly", "ReadOnly", "PowerUser", "FullAccess")
)
_PULL: Final = ("ecr:GetAuthorizationToken", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
_QUOTAS: Final = {"application": "application-load-balancers", "network": "network-load-balancers"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """How long AWS supports a version of Kubernetes: `status` is standard-support, extended-support or unsupported."""

    version: str
    status: str
    standard_until: datetime
    extended_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A role that nodes pull images with, by its ARN, and the actions of a pull that it lacks for any repository."""

    arn: str
    lacks: tuple[str, ...]

    @property
    def name(self) -> str:
        """The last part of the ARN, after any path."""
        return self.arn.rpartition("/")[2]

    @property
    def mending_policy(self) -> str:
        """The ARN of the policy of AWS that allows to pull."""
        return f"arn:{self.arn.split(':')[1]}:iam::aws:policy/AmazonEC2ContainerRegistryPullOnly"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subnet:
    """A subnet of the cluster's VPC; `public` where it gives its machines public addresses."""

    name: str
    zone: str
    public: bool
    tags: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """Load balancers of one type: how many the region has, and how many it may have."""

    type: str
    used: int
    most: int


class Eks:
    """A cluster by its name."""

    def __init__(self, aws: Aws, name: str) -> None:
        self.name = name
        self._aws = aws
        self._described = begin(self._describe)

    def _describe(self) -> Any:
        try:
            return self._aws.call("eks", "describe_cluster", name=self.name)["cluster"]
        except Unasked as error:
            if error.code != "ResourceNotFoundException":
                raise
            said = f"EKS has no cluster {self.name} in {self._aws.region} for these credentials"
            raise Unasked(
                said, "aws eks list-clusters; then name it by --cluster-name, its region by AWS_REGION"
            ) from None

    @property
    def auto_mode(self) -> bool:
        """Whether EKS Auto Mode brings the nodes."""
        return bool(self._described.result().get("computeConfig", {}).get("enabled"))

    def support(self) -> Support:
        """Return how long the cluster's version is supported."""
        version = self._described.result()["version"]
        answer = self._aws.call(
            "eks", "describe_cluster_versions", clusterVersions=[version], includeAll=True
        )
        for found in answer["clusterVersions"]:
            return Support(
                version=version,
                status=found.get("versionStatus", "").lower().replace("_", "-") or found["status"],
                standard_until=found["endOfStandardSupportDate"],
                extended_until=found["endOfExtendedSupportDate"],
            )
        raise Unasked(f"EKS does not list Kubernetes {version}")

    def addon(self, name: str) -> str | None:
        """Return the status of an add-on, as in ACTIVE or DEGRADED; None where it is not installed as one."""
        try:
            found = self._aws.call("eks", "describe_addon", clusterName=self.name, addonName=name)
        except Unasked as error:
            if error.code != "ResourceNotFoundException":
                raise
            self._described.result()
            return None
        return str(found["addon"]["status"])

    def roles(self) -> list[Role]:
        """Return the roles of node groups, of Auto Mode and of Fargate profiles."""
        return [self._role(arn) for arn in sorted(set(self._role_arns()))]

    def _role_arns(self) -> Iterator[str]:
        groups = self._aws.list("eks", "list_nodegroups", "nodegroups", clusterName=self.name)
        for group in groups:
            found = self._aws.call("eks", "describe_nodegroup", clusterName=self.name, nodegroupName=group)
            yield found["nodegroup"]["nodeRole"]
        auto = self._described.result().get("computeConfig", {}).get("nodeRoleArn")
        yield from [auto] if auto else []
        for profile in self._profiles():
            yield profile["podExecutionRoleArn"]

    def _role(self, arn: str) -> Role:
        name = Role(arn=arn, lacks=()).name
        attached = self._aws.list("iam", "list_attached_role_policies", "AttachedPolicies", RoleName=name)
        if any(policy["PolicyArn"].rpartition("::")[2] in _PULLING_POLICIES for policy in attached):
            return Role(arn=arn, lacks=())
        answer = self._aws.call(
            "iam", "simulate_principal_policy", PolicySourceArn=arn, ActionNames=list(_PULL)
        )
        refused = (each for each in answer["EvaluationResults"] if each["EvalDecision"] != "allowed")
        return Role(arn=arn, lacks=tuple(each["EvalActionName"] for each in refused))

    def profiles(self) -> list[FargateProfile]:
        """Return the Fargate profiles."""
        return [FargateProfile.of(found) for found in self._profiles()]

    def _profiles(self) -> Iterator[Any]:
        names = self._aws.list("eks", "list_fargate_profiles", "fargateProfileNames", clusterName=self.name)
        for name in names:
            answer = self._aws.call(
                "eks", "describe_fargate_profile", clusterName=self.name, fargateProfileName=name
            )
            yield answer["fargateProfile"]

    def subnets(self) -> list[Subnet]:
        """Return the subnets of the cluster's VPC, among which load balancers look for theirs."""
        vpc = self._described.result().get("resourcesVpcConfig", {}).get("vpcId")
        if vpc is None:
            raise Unasked("EKS does not name the cluster's VPC")
        found = self._aws.list(
            "ec2", "describe_subnets", "Subnets", Filters=[{"Name": "vpc-id", "Values": [vpc]}]
        )
        return [
            Subnet(
                name=each["SubnetId"],
                zone=each["AvailabilityZone"],
                public=each.get("MapPublicIpOnLaunch", False),
                tags={tag["Key"]: tag["Value"] for tag in each.get("Tags", ())},
            )
            for each in found
        ]


def quotas(aws: Aws) -> list[Quota]:
    """Return how many load balancers the account has in the region, and may have."""
    limits = aws.list("elbv2", "describe_account_limits", "Limits")
    most = {limit["Name"]: int(limit["Max"]) for limit in limits}
    used = [each["Type"] for each in aws.list("elbv2", "describe_load_balancers", "LoadBalancers")]
    return [
        Quota(type=kind, used=used.count(kind), most=most[name])
        for kind, name in _QUOTAS.items()
        if name in most
    ]
