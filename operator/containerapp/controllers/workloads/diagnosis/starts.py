"""Why a container that has its image does not start, by the words of the kubelet, containerd and runc. Pure.

Called with the message of a container that waits in CreateContainerConfigError, CreateContainerError or
RunContainerError, or whose start failed.
"""

from __future__ import annotations

from containerapp.controllers.workloads.diagnosis.kinds import LIKELY, WAITING, Kind

CONFIG_REASONS = {"CreateContainerConfigError"}
REASONS = {
    *CONFIG_REASONS,
    "CreateContainerError",
    "RunContainerError",
    "StartError",
    "ContainerCannotRun",
    "PostStartHookError",
}
_ENV = "correct spec.env and spec.envFrom"

CONFIG_KINDS = (
    Kind(
        says="Secret {name} does not exist",
        remedy=f"Create it in the app's namespace, or {_ENV}.",
        pattern=r"secrets? \"(?P<name>[^\"]*)\" not found",
    ),
    Kind(
        says="ConfigMap {name} does not exist",
        remedy=f"Create it in the app's namespace, or {_ENV}.",
        pattern=r"configmaps? \"(?P<name>[^\"]*)\" not found",
    ),
    Kind(
        says="Secret {name} has no key {key}",
        remedy=f"Add the key, or {_ENV}.",
        pattern=r"couldn't find key (?P<key>\S+) in Secret (?:[^/\s]*/)?(?P<name>\S+)",
    ),
    Kind(
        says="ConfigMap {name} has no key {key}",
        remedy=f"Add the key, or {_ENV}.",
        pattern=r"couldn't find key (?P<key>\S+) in ConfigMap (?:[^/\s]*/)?(?P<name>\S+)",
    ),
    Kind(
        says="the image runs as the user {user}, which may be root",
        remedy="Set spec.security.runAsUser to the number of that user, or USER to a number in the Dockerfile.",
        pattern=r"image has non-numeric user \((?P<user>[^)]*)\)",
    ),
    Kind(
        says="the image runs as root",
        remedy="Set spec.security.runAsUser to a user other than 0, or spec.security.runAsNonRoot to false.",
        pattern=r"image will run as root|runAsUser breaks non-root policy",
    ),
)

PROGRAM_KINDS = (
    Kind(
        says="exec format error: the program is of another architecture than the node, or a script without #!",
        remedy="Build the image for the node's architecture: docker buildx build --platform linux/amd64,linux/arm64.",
        pattern=r"exec format error",
    ),
    Kind(
        says="exec {program}: no such file in the image",
        remedy="Correct spec.command, or the image's ENTRYPOINT. A file that is there lacks its interpreter or its C "
        "library (a glibc program on Alpine).",
        pattern=r"exec:? \\*\"?(?P<program>[^\"\\:\s]+)\\*\"?: (?:stat [^:]*: )?(?:no such file or directory"
        r"|executable file not found)",
    ),
    Kind(
        says="exec {program}: permission denied",
        remedy="Make the file executable for the user that the app runs as (chmod 755 in the Dockerfile), and check "
        "spec.command.",
        pattern=r"exec:? \\*\"?(?P<program>[^\"\\:\s]+)\\*\"?: (?:is a directory: )?permission denied",
    ),
)

KINDS = (
    *PROGRAM_KINDS,
    Kind(
        says="the working directory {folder} cannot be used",
        remedy="Correct spec.workingDir, or let the user that the app runs as read it. The node says: {quote}.",
        pattern=r"(?:chdir to cwd \(\\*\"|mkdir )(?P<folder>/[^\"\\:\s]*+).*"
        r"(?:no such|denied|not a directory|read-only)",
    ),
    Kind(
        says="the image has no program to run",
        remedy="Set spec.command, or ENTRYPOINT in the Dockerfile.",
        pattern=r"(?i)no command specified|args must not be empty",
    ),
    Kind(
        says="the image does not know its own user {user}",
        remedy="Set spec.security.runAsUser to a number, or correct USER in the Dockerfile.",
        pattern=r"unable to find (?:user|group) (?P<user>[^: ]+)",
    ),
    Kind(
        says="OOMKilled before the program started: the memory limit is too low",
        remedy="Raise spec.resources.limits.memory (or the request, where there is no limit).",
        pattern=r"container init was OOM-killed",
    ),
    Kind(
        says="the node has no seccomp profile {profile}",
        remedy="Put the file on every node, or correct spec.security.seccompProfile.",
        pattern=r"seccomp profile \\*\"?(?P<profile>[^\"\\\s:]+)",
    ),
    Kind(
        says="the command after the start failed",
        remedy="The node says: {quote}.",
        certainty=LIKELY,
        pattern=r"PostStartHook",
    ),
    Kind(
        says="the node is too slow to create the container",
        remedy="Wait; if it stays, the node is overloaded or its disk is slow: drain it.",
        certainty=WAITING,
        pattern=r"is reserved for|context deadline exceeded|failed to sync (?:secret|configmap) cache"
        r"|services have not yet been read",
    ),
    Kind(
        says="the node cannot start the container",
        remedy="Check spec.command, spec.args and spec.workingDir. The node says: {quote}.",
        certainty=LIKELY,
    ),
)
