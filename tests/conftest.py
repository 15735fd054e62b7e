"""Makes the shared fixtures known to every test, and keeps together what shares something dear."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["clusters"]

_ONE_OPERATOR = Path(__file__).parent / "controller"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let a parallel run (`--dist loadgroup`) give the tests of a file to one worker.

    The controller's tests go to one as a whole: there is but one operator in a cluster. First of all hooks, since
    xdist reads the groups in a hook of the same name.
    """
    for item in items:
        group = _ONE_OPERATOR if _ONE_OPERATOR in item.path.parents else item.path
        item.add_marker(pytest.mark.xdist_group(str(group)))
