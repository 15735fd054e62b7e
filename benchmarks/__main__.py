"""`python -m benchmarks`: measures the operator against the floor on a fresh cluster; `make bench` calls it.

Prints each phase as it ends, then a table; leaves JSON and plots in the output directory.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import tempfile
from pathlib import Path

from benchmarks import profiling
from benchmarks.bench import Order, run
from benchmarks.plots import plots
from benchmarks.report import Result, table


def main() -> None:
    """Parse the command line, run, print and write the report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--apps", type=int, default=500, help="how many apps (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="creates between floors (default: %(default)s)")
    parser.add_argument("--create-only", action="store_true", help="leave out all that follows create")
    parser.add_argument(
        "--profile", action="store_true", help="sample create and restart; slows them a little"
    )
    parser.add_argument("--output", type=Path, default=Path("build/bench"), help="where JSON and plots go")
    arguments = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):  # as ^C does: what has been started is ended, too
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
            signal.signal(number, signal.default_int_handler)
    arguments.output.mkdir(parents=True, exist_ok=True)
    order = Order(
        apps=arguments.apps,
        rounds=arguments.rounds,
        create_only=arguments.create_only,
        profile=arguments.profile,
        logs=Path(tempfile.mkdtemp(prefix="run-", dir=arguments.output)),
    )
    result = asyncio.run(run(order))
    print(f"\n{result.machine}\n\n{table(result)}")
    ratios = ", ".join(f"{ratio:.2f}" for ratio in result.ratios)
    print(f"create: {result.ratio:.2f} times the floor (median of {ratios})")
    for stacks in sorted(order.logs.glob("*.collapsed")):
        print(f"\nwhere the CPU goes, {stacks.stem}:\n\n{profiling.table(stacks)}")
    if not (order.create_only or order.profile):
        _keep(result, arguments.output)


def _keep(result: Result, output: Path) -> None:
    """Write the result, and draw it together with those of other sizes."""
    (output / f"result-{result.apps}.json").write_text(json.dumps(result.as_json(), indent=1) + "\n")
    results = [Result.from_json(json.loads(path.read_text())) for path in output.glob("result-*.json")]
    for name, plot in plots(sorted(results, key=lambda each: each.apps)).items():
        (output / name).write_text(plot)


if __name__ == "__main__":
    main()
