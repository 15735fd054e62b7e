"""Where a run keeps its files, and how all traces of a run are removed.

A run is alive exactly as long as its supervisor holds the lock beside its directory: the kernel drops the lock
however the supervisor ends, so the next start can sweep what a crash left. The launcher claims a run, the supervisor
destroys it.
Nothing outside the run directories and the processes marked with a run's name is ever touched.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import ipaddress
import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

RUN_VARIABLE = "DEVCLUSTER_RUN"
"""Every process of a run has this variable in its environment; its value is the run directory."""

SOCKET = "supervisor.sock"
"""Where in the run directory the supervisor listens."""

END_COMMAND = "end-command.json"
"""A file in the run directory: a command, as a list, that is run before the run's files are removed."""

_END_COMMAND_SECONDS = 60
_SOCKET_PATH_LIMIT = (
    43  # a socket's path has at most 107 characters, and the longest is a kubelet's, for pod resources
)

_MNT_DETACH = 2
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A fresh run directory and the descriptor of its lock, to be handed to the supervisor."""

    path: Path
    lock: int


def claim() -> Claim:
    """Make a run directory that no other run has, after sweeping those whose supervisors are gone."""
    base = _base()
    sweep()
    while True:
        path = base / secrets.token_hex(4)
        if any(_addresses(path) & _addresses(other) for other in _known(base)):
            continue
        lock = _lock(path)
        if lock is not None:
            path.mkdir(mode=0o700)
            return Claim(path=path, lock=lock)


def sweep() -> list[Path]:
    """Destroy every run whose supervisor is gone, and return their directories."""
    swept = []
    for path in _known(_base()):
        lock = _lock(path)
        if lock is not None:
            destroy(path)
            swept.append(path)
            os.close(lock)
    return swept


def destroy(path: Path) -> None:
    """Kill what still runs in this run's name and remove its control groups and files; the caller holds its lock."""
    _run_end_command(path)
    _kill_all(path)
    _unmount(path)
    _remove_control_groups(path)
    shutil.rmtree(path, ignore_errors=True)
    with contextlib.suppress(FileNotFoundError):
        _lock_path(path).unlink()


def loopback_address(path: Path) -> str:
    """Return the run's own address in 127.0.0.0/8, so that well-known ports can be used without collisions."""
    high, middle, low = _address_bytes(path)
    return str(ipaddress.IPv4Address(bytes((127, 64 + high % 64, middle, 1 + low % 254))))


def node_network(path: Path) -> tuple[str, str]:
    """Return the two ends (outside, node) of the run's link, in 198.18.0.0/15, which is set aside for tests."""
    high, middle, low = _address_bytes(path)
    network = int(ipaddress.IPv4Address(bytes((198, 18 + high % 2, middle, low & 0xFC))))
    return str(ipaddress.IPv4Address(network + 1)), str(ipaddress.IPv4Address(network + 2))


def control_group(path: Path) -> str:
    """Return the name of the control group that holds all Pods of this run's nodes."""
    return f"devcluster-{path.name}"


def _address_bytes(path: Path) -> tuple[int, int, int]:
    high, middle, low, _ = bytes.fromhex(path.name)
    return high, middle, low


def _base() -> Path:
    temporary = Path(tempfile.gettempdir())
    if len(str(temporary)) > _SOCKET_PATH_LIMIT:
        temporary = Path("/tmp")  # noqa: S108 - sockets cannot have longer paths; the directory below is private
    base = temporary / f"devcluster-{os.getuid()}"
    base.mkdir(mode=0o700, exist_ok=True)
    return base


def _known(base: Path) -> list[Path]:
    names = {entry.name.removesuffix(".lock") for entry in base.iterdir()}
    return [
        base / name for name in sorted(names) if len(name) == 8 and not set(name) - set("0123456789abcdef")
    ]


def _addresses(path: Path) -> set[str]:
    return {loopback_address(path), *node_network(path)}


def _lock(path: Path) -> int | None:
    """Lock a run, or return None when it is somebody else's.

    Who destroys a run removes its lock file. A lock on a removed file protects nothing, so it is given up.
    """
    lock = os.open(_lock_path(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(lock).st_ino == _lock_path(path).stat().st_ino:
            return lock
    except OSError:
        pass
    os.close(lock)
    return None


def _lock_path(path: Path) -> Path:
    return path.with_suffix(".lock")


def marked_processes(path: Path) -> list[int]:
    """Return the ids of the processes whose environment names this run, this process excepted."""
    mark = f"{RUN_VARIABLE}={path}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
    return found


def _run_end_command(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError, subprocess.SubprocessError):
        argv = json.loads((path / END_COMMAND).read_text())
        subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=_END_COMMAND_SECONDS
        )


def _kill_all(path: Path) -> None:
    if os.getpid() == 1:  # the first process of the run's own namespace: all others there are the run's
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while True:
                os.wait()
    deadline = time.monotonic() + 10
    while (left := marked_processes(path)) and time.monotonic() < deadline:
        for process in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.02)


def _unmount(path: Path) -> None:
    """Detach what is mounted below the run directory, so that removing files can never reach beyond it."""
    mounted = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for point in sorted((point for point in mounted if point.startswith(f"{path}/")), reverse=True):
        if _LIBC.umount2(point.encode(), _MNT_DETACH) != 0:
            raise OSError(ctypes.get_errno(), f"cannot unmount {point}, so {path} is left as it is")


def _remove_control_groups(path: Path) -> None:
    root = Path("/sys/fs/cgroup")
    for top in [*root.glob(control_group(path)), *root.glob(f"*/{control_group(path)}")]:
        for directory, _, _ in os.walk(top, topdown=False):
            with contextlib.suppress(OSError):
                Path(directory).rmdir()
