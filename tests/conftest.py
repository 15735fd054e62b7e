"""Makes the shared fixtures known to every test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from kubernetes.aio.config import kube_config

pytest_plugins = ["clusters"]

# Machines are shared: no example fails for the time that it took. A hang fails by the time-out of its test.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")


@pytest.fixture
def log_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Makes the operator's parts, called by a test itself, who a kubeconfig says."""

    def by(kubeconfig: Path) -> None:
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
        # The client has read the variable once, as it was imported.
        monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig))

    return by
