"""What a Copilot manifest says of the task around its containers: size, storage, platform, network, deployment."""

from __future__ import annotations

import re
from typing import Any

from containerapp.importers.copilot.containers import Work
from containerapp.importers.efs import NEEDS, handle_of, volume_and_claim
from containerapp.importers.manifest import cpu, labels, memory
from containerapp.importers.naming import object_name, unique
from containerapp.importers.source import Refusal, Source

Fields = dict[str, Any]

_ARCHITECTURES = {"amd64": "amd64", "x86_64": "amd64", "arm64": "arm64", "arm": "arm64"}
_LOGS = "what a Pod writes is read by a log agent, such as the CloudWatch Observability add-on: set it there"
_TOPICS = (
    "topics are made outside of the cluster: create them, let the role of `identity` publish to them, and write"
    " COPILOT_SNS_TOPIC_ARNS to env"
)
_QUEUES = (
    "queues are made outside of the cluster: create and subscribe them, let the role of `identity` read them, and give"
    " the URL by --set COPILOT_QUEUE_URI=https://sqs.…, for env and autoscaling"
)
_GROUPS = "a SecurityGroupPolicy gives Pods security groups; within the cluster write `network`"
_SUBNETS = (
    "Pods have addresses of the cluster's subnets: a node pool, or a Fargate profile, chooses among them"
)
_LISTED = {
    "logging": _LOGS,
    "publish": _TOPICS,
    "subscribe": _QUEUES,
    "observability": "traces need a collector: run the ADOT collector in the cluster, or in `sidecars`",
}
_STOP = re.compile(r"ContainerDefinitions\[(0|\*)\]\.StopTimeout", re.IGNORECASE)
_READ_ONLY = re.compile(r"ContainerDefinitions\[(0|\*)\]\.ReadonlyRootFilesystem", re.IGNORECASE)
_INIT = re.compile(r"ContainerDefinitions\[(0|\*)\]\.LinuxParameters\.InitProcessEnabled", re.IGNORECASE)


def settings(work: Work) -> None:
    """Carry everything that is not a container, a port or a number of tasks."""
    manifest = work.manifest
    _size(work)
    _platform(work, manifest.at("platform"))
    _storage(work, manifest.at("storage"))
    _network(work, manifest.at("network"))
    _deployment(work, manifest.at("deployment"))
    for rule in manifest.at("taskdef_overrides").items():
        _override(work, rule)
    for key, reason in _LISTED.items():
        manifest.at(key).lose(reason)
    work.draft.put("labels", labels(manifest.at("tags").entries()))
    manifest.at("exec").take()  # kubectl exec and `containerapp exec` need nothing in the Pod


def _size(work: Work) -> None:
    """The size of the task was for all of its containers: the app's own gets it."""
    units_of_cpu, mebibytes = work.manifest.at("cpu").number(), work.manifest.at("memory").number()
    requests: Fields = {"cpu": cpu(units_of_cpu / 1.024)} if units_of_cpu > 0 else {}
    requests |= {"memory": memory(mebibytes)} if mebibytes > 0 else {}
    gibibytes = work.manifest.at("storage").at("ephemeral").number()
    requests |= {"ephemeral-storage": f"{gibibytes}Gi"} if gibibytes > 0 else {}
    work.draft.put("resources", {"requests": requests} if requests else None)


def _platform(work: Work, platform: Source) -> None:
    system = platform.at("osfamily").text() if isinstance(platform.value, dict) else platform.text()
    architecture = platform.at("architecture").text() or system.partition("/")[2]
    if system.lower().startswith("windows"):
        raise Refusal(
            "The service runs on Windows, and an app runs on Linux: build its image for linux/amd64."
        )
    known = _ARCHITECTURES.get(architecture.lower())
    if known:
        work.draft.put("placement", {**work.draft.spec.get("placement", {}), "architectures": [known]})


def _storage(work: Work, storage: Source) -> None:
    if storage.at("readonly_fs").flag():
        work.draft.put("security", {"readOnlyRootFilesystem": True})
    volumes: list[Fields] = []
    for name, volume in storage.at("volumes").entries():
        called = unique(object_name(name, otherwise="volume"), work.volumes.values())
        work.volumes[name] = called
        path = volume.at("path").text().rstrip("/") or f"/mnt/{called}"
        read_only = volume.at("read_only").flag(default=True) and bool(volume.at("path"))
        made = _volume(work, called, volume.at("efs"))
        volumes.append(
            {"name": called, "mountPath": path, **({"readOnly": True} if read_only else {}), **made}
        )
    work.draft.put("volumes", volumes)


def _volume(work: Work, name: str, efs: Source) -> Fields:
    """Return what a volume is made of: a folder of the Pod's own, a claim, or a file system that exists."""
    managed = efs.at("uid") or efs.at("gid") or not isinstance(efs.value, dict)
    if managed and not (efs.flag() or isinstance(efs.value, dict)):
        return {"emptyDir": {}}
    if managed:
        for key in ("uid", "gid"):
            efs.at(key).lose("the StorageClass of EFS says whose the files are: its parameters uid and gid")
        efs.note(
            "a claim, which begins empty: it needs a StorageClass of EFS, and the files of Copilot's file system"
        )
        return {"claim": {"size": "1Gi", "accessMode": "ReadWriteMany"}}
    identifier = efs.at("id")
    system = str(identifier.value)
    if isinstance(identifier.value, dict):
        system = work.value(identifier.at("from_cfn").text())
    identifier.note(NEEDS)
    identifier.take()
    authorization = efs.at("auth")
    handle = handle_of(system, efs.at("root_dir").text(), authorization.at("access_point_id").text())
    claim = object_name(f"{work.draft.name}-{name}")
    work.beside.extend(
        volume_and_claim(
            claim, handle, namespace=work.draft.namespace, iam=authorization.at("iam").flag(default=True)
        )
    )
    return {"existingClaim": {"name": claim, "accessMode": "ReadWriteMany"}}


def _network(work: Work, network: Source) -> None:
    connect, placement = network.at("connect"), network.at("vpc").at("placement")
    if connect.at("alias") and connect.at("alias").value != work.draft.name:
        connect.lose(f"an app is reached by its name alone: call {work.draft.name} instead of the alias")
    connect.take()  # a Service has the name that Service Connect gave
    if placement.value == "private":
        placement.take()
    elif placement.value == "public":
        placement.lose("Pods have no public addresses, unless the cluster's subnets give them: see `expose`")
    else:
        placement.lose(_SUBNETS)
    network.at("vpc").at("security_groups").lose(_GROUPS)


def _deployment(work: Work, deployment: Source) -> None:
    rolling = deployment.at("rolling").text("default")
    if rolling == "recreate":
        work.draft.put("rollout", {"strategy": "Recreate"})
    deployment.at("rollback_alarms").lose(
        "a revision that does not become available is rolled back; for further signs annotate the app from your alarms"
    )


def _override(work: Work, rule: Source) -> None:
    """Carry what a rule over the task definition says, where an app has a field of it."""
    path, value = rule.at("path").text(), rule.at("value")
    draft = work.draft
    if _STOP.fullmatch(path):
        seconds = min(value.number(30), 7200)
        known = draft.spec.get("terminationGracePeriodSeconds", 0)
        draft.put("terminationGracePeriodSeconds", max(seconds, known))
    elif _READ_ONLY.fullmatch(path):
        draft.put("security", {"readOnlyRootFilesystem": value.flag()})
    elif _INIT.fullmatch(path):
        draft.put("shareProcessNamespace", value.flag() or None)
    else:
        rule.lose(
            "no task definition is made: write what it changes to the app, or to `overrides` of its Deployment"
        )
