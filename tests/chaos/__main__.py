"""The command: runs seeds one after the other, prints what came of each, and fails when anything was violated."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections import Counter
from pathlib import Path
from statistics import median

from tests.chaos.bugs import BUGS, SOUND
from tests.chaos.plan import ALL_FAULTS, Shape
from tests.chaos.run import Report, run


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seeds", default="1-3", help="as in 1-20, or 4,7,9 (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=3, help="of chaos, divided among the seeds")
    parser.add_argument("--apps", type=int, default=6, help="ordinary apps in each of three namespaces")
    parser.add_argument("--directory", type=Path, default=Path("build/chaos"), help="for logs and reports")
    parser.add_argument(
        "--bugs",
        nargs="?",
        const="",
        metavar="NAME,…",
        help="show that known mistakes, put into the operator, are caught (all, or those named)",
    )
    arguments = parser.parse_args()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # every answer of the registry's would be a line
    seeds = _seeds(arguments.seeds)
    if arguments.bugs is not None:
        names = set(filter(None, arguments.bugs.split(",")))
        known = [bug.name for bug in BUGS]
        if not names <= {*known}:
            parser.error(
                f"no known mistake: {', '.join(sorted(names - {*known}))}; known are {', '.join(known)}"
            )
        return _try_bugs(names or {*known}, seeds, arguments.directory)
    seconds = arguments.minutes * 60 / len(seeds)
    shape = Shape(seconds=seconds, apps=arguments.apps)
    _say(
        f"{len(seeds)} seeds, {seconds:.0f} s of chaos each; a seed again: --seeds N --minutes {seconds / 60:g}"
    )
    reports = []
    for seed in seeds:
        began = time.monotonic()
        report = run(seed, shape, arguments.directory / f"seed-{seed}")
        reports.append(report)
        _say(f"{report}\n  took {time.monotonic() - began:.0f} s")
    _say(_sum(reports))
    return 1 if any(report.violations for report in reports) else 0


def _sum(reports: list[Report]) -> str:
    """Say what came of all seeds together."""
    happened = sum((report.deeds for report in reports), Counter[str]())
    faults = sum(count for deed, count in happened.items() if deed in ALL_FAULTS)
    traffic = [report.traffic for report in reports if report.traffic]
    expired = sum((one.expired for one in traffic), Counter[str]())
    settled = sorted(report.settled_after for report in reports if report.settled_after is not None)
    times = f"{settled[0]:.1f} / {median(settled):.1f} / {settled[-1]:.1f} s" if settled else "-"
    return "\n".join(
        [
            (
                f"all seeds: {sum(happened.values()) - faults} deeds of users, {faults} faults, "
                f"{sum(report.apps for report in reports)} apps at the ends; "
                f"settled after (least / median / most) {times}"
            ),
            f"  {', '.join(f'{deed} {count}' for deed, count in sorted(happened.items()))}",
            (
                f"  restarts of the operator: {sum(report.restarts for report in reports)}; "
                f"requests {sum(one.requests for one in traffic)}, writes {sum(one.writes for one in traffic)}; "
                f"told that a watch is too old: {dict(expired)}; "
                f"hit by the network: {dict(sum((one.fates for one in traffic), Counter[str]()))}"
            ),
            (
                f"{sum(len(report.violations) for report in reports)} violations in {len(reports)} seeds: "
                f"{','.join(str(report.seed) for report in reports)}"
            ),
        ]
    )


def _try_bugs(names: set[str], seeds: list[int], directory: Path) -> int:
    """Run each bug by one seed after the other until it is caught; before that, the operator as it is, likewise.

    A bug is caught by what speaks against the operator; with the operator as it is nothing at all may be wrong.
    """
    chosen = [bug for bug in BUGS if bug.name in names]
    shapes = {bug.squatted for bug in chosen}
    wrong = []
    for bug in (*(sound for sound in SOUND if sound.squatted in shapes), *chosen):
        folder = directory / f"bug-{bug.name.replace(' ', '-')}"
        for seed in seeds:
            violations = run(seed, bug.shape, folder, bug.name).violations
            found = [violation for violation in violations if violation.convicts or bug in SOUND]
            if found:
                break
        _say(f"{bug.name}: {len(found)} violations, seed {seed}")
        if found:
            _say(f"  for one: {found[0]}"[:400])
        if bool(found) == (bug in SOUND):
            wrong.append(bug.name)
    _say(f"wrongly judged: {', '.join(wrong) or 'none'}")
    return 1 if wrong else 0


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
