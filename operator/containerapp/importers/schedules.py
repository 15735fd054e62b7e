"""When an imported job runs: by the schedule that its input gives, or on demand alone.

Called by the importers of what EventBridge or Copilot starts. A job that nothing starts by itself waits until it is
asked for: applying it runs nothing, as registering it did not.
"""

from __future__ import annotations

import re

from pydantic import TypeAdapter, ValidationError

from containerapp.api.schedule import Schedule, cron
from containerapp.importers import placeholders
from containerapp.importers.manifest import Draft
from containerapp.importers.source import Source

ON_DEMAND = "it runs on demand alone: `containerapp run`"
_ONCE = "cron knows no single moment: run the job on demand at that time"
_UNKNOWN = "a schedule without L, W and #, and with * as the year, is all that cron knows: write `schedule`"
_BACK = "CronJobs refuse a range that ends before it begins: write it as two, as in 22-23,0-2, to `schedule`"
_RANGE = re.compile("([0-9A-Za-z]+)-([0-9A-Za-z]+)")
_NAMES = {
    name: number
    for first, names in (
        (0, "SUN MON TUE WED THU FRI SAT"),
        (1, "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC"),
    )
    for number, name in enumerate(names.split(), first)
}


def put(draft: Draft, given: Source, text: str, comment: str = "") -> bool:
    """Put the schedule `text`, which stands at `given`; return whether cron has one, else the job runs on demand."""
    known = _is_schedule(text)
    if placeholders.names([text]) or (known and not _goes_back(text)):
        draft.put("schedule", text, comment)
        return True
    given.lose(_BACK if known else _ONCE if text.startswith("at(") else _UNKNOWN)
    on_demand(draft)
    return False


def on_demand(draft: Draft, comment: str = ON_DEMAND) -> None:
    """Have a job wait until a run of it is asked for."""
    draft.put("onChange", "Wait", comment)


def _is_schedule(text: str) -> bool:
    try:
        TypeAdapter(Schedule).validate_python(text)
    except ValidationError:
        return False
    return True


def _goes_back(text: str) -> bool:
    return any(_number(first) > _number(last) for first, last in _RANGE.findall(cron(text)))


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else _NAMES[text.upper()]
