"""What the container of a service may do on its node."""

from __future__ import annotations

import re
from typing import Any

from containerapp.importers.accepted import SYSCTL, accepts
from containerapp.importers.compose.parts import Part
from containerapp.importers.source import Source
from containerapp.importers.units import is_number

_SECCOMP = re.compile(r"seccomp[:=]unconfined")
_NO_NEW = re.compile(r"no-new-privileges([:=]true)?")


def security(part: Part) -> None:
    """Carry user, capabilities, privileges and kernel parameters."""
    found: dict[str, Any] = {}
    _user(part, found)
    if part.service.at("read_only").flag():
        found["readOnlyRootFilesystem"] = True
    if part.service.at("privileged").flag():
        found |= {"privileged": True, "allowPrivilegeEscalation": True, "runAsNonRoot": False}
    capabilities = {key: _capabilities(part.service.at(f"cap_{key}")) for key in ("add", "drop")}
    found |= (
        {"capabilities": kept} if (kept := {key: each for key, each in capabilities.items() if each}) else {}
    )
    for option in part.service.at("security_opt").items():
        _option(option, found)
    if not part.sidecar:
        _groups(part, found)
        _sysctls(part, found)
    part.merge("security", found)


def _user(part: Part, found: dict[str, Any]) -> None:
    user = part.service.at("user")
    uid, _, gid = str(user.value or "").partition(":")
    if is_number(uid) and (is_number(gid) or not gid):
        user.take()
        found["runAsUser"] = int(uid)
        found |= {"runAsGroup": int(gid)} if gid else {}
    elif uid == "root":
        user.take()
        found["runAsUser"] = 0
    else:
        user.lose("Kubernetes takes numbers alone: look the user up (`id`), and write security.runAsUser")
    if found.get("runAsUser") == 0:
        found["runAsNonRoot"] = False
        user.note(
            "runs as root, with no capabilities but those of security.capabilities.add: add what it needs"
        )


def _capabilities(source: Source) -> list[str]:
    return [text.upper().removeprefix("CAP_") for text in source.texts()]


def _option(option: Source, found: dict[str, Any]) -> None:
    text = str(option.value)
    if _NO_NEW.fullmatch(text):
        option.take()  # the default
    elif _SECCOMP.fullmatch(text):
        option.take()
        found["seccompProfile"] = {"type": "Unconfined"}
    else:
        option.lose(
            "profiles of the node are named by security.seccompProfile; AppArmor and SELinux by an override"
        )


def _groups(part: Part, found: dict[str, Any]) -> None:
    groups = []
    for group in part.service.at("group_add").items():
        if is_number(group.text()):
            groups.append(int(group.text()))
        else:
            group.lose(
                "Kubernetes takes numbers alone: look the group up, and write security.supplementalGroups"
            )
    found |= {"supplementalGroups": groups} if groups else {}


def _sysctls(part: Part, found: dict[str, Any]) -> None:
    kept = []
    for name, value in part.service.at("sysctls").entries():
        sysctl = {"name": name, "value": value.text()}
        if accepts(SYSCTL, sysctl):
            kept.append(sysctl)
        else:
            value.lose("Kubernetes calls it unsafe, or it is the node's: set it on the nodes")
    found |= {"sysctls": kept} if kept else {}
