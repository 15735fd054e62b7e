"""The estimates of `cost`: from files to lines of text or JSON, with the prices that were to be had."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from datetime import UTC, datetime

import click

from containerapp.aws.prices import ask_prices
from containerapp.cli.costing import Estimate, dollars, estimate
from containerapp.cli.exits import USAGE, Failure
from containerapp.cli.options import Source
from containerapp.cli.prices import BUILT_IN, Prices
from containerapp.cli.reading import custom_objects, read
from containerapp.cli.rendering import Tags, children
from containerapp.core.policy import Platform
from containerapp.errors import ContainerAppError


def known_prices(region: str | None, node: str | None, *, offline: bool) -> Prices:
    """Return AWS' prices; where it does not answer, those of the built-in table, after a word about it."""
    named = region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or BUILT_IN.region
    if offline:
        if (region or BUILT_IN.region) != BUILT_IN.region or (node or BUILT_IN.node) != BUILT_IN.node:
            raise Failure(
                f"The built-in table has {BUILT_IN.region} and {BUILT_IN.node} alone: ask AWS, without --offline.",
                USAGE,
            )
        return BUILT_IN
    try:
        found = ask_prices(named, node or BUILT_IN.node)
    except ContainerAppError as error:
        click.echo(
            f"{error.message} Counted with the table of {BUILT_IN.region}, {BUILT_IN.as_of}.", err=True
        )
        return BUILT_IN
    if node and "node_hour" not in found:
        raise Failure(f"AWS has no instance type {node} in {named}: correct --node.")
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    return replace(BUILT_IN, region=named, as_of=today, node=node or BUILT_IN.node, **found)  # type: ignore[arg-type]


def costs_of(source: Source, prices: Prices) -> dict[str, Estimate]:
    """Return the estimate of each ContainerApp of the files, by its name."""
    platform = Platform()
    found: dict[str, Estimate] = {}
    for document in custom_objects(read(source)):
        if document.value["kind"] != "ContainerApp":
            click.echo(
                f"{document.title} is left out: what a job costs depends on how long it runs.", err=True
            )
            continue
        rendered = children(document, platform, "default", Tags(), lambda: None)
        found[document.value["metadata"]["name"]] = estimate(document.value, rendered, prices)
    return found


def shown(costs: dict[str, Estimate], prices: Prices, output: str) -> str:
    """Return the estimates in one of the formats `text` and `json`."""
    if output == "json":
        apps = [
            {
                "name": name,
                "least": cost.least,
                "most": cost.most,
                "lines": [asdict(line) for line in cost.lines],
            }
            for name, cost in costs.items()
        ]
        return json.dumps(
            {"currency": "USD", "per": "month", "prices": asdict(prices), "apps": apps}, indent=2
        )
    lines: list[str] = []
    for name, cost in costs.items():
        lines.append(f"{name}: {cost} a month")
        lines += (f"  {dollars(line.least, line.most):>18}  {line.what}" for line in cost.lines)
    total = Estimate(lines=tuple(line for cost in costs.values() for line in cost.lines))
    if len(costs) > 1:
        lines.append(f"All: {total} a month")
    lines.append(
        f"An estimate by the prices of {prices.region}, {prices.as_of}, not a bill: traffic, requests, logs, taxes and"
        " discounts are not in it."
    )
    return "\n".join(lines)
