"""The checks of `doctor` that ask AWS. They read, write nothing, and end in time.

Each runs in a thread of its own with the user's own credentials; what AWS does not answer is a check that was skipped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from containerapp.aws.asking import Aws, Unasked, begin
from containerapp.aws.eks import Eks, Quota, Role, Subnet, Support, quotas
from containerapp.cli.findings import Finding, fail, ok, skip, warn
from containerapp.core.account import FargateProfile

PATIENCE: Final = 20.0
"""Seconds that all checks have together."""
_SOON: Final = timedelta(days=60)
_AGENT: Final = "eks-pod-identity-agent"
_FULL: Final = 0.8
_TAGS: Final = {
    "kubernetes.io/role/elb": ("public", True),
    "kubernetes.io/role/internal-elb": ("internal", False),
}
"""By the tag that load balancers look for: their scheme, and whether their subnets are public."""
_QUOTA_CODES: Final = {"application": "L-53DA6B97", "network": "L-69A177A2"}
_UNNAMED: Final = Unasked(
    "the kubeconfig names no EKS cluster", "containerapp doctor --cluster-name CLUSTER, with AWS_REGION set"
)

Check = Callable[[], list[Finding]]


async def examine_aws(aws: Aws, cluster: str | None, namespace: str) -> list[Finding]:
    """Return what the checks find about a cluster of EKS by its name, and about the account."""
    begun = {what: begin(check) for what, check in _checks(aws, cluster, namespace).items()}
    waiting = [asyncio.wrap_future(future) for future in begun.values()]
    done, _ = await asyncio.wait(waiting, timeout=PATIENCE)
    for future in done:
        future.exception()  # Each is reported below.
    return [finding for what, future in begun.items() for finding in _found(what, future)]


def _found(what: str, future: Future[list[Finding]]) -> list[Finding]:
    if not future.done():
        return [skip(f"Skipped: {what}: AWS has not answered within {PATIENCE:g} seconds.")]
    try:
        return future.result()
    except Unasked as error:
        return [skip(f"Skipped: {what}: {error}.", error.remedy)]


def _checks(aws: Aws, cluster: str | None, namespace: str) -> dict[str, Check]:
    eks = Eks(aws, cluster) if cluster else None

    def of(check: Callable[[Eks], list[Finding]]) -> Check:
        return partial(check, eks) if eks else _unnamed

    return {
        "the support of the cluster's version": of(lambda eks: [_support(eks.support())]),
        "the nodes' right to pull from ECR": of(lambda eks: _pulls(eks.roles())),
        "the add-on of Pod Identity": of(_agent),
        "the Fargate profiles": of(lambda eks: [_fargate(eks.profiles(), namespace)]),
        "the subnets' tags": of(lambda eks: _subnets(eks.subnets())),
        "the quotas of load balancers": lambda: [_quota(quota) for quota in quotas(aws)],
    }


def _unnamed() -> list[Finding]:
    raise _UNNAMED


def _support(support: Support) -> Finding:
    major, _, minor = support.version.partition(".")
    newer = f"{major}.{int(minor) + 1}"
    remedy = f"aws eks update-cluster-version --name CLUSTER --kubernetes-version {newer}"
    standard, extended = f"{support.standard_until:%Y-%m-%d}", f"{support.extended_until:%Y-%m-%d}"
    version = f"Kubernetes {support.version}"
    match support.status:
        case "standard-support" if support.standard_until - datetime.now(UTC) > _SOON:
            return ok(f"EKS supports {version} until {standard}.")
        case "standard-support":
            return warn(
                f"Standard support of {version} ends on {standard}; extended support costs more.", remedy
            )
        case "extended-support":
            return warn(f"{version} is in extended support, which costs more and ends on {extended}.", remedy)
        case _:
            return fail(f"EKS does not support {version} any more: it is updated without asking.", remedy)


def _pulls(roles: list[Role]) -> list[Finding]:
    if not roles:
        return [
            skip("Skipped: the nodes' right to pull from ECR: no node group, Auto Mode or Fargate profile.")
        ]
    return [_pull(role) for role in roles]


def _pull(role: Role) -> Finding:
    if not role.lacks:
        return ok(f"The role {role.name} may pull images from ECR.")
    remedy = f"aws iam attach-role-policy --role-name {role.name} --policy-arn {role.mending_policy}"
    if "ecr:GetAuthorizationToken" in role.lacks:
        return fail(
            f"The role {role.name} may not pull images from ECR: it lacks {', '.join(role.lacks)}.", remedy
        )
    said = f"The role {role.name} has {' and '.join(role.lacks)} for single repositories of ECR at most."
    return warn(said, remedy)


def _agent(eks: Eks) -> list[Finding]:
    """What is no add-on may be a DaemonSet: the cluster's own check says whether it is."""
    status = eks.addon(_AGENT)
    if status is None:
        return []
    if status in {"ACTIVE", "UPDATING", "CREATING"}:
        return [ok(f"The add-on {_AGENT} is {status.lower()}.")]
    remedy = f"aws eks describe-addon --cluster-name CLUSTER --addon-name {_AGENT} --query addon.health"
    return [warn(f"The add-on {_AGENT} is {status.lower()}: spec.identity may not work.", remedy)]


def _fargate(profiles: list[FargateProfile], namespace: str) -> Finding:
    selecting = [profile for profile in profiles if profile.labels_of(namespace)]
    ready = [profile for profile in selecting if profile.status == "ACTIVE"]
    if ready:
        names = ", ".join(f"{profile.name} ({_selected(profile, namespace)})" for profile in ready)
        return ok(f"Fargate runs Pods of the namespace {namespace}: {names}.")
    if selecting:
        first = selecting[0]
        remedy = (
            "aws eks describe-fargate-profile --cluster-name CLUSTER --fargate-profile-name "
            f"{first.name} --query fargateProfile.health"
        )
        return warn(f"The Fargate profile {first.name} is {first.status.lower()}.", remedy)
    remedy = (
        f"aws eks create-fargate-profile --cluster-name CLUSTER --fargate-profile-name {namespace} "
        f"--selectors namespace={namespace} --pod-execution-role-arn ROLE --subnets SUBNETS"
    )
    return warn(
        f"No Fargate profile selects the namespace {namespace}: placement.fargate does not work there.",
        remedy,
    )


def _selected(profile: FargateProfile, namespace: str) -> str:
    selectors = profile.labels_of(namespace)
    if not all(selectors):
        return "every Pod"
    return " or ".join(",".join(f"{key}={value}" for key, value in each.items()) for each in selectors)


def _subnets(subnets: list[Subnet]) -> list[Finding]:
    return [_tagged(subnets, tag) for tag in _TAGS]


def _tagged(subnets: list[Subnet], tag: str) -> Finding:
    scheme, public = _TAGS[tag]
    tagged = [subnet for subnet in subnets if subnet.tags.get(tag) in {"1", ""}]
    zones = {subnet.zone for subnet in tagged}
    if len(zones) > 1:
        return ok(
            f"{len(tagged)} subnets in {len(zones)} zones have the tag {tag}, for {scheme} load balancers."
        )
    where = f"are in {len(zones)} zone" if zones else "are none"
    said = (
        f"Subnets with the tag {tag} {where}: {_article(scheme)} Application Load Balancer needs two zones."
    )
    return warn(
        said, f"aws ec2 create-tags --tags Key={tag},Value=1 --resources {_named(subnets, public=public)}"
    )


def _article(scheme: str) -> str:
    return f"an {scheme}" if scheme[0] in "aeiou" else f"a {scheme}"


def _named(subnets: Iterable[Subnet], *, public: bool) -> str:
    return " ".join(sorted(subnet.name for subnet in subnets if subnet.public is public)) or "SUBNETS"


def _quota(quota: Quota) -> Finding:
    said = (
        f"{quota.used} of {quota.most} {quota.type.title()} Load Balancers of the account's region are in use"
    )
    remedy = (
        "aws service-quotas request-service-quota-increase --service-code elasticloadbalancing "
        f"--quota-code {_QUOTA_CODES[quota.type]} --desired-value {2 * quota.most}"
    )
    if quota.used >= quota.most:
        return fail(f"{said}: no app gets another one.", remedy)
    if quota.used >= _FULL * quota.most:
        return warn(f"{said}.", remedy)
    return ok(f"{said}.")
