"""Indexes of an array as Kubernetes writes them, as in `0-2,4`. Pure."""

from __future__ import annotations

from collections.abc import Iterable


def parse(text: str) -> frozenset[int]:
    """Return the indexes that are meant; of a range that runs backwards none."""
    found = set[int]()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)


def compact(indexes: Iterable[int]) -> str:
    """Return the indexes in order, with a range for three or more that follow each other."""
    ranges: list[list[int]] = []
    for index in sorted(indexes):
        if ranges and ranges[-1][-1] == index - 1:
            ranges[-1].append(index)
        else:
            ranges.append([index])
    return ",".join(f"{each[0]}-{each[-1]}" if len(each) > 2 else ",".join(map(str, each)) for each in ranges)
