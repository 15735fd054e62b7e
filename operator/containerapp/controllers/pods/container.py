"""One container of a Pod: the app, a sidecar, an init container or a job, from the fields that all of them have.

Called by the template. It knows no custom kind; what only some containers have (ports, probes, a pause before they end)
is rendered by its owner and passed as `more`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from containerapp.api.process import Process
from containerapp.api.schema.kubernetes import ResourceRequirements
from containerapp.api.security import Privileges
from containerapp.core.model import Manifest


def container(
    process: Process,
    *,
    name: str,
    image: str,
    requests: Mapping[str, str],
    security: Manifest,
    more: Manifest,
) -> Manifest:
    """Return the container that runs `process` from `image`; `requests` are those of a process without its own.

    The logs stand in for a termination message that the program does not write: the diagnosis quotes them.
    """
    optional: Manifest = {
        "command": list(process.command),
        "args": list(process.args),
        "workingDir": process.working_dir,
        "stdin": process.stdin,
        "tty": process.tty,
        "env": [plain(item) for item in process.env],
        "envFrom": [plain(item) for item in process.env_from],
        **more,
    }
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": process.image_pull_policy,
        "resources": resources(process.resources, requests),
        "securityContext": security,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        **{key: value for key, value in optional.items() if value},
    }


def resources(given: ResourceRequirements, default: Mapping[str, str]) -> Manifest:
    """Return requests always set, no CPU limit, memory limit = request, unless the user says otherwise."""
    limits = dict(given.limits)
    requests = {**default, **limits, **given.requests}
    return {"requests": requests, "limits": {"memory": requests["memory"]} | limits}


def privileges(security: Privileges) -> Manifest:
    """Return what a container may do beyond its user and its system calls."""
    return {
        "allowPrivilegeEscalation": security.allow_privilege_escalation,
        "readOnlyRootFilesystem": security.read_only_root_filesystem,
        "capabilities": {key: value for key, value in plain(security.capabilities).items() if value},
        **({"privileged": True} if security.privileged else {}),
    }


def plain(value: BaseModel) -> dict[str, Any]:
    """Return one of Kubernetes' own types as the JSON that the user wrote."""
    return value.model_dump(by_alias=True, exclude_none=True, mode="json")
