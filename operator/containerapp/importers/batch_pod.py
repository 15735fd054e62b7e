"""Pods of AWS Batch on EKS to ContainerJobs: most fields have the same names."""

from __future__ import annotations

from typing import Any

from containerapp.importers.manifest import Draft
from containerapp.importers.naming import container_name, object_name, unique
from containerapp.importers.source import Source
from containerapp.importers.wishes import Wishes

Fields = dict[str, Any]
_SECURITY = (
    *(
        "runAsUser",
        "runAsGroup",
        "runAsNonRoot",
        "privileged",
        "allowPrivilegeEscalation",
        "readOnlyRootFilesystem",
    ),
    *("capabilities", "seccompProfile", "fsGroup"),
)
_SHARED = ("serviceAccountName", "shareProcessNamespace", "imagePullSecrets")


def put(pod: Source, draft: Draft, wishes: Wishes) -> None:
    """Put a Pod's fields: its first container is the job's own, the others are sidecars."""
    draft.expands = True
    containers, inits = list(pod.at("containers").items()), list(pod.at("initContainers").items())
    for key in _SHARED:
        draft.put(key, pod.at(key).take())
    _settings(pod, draft)
    sources = {each.at("name").text(): each for each in pod.at("volumes").items()}
    names: list[str] = []
    listed: dict[str, list[Fields]] = {"sidecars": [], "initContainers": []}
    _volumes(sources, containers[:1], [*containers[1:], *inits], draft)
    for index, container in enumerate([*containers, *inits]):
        fields = _container(container, draft, wishes, own=index == 0 and bool(containers))
        if index == 0 and containers:
            for key, value in fields.items():
                draft.put(key, {**draft.spec.get("security", {}), **value} if key == "security" else value)
            continue
        name = container_name(container.at("name").named(), names)
        names.append(name)
        field = "sidecars" if index < len(containers) else "initContainers"
        mounts = _mounts(container, {name for name, each in sources.items() if not each.at("secret")})
        listed[field].append({"name": name, **fields, **({"volumeMounts": mounts} if mounts else {})})
    for key, values in listed.items():
        draft.put(key, values)


def _settings(pod: Source, draft: Draft) -> None:
    network, policy, metadata = pod.at("hostNetwork"), pod.at("dnsPolicy"), pod.at("metadata")
    if network.flag():
        network.lose("a Pod has an address of its own")
    if policy.text() in {"ClusterFirst", "Default", "None"}:
        draft.put("dnsPolicy", policy.text() if policy.text() != "ClusterFirst" else None)
    else:
        policy.lose("it is for Pods of the node's network; the default is ClusterFirst")
    draft.put("podLabels", metadata.at("labels").take())
    draft.put("podAnnotations", metadata.at("annotations").take())
    draft.namespace = draft.namespace or metadata.at("namespace").text() or None
    draft.put("security", _security(pod.at("securityContext")))


def _security(given: Source) -> Fields:
    found = {key: given.at(key).take() for key in _SECURITY if given.at(key).value is not None}
    if found.get("privileged"):
        found.setdefault("allowPrivilegeEscalation", True)
        found.setdefault("runAsNonRoot", False)
    if found.get("runAsUser") == 0:
        found.setdefault("runAsNonRoot", False)
    return found


def _container(container: Source, draft: Draft, wishes: Wishes, *, own: bool) -> Fields:
    given = container.at("name").text()
    name = "" if own else given
    resources = container.at("resources")
    variables = [
        draft.variable(each.at("name").text(), each.at("value"), container=name)
        for each in container.at("env").items()
    ]
    amounts = {
        key: {name: value.text() for name, value in resources.at(key).entries()}
        for key in ("requests", "limits")
    }
    fields = {
        "image": wishes.image_of(given or draft.name, container.at("image"), own=own),
        "imagePullPolicy": container.at("imagePullPolicy").text(),
        "command": container.at("command").texts(),
        "args": container.at("args").texts(),
        "env": variables,
        "resources": {key: amount for key, amount in amounts.items() if amount},
        "security": _security(container.at("securityContext")),
    }
    return {key: value for key, value in fields.items() if value}


def _mounts(container: Source, known: set[str]) -> list[Fields]:
    """Take the mounts of a container."""
    mounts = []
    for mount in container.at("volumeMounts").items():
        name = mount.at("name").text()
        if name not in known:
            mount.lose(
                "the Pod has no volume of this name, or it is a Secret, which is a file of the job's own container"
            )
            continue
        mounts.append({"name": object_name(name), **_where(mount)})
    return mounts


def _where(mount: Source) -> Fields:
    folder, read_only = mount.at("subPath").text(), mount.at("readOnly").flag()
    return {
        "mountPath": mount.at("mountPath").text().rstrip("/"),
        **({"subPath": folder} if folder else {}),
        **({"readOnly": True} if read_only else {}),
    }


def _volumes(sources: dict[str, Source], own: list[Source], others: list[Source], draft: Draft) -> None:
    """Put the volumes: where the job's own container has them, else out of its way; Secrets are files."""
    mounts = {mount.at("name").text(): mount for each in own for mount in each.at("volumeMounts").items()}
    used = {mount.at("name").text() for each in others for mount in each.at("volumeMounts").items()}
    volumes: list[Fields] = []
    files: list[Fields] = []
    for name, volume in sources.items():
        where = _where(mounts[name]) if name in mounts else {"mountPath": f"/mnt/{object_name(name)}"}
        secret = volume.at("secret")
        if secret and name not in used:
            optional = secret.at("optional").flag()
            files.append(
                {
                    "path": where["mountPath"],
                    "secret": secret.at("secretName").text(),
                    **({"optional": True} if optional else {}),
                }
            )
        elif secret:
            secret.lose("a Secret is a file of the job's own container alone: lay an override over the Job")
        elif name in mounts or name in used:
            taken = {each["name"] for each in volumes}
            volumes.append({"name": unique(object_name(name), taken), **where, **_source(volume)})
        else:
            volume.lose("no container mounts it")
    for name, mount in mounts.items():
        mount.take() if name in sources else mount.lose("the Pod has no volume of this name")
    draft.put("volumes", volumes)
    draft.put("files", files)


def _source(volume: Source) -> Fields:
    path, claim = volume.at("hostPath").at("path"), volume.at("persistentVolumeClaim")
    if path:
        path.note("a folder of the node: the platform, and Pod Security of the namespace, must allow it")
        return {"hostPath": {"path": path.text().rstrip("/")}}
    if claim:
        claim.at("readOnly").take()
        return {"existingClaim": {"name": claim.at("claimName").text(), "accessMode": "ReadWriteMany"}}
    folder = volume.at("emptyDir")
    medium, limit = folder.at("medium").text(), folder.at("sizeLimit").text()
    return {"emptyDir": {**({"medium": medium} if medium else {}), **({"sizeLimit": limit} if limit else {})}}
