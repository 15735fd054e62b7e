"""Schedules: what EventBridge and Kubernetes call by different words, and what cron cannot say."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from containerapp.api.batch import OnExit
from containerapp.api.schedule import Schedule, cron

_ADAPTER: TypeAdapter[str] = TypeAdapter(Schedule)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("30 9 * * MON-FRI", "30 9 * * MON-FRI"),
        ("05 08,19-23 * * *", "05 08,19-23 * * *"),
        ("@daily", "@daily"),
        ("rate(1 minute)", "*/1 * * * *"),
        ("rate(5 minutes)", "*/5 * * * *"),
        ("rate(60 minutes)", "0 * * * *"),
        ("rate(90 minutes)", "@every 90m"),
        ("rate(6 hours)", "0 */6 * * *"),
        ("rate(5 hours)", "@every 5h"),
        ("rate(24 hours)", "0 0 * * *"),
        ("rate(1 day)", "0 0 * * *"),
        ("rate(7 days)", "@every 168h"),
        ("cron(30 9 * * ? *)", "30 9 * * *"),
        ("cron(00 08 * * ? *)", "00 08 * * *"),
        ("cron(0 12 ? * 2-6 *)", "0 12 * * 1-5"),
        ("cron(0 0 ? * 1,7 *)", "0 0 * * 0,6"),
        ("cron(0 0 ? * 2/3 *)", "0 0 * * 1/3"),
        ("cron(0/15 8-18 1,15 JAN-MAR ? *)", "0/15 8-18 1,15 JAN-MAR *"),
    ],
)
def test_says_in_kubernetes_words(schedule: str, expected: str) -> None:
    """A number of EventBridge's week is one more than cron's; a step is none."""
    assert cron(_ADAPTER.validate_python(schedule)) == expected


@pytest.mark.parametrize(
    "schedule",
    [
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 7",
        "* * * *",
        "cron(0 0 L * ? *)",
        "cron(0 0 ? * 2#1 *)",
        "cron(0 0 15W * ? *)",
        "cron(0 0 * * ? 2030)",
        "rate(5 weeks)",
        "rate(0 minutes)",
    ],
)
def test_refuses_what_cron_cannot_say(schedule: str) -> None:
    """Rather than run at another time."""
    with pytest.raises(ValidationError):
        _ADAPTER.validate_python(schedule)


@pytest.mark.parametrize(
    ("text", "first", "count"), [("42", 42, 1), ("12*", 12, 11), ("25*", 25, 7), ("*", None, 0)]
)
def test_spells_out_the_exit_codes_of_a_star(text: str, first: int | None, count: int) -> None:
    """Kubernetes knows lists of codes alone."""
    codes = OnExit(action="Exit", exit_code=text).exit_codes()
    assert (codes[0] if codes else None, len(codes)) == (first, count)
