"""Why Pods do not become available, and what helps: the cause in one sentence. Pure.

`pods` chooses among what the Pods show; each other module is a table of kinds of failure. docs/troubleshooting.md lists
GROUPS. Called by the controller; nothing here reads or writes the cluster.
"""

from __future__ import annotations

from containerapp.controllers.workloads.diagnosis import (
    admission,
    crashes,
    ended,
    images,
    pods,
    scheduling,
    starts,
    waits,
)
from containerapp.controllers.workloads.diagnosis.admission import refusal
from containerapp.controllers.workloads.diagnosis.kinds import Kind
from containerapp.controllers.workloads.diagnosis.pods import Diagnosis, diagnose, pod_problem

__all__ = ["GROUPS", "Diagnosis", "diagnose", "pod_problem", "refusal"]

GROUPS: dict[str, tuple[Kind, ...]] = {
    "The node does not pull the image": images.KINDS,
    "The container does not start": (*starts.CONFIG_KINDS, *starts.KINDS, *pods.KINDS),
    "The container ends": crashes.KINDS,
    "The Pod is not ready": waits.KINDS,
    "The Pod has no node": scheduling.KINDS,
    "No Pod is created": admission.KINDS,
    "The Pod has ended": ended.KINDS,
}
"""Every kind of failure that shows without Events, by what the user sees first; the order of the documentation."""
