"""AWS Batch: job definitions, as registered, described or rendered for CloudFormation, to ContainerJobs.

Containers that run on ECS read as those of ECS do; `batch_pod` has those that run on EKS. What runs on several nodes at
once is no ContainerJob.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from containerapp.api.containerjob import PARAMETER, REFERENCE
from containerapp.importers import batch_pod, ecs_order, ecs_placement, ecs_pod, schedules
from containerapp.importers.accepted import EXIT_CODE, accepts
from containerapp.importers.cloudformation import plain
from containerapp.importers.ecs_input import resources
from containerapp.importers.ecs_reasons import STATE
from containerapp.importers.ecs_volumes import volumes
from containerapp.importers.manifest import TRUST, Draft, Manifest, cpu, imported, labels
from containerapp.importers.naming import object_name, unique
from containerapp.importers.source import Imported, Refusal, Source, source
from containerapp.importers.wishes import Wishes

NODES = "a job of several nodes is no ContainerJob: use the MPI Operator, or JobSet"
_REASONS = {
    "schedulingPriority": "name a WorkloadPriorityClass of Kueue in queuePriorityClass, and its LocalQueue in queue",
    "consumableResourceProperties": "a quota of a ClusterQueue of Kueue for a resource that `resources` request",
    "propagateTags": "`podLabels` are labels of the Pods",
    "nodeProperties": NODES,
    "jobDefinitionArn": STATE,
    "revision": STATE,
    "status": STATE,
    "containerOrchestrationType": STATE,
}
_CONTAINER = {
    "instanceType": NODES,
    "networkConfiguration": "Pods have addresses of the cluster's subnets",
    "fargatePlatformConfiguration": "EKS chooses the version of Fargate",
    "platformVersion": "EKS chooses the version of Fargate",
    "enableExecuteCommand": "not needed: `kubectl exec`, by RBAC",
}


def convert(documents: Sequence[tuple[str, Any]], wishes: Wishes) -> Imported:
    """Return what becomes of job definitions; `documents` are file names and values."""
    roots: list[Source] = []
    drafts: list[Draft] = []
    beside: list[Manifest] = []
    for file, document in documents:
        for value in document if isinstance(document, list) else [document]:
            root = source(_definition(plain(value)), file if len(documents) > 1 else "")
            roots.append(root)
            for definition, name in _definitions(root):
                beside += _job(definition, name, wishes, drafts)
    if not drafts:
        raise Refusal(
            "There is no job definition of AWS Batch in the input: give what `aws batch describe-job-definitions`"
            " prints, what is registered, or a CloudFormation template."
        )
    return imported(roots, drafts, beside)


def _definition(value: Any) -> Any:
    """Return what is a definition; the properties of a container alone are in one."""
    is_container = isinstance(value, dict) and not {"image", "vcpus"}.isdisjoint(value)
    return {"containerProperties": value} if is_container else value


def _definitions(root: Source) -> list[tuple[Source, str]]:
    """Return the job definitions of a document, with the names that it gives them."""
    if root.at("resources"):
        return [(each, name) for _, name, each in resources(root, {"AWS::Batch::JobDefinition"})]
    if root.at("jobDefinitions"):
        return [(each, "") for each in root.at("jobDefinitions").items()]
    keys = ("containerProperties", "ecsProperties", "eksProperties", "nodeProperties")
    if any(root.at(key) for key in keys):
        return [(root, "")]
    return []


def _job(definition: Source, logical: str, wishes: Wishes, drafts: list[Draft]) -> list[Manifest]:
    """Make the job of a definition; return the objects that stand beside it."""
    given = definition.at("jobDefinitionName").named() or logical or "job"
    wished = wishes.name if not drafts else None
    name = unique(object_name(wished or given, longest=52, otherwise="job"), {draft.name for draft in drafts})
    draft = Draft(name=name, kind="ContainerJob", namespace=wishes.namespace)
    beside = _containers(definition, draft, wishes)
    drafts.append(draft)
    _fargate(definition, draft)
    draft.put("labels", {**draft.spec.get("labels", {}), **labels(definition.at("tags").entries())})
    _parameters(definition.at("parameters"), draft)
    draft.put("retry", _retry(definition.at("retryStrategy")))
    seconds = definition.at("timeout").at("attemptDurationSeconds").number()
    draft.put("attemptTimeoutSeconds", seconds if seconds > 0 else None)
    size = definition.at("arrayProperties").at("size").number()
    draft.put("array", {"size": size} if size > 0 else None)
    schedules.on_demand(draft, "it runs on demand alone, as a registered job definition does")
    draft.put("concurrencyPolicy", "Allow", "runs go on beside one another, as in AWS Batch")
    kind = definition.at("type")
    if kind.text("container") == "multinode":
        kind.lose(NODES)
    for key, reason in _REASONS.items():
        value = definition.at(key)
        value.take() if value.value is False else value.lose(reason)
    return beside


def _fargate(definition: Source, draft: Draft) -> None:
    placement = draft.spec.get("placement", {})
    if "FARGATE" not in definition.at("platformCapabilities").texts():
        return
    if placement.get("architectures") == ["arm64"]:
        draft.put("placement", placement, "Fargate on EKS has no arm64: Pods run on nodes")
        return
    comment = "a Fargate profile of the cluster must select the namespace"
    draft.put("placement", {"fargate": True, **placement}, comment)


def _containers(definition: Source, draft: Draft, wishes: Wishes) -> list[Manifest]:
    """Put what runs; return the objects that stand beside the job."""
    single, pod = definition.at("containerProperties"), definition.at("eksProperties").at("podProperties")
    tasks = list(definition.at("ecsProperties").at("taskProperties").items())
    for further in tasks[1:]:
        further.lose("a job has one Pod for each index: write a job of its own")
    if single:
        return _single(single, draft, wishes)
    if tasks:
        return _task(tasks[0], draft, wishes)
    if pod:
        batch_pod.put(pod, draft, wishes)
        return []
    raise Refusal(
        f"{draft.name}: {NODES}." if definition.at("nodeProperties") else f"{draft.name} has no container."
    )


def _single(container: Source, draft: Draft, wishes: Wishes) -> list[Manifest]:
    """Put the one container of a job."""
    units = container.at("vcpus").number()
    beside = _fill(container, ecs_order.Roles(own=container), draft, wishes)
    if units > 0:
        known = draft.spec.get("resources", {})
        requests = {"cpu": cpu(units * 1000), **known.get("requests", {})}
        draft.put("resources", {**known, "requests": requests})
    role = container.at("jobRoleArn").text()
    draft.put("identity", {"roleArn": role} if role else draft.spec.get("identity"), TRUST)
    return beside


def _task(task: Source, draft: Draft, wishes: Wishes) -> list[Manifest]:
    """Put the containers of a job that runs as a task of ECS."""
    roles = ecs_order.roles(ecs_order.kept(task, "containers"), ())
    return _fill(task, roles, draft, wishes)


def _fill(task: Source, roles: ecs_order.Roles, draft: Draft, wishes: Wishes) -> list[Manifest]:
    nothing = Source(None, "", task.ledger)
    ecs_placement.put(task, nothing, draft)
    beside = ecs_pod.fill(roles, draft, wishes, volumes(task, nothing, draft, fargate=False))
    ecs_pod.task_wide(task, roles, draft, whole=True)
    for key, reason in _CONTAINER.items():
        value = task.at(key)
        value.take() if value.value is False else value.lose(reason)
    return beside


def _parameters(given: Source, draft: Draft) -> None:
    """Put the parameters; one that a command names, and that has no default, is empty until a run gives it."""
    found = {}
    for name, value in given.entries():
        if re.fullmatch(PARAMETER, name):
            found[name] = value.text()
        else:
            value.lose("a parameter's name has at most 64 letters, digits, '-' and '_'")
    words = [*draft.spec.get("command", ()), *draft.spec.get("args", ())]
    for word in words:
        named = REFERENCE.fullmatch(word)
        if named:
            found.setdefault(named[1], "")
    comment = "those without a value are given by each run" if "" in found.values() else ""
    draft.put("parameters", found, comment)


def _retry(strategy: Source) -> dict[str, Any]:
    attempts = strategy.at("attempts").number(1)
    rules = [rule for each in strategy.at("evaluateOnExit").items() if (rule := _on_exit(each))]
    return {**({"attempts": attempts} if attempts > 1 else {}), **({"onExit": rules} if rules else {})}


def _on_exit(rule: Source) -> dict[str, Any] | None:
    """Return what to do after an end; of several conditions a rule of ours has the one that Pods know."""
    action = rule.at("action").text("RETRY").capitalize()
    code, status, reason = (rule.at(key) for key in ("onExitCode", "onStatusReason", "onReason"))
    if code.value is not None and accepts(EXIT_CODE, code.text()):
        for other in (status, reason):
            other.lose("an exit code says enough; a Pod has no such text")
        return {"action": action, "exitCode": code.text()}
    if status.text().startswith("Host EC2"):
        reason.lose("a lost node has no such text")
        return {"action": action, "disruption": True}
    if "*" in {status.text(), reason.text()}:
        return {"action": action, "exitCode": "*"}
    rule.lose("retry.onExit knows exit codes from 1 to 255, and disruption: true for the loss of a node")
    return None
