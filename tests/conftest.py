"""Makes the shared fixtures known to every test."""

from __future__ import annotations

pytest_plugins = ["clusters"]
