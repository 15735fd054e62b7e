"""Why a field of a service is not carried, and what to do instead: for all that has no place in a ContainerApp."""

from __future__ import annotations

from containerapp.importers.source import Source

_LIMITS = "the node's kernel sets it: leave it out, or set it on the nodes"
_NAMESPACES = "Pods do not share it with their node; within a Pod, see sidecars and shareProcessNamespace"

_LABEL = "what reads labels of Docker sees no Pods: write podLabels or podAnnotations; for what a proxy reads, `expose`"

SERVICE = {
    "attach": "what a Pod writes is read with `containerapp logs`",
    "blkio_config": "the speed of a disk is that of its StorageClass",
    "cgroup": _NAMESPACES,
    "cgroup_parent": _LIMITS,
    "cpu_count": "write resources.limits.cpu",
    "cpu_percent": "write resources.limits.cpu",
    "cpu_rt_period": _LIMITS,
    "cpu_rt_runtime": _LIMITS,
    "cpuset": "the kubelet pins whole CPUs with its static policy: write resources with cpu as a whole number",
    "credential_spec": "for Windows alone: nodes run Linux",
    "develop": "for development: nothing of it runs in the cluster",
    "device_cgroup_rules": "devices come from device plugins: write resources.limits, as in nvidia.com/gpu: 1",
    "devices": "devices come from device plugins: write resources.limits, as in nvidia.com/gpu: 1",
    "domainname": "Pods are in the cluster's domain: call apps by their names",
    "external_links": "call what is outside by its own name",
    "ipc": _NAMESPACES,
    "isolation": "for Windows alone: nodes run Linux",
    "label_file": "what reads labels of Docker does not see Pods: write podLabels or podAnnotations",
    "logging": "what a Pod writes is kept by the node: an agent such as Fluent Bit takes it to CloudWatch",
    "mac_address": "Pods get their addresses from the cluster",
    "mem_swappiness": _LIMITS,
    "memswap_limit": "nodes have no swap: write resources.limits.memory",
    "models": "name the model's address in env, or run it as an app",
    "oom_kill_disable": _LIMITS,
    "oom_score_adj": "Kubernetes sets it by requests and limits: make them equal for what must stay",
    "pid": _NAMESPACES,
    "pids_limit": "the number of processes is the kubelet's to limit: podPidsLimit of the node",
    "post_start": "an app has no hooks: start it by a script of the image, or use initContainers",
    "pre_stop": "a Pod waits before SIGTERM while load balancers stop sending; let the program end on SIGTERM",
    "provider": "what a provider makes is made outside the cluster: name its address in env",
    "pull_refresh_after": "an image is pulled when its tag changes",
    "runtime": "name a RuntimeClass of the cluster in placement.runtimeClassName",
    "storage_opt": "write resources.limits with ephemeral-storage",
    "ulimits": "limits are those of the container runtime on the node: set them there",
    "use_api_socket": "Pods have no Docker",
    "userns_mode": _NAMESPACES,
    "uts": _NAMESPACES,
    "volumes_from": "mount the same volume by its name in both services, or join them: network_mode: service:NAME",
}


def give_up(service: Source) -> None:
    """List the fields of a service that no container of Kubernetes has, and those of the file's own."""
    for key, reason in SERVICE.items():
        service.at(key).lose(reason)
    for _, label in service.at("labels").entries():
        if label.path not in label.ledger.carried:
            label.lose(_LABEL)
    for key, value in service.entries():
        if key.startswith("x-"):
            value.lose("an extension, which Compose ignores, too")
