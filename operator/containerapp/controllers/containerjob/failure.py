"""Why a run fails: what its Pods show. Pure.

The engine asks the Pods once a run takes longer than usual, and once after it has failed. The sentence is the
diagnosis' own; the exit code and the last words come from the Pod that failed last.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from containerapp.controllers.pods.template import CONTAINER
from containerapp.controllers.workloads.diagnosis import diagnose
from containerapp.controllers.workloads.diagnosis.output import last_output
from containerapp.core.model import Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What the Pods of a run showed: the cause, the exit code of the one that failed last, and its output."""

    sentence: str = ""
    exit_code: int | None = None
    output: str = ""
    reason: str = ""
    """Why a run waits in its queue, in one word of Kueue's."""


def examine(pods: list[Manifest]) -> Finding:
    """Return what the Pods show."""
    unfinished = [pod for pod in pods if pod.get("status", {}).get("phase") != "Succeeded"]
    failed = [pod for pod in unfinished if pod.get("status", {}).get("phase") == "Failed"]
    newest = max(failed, key=_ended, default=None)
    if newest is not None and newest["status"].get("reason") == "DeadlineExceeded":
        name = newest["metadata"]["name"]
        sentence = f"Pod {name} was ended: the attempt ran longer than spec.attemptTimeoutSeconds. Raise it."
    else:
        diagnosis = diagnose([newest] if newest is not None else unfinished)
        sentence = diagnosis.sentence if diagnosis else ""
    return Finding(
        sentence=sentence,
        exit_code=_exit_code(newest) if newest is not None else None,
        output=last_output(unfinished),
    )


def _ended(pod: Manifest) -> str:
    return max((str(each.get("finishedAt")) for each in _endings(pod)), default="")


def _exit_code(pod: Manifest) -> int | None:
    codes = [each.get("exitCode") for each in _endings(pod) if each.get("exitCode")]
    return codes[0] if codes else None


def _endings(pod: Manifest) -> Iterable[Manifest]:
    """Return how the containers ended, that of the job first."""
    statuses = pod.get("status", {}).get("containerStatuses", ())
    own_first = sorted(statuses, key=lambda each: each["name"] != CONTAINER)
    return [each["state"]["terminated"] for each in own_first if "terminated" in each.get("state", {})]
