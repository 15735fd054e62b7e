"""The definition of ContainerJob: names, and columns of `kubectl get`. Pure."""

from __future__ import annotations

from containerapp.api.containerjob import ContainerJob
from containerapp.api.crd import Column, Definition

_READY = '.status.conditions[?(@.type=="Ready")]'


def _column(name: str, path: str, description: str, **more: object) -> Column:
    return Column(name=name, path=path, description=description, **{"type": "string", **more})  # type: ignore[arg-type]


DEFINITION = Definition(
    kind="ContainerJob",
    plural="containerjobs",
    short_name="cjob",
    model=ContainerJob,
    columns=(
        _column("Ready", f"{_READY}.status", "Whether the job is as its spec says: run, or scheduled."),
        _column("Status", ".status.phase", "How the newest run stands, or Scheduled."),
        _column("Run", ".status.run", "Job of the newest run."),
        _column("Succeeded", ".status.succeeded", "Pods of it that have succeeded.", type="integer"),
        _column("Failed", ".status.failed", "Attempts of it that have failed.", type="integer"),
        _column("Duration", ".status.duration", "How long it took."),
        _column("Age", ".metadata.creationTimestamp", "Time since the job was made.", type="date"),
        _column("Schedule", ".spec.schedule", "When it runs.", priority=1),
        _column("Failed indexes", ".status.failedIndexes", "Indexes that have failed.", priority=1),
        _column("Image", ".status.image.requested", "The image as it was asked for.", priority=1),
        _column("Message", f"{_READY}.message", "What is waited for, or what to do.", priority=1),
    ),
)
