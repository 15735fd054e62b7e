"""The command: runs seeds one after the other, prints what came of each, and fails when anything was violated."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from pathlib import Path

from tests.chaos.plan import Shape
from tests.chaos.run import run
from tests.controller.operators import ROOT


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seeds", default="1-3", help="as in 1-20, or 4,7,9 (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=3, help="of chaos, divided among the seeds")
    parser.add_argument("--apps", type=int, default=6, help="ordinary apps in each of three namespaces")
    parser.add_argument("--directory", type=Path, default=Path("build/chaos"), help="for logs and reports")
    parser.add_argument(
        "--operator",
        type=Path,
        default=ROOT / "operator",
        help="another source tree of the operator, say a broken one",
    )
    arguments = parser.parse_args()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # every answer of the registry's would be a line
    seeds = _seeds(arguments.seeds)
    seconds = arguments.minutes * 60 / len(seeds)
    shape = Shape(seconds=seconds, apps=arguments.apps)
    _say(
        f"{len(seeds)} seeds, {seconds:.0f} s of chaos each; a seed again: --seeds N --minutes {seconds / 60:g}"
    )
    violations = 0
    for seed in seeds:
        began = time.monotonic()
        report = run(seed, shape, arguments.directory / f"seed-{seed}", arguments.operator)
        violations += len(report.violations)
        _say(f"{report}\n  took {time.monotonic() - began:.0f} s")
    _say(f"{violations} violations in {len(seeds)} seeds: {arguments.seeds}")
    return 1 if violations else 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _seeds(text: str) -> list[int]:
    seeds: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        seeds += range(int(first), int(last or first) + 1)
    return seeds


if __name__ == "__main__":
    sys.exit(main())
