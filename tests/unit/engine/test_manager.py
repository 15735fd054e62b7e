"""What follows a reconcile: `containerapp.engine.manager`."""

from __future__ import annotations

from unittest.mock import Mock

import pytest

from containerapp.engine.manager import Leading
from containerapp.engine.reconcile import Next
from containerapp.errors import Blocked, ContainerAppError, InvalidSpec, Transient
from tests.builders import KEY


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, "success"),
        (InvalidSpec("InvalidImage", "The image is none."), "invalid"),
        (Blocked("ImageNotFound", "There is no such image."), "blocked"),
        (Transient("RegistryUnavailable", "The registry is away."), "transient"),
    ],
)
def test_what_was_put_off_is_looked_at_again_whatever_news_are_awaited(
    error: ContainerAppError | None, outcome: str
) -> None:
    """A count of Pods that may wait a moment: nothing else need bring the app back, and no backoff begins."""
    leading = Mock()
    following = Next(after=3.0, error=error, awaits_news=error is not None)
    assert Leading._follow_up(leading, KEY, following) == outcome
    leading.queue.add_after.assert_called_once_with(KEY, 3.0)
    leading.queue.retry.assert_not_called()
