"""Volumes of a task and their mount points to `volumes` of an app and `volumeMounts` of its further containers.

A file system of EFS becomes a PersistentVolume and a claim beside the app, as the task definition names it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from containerapp.importers.efs import NEEDS, handle_of, volume_and_claim
from containerapp.importers.manifest import Draft, Manifest, memory
from containerapp.importers.naming import object_name, unique
from containerapp.importers.source import Source

Fields = dict[str, Any]

_PATH = re.compile(r"(/[^/:\x00-\x1f\x7f]+)+")
_SHARED = "shares no folder between tasks on an instance: for files that stay, use `claim` or `existingClaim`"
_CLAIM = "a claim of that storage is needed: have the platform team make it, and name it in existingClaim"


@dataclass(slots=True)
class Volumes:
    """Volumes in the making: sources by the names of the task's volumes, and the app's own mounts."""

    draft: Draft
    sources: dict[str, Fields] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    own: dict[str, Fields] = field(default_factory=dict)
    used: list[str] = field(default_factory=list)
    beside: list[Manifest] = field(default_factory=list)

    def add(self, name: str, made: Fields, *, like: str = "") -> None:
        """Add a volume by the name that the task has for it; `like` is the name to derive ours from."""
        self.names[name] = unique(like or object_name(name, otherwise="volume"), self.names.values())
        self.sources[name] = made

    def mounts(self, definition: Source, others: Mapping[str, Source], *, own: bool) -> list[Fields]:
        """Take the mount points of a container, and those of the containers whose volumes it shares."""
        points: list[tuple[Source, bool]] = [(point, False) for point in definition.at("mountPoints").items()]
        for shared in definition.at("volumesFrom").items():
            other = others.get(shared.at("sourceContainer").text())
            read_only = shared.at("readOnly").flag()
            points += [(point, read_only) for point in other.at("mountPoints").items()] if other else []
            if other is None:
                shared.lose("the container is not in this Pod")
        made = [
            (point, mount)
            for point, read_only in points
            if (mount := self._mount(point, read_only=read_only))
        ]
        for point, mount in made if own else ():
            self._keep(point, mount)
        return _apart(mount for _, mount in made)

    def _mount(self, point: Source, *, read_only: bool) -> Fields | None:
        name, path = point.at("sourceVolume").text(), point.at("containerPath").text()
        given_read_only = point.at("readOnly").flag()
        mounted = path.rstrip("/")
        if not name or not _PATH.fullmatch(mounted):
            point.lose("a mount has a volume, and an absolute path below / without ':'")
            return None
        if name not in self.sources:
            self.add(name, {"emptyDir": {}})
            point.note("the task has no volume of this name: it is an empty folder")
        self.used.append(name)
        is_read_only = given_read_only or read_only
        return {
            "name": self.names[name],
            "mountPath": mounted,
            **({"readOnly": True} if is_read_only else {}),
        }

    def _keep(self, point: Source, mount: Fields) -> None:
        """Put a mount of the app's own container, which mounts a volume once: a second time it is a volume more."""
        name = point.at("sourceVolume").text()
        if mount["name"] not in self.own:
            self.own[mount["name"]] = mount
        elif "emptyDir" in self.sources[name]:
            point.at("containerPath").lose(
                "the app's own container mounts a folder of the Pod once: lay an override over the Deployment"
            )
        else:
            again = f"{name} at {mount['mountPath']}"
            self.add(again, self.sources[name], like=mount["name"])
            self.used.append(again)
            self.own[self.names[again]] = {**mount, "name": self.names[again]}

    def put(self) -> None:
        """Put the volumes that are mounted, and make the objects beside the app; those of sidecars are at /mnt."""
        volumes = []
        for name in dict.fromkeys(self.used):
            ours = self.names[name]
            mount = self.own.get(ours, {"name": ours, "mountPath": f"/mnt/{ours}"})
            volumes.append({**mount, **self.sources[name]})
        paths = {volume["mountPath"]: volume for volume in reversed(volumes)}
        kept = [volume for volume in volumes if paths[volume["mountPath"]] is volume]
        self.draft.put("volumes", [*self.draft.spec.get("volumes", ()), *kept])


def _apart(mounts: Iterable[Fields]) -> list[Fields]:
    """Leave out what would be mounted over another."""
    return list({mount["mountPath"]: mount for mount in mounts}.values())


def volumes(task: Source, service: Source, draft: Draft, *, fargate: bool) -> Volumes:
    """Take the volumes of a task, and what its service says of those that are configured at launch."""
    found = Volumes(draft)
    configured = {each.at("name").text(): each for each in service.at("volumeConfigurations").items()}
    for volume in task.at("volumes").items():
        name = volume.at("name").text()
        volume.at("configuredAtLaunch").take()
        disk = configured.pop(name, None)
        if disk is not None:
            found.add(name, _disk(disk.at("managedEBSVolume"), fargate=fargate))
        else:
            found.add(name, _source(volume, name, found))
        volume.lose_rest("a volume has one source")
    for disk in configured.values():
        disk.lose("the task has no volume of this name")
    return found


def _source(volume: Source, name: str, found: Volumes) -> Fields:
    """Return what a volume is made of."""
    docker, efs, host = (
        volume.at(key) for key in ("dockerVolumeConfiguration", "efsVolumeConfiguration", "host")
    )
    for key in ("s3filesVolumeConfiguration", "fsxWindowsFileServerVolumeConfiguration"):
        if volume.at(key):
            volume.at(key).lose(_CLAIM)
            return _existing(name, found)
    if efs:
        return _efs(efs, name, found)
    if docker:
        scope = docker.at("scope").text("task")
        docker.lose(_SHARED) if scope == "shared" or docker.at("driver").text(
            "local"
        ) != "local" else docker.take()
        return {"emptyDir": {}}
    path = host.at("sourcePath").text().rstrip("/")
    if not path:
        return {"emptyDir": {}}
    host.at("sourcePath").note(
        "a folder of the node: the platform, and Pod Security of the namespace, must allow it"
    )
    return {"hostPath": {"path": path}} if _PATH.fullmatch(path) else {"emptyDir": {}}


def _existing(name: str, found: Volumes) -> Fields:
    claim = object_name(f"{found.draft.name}-{name}")
    return {"existingClaim": {"name": claim, "accessMode": "ReadWriteMany"}}


def _efs(efs: Source, name: str, found: Volumes) -> Fields:
    """Make a PersistentVolume of the EFS driver, and a claim of it."""
    made = _existing(name, found)
    claim, system = made["existingClaim"]["name"], efs.at("fileSystemId")
    authorization = efs.at("authorizationConfig")
    iam = authorization.at("iam").text().upper() == "ENABLED"
    encrypted = efs.at("transitEncryption").text("ENABLED").upper() == "ENABLED"
    efs.at("transitEncryptionPort").lose("the driver chooses a port")
    system.note(NEEDS)
    handle = handle_of(
        system.text(), efs.at("rootDirectory").text(), authorization.at("accessPointId").text()
    )
    found.beside += volume_and_claim(
        claim, handle, namespace=found.draft.namespace, iam=iam, encrypted=encrypted
    )
    return made


def _disk(disk: Source, *, fargate: bool) -> Fields:
    """Return storage of each Pod's own, as a managed EBS volume is."""
    gibibytes = disk.at("sizeInGiB").number(20)
    for key, _ in disk.entries():
        if key not in {"sizeInGiB", "SizeInGiB"}:
            disk.at(key).lose(
                "a StorageClass says what a disk is: name one in volumes[].ephemeral.storageClass"
            )
    if fargate:
        disk.at("sizeInGiB").lose("Fargate on EKS has no EBS volumes: the Pod's own disk takes its place")
        return {"emptyDir": {}}
    return {"ephemeral": {"size": f"{gibibytes}Gi"}}


def in_memory(definition: Source, draft: Draft, *, own: bool) -> list[Fields]:
    """Put the folders in memory that a container asks for; return their mounts."""
    linux = definition.at("linuxParameters")
    wanted = [("/dev/shm", linux.at("sharedMemorySize").number())]  # noqa: S108 - what ECS mounts
    for folder in linux.at("tmpfs").items():
        wanted.append((folder.at("containerPath").text().rstrip("/"), folder.at("size").number()))
        folder.at("mountOptions").lose("a folder in memory has no options")
        if wanted[-1][1] <= 0 or not _PATH.fullmatch(wanted[-1][0]):
            folder.lose("a folder in memory has an absolute path and a size")
    mounts: list[Fields] = []
    for path, mebibytes in wanted:
        if mebibytes > 0 and _PATH.fullmatch(path):
            taken = {volume["name"] for volume in draft.spec.get("volumes", ())}
            name = unique(object_name(path.rpartition("/")[2], otherwise="memory"), taken)
            mounts.append({"name": name, "mountPath": path})
            volume = {
                "name": name,
                "mountPath": path if own else f"/mnt/{name}",
                "emptyDir": {"medium": "Memory", "sizeLimit": memory(mebibytes)},
            }
            draft.put("volumes", [*draft.spec.get("volumes", ()), volume])
    return mounts
