"""Prices of AWS' own list, and the price of Spot capacity, asked when a person wants an estimate.

Each call names the region and what is sought; the first price that is not zero is taken. The list is served in few
regions, whatever region it is asked about.
https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/price-changes.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from statistics import fmean
from typing import Any

from containerapp.aws.asking import Aws, Unasked
from containerapp.errors import ContainerAppError

_SERVED_IN = "us-east-1"
_HOURLY = {
    "fargate_cpu": ("AmazonEKS", {}, "Fargate-vCPU-Hours:perCPU"),
    "fargate_memory": ("AmazonEKS", {}, "Fargate-GB-Hours"),
    "alb": ("AWSELB", {"operation": "LoadBalancing:Application"}, "LoadBalancerUsage"),
    "nlb": ("AWSELB", {"operation": "LoadBalancing:Network"}, "LoadBalancerUsage"),
    "disk": ("AmazonEC2", {"volumeApiName": "gp3", "productFamily": "Storage"}, "EBS:VolumeUsage.gp3"),
}
"""By what is sought: service, filters, and how its usage type ends after the region's prefix."""
_LINUX = {
    "operatingSystem": "Linux",
    "preInstalledSw": "NA",
    "tenancy": "Shared",
    "capacitystatus": "Used",
    "marketoption": "OnDemand",
}


def ask_prices(region: str, node: str, connect: Callable[[str], Any] | None = None) -> dict[str, float]:
    """Return what AWS asks in a region in US dollars, as far as its list says: see `containerapp.cli.prices.Prices`.

    `node` is the type of an EC2 instance; its vCPUs and memory are in the answer. `connect` makes the
    client of a service, as that of `Aws`. Raises `ContainerAppError` where AWS does not answer, or denies it.
    """
    listed, local = Aws(_SERVED_IN, connect=connect), Aws(region, connect=connect)
    try:
        found = {
            name: price
            for name, (service, filters, ending) in _HOURLY.items()
            if (price := _price(listed, service, region, filters, ending)) is not None
        }
        found |= _node(listed, region, node)
        if "node_hour" in found and (spot := _spot(local, node)) is not None:
            found["spot"] = spot / found["node_hour"]
    except Unasked as error:
        raise ContainerAppError(
            "NoPrices",
            f"AWS does not tell its prices: {error}. Allow pricing:GetProducts and "
            "ec2:DescribeSpotPriceHistory, or count with the built-in table by --offline.",
        ) from error
    return found


def _price(aws: Aws, service: str, region: str, filters: dict[str, str], ending: str) -> float | None:
    for product in _products(aws, service, {"regionCode": region, **filters}):
        usage = product["product"]["attributes"].get("usagetype", "")
        if usage == ending or usage.partition("-")[2] == ending:
            return next(_amounts(product), None)
    return None


def _node(aws: Aws, region: str, node: str) -> dict[str, float]:
    """Return price and size of an instance."""
    for product in _products(aws, "AmazonEC2", {"regionCode": region, "instanceType": node, **_LINUX}):
        amount = next(_amounts(product), None)
        if amount is not None:
            attributes = product["product"]["attributes"]
            memory = float(attributes["memory"].split()[0].replace(",", ""))
            return {"node_hour": amount, "node_cpus": float(attributes["vcpu"]), "node_memory": memory}
    return {}


def _spot(aws: Aws, node: str) -> float | None:
    """Return the newest price, over the zones."""
    history = aws.call(
        "ec2",
        "describe_spot_price_history",
        InstanceTypes=[node],
        ProductDescriptions=["Linux/UNIX"],
        MaxResults=100,
    )["SpotPriceHistory"]
    newest: dict[str, float] = {}
    for entry in sorted(history, key=lambda each: each["Timestamp"]):
        newest[entry["AvailabilityZone"]] = float(entry["SpotPrice"])
    return fmean(newest.values()) if newest else None


def _products(aws: Aws, service: str, filters: dict[str, str]) -> Iterator[dict[str, Any]]:
    terms = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in filters.items()]
    for product in aws.list("pricing", "get_products", "PriceList", ServiceCode=service, Filters=terms):
        yield json.loads(product)


def _amounts(product: dict[str, Any]) -> Iterator[float]:
    """Yield the prices on demand, but for free allowances."""
    for term in product["terms"].get("OnDemand", {}).values():
        for dimension in term["priceDimensions"].values():
            amount = float(dimension["pricePerUnit"].get("USD", 0))
            if amount > 0:
                yield amount
