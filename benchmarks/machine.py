"""What the figures were measured on: a line for the report."""

from __future__ import annotations

import platform
from pathlib import Path


def describe() -> str:
    """Return cores, processor, system and Python."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    cores = f"{len(models)} cores of {models[0]}" if models else platform.machine()
    return f"{cores}, Linux {platform.release()}, Python {platform.python_version()}"
