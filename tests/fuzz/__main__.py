"""Coverage-guided fuzzing of the same targets: `make fuzz`. Each has a number of executions, and a process of its own.

Inputs that reach new branches are kept in `build/fuzz/<target>` for the next run. A finding ends its target: the input
is written to `build/fuzz/<target>-crash…`, to become a case of `test_fuzz.py`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["containerapp", "tests.fuzz"]):
    from tests.fuzz.targets import TARGETS

from tests.fuzz.test_fuzz import SEEDS

_CORPUS = Path("build/fuzz")
_MAX_LENGTH = 5000


def main() -> int:
    """Fuzz every target in turn, or one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--executions", type=int, default=100_000, help="of each target")
    parser.add_argument("--target", choices=TARGETS, help="one target, in this process")
    arguments = parser.parse_args()
    if arguments.target:
        _fuzz(arguments.target, arguments.executions)
    return max(_fuzz_apart(name, arguments.executions) for name in TARGETS)


def _fuzz_apart(name: str, executions: int) -> int:
    """Fuzz a target in a process of its own, and say how that went."""
    command = [sys.executable, "-m", "tests.fuzz", f"--target={name}", f"--executions={executions}"]
    begun = time.monotonic()
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    outcome = (
        "no finding" if ended.returncode == 0 else f"FINDING\n{ended.stdout[-2000:]}{ended.stderr[-4000:]}"
    )
    sys.stdout.write(f"{name}: {executions} executions in {time.monotonic() - begun:.0f} s, {outcome}\n")
    sys.stdout.flush()
    return ended.returncode


def _fuzz(name: str, executions: int) -> None:
    """Fuzz a target until it has had its executions; ends the process."""
    corpus = _CORPUS / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(SEEDS[name]):
        (corpus / f"seed-{number}").write_text(seed)
    options = [
        f"-runs={executions}",
        f"-max_len={_MAX_LENGTH}",
        "-timeout=5",
        "-rss_limit_mb=1024",
        "-close_fd_mask=0",
        f"-artifact_prefix={_CORPUS / name}-",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
