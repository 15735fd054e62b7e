"""The types that the custom resources are made of: rules, scalars, quantities and Kubernetes' own types."""

from __future__ import annotations

from typing import Final

GROUP: Final = "containerapp.dev"
"""API group of every custom kind, and prefix of their labels and annotations."""

VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
