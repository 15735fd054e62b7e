"""The custom kinds that run Pods, as far as their Pods are made alike, and the label by which each is found.

Used by what is shared: metadata, secrets, the role, the image. A Pod that one kind owns must never be chosen by
another's selector, whatever their names are.
"""

from __future__ import annotations

from typing import TypeAlias

from containerapp.api.containerapp import ContainerApp
from containerapp.api.containerjob import ContainerJob
from containerapp.core.model import APP_LABEL, JOB_LABEL

Workload: TypeAlias = ContainerApp | ContainerJob

OWNER_LABELS = {"ContainerApp": APP_LABEL, "ContainerJob": JOB_LABEL}
"""By kind: the label that names the owner."""
