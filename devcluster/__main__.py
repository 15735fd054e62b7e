"""The command line: `python -m devcluster up|build|clean`.

It only reads arguments and prints; what it does is `devcluster.start` and its neighbours.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
from pathlib import Path

from devcluster import binaries, rundir
from devcluster.options import DevclusterError, Kwok, Options, Real
from devcluster.provider import start

_USUAL = sorted(binaries.PROGRAMS.keys() - binaries.RARE)


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        match options.command:
            case "up":
                audit = options.audit_log or options.audit
                _up(Options(nodes=options.nodes, audit=audit, ecr=options.ecr, docker=options.docker))
            case "build":
                for name, path in binaries.obtain(options.programs or _USUAL).items():
                    print(f"{name}\t{path}")
            case _:
                _clean(everything=options.all)
    except DevclusterError as error:
        print(f"devcluster: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m devcluster",
        description="Throw-away Kubernetes clusters on this machine. Everything a run starts and sets up is removed "
        "at its end, also after a crash.",
        epilog="DEVCLUSTER_PROVIDER=existing uses the cluster of KUBECONFIG instead of starting one; "
        "DEVCLUSTER_PROVIDER=kind makes one with kind. "
        "KUBEBUILDER_ASSETS names a directory of ready programs (etcd, kube-apiserver, kubectl, ...); what is not "
        "there is downloaded (DEVCLUSTER_MIRROR names another host, or none) or built from Go modules once, and kept "
        f"in {binaries.cache_root()}.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start a cluster and hold it until Ctrl-C")
    up.add_argument(
        "--nodes",
        type=_nodes,
        default=Kwok(),
        metavar="kwok:N|real|real:2|none",
        help="N simulated nodes over three zones (default kwok:3), one or two real nodes (root), or no node",
    )
    up.add_argument(
        "--ecr", action="store_true", help="also run a stand-in for Amazon ECR (a registry and moto)"
    )
    up.add_argument(
        "--docker", action="store_true", help="also run a docker daemon that can push to it (root)"
    )
    up.add_argument("--audit", action="store_true", help="keep an audit log in the run directory")
    up.add_argument(
        "--audit-log", type=Path, metavar="FILE", help="keep the audit log in FILE, also after the end"
    )
    build = commands.add_parser(
        "build", help="fetch or build the programs now, so that no later run has to wait"
    )
    build.add_argument("programs", nargs="*", metavar="PROGRAM", help=f"default: all of {', '.join(_USUAL)}")
    clean = commands.add_parser("clean", help="remove what crashed runs left behind, and outdated programs")
    clean.add_argument("--all", action="store_true", help="remove the current programs as well")
    return parser


def _nodes(text: str) -> Kwok | Real | None:
    kind, _, count = text.partition(":")
    if kind == "kwok" and (not count or count.isdigit()):
        return Kwok(count=int(count or 3))
    if text == "none":
        return None
    if text in {"real", "real:2"}:
        return Real(count=2 if count else 1)
    raise argparse.ArgumentTypeError(f"{text!r} is none of kwok:N, real, real:2, none")


def _up(options: Options) -> None:
    signals = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    with start(options) as cluster:
        print(f"# {cluster.server}, files in {cluster.run_dir}; Ctrl-C ends it")
        if cluster.audit_log:
            print(f"# audit log: {cluster.audit_log}")
        print("\n".join(f"export {name}={value}" for name, value in cluster.env.items()), flush=True)
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        signal.sigwait(signals)
        print("# stopping", flush=True)


def _clean(*, everything: bool) -> None:
    for path in rundir.sweep():
        print(f"removed {path}")
    for path in [binaries.cache_root()] if everything else binaries.outdated():
        shutil.rmtree(path, ignore_errors=True)
        print(f"removed {path}")


if __name__ == "__main__":
    sys.exit(main())
