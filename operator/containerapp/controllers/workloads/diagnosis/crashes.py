"""Why a container ended, by its exit code and the probes that it has. Pure.

Called with the last termination of a container that is not ready. Exit codes above 128 are signals:
https://tldp.org/LDP/abs/html/exitcodes.html.
"""

from __future__ import annotations

from containerapp.controllers.workloads.diagnosis import starts
from containerapp.controllers.workloads.diagnosis.kinds import (
    CERTAIN,
    LIKELY,
    Kind,
    Problem,
    classified,
    found,
    quoted,
)
from containerapp.core.model import Manifest

_LOGS = "See kubectl logs {pod} -c {container} --previous."
_MEMORY = "Raise spec.resources.limits.memory (or the request, where there is no limit), or let the program use less."
_OOM_KILLED = Kind(says="OOMKilled at {limit}", remedy=_MEMORY, certainty=LIKELY)
_OOM_KILLED_ON_NODE = Kind(
    says="OOMKilled without a limit of its own: the node has no memory left",
    remedy="Raise spec.resources.requests.memory to what the program uses.",
    certainty=LIKELY,
)
_PROBE_STOPPED = Kind(
    says="exit code {code}: it was stopped from outside, most likely as its {probe} failed",
    remedy="See kubectl describe pod {pod}, and kubectl logs {pod} -c {container} --previous. A slow start needs a "
    "spec.startupProbe with a higher failureThreshold.",
    certainty=LIKELY,
)
_EXIT_CODES = {
    0: Kind(
        says="exit code 0: the program ends by itself, although an app must keep running",
        remedy="Let spec.command start a program that stays in the foreground. " + _LOGS,
        certainty=LIKELY,
    ),
    1: Kind(says="exit code 1: the program ends with an error{words}", remedy=_LOGS, certainty=LIKELY),
    2: Kind(
        says="exit code 2: the program does not accept its arguments, or ends with an error{words}",
        remedy="Check spec.args. " + _LOGS,
        certainty=LIKELY,
    ),
    126: Kind(
        says="exit code 126: the shell may not run the program{words}",
        remedy="Make the file executable (chmod 755 in the Dockerfile), and check spec.command. " + _LOGS,
        certainty=CERTAIN,
    ),
    127: Kind(
        says="exit code 127: the shell does not find the program{words}",
        remedy="Correct spec.command, or install the program in the image. " + _LOGS,
        certainty=CERTAIN,
    ),
    132: Kind(
        says="exit code 132 (SIGILL): the program uses instructions that the node's processor lacks{words}",
        remedy="Build it for an older processor of the architecture. " + _LOGS,
        certainty=LIKELY,
    ),
    134: Kind(
        says="exit code 134 (SIGABRT): the program aborts itself{words}", remedy=_LOGS, certainty=LIKELY
    ),
    137: Kind(
        says="exit code 137 (SIGKILL): it was killed, and not for the memory of the container{words}",
        remedy="The node may have run out of memory, or the program has not ended within "
        "spec.terminationGracePeriodSeconds. See kubectl describe pod {pod}.",
        certainty=LIKELY,
    ),
    139: Kind(
        says="exit code 139 (SIGSEGV): the program crashes in native code{words}",
        remedy="Check native libraries and their architecture. " + _LOGS,
        certainty=LIKELY,
    ),
    143: Kind(
        says="exit code 143 (SIGTERM): it was asked to end, or ends itself so{words}",
        remedy=_LOGS,
        certainty=LIKELY,
    ),
}
_OTHER = Kind(says="exit code {code}{words}", remedy=_LOGS, certainty=LIKELY)
_UNKNOWN = Kind(says="it ends again and again", remedy=_LOGS, certainty=LIKELY)
_STOPPED = {137, 143}
_RUNTIME = ("exec ", "standard_init_linux.go:")
"""How runc begins what it writes in place of a program that it cannot start."""
_PROBES = {"livenessProbe": "liveness probe", "startupProbe": "startup probe"}
KINDS = (_OOM_KILLED, _OOM_KILLED_ON_NODE, _PROBE_STOPPED, *_EXIT_CODES.values(), _OTHER, _UNKNOWN)


def crash(ended: Manifest, spec: Manifest, values: dict[str, str]) -> Problem:
    """Return why the container `spec` ended; `ended` is its last termination, empty where that is not known."""
    message, code = str(ended.get("message") or ""), ended.get("exitCode")
    if ended.get("reason") == "OOMKilled":
        limit = spec.get("resources", {}).get("limits", {}).get("memory")
        kind = _OOM_KILLED if limit else _OOM_KILLED_ON_NODE
        return Problem(kind=kind, values={**values, "limit": str(limit)})
    if code is None:
        return Problem(kind=_UNKNOWN, values=values)
    if ended.get("reason") in starts.REASONS:
        return classified(starts.KINDS, message, values)
    if message.startswith(_RUNTIME) and (start := found(starts.PROGRAM_KINDS, message, values)) is not None:
        return start
    probes = [name for field, name in _PROBES.items() if field in spec]
    words = f": {quoted(message)}" if message.strip() else ""
    known = {**values, "code": str(code), "words": words, "probe": " or ".join(probes)}
    if code in _STOPPED and probes:
        return Problem(kind=_PROBE_STOPPED, values=known)
    return Problem(kind=_EXIT_CODES.get(code, _OTHER), values=known)
