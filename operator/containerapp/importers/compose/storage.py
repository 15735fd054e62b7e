"""Volumes, temporary folders, configs and secrets of a service."""

from __future__ import annotations

import posixpath
import re
from typing import Any

from containerapp.importers import units
from containerapp.importers.compose.databases import database
from containerapp.importers.compose.parts import Part
from containerapp.importers.credentials import holds_credential
from containerapp.importers.naming import object_name, unique
from containerapp.importers.source import Source

Volume = dict[str, Any]

_SYSTEM = {
    "/etc/localtime": "set the variable TZ of the program",
    "/etc/timezone": "set the variable TZ of the program",
    "/var/run/docker.sock": "Pods have no Docker: what controls containers needs an operator or Kubernetes' own API",
    "/run/docker.sock": "Pods have no Docker: what controls containers needs an operator or Kubernetes' own API",
}
_OF_THE_HOST = re.compile(
    r"/(etc|usr|bin|sbin|lib|lib64|boot|dev|proc|sys|run|var/run|var/log|var/lib/docker)(/|$)"
)
_DATA = re.compile(r"/(data|db|storage)(/|$)|/var/lib/|/bitnami/")
_FOLDER = (
    "a folder of the host: put what it holds into the image, or into a volume (`volumes`), and mount that"
)
_MOST = 256 * 1024


def storage(part: Part) -> None:
    """Carry everything that is mounted."""
    for item in part.service.at("volumes").items():
        _mount(part, item)
    for item in part.service.at("tmpfs").items():
        path, _, options = item.text().partition(":")
        given = [option for option in options.split(",") if option not in {"", "rw"}]
        sizes = [option.removeprefix("size=") for option in given if option.startswith("size=")]
        _add(part, path, {"emptyDir": _in_memory(sizes[-1] if sizes else "")})
        if len(given) > len(sizes):
            item.ledger.losses[item.path] = (
                "of the options of a folder in memory, Kubernetes has the size alone"
            )
    shm = part.service.at("shm_size")
    if shm:
        _add(part, "/dev/shm", {"emptyDir": _in_memory(shm.text())})  # noqa: S108 - a mount in the container
    for item in part.service.at("configs").items():
        _config(part, item)
    for item in part.service.at("secrets").items():
        _secret(part, item)


def _mount(part: Part, item: Source) -> None:
    kind, target = item.at("type").text("volume"), _path(item.at("target").text())
    match kind:
        case _ if not target:
            item.lose("it has no path in the container: name its target")
        case "tmpfs":
            _add(part, target, {"emptyDir": _in_memory(item.at("tmpfs").at("size").text())})
            item.at("tmpfs").at("mode").lose("a folder in memory has Kubernetes' own permissions")
        case "bind":
            _bind(part, item, target)
        case "volume":
            _named(part, item, target)
        case "image":
            reference = item.at("source").text()
            _add(part, target, {"image": {"reference": reference}}, read_only=True)
        case _:
            item.lose("Pods have no volume of this type: use a claim, or an image")
    item.at("consistency").take()  # of macOS alone


def _named(part: Part, item: Source, target: str) -> None:
    """A volume of Compose is a claim that outlives the Pods; one without a name ends with its Pod."""
    name = item.at("source").text()
    _options(item)
    item.at("volume").at("nocopy").lose("a claim begins empty: nothing of the image is copied into it")
    item.at("volume").at("labels").lose("a label of Docker's own volume")
    given: Volume = {
        "subPath": item.at("volume").at("subpath").text(),
        "readOnly": item.at("read_only").flag() or None,
    }
    more = {key: value for key, value in given.items() if value}
    if name:
        source = _again(part, name) or _claim(part, item, name)
        _add(part, target, source, name=name, **more)
        if "claim" in source and not part.sidecar:
            part.model.claims[part.draft.name, name] = part.draft.spec["volumes"][-1]
    else:
        _add(part, target, {"emptyDir": {}}, **more)


def _again(part: Part, name: str) -> Volume | None:
    """Return the claim of a volume that the app has mounted at another path already; None the first time."""
    first = part.model.claims.get((part.draft.name, name))
    if first is None or part.sidecar:
        return None
    mode = {key: value for key, value in first["claim"].items() if key == "accessMode"}
    return {"existingClaim": {"name": f"{part.draft.name}-{first['name']}", **mode}}


def _options(item: Source) -> None:
    for option in item.at("options").items():
        if str(option.value) in {"z", "Z", "cached", "delegated", "consistent"}:
            option.take()  # of SELinux and of macOS
        else:
            option.lose("an option of Docker's own mounts")


def _claim(part: Part, item: Source, name: str) -> Volume:
    """Return the claim of a named volume: another app's where several mount it."""
    volume = part.model.root.at("volumes").at(name)
    external = volume.at("external")
    if external.value not in (None, False):
        external.take()
        given = volume.at("name").text() or name
        item.note("an existing claim: make it before the app, with the data of the volume")
        return {"existingClaim": {"name": object_name(given, longest=253)}}
    owner = part.model.owners.get(name)
    if owner is None:
        item.note("a claim of 1Gi, which begins empty: set its size, and copy the data of the volume into it")
        return _own_claim(part)
    item.note("several apps mount it: its claim needs a StorageClass that all nodes can mount, such as EFS")
    if owner == part.draft.name:
        return {"claim": {"size": "1Gi", "accessMode": "ReadWriteMany"}}
    return {"existingClaim": {"name": f"{owner}-{object_name(name)}", "accessMode": "ReadWriteMany"}}


def _own_claim(part: Part) -> Volume:
    """Return a claim of the app's own; databases want a folder without the `lost+found` of a new disk."""
    known = database(str(part.service.at("image").value))
    if known and not part.sidecar:
        part.service.note(
            f"a database in the cluster has one Pod in one zone, and no backups: {known.managed} has them. Name its"
            " address to the apps, and leave this one out"
        )
    below = {"subPath": "data"} if known and known.is_strict else {}
    return {**below, "claim": {"size": "1Gi"}}


def _bind(part: Part, item: Source, target: str) -> None:
    """A file beside the Compose file becomes a file of the app; a data folder of the host a claim."""
    source = item.at("source").text()
    text = None if source in _SYSTEM else _text(part, source)
    if text is not None and not part.sidecar:
        item.take()
        part.extend("files", [_file(part, item, source, {"path": target}, text)])
        return
    if (
        source in _SYSTEM
        or text is not None
        or not _holds_data(source, target)
        or item.at("read_only").flag()
    ):
        item.lose(_SYSTEM.get(source, _FILE if _is_file(source) else _FOLDER))
        return
    item.take()
    item.note(
        f"{source} of the host becomes a claim of 1Gi, which begins empty: set its size, and copy the data"
    )
    _add(part, target, _own_claim(part), name=posixpath.basename(source) or "data")


_FILE = (
    "a file of the host: put it beside the Compose file and import again, or into the image, or into a ConfigMap that"
    " `files` names"
)


def _is_file(source: str) -> bool:
    return "." in posixpath.basename(source).lstrip(".")


def _holds_data(source: str, target: str) -> bool:
    """Whether the program keeps data there, rather than its source code or the host's own files."""
    if _is_file(source) or _OF_THE_HOST.match(source):
        return False
    return source[:1] in "/~" or bool(_DATA.search(target + "/"))


def _text(part: Part, source: str) -> str | None:
    """Return the text of a file beside the Compose file, where a manifest can hold it."""
    text = part.model.project.read(source) if source[:1] == "." else None
    return None if text is None or len(text.encode()) > _MOST else text


def _in_memory(size: str) -> dict[str, str]:
    limit = units.memory(size)
    return {"medium": "Memory"} | ({"sizeLimit": units.quantity(limit)} if limit else {})


def _path(target: str) -> str:
    return posixpath.normpath(target) if target.startswith("/") else ""


def _add(part: Part, path: str, source: Volume, *, name: str = "", **more: Any) -> None:
    """Mount a volume at a path: for a container beside the app, one of the app's."""
    volumes: list[Volume] = part.draft.spec.get("volumes", [])
    wanted = object_name(name or path.strip("/"), otherwise="data")
    more = {"readOnly": True} | more if more.pop("read_only", None) else more
    same = next((each for each in volumes if each["name"] == wanted and name), None)
    if not part.sidecar:
        called = unique(wanted, {each["name"] for each in volumes})
        part.extend("volumes", [{"name": called, "mountPath": path, **source, **more}])
        return
    if same is None:
        wanted = unique(wanted, {each["name"] for each in volumes})
        source.pop("subPath", None)
        part.draft.put("volumes", [*volumes, {"name": wanted, "mountPath": f"/mnt/{wanted}", **source}])
    part.extend("volumeMounts", [{"name": wanted, "mountPath": path, **more}])


def _config(part: Part, item: Source) -> None:
    """A config is a file of the app, from the text that the Compose file or a file beside it holds."""
    name = item.at("source").text()
    config = part.model.root.at("configs").at(name)
    target = _path(item.at("target").text()) or f"/{name}"
    given: dict[str, Any] = {}
    if config.at("external").value not in (None, False):
        config.at("external").take()
        item.note("make the ConfigMap before the app, with the text under the key of its name")
        given = {"configMap": object_name(config.at("name").text() or name, longest=253), "key": _key(name)}
    else:
        text = _given_text(part, config)
        if text is None or part.sidecar:
            item.lose(_FILE)
            return
        part.extend("files", [_file(part, item, name, {"path": target, **_mode(item)}, text)])
        return
    part.extend("files", [{"path": target, **given, **_mode(item)}])


def _file(part: Part, item: Source, name: str, fields: dict[str, Any], text: str) -> dict[str, Any]:
    """Return a file of the app; the text is in a Secret beside it where it holds a credential."""
    if not holds_credential(text):
        return {**fields, "content": text}
    file = posixpath.basename(name)
    taken = {manifest["metadata"]["name"] for manifest in part.model.written.values()}
    called = unique(object_name(f"{part.draft.name}-{file}-file", longest=253), taken)
    key = _key(file)
    part.model.written[f"Secret/{called}"] = _secret_of(called, key, text)
    item.note(
        f"{file} holds what looks like a credential: it is in the Secret {called}, not in the manifest. Better keep"
        " that in AWS Secrets Manager, and name it in `secrets`"
    )
    return {**fields, "secret": called, "key": key}


def _key(name: str) -> str:
    """Return a key that a ConfigMap or a Secret can have."""
    return re.sub(r"[^-.\w]", "-", name, flags=re.ASCII)


def _secret_of(name: str, key: str, text: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {key: text}}


def _mode(item: Source) -> dict[str, int]:
    for key in ("uid", "gid"):
        item.at(key).lose(
            "files belong to root, and can be read by all: give them a mode, or set security.fsGroup"
        )
    mode = item.at("mode").take()
    if isinstance(mode, str):
        mode = int(mode, 8) if re.fullmatch("[0-7]{1,4}", mode) else None
    return {"mode": mode & 0o777} if mode else {}


def _given_text(part: Part, source: Source) -> str | None:
    """Return the text of a config or a secret: of the file itself, of a file beside it, or of a variable."""
    if source.at("content"):
        return source.at("content").text()
    if source.at("environment"):
        return part.model.project.values.get(source.at("environment").text())
    file = source.at("file").text()
    return part.model.project.read(file) if file else None


def _secret(part: Part, item: Source) -> None:
    """A secret is a file of the app, from a Secret that is written beside it."""
    name = item.at("source").text()
    secret = part.model.root.at("secrets").at(name)
    target = item.at("target").text() or name
    path = _path(target) or f"/run/secrets/{target}"
    called = object_name(secret.at("name").text() or name, longest=253)
    secret.at("external").take()
    text = _given_text(part, secret)
    if text is None:
        item.note(
            f"make the Secret before the app: kubectl create secret generic {called} --from-file={_key(name)}=FILE"
        )
    else:
        part.model.written[f"Secret/{called}"] = _secret_of(called, _key(name), text)
    if part.sidecar:
        item.lose("files are the app's own container's: mount a volume, or name the Secret's key in env")
        return
    part.extend("files", [{"path": path, "secret": called, "key": _key(name), **_mode(item)}])
