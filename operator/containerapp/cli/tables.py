"""Aligned columns, as kubectl prints them, with colour where the terminal has some."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import click

_COLOURS = {
    "True": "green",
    "Running": "green",
    "False": "red",
    "Unknown": "yellow",
    "Pending": "yellow",
    "Terminating": "yellow",
    "Warning": "yellow",
    "CrashLoopBackOff": "red",
    "ImagePullBackOff": "red",
    "ErrImagePull": "red",
    "Error": "red",
}


def table(headings: Sequence[str], rows: Iterable[Sequence[object]], indent: str = "") -> str:
    """Return rows in columns as wide as their longest cell; the last one is as long as it is."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[number]) for row in (headings, *cells)) for number in range(len(headings))]
    lines = [indent + _row(headings, widths, coloured=False)]
    return "\n".join([*lines, *(indent + _row(row, widths, coloured=True) for row in cells)])


def _row(row: Sequence[str], widths: Sequence[int], *, coloured: bool) -> str:
    padded = [
        cell.ljust(width) if number < len(row) - 1 else cell
        for number, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    if coloured:
        padded = [
            click.style(text, fg=_COLOURS[text.strip()]) if text.strip() in _COLOURS else text
            for text in padded
        ]
    return "   ".join(padded).rstrip()
