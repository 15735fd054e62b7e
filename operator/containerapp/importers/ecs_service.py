"""A service of ECS: how many tasks, how they are replaced, and by which name they are called."""

from __future__ import annotations

from typing import Any

from containerapp.importers import ecs_reasons
from containerapp.importers.manifest import Draft, labels
from containerapp.importers.naming import object_name
from containerapp.importers.source import Source

_NAMED = "callers in the cluster reach the app as http://{name}, those of other namespaces as {name}.<namespace>.svc"


def put(service: Source, draft: Draft) -> None:
    """Put replicas and rollout, and give up what has no meaning on Kubernetes."""
    count = service.at("desiredCount")
    draft.put("replicas", count.number(1) if count.number(1) != 1 else None)
    daemon = service.at("schedulingStrategy")
    if daemon.text("REPLICA") == "DAEMON":
        daemon.lose("one Pod on each node is a DaemonSet, which an app is not: apply one of your own")
    controller = service.at("deploymentController").at("type")
    if controller.text("ECS") != "ECS":
        controller.lose("the operator rolls out by itself: `rollout` says how")
    draft.put(
        "labels",
        {
            **draft.spec.get("labels", {}),
            **labels((tag.at("key").text(), tag.at("value")) for tag in service.at("tags").items()),
        },
    )
    draft.put("rollout", _rollout(service.at("deploymentConfiguration")))
    for key, reason in ecs_reasons.SERVICE.items():
        value = service.at(key)
        value.take() if value.value in (False, "NONE") else value.lose(reason)


def _rollout(configured: Source) -> dict[str, Any]:
    most, least = (
        configured.at("maximumPercent").number(200),
        configured.at("minimumHealthyPercent").number(100),
    )
    surge, missing = min(max(most - 100, 0), 100), min(max(100 - least, 0), 100)
    found: dict[str, Any] = {}
    if surge == 0 and missing == 100:
        found["strategy"] = "Recreate"
    elif (most, least) != (200, 100) and (surge, missing) != (0, 0):
        found = {"maxSurge": f"{surge}%", **({"maxUnavailable": f"{missing}%"} if missing else {})}
    breaker = configured.at("deploymentCircuitBreaker")
    is_on, rolls_back = breaker.at("enable").flag(), breaker.at("rollback").flag()
    if is_on and not rolls_back:
        found["automaticRollback"] = False
    for key in ("thresholdConfiguration", "resetOnHealthyTask"):
        breaker.at(key).lose(
            "a rollout has failed when its Pods cannot start, or by rollout.progressDeadlineSeconds"
        )
    strategy = configured.at("strategy")
    if strategy.text("ROLLING") != "ROLLING":
        strategy.lose("a rollout replaces Pods by and by, or all at once: rollout.strategy")
    for key, reason in ecs_reasons.DEPLOYMENT.items():
        value = configured.at(key)
        value.take() if value.value == 0 else value.lose(reason)
    return found


def called(service: Source, registries: list[Source]) -> tuple[str, dict[str, int]]:
    """Return the name by which others call a service, and ports by which they do, by the names of its mappings."""
    names: list[str] = []
    ports: dict[str, int] = {}
    connect = service.at("serviceConnectConfiguration")
    for each in connect.at("services").items():
        _connected(each, names, ports)
    connect.at("enabled").take()
    connect.at("namespace").lose("the namespace of Kubernetes takes its place")
    for key in ("logConfiguration", "accessLogConfiguration", "containerConfigurations"):
        connect.at(key).lose("no proxy stands before the app: the load balancer's access logs, or a mesh's")
    for registry in registries:
        names.append(registry.at("name").named())
        registry.lose_rest("Cloud Map's own: the cluster's DNS takes its place")
    for registry in service.at("serviceRegistries").items():
        registry.lose(
            "the cluster's DNS knows the app by its name, instead of Cloud Map; ExternalDNS can keep a record"
        )
    return (object_name(names[0].partition(".")[0]) if names else ""), ports


def _connected(each: Source, names: list[str], ports: dict[str, int]) -> None:
    mapping, discovered = each.at("portName").text(), each.at("discoveryName").text()
    for alias in each.at("clientAliases").items():
        name = alias.at("dnsName").text() or discovered or mapping
        ports.setdefault(mapping, alias.at("port").number())
        alias.at("testTrafficRules").lose("a rollout has no test traffic")
        names.append(name)
        alias.at("dnsName").note(
            "the app has the first part of the name, as the Service is called like the app"
        )
    if discovered and not names:
        names.append(discovered)
    for key in ("timeout", "tls", "ingressPortOverride"):
        each.at(key).lose(
            "no proxy stands before the app: a mesh of the cluster has encryption and time-outs"
        )
