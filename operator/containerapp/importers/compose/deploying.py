"""How many Pods of a service run, where, and how they are replaced: `deploy`, and what stands in for it."""

from __future__ import annotations

import re
from typing import Any

from containerapp.api.volumes import SINGLE_WRITER
from containerapp.importers.compose.parts import Part, seconds
from containerapp.importers.compose.process import ARCHITECTURES
from containerapp.importers.naming import is_label
from containerapp.importers.source import Source
from containerapp.importers.units import is_number

_CONSTRAINT = re.compile(r"(node|engine)\.(labels\.)?([\w./-]+)\s*(==|!=)\s*([\w./-]+)")
_NODE_LABELS = {"hostname": "kubernetes.io/hostname", "platform.os": "kubernetes.io/os"}


def deploying(part: Part) -> None:
    """Carry the number of Pods, their placement and the rollout."""
    deploy = part.service.at("deploy")
    _restart(part, part.service.at("restart"))
    for key in ("condition", "delay", "max_attempts", "window"):
        _restart_policy(part, key, deploy.at("restart_policy").at(key))
    part.put("terminationGracePeriodSeconds", seconds(part.service.at("stop_grace_period")))
    signal = part.service.at("stop_signal")
    if str(signal.value).upper() in {"SIGTERM", "TERM", "15"}:
        signal.take()
    else:
        signal.lose(
            "Pods are stopped by the STOPSIGNAL of the image, SIGTERM without one: set it in the Dockerfile"
        )
    _labels(part, deploy.at("labels"))
    _placement(part, deploy.at("placement"))
    if not part.is_job:
        _replicas(part, deploy)
        _rollout(part, deploy)


def _restart(part: Part, restart: Source) -> None:
    """An app is always restarted; a job that ends well never is."""
    policy = restart.text().partition(":")[0]
    if part.is_job and policy == "on-failure":
        attempts = restart.text().partition(":")[2]
        part.put("retry", {"attempts": int(attempts) + 1 if is_number(attempts) else 7})
    elif not part.is_job and policy in {"no", "on-failure", "false"}:
        restart.note(
            "an app is started again whenever it ends; make a ContainerJob of a program that ends (--job NAME)"
        )


def _restart_policy(part: Part, key: str, value: Source) -> None:
    if key == "condition":
        _restart(part, Source("no", value.path, value.ledger) if value.value == "none" else value)
        return
    value.lose(
        "Kubernetes restarts after a pause that grows from 10 seconds to 5 minutes, as often as it takes"
    )


def _replicas(part: Part, deploy: Source) -> None:
    mode, replicas = deploy.at("mode"), deploy.at("replicas") or part.service.at("scale")
    if mode.value == "replicated":
        mode.take()
    else:
        mode.lose("an app has a number of Pods: one on every node is a DaemonSet, which you write yourself")
    count = replicas.number(1)
    if count > 1 and any(_single_writer(volume) for volume in part.draft.spec.get("volumes", [])):
        replicas.note(
            "a claim is mounted on one node, so there is one Pod: use EFS (accessMode: ReadWriteMany) for more"
        )
        count = 1
    part.put("replicas", count if count != 1 else None)
    part.service.at("scale").take()  # `deploy` wins


def _single_writer(volume: dict[str, Any]) -> bool:
    claim = volume.get("claim") or volume.get("existingClaim")
    return claim is not None and claim.get("accessMode", "ReadWriteOnce") in SINGLE_WRITER


def _rollout(part: Part, deploy: Source) -> None:
    update = deploy.at("update_config")
    found: dict[str, Any] = {}
    at_a_time = update.at("parallelism").number() or None
    order = update.at("order").text("stop-first")
    if update and order == "start-first":
        found |= {"maxSurge": at_a_time} if at_a_time else {}
    elif at_a_time:
        found |= {"maxSurge": 0, "maxUnavailable": at_a_time}
    if update.at("failure_action"):
        action = update.at("failure_action").text()
        found |= {} if action == "rollback" else {"automaticRollback": False}
    monitor = seconds(update.at("monitor"))
    found |= {"minReadySeconds": min(monitor, 3600)} if monitor else {}
    part.put("rollout", found)
    for key, reason in _ROLLOUT.items():
        update.at(key).lose(reason)
    deploy.at("rollback_config").lose("a rollback is a rollout like any other: see rollout")
    endpoint = deploy.at("endpoint_mode")
    if endpoint.text() == "dnsrr" and (part.fields.get("port") or part.fields.get("ports")):
        part.put("service", {"headless": True})


_ROLLOUT = {
    "delay": "a rollout goes on as soon as new Pods are available: rollout.minReadySeconds makes it wait",
    "max_failure_ratio": "one new Pod that does not become available holds the rollout",
}


def _labels(part: Part, labels: Source) -> None:
    kept = {}
    for key, value in labels.entries():
        text = str(value.value if value.value is not None else "")
        if is_label(key, text):
            value.take()
            kept[key] = text
        else:
            value.lose("no label of Kubernetes can have this key or value: write it to podAnnotations")
    part.put("labels", kept)


def _placement(part: Part, placement: Source) -> None:
    found: dict[str, Any] = {}
    for constraint in placement.at("constraints").items():
        known = _constraint(str(constraint.value))
        if known:
            constraint.take()
            selector = {**found.get("nodeSelector", {}), **known.get("nodeSelector", {})}
            found |= known | ({"nodeSelector": selector} if selector else {})
        else:
            constraint.lose(
                "nodes are chosen by their labels: write placement.nodeSelector or placement.affinity"
            )
    part.merge("placement", found)
    placement.at("preferences").lose(
        "Pods are spread over zones and nodes already; see placement.topologySpread"
    )
    placement.at("max_replicas_per_node").lose(
        "write placement.topologySpread with topologyKey kubernetes.io/hostname"
    )


def _constraint(text: str) -> dict[str, Any]:
    found = _CONSTRAINT.fullmatch(text.strip())
    if found is None or found[4] == "!=":
        return {}
    if found[2]:
        return {"nodeSelector": {found[3]: found[5]}} if is_label(found[3], found[5]) else {}
    if found[3] == "platform.arch" and found[5] in ARCHITECTURES:
        return {"architectures": [ARCHITECTURES[found[5]]]}
    return {"nodeSelector": {_NODE_LABELS[found[3]]: found[5]}} if found[3] in _NODE_LABELS else {}
