"""Makes the shared fixtures known to every test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from kubernetes.aio.config import kube_config

pytest_plugins = ["clusters"]


@pytest.fixture
def log_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Makes the operator's parts, called by a test itself, who a kubeconfig says."""

    def by(kubeconfig: Path) -> None:
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
        # The client has read the variable once, as it was imported.
        monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig))

    return by
