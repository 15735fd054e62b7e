"""Commands that others write as one line."""

from __future__ import annotations

import re
import shlex

_SHELL = re.compile(r"[|&;<>$`*?]")


def words(line: str) -> list[str]:
    """Return the words of a line; one that needs a shell is given to one."""
    if _SHELL.search(line):
        return ["/bin/sh", "-c", line]
    try:
        return shlex.split(line)
    except ValueError:  # quotes that do not end, which a shell would refuse in its own words
        return ["/bin/sh", "-c", line]
