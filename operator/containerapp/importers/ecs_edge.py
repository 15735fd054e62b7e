"""What leads to a service: target groups, rules and listeners, to `expose` and a readiness probe."""

from __future__ import annotations

from typing import Any

from containerapp.importers import probes
from containerapp.importers.ecs_input import Bundle, find
from containerapp.importers.ecs_ports import first_tcp
from containerapp.importers.manifest import Draft
from containerapp.importers.source import Source

_UNSEEN = (
    "what the target group is was not given: `expose` makes a load balancer of the VPC alone, for every host. Write"
    " `hosts` and `public` to it, or give describe-target-groups, describe-rules, describe-listeners and"
    " describe-load-balancers, too, or import by --cluster and --service"
)
_BALANCER = "the load balancer of the app is another one, made by its controller"
_ATTRIBUTES = {
    "stickiness.enabled",
    "stickiness.type",
    "stickiness.lb_cookie.duration_seconds",
    "slow_start.duration_seconds",
}


def put(service: Source, own: Source, found: Bundle, draft: Draft) -> None:
    """Put `expose` and the readiness probe, by what is known of each load balancer of a service.

    `own` is the container that it leads to.
    """
    expose: dict[str, Any] = {}
    for target in service.at("loadBalancers").items():
        _target(target, found, draft, expose)
    if expose and "via" not in expose:
        expose["via"] = "alb" if first_tcp(own) else "nlb"
    if expose:
        draft.put("expose", {key: value for key, value in expose.items() if value not in (None, [], False)})


def _target(target: Source, found: Bundle, draft: Draft, expose: dict[str, Any]) -> None:
    for key in ("containerName", "containerPort"):
        target.at(key).take()
    target.at("loadBalancerName").lose("a Classic Load Balancer: `expose` makes an Application Load Balancer")
    target.at("advancedConfiguration").lose("a rollout has no second target group")
    reference = target.at("targetGroupArn")
    groups = list(find(found.target_groups, found, reference.text(), "targetGroupArn", "targetGroupName"))
    if reference:
        expose.setdefault("public", False)
    if not groups:
        reference.note(_UNSEEN)
    for group in groups:
        _group(group, draft, expose)
        _rules(reference.text(), found, expose)
        _listeners(found, expose)


def _group(group: Source, draft: Draft, expose: dict[str, Any]) -> None:
    """Take a target group: its health check says when a Pod gets traffic."""
    if group.at("protocol").text("HTTP").upper() in {"TCP", "UDP", "TCP_UDP", "TLS"}:
        expose["via"] = "nlb"
    if group.at("healthCheckProtocol").text("HTTP").upper().startswith("HTTP") and group.at(
        "healthCheckPath"
    ):
        probe = probes.probe(
            {"httpGet": {"path": group.at("healthCheckPath").text("/")}},
            periodSeconds=group.at("healthCheckIntervalSeconds").number(30),
            timeoutSeconds=group.at("healthCheckTimeoutSeconds").number(5),
            failureThreshold=group.at("unhealthyThresholdCount").number(2),
        )
        group.at("healthyThresholdCount").lose(
            "a Pod gets traffic after one success: readinessProbe.successThreshold"
        )
        draft.put("readinessProbe", probe, "as the target group asks")
    group.at("matcher").lose("a probe takes codes from 200 to 399 as good")
    for attribute in group.at("targetGroupAttributes").items():
        key, value = attribute.at("key").text(), attribute.at("value")
        if key in _ATTRIBUTES:
            expose.setdefault("targetGroupAttributes", {})[key] = value.text()
        elif key == "deregistration_delay.timeout_seconds":
            _delay(value, expose)
        else:
            attribute.lose("write it to expose.targetGroupAttributes where it matters")
    group.lose_rest(_BALANCER)


def _delay(value: Source, expose: dict[str, Any]) -> None:
    """Take the time that running requests have; by default it is what a Pod has to end, of which AWS' is more."""
    seconds = value.number(300)
    if seconds <= 20:
        expose["deregistrationDelaySeconds"] = seconds
    elif seconds != 300:
        value.lose("set expose.deregistrationDelaySeconds, and terminationGracePeriodSeconds to 10 more")


def _rules(reference: str, found: Bundle, expose: dict[str, Any]) -> None:
    """Take the rules that lead to a target group: their hosts and paths."""
    for rule in found.rules:
        actions = list(rule.at("actions").items())
        if not any(_leads(action, reference) for action in actions):
            continue
        for condition in rule.at("conditions").items():
            _condition(condition, expose)
        for action in actions:
            action.take()
        rule.lose_rest(_BALANCER)


def _leads(action: Source, reference: str) -> bool:
    several = action.at("forwardConfig").at("targetGroups").items()
    return reference in {
        action.at("targetGroupArn").text(),
        *(each.at("targetGroupArn").text() for each in several),
    }


def _condition(condition: Source, expose: dict[str, Any]) -> None:
    kind = condition.at("field").text()
    values = condition.at("values") or condition.at("hostHeaderConfig").at("values")
    values = values or condition.at("pathPatternConfig").at("values")
    match kind:
        case "host-header":
            expose["hosts"] = sorted({*expose.get("hosts", []), *(text.lower() for text in values.texts())})
        case "path-pattern":
            paths = dict.fromkeys(text.rstrip("*").rstrip("/") or "/" for text in values.texts())
            plain = [path for path in paths if "*" not in path and "?" not in path]
            _put_paths(expose, plain)
            if len(plain) < len(paths):
                values.lose("a pattern within a path has no place in `expose.paths`: see expose.annotations")
        case _:
            condition.lose("`expose` knows hosts and paths: see expose.annotations for further conditions")
    condition.take()


def _put_paths(expose: dict[str, Any], paths: list[str]) -> None:
    if paths == ["/"] or not paths:
        return
    if len(paths) == 1 and "paths" not in expose and "path" not in expose:
        expose["path"] = paths[0]
        return
    before = [{"path": expose.pop("path")}] if "path" in expose else expose.get("paths", [])
    expose["paths"] = [*before, *({"path": path} for path in paths)]


def _listeners(found: Bundle, expose: dict[str, Any]) -> None:
    """Take certificates and the scheme of the load balancers that are described."""
    for listener in found.listeners:
        arns = [each.at("certificateArn").text() for each in listener.at("certificates").items()]
        if arns and arns[0].startswith("arn:"):
            expose["certificateArn"] = arns[0]
        policy = listener.at("sslPolicy").text()
        if policy:
            expose["sslPolicy"] = policy
        listener.lose_rest(_BALANCER)
    for balancer in found.load_balancers:
        expose["public"] = balancer.at("scheme").text("internet-facing") == "internet-facing"
        if balancer.at("type").text("application") == "network":
            expose["via"] = "nlb"
        balancer.lose_rest(_BALANCER)
