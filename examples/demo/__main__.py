"""The command line of the demo: `python -m examples.demo`, or `make demo`.

It reads arguments, makes every signal that ends a program end the demo in order, and turns outcomes into exit codes.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
import traceback
from pathlib import Path

from devcluster import DevclusterError
from examples.demo import story
from examples.demo.console import Console
from examples.demo.errors import DemoError

_INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """Run the demo and return the exit code."""
    given = _parser().parse_args(arguments)
    wishes = story.Wishes(once=given.once, simulated=given.simulated, pictures=given.pictures)
    # SIGINT too: a script's background job begins with it ignored, and Python leaves that so.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    console = Console()
    begun = time.monotonic()
    try:
        story.tell(console, wishes)
    except (DemoError, DevclusterError) as error:
        console.complain(str(error), error.evidence if isinstance(error, DemoError) else "")
        return 1
    except Exception as error:  # noqa: BLE001 - whatever fails, its step is named
        console.complain(repr(error), traceback.format_exc())
        return 1
    except KeyboardInterrupt:
        return 0 if console.at_the_last_step else _INTERRUPTED
    console.say(f"The demo succeeded in {time.monotonic() - begun:.0f} s.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m examples.demo",
        description="From a Dockerfile to an open web page: builds the sample application, keeps it in a local "
        "stand-in for Amazon ECR, installs the operator with Helm on a throw-away cluster with a real node, applies "
        "a manifest of a few lines, and opens the page. Everything is removed at the end.",
        epilog="The cluster is kind's where Docker answers. Elsewhere its programs are downloaded, or built where no "
        "release host answers, and run as processes: with a real node as root on Linux, else with simulated nodes. "
        "DEVCLUSTER_PROVIDER (kind, embedded) chooses. What the first run fetches and makes is kept in ~/.cache.",
    )
    parser.add_argument(
        "--once", action="store_true", help="check the page, take a picture if Chromium is there, and end"
    )
    parser.add_argument(
        "--simulated", action="store_true", help="simulate the nodes, also where a real one could run"
    )
    parser.add_argument(
        "--pictures",
        type=Path,
        default=Path("build/demo"),
        metavar="DIR",
        help="where pictures go (default: build/demo)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
