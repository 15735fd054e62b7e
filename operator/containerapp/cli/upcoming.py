"""When a schedule makes its next run, as the controller of CronJobs reckons it. Pure.

Called for the page of a job: Kubernetes does not say it. Where a time zone is not known here, there is no answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from containerapp.api.schedule import cron

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NUMBERS = {
    **{name: number for number, name in enumerate(_MONTHS, 1)},
    **{name: number for number, name in enumerate(_WEEKDAYS)},
}
_NAMED = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_DAYS = 8 * 366
"""So far ahead a day is looked for: 29 February may be eight years away."""
_SECONDS = {"m": 60, "h": 3600}


def upcoming(schedule: str, zone: str | None, since: datetime, now: datetime) -> datetime | None:
    """Return the time of the next run after `now`; `since` is that of the last one, or when the job was made."""
    text = cron(schedule)
    if text.startswith("@every "):
        interval = timedelta(seconds=int(text[7:-1]) * _SECONDS[text[-1]])
        return since + interval * ((now - since) // interval + 1)
    try:
        here = ZoneInfo(zone) if zone else UTC
    except (ZoneInfoNotFoundError, ValueError):
        return None
    return next(_times(_NAMED.get(text, text).split(), now.astimezone(here)), None)


def _times(fields: list[str], now: datetime) -> Iterator[datetime]:
    """Yield the times of cron's five fields after `now`, in its zone; one that the clocks leave out is none."""
    minutes, hours, days, months, weekdays = map(_values, fields, _BOUNDS)
    for number in range(_DAYS):
        day = now.date() + timedelta(days=number)
        by_date, by_weekday = day.day in days, day.isoweekday() % 7 in weekdays
        either = _is_limited(fields[2]) and _is_limited(fields[4])
        if day.month not in months or not (by_date or by_weekday if either else by_date and by_weekday):
            continue
        yield from (found for found in _of_day(day, hours, minutes, now) if found > now)


def _of_day(day: date, hours: list[int], minutes: list[int], now: datetime) -> Iterator[datetime]:
    for hour in hours:
        for minute in minutes:
            found = datetime.combine(day, time(hour, minute), now.tzinfo)
            if found.astimezone(UTC).astimezone(now.tzinfo) == found:
                yield found


def _values(field: str, bounds: tuple[int, int]) -> list[int]:
    """Return the numbers that a field of cron stands for."""
    found: set[int] = set()
    for item in field.split(","):
        span, _, step = item.partition("/")
        first, _, last = span.partition("-")
        if first in {"*", "?"}:
            low, high = bounds
        else:
            low = _number(first)
            high = _number(last) if last else bounds[1] if step else low
        found.update(range(low, high + 1, int(step or 1)))
    return sorted(found)


def _number(text: str) -> int:
    return int(text) if text.isdigit() else _NUMBERS[text.lower()]


def _is_limited(field: str) -> bool:
    """Whether a field of days is other than each: of two such fields either one is enough."""
    return not any(re.fullmatch(r"[*?](/1)?", item) for item in field.split(","))
