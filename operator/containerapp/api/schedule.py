"""When a job runs: Kubernetes' cron, or the `rate()` and `cron()` of Amazon EventBridge, which become Kubernetes' own.

A field of the custom kinds that run to completion. What EventBridge has and cron has not (the last day of a month, the
nearest weekday, a year) is refused by name rather than approximated.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

from containerapp.api.schema.rules import matches

_MONTH_NAME = "JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC"
_MONTH = f"({_MONTH_NAME}|{_MONTH_NAME.lower()}|0?[1-9]|1[0-2])"
_DAY_NAME = "SUN|MON|TUE|WED|THU|FRI|SAT|sun|mon|tue|wed|thu|fri|sat"
_STEP = "(/[1-9][0-9]{0,2})?"


def _field(value: str, every: str = r"[*?]") -> str:
    item = f"({every}|{value}(-{value})?){_STEP}"
    return f"{item}(,{item}){{0,23}}"


_MINUTES, _HOURS = _field("([0-5]?[0-9])"), _field("([01]?[0-9]|2[0-3])")
_DAYS, _MONTHS = _field("(0?[1-9]|[12][0-9]|3[01])"), _field(_MONTH)
_WEEKDAYS, _EVENTBRIDGE_WEEKDAYS = _field(f"({_DAY_NAME}|[0-6])"), _field(f"({_DAY_NAME}|[1-7])")
CRON = f"{_MINUTES} +{_HOURS} +{_DAYS} +{_MONTHS} +{_WEEKDAYS}"
_NAMED = "@(hourly|daily|midnight|weekly|monthly|yearly|annually)"
_RATE = r"rate\([1-9][0-9]{0,4} +(minute|minutes|hour|hours|day|days)\)"
_EVENTBRIDGE = rf"cron\({_MINUTES} +{_HOURS} +{_DAYS} +{_MONTHS} +{_EVENTBRIDGE_WEEKDAYS} +[*]\)"

Schedule = Annotated[
    str,
    Field(min_length=6, max_length=160),
    matches(
        f"{CRON}|{_NAMED}|{_RATE}|{_EVENTBRIDGE}",
        "must be a schedule: five fields of cron as in 30 9 * * MON-FRI, @daily, rate(5 minutes), or six fields as in"
        " cron(30 9 * * ? *), whose year is * and which knows no L, W and #",
    ),
]
TimeZone = Annotated[
    str,
    Field(min_length=1, max_length=64),
    matches(
        r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}",
        "must be the name of a time zone, as in Europe/Berlin or Etc/UTC",
    ),
]


def cron(schedule: str) -> str:
    """Return the schedule as Kubernetes' CronJob takes it."""
    if schedule.startswith("rate("):
        number, unit = schedule[len("rate(") : -1].split()
        return _every(int(number), unit[0])
    if schedule.startswith("cron("):
        *fields, weekdays, _year = schedule[len("cron(") : -1].split()
        return " ".join([*fields, _sunday_is_zero(weekdays)]).replace("?", "*")
    return schedule


def _every(number: int, unit: str) -> str:
    """Return a schedule with an interval: by the clock where hours or days are divided evenly, else from its start."""
    if unit == "m" and 60 % number == 0 and number < 60:
        return f"*/{number} * * * *"
    if unit == "h" and 24 % number == 0 and number < 24:
        return f"0 */{number} * * *"
    return f"@every {number * 24}h" if unit == "d" and number > 1 else _named(number, unit)


def _named(number: int, unit: str) -> str:
    minutes = number * {"m": 1, "h": 60, "d": 24 * 60}[unit]
    return {60: "0 * * * *", 24 * 60: "0 0 * * *"}.get(minutes, f"@every {number}{unit}")


def _sunday_is_zero(weekdays: str) -> str:
    """EventBridge counts the days of the week from 1, cron from 0; a step is no day."""
    return re.sub(r"(?<![/0-9])[1-7](?![0-9])", lambda found: str(int(found[0]) - 1), weekdays)
