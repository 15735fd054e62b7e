"""When a schedule makes its next run: `upcoming`, by the rules of Kubernetes' own cron."""

from __future__ import annotations

from datetime import datetime

import pytest

from containerapp.cli.upcoming import upcoming

SINCE = "2026-03-28T11:58:00+00:00"
NOW = "2026-03-28T12:03:00+00:00"  # a Saturday


@pytest.mark.parametrize(
    ("schedule", "zone", "expected"),
    [
        ("rate(5 minutes)", None, "2026-03-28T12:05:00+00:00"),
        ("rate(7 minutes)", None, "2026-03-28T12:05:00+00:00"),
        ("rate(2 days)", None, "2026-03-30T11:58:00+00:00"),
        ("rate(1 day)", None, "2026-03-29T00:00:00+00:00"),
        ("@hourly", None, "2026-03-28T13:00:00+00:00"),
        ("@weekly", None, "2026-03-29T00:00:00+00:00"),
        ("3 12 * * *", None, "2026-03-29T12:03:00+00:00"),
        ("5/20 * * * *", None, "2026-03-28T12:05:00+00:00"),
        ("*/20 5-6 * jul,AUG *", None, "2026-07-01T05:00:00+00:00"),
        ("cron(0 9 ? * 2 *)", None, "2026-03-30T09:00:00+00:00"),
        ("0 9 * * MON-FRI", "Europe/Berlin", "2026-03-30T09:00:00+02:00"),
        # The clocks go from two to three on the 29th.
        ("30 2 * * *", "Europe/Berlin", "2026-03-30T02:30:00+02:00"),
        # Of two limited fields of days either is enough; a day of the week alone is not.
        ("0 0 13 * SUN", None, "2026-03-29T00:00:00+00:00"),
        ("0 0 1 */1 FRI", None, "2026-04-01T00:00:00+00:00"),
        ("0 0 */1 * FRI", None, "2026-04-03T00:00:00+00:00"),
        ("0 0 29 2 *", None, "2028-02-29T00:00:00+00:00"),
        ("0 0 30 2 *", None, None),
        ("0 0 * * *", "Europe/Nowhere", None),
        ("0 0 * * *", "../etc", None),
    ],
)
def test_the_next_run_is_named(schedule: str, zone: str | None, expected: str | None) -> None:
    """A person plans by it."""
    found = upcoming(schedule, zone, datetime.fromisoformat(SINCE), datetime.fromisoformat(NOW))
    assert (found.isoformat() if found else None) == expected
