"""AWS' price list as botocore answers it: which product counts, and what the questions are."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from containerapp.aws.prices import ask_prices
from containerapp.errors import ContainerAppError


def _product(amount: str, usage: str = "", **attributes: str) -> str:
    free = {"pricePerUnit": {"USD": "0.0000000000"}}
    paid = {"pricePerUnit": {"USD": amount}}
    return json.dumps(
        {
            "product": {"attributes": {"usagetype": usage, **attributes}},
            "terms": {"OnDemand": {"a.b": {"priceDimensions": {"a.b.c": free, "a.b.d": paid}}}},
        }
    )


def _client(service: str) -> Any:
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
    return boto3.client(service, region_name="us-east-1", **keys)  # type: ignore[call-overload]


def _answers(*pages: list[str]) -> Stubber:
    stubber = Stubber(_client("pricing"))
    for page in pages:
        stubber.add_response("get_products", {"PriceList": page}, {"ServiceCode": ANY, "Filters": ANY})
    stubber.activate()
    return stubber


def test_the_list_is_read_by_its_usage_types() -> None:
    """The region's prefix varies; products for Arm and Spot have other endings."""
    listed = _answers(
        [
            _product("0.03238", "EU-Fargate-ARM-vCPU-Hours:perCPU"),
            _product("0.04656", "EU-Fargate-vCPU-Hours:perCPU"),
        ],
        [_product("0.00511", "EU-Fargate-GB-Hours")],
        [_product("0.0252", "EU-LoadBalancerUsage")],
        [],
        [_product("0.088", "EU-EBS:VolumeUsage.gp3")],
        [_product("0.107", "EU-BoxUsage:m6i.large", vcpu="2", memory="8 GiB")],
    )
    spot = Stubber(_client("ec2"))
    times = [datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2, 2)]
    prices = [("a", "0.09"), ("a", "0.04"), ("b", "0.06")]
    history = [
        {"AvailabilityZone": zone, "SpotPrice": price, "Timestamp": time}
        for (zone, price), time in zip(prices, times, strict=True)
    ]
    spot.add_response("describe_spot_price_history", {"SpotPriceHistory": history})
    spot.activate()
    clients = {"pricing": listed.client, "ec2": spot.client}
    found = ask_prices("eu-west-1", "m6i.large", lambda service: clients[service])
    assert found.pop("spot") == pytest.approx(0.05 / 0.107)
    assert found == {
        "fargate_cpu": 0.04656,
        "fargate_memory": 0.00511,
        "alb": 0.0252,
        "disk": 0.088,
        "node_hour": 0.107,
        "node_cpus": 2,
        "node_memory": 8,
    }
    listed.assert_no_pending_responses()


def test_an_instance_that_is_not_on_the_list_has_no_price() -> None:
    """Nor has its Spot capacity; EC2 is not asked."""
    listed = _answers(*([],) * 6)
    assert ask_prices("eu-west-1", "m99.large", lambda _service: listed.client) == {}


def test_a_refusal_names_what_to_allow() -> None:
    """And the way without AWS."""
    listed = Stubber(_client("pricing"))
    listed.add_client_error("get_products", "AccessDeniedException", "not authorized")
    listed.activate()
    with pytest.raises(ContainerAppError, match=r"Allow pricing:GetProducts .* by --offline"):
        ask_prices("eu-west-1", "m6i.large", lambda _service: listed.client)
