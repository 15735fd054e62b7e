"""What AWS asks for the things that apps run on: a built-in table with its date, which an answer of AWS replaces."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Prices in US dollars before tax and discounts, of one region.

    Attributes:
        region: the region.
        as_of: month of the table, or the day on which AWS was asked.
        fargate_cpu: of a vCPU for an hour.
        fargate_memory: of a GB of memory for an hour.
        fargate_storage: of a GB of ephemeral storage for an hour, beyond the first 20.
        node: type of the EC2 instance whose shares are counted.
        node_hour: of that instance for an hour, on demand, with Linux.
        node_cpus: its vCPUs.
        node_memory: its memory in GiB.
        spot: what Spot capacity costs, as a part of the price on demand.
        alb: of an Application Load Balancer for an hour, without the capacity units that requests cost.
        nlb: of a Network Load Balancer for an hour, likewise.
        disk: of a GiB of gp3 for a month.
    """

    region: str
    as_of: str
    fargate_cpu: float
    fargate_memory: float
    fargate_storage: float
    node: str
    node_hour: float
    node_cpus: int
    node_memory: int
    spot: float
    alb: float
    nlb: float
    disk: float


BUILT_IN = Prices(
    region="us-east-1",
    as_of="March 2026",
    fargate_cpu=0.04048,
    fargate_memory=0.004445,
    fargate_storage=0.000111,
    node="m6i.large",
    node_hour=0.096,
    node_cpus=2,
    node_memory=8,
    spot=0.4,
    alb=0.0225,
    nlb=0.0225,
    disk=0.08,
)
"""On-demand prices of https://aws.amazon.com/fargate/pricing, /ec2/pricing/on-demand, /elasticloadbalancing/pricing and
/ebs/pricing. That of Spot moves: the table counts four tenths.
"""
