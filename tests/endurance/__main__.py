"""The command: runs one proof on a new cluster, prints the verdict, and fails when a claim does not hold."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path

import devcluster
from tests.endurance import kills, leaks, neighbours, outages, standby
from tests.endurance.stage import Say, Stage, stage
from tests.endurance.verdict import Verdict

Proof = Callable[[Stage, argparse.Namespace, Say], Verdict]


def main() -> int:
    """Run the proof that the command line names."""
    arguments = _parser().parse_args()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # every answer of the registry would be a line
    began = time.monotonic()

    def say(text: str) -> None:
        sys.stdout.write(f"{time.monotonic() - began:6.0f} s  {text}\n")
        sys.stdout.flush()

    proof: Proof = arguments.proof
    options = devcluster.Options(nodes=devcluster.Kwok(count=3), audit=True)
    with (
        devcluster.start(options) as cluster,
        stage(cluster, arguments.directory / arguments.name) as given,
    ):
        verdict = proof(given, arguments, say)
    verdict.write(arguments.directory)
    sys.stdout.write(f"\n{verdict}")
    return 0 if verdict.holds else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.endurance", description=__doc__)
    parser.add_argument("--directory", type=Path, default=Path("build/endurance"), help="for logs and JSON")
    proofs = parser.add_subparsers(dest="name", required=True)

    one = proofs.add_parser("kills", help="the operator is killed during creation and update")
    one.add_argument("--seeds", default="1-10", help="as in 1-10: one round each (default: %(default)s)")
    one.add_argument("--kills", type=int, default=10, help="in each round (default: %(default)s)")
    one.add_argument("--apps", type=int, default=200, help="in each round (default: %(default)s)")
    one.set_defaults(proof=_kills)

    one = proofs.add_parser("outages", help="the API server goes away and comes back")
    one.add_argument("--outages", type=int, default=5, help="how many (default: %(default)s)")
    one.add_argument("--seconds", type=float, default=30, help="each of them (default: %(default)s)")
    one.add_argument("--apps", type=int, default=40, help="(default: %(default)s)")
    one.set_defaults(proof=_outages)

    one = proofs.add_parser("standby", help="the leading replica is killed and paused under load")
    one.add_argument("--kills", type=int, default=10, help="(default: %(default)s)")
    one.add_argument("--pauses", type=int, default=10, help="(default: %(default)s)")
    one.set_defaults(proof=_standby)

    one = proofs.add_parser("neighbours", help="quiet apps beside bad ones")
    known = neighbours.Shape().noises
    one.add_argument("--noises", nargs="+", choices=known, default=known, help="(default: all)")
    one.add_argument("--rounds", type=int, default=3, help="for each noise (default: %(default)s)")
    one.add_argument("--seconds", type=float, default=60, help="of each window (default: %(default)s)")
    one.add_argument("--pods", action="store_true", help="let quiet edits ask for new Pods (two a second)")
    one.set_defaults(proof=_neighbours)

    one = proofs.add_parser("leaks", help="many times a busy cluster's load")
    one.add_argument("--minutes", type=float, default=30, help="(default: %(default)s)")
    one.add_argument("--times", type=float, default=5, help="a busy cluster's rate (default: %(default)s)")
    one.add_argument(
        "--restart-every", type=float, default=60, help="seconds between two restarts of the API server"
    )
    one.set_defaults(proof=_leaks)
    return parser


def _kills(given: Stage, arguments: argparse.Namespace, say: Say) -> Verdict:
    first, _, last = arguments.seeds.partition("-")
    seeds = tuple(range(int(first), int(last or first) + 1))
    return kills.run(given, kills.Shape(apps=arguments.apps, kills=arguments.kills, seeds=seeds), say)


def _outages(given: Stage, arguments: argparse.Namespace, say: Say) -> Verdict:
    shape = outages.Shape(apps=arguments.apps, outages=arguments.outages, seconds=arguments.seconds)
    return outages.run(given, shape, say)


def _standby(given: Stage, arguments: argparse.Namespace, say: Say) -> Verdict:
    return standby.run(given, standby.Shape(kills=arguments.kills, pauses=arguments.pauses), say)


def _neighbours(given: Stage, arguments: argparse.Namespace, say: Say) -> Verdict:
    shape = neighbours.Shape(
        noises=tuple(arguments.noises),
        rounds=arguments.rounds,
        seconds=arguments.seconds,
        pods=arguments.pods,
        edits_per_second=2.0 if arguments.pods else 10.0,
    )
    return neighbours.run(given, shape, say)


def _leaks(given: Stage, arguments: argparse.Namespace, say: Say) -> Verdict:
    shape = leaks.Shape(
        minutes=arguments.minutes, times=arguments.times, restart_every=arguments.restart_every
    )
    return leaks.run(given, shape, say)


if __name__ == "__main__":
    sys.exit(main())
