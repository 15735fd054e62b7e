"""Namespaces of a run's own: processes, mounts and network, joined to the machine by one link.

Real nodes or a docker daemon live in them, and so does everything else of its run. When the run's supervisor, which
is the first process in there, ends for whatever reason, the kernel kills the rest and takes mounts, interfaces and
firewall rules along. On the machine itself only the link's outer end and the control group are visible meanwhile.
"""

from __future__ import annotations

import contextlib
import subprocess
import time
from pathlib import Path

from devcluster import rundir
from devcluster.options import DevclusterError

_COMMAND_SECONDS = 20
_HIDDEN = {"/var/lib": "var-lib", "/var/log": "var-log"}
"""Directories with fixed names that node software writes to; in the namespace they are the run's own."""


def enter(run_dir: Path, hosts: dict[str, str]) -> list[str]:
    """Return the command prefix that starts a supervisor in namespaces of its own, with these names in /etc/hosts."""
    private = run_dir / "private"
    private.mkdir()
    lines = [f"{address} {name}" for name, address in {"localhost": "127.0.0.1", **hosts}.items()]
    (private / "hosts").write_text("\n".join(lines) + "\n")
    binds = [f"mount --bind {private}/hosts /etc/hosts", "mount -t tmpfs -o mode=755 none /run"]
    for target, name in _HIDDEN.items():
        (private / name).mkdir()
        binds.append(f"mount --bind {private / name} {target}")
    script = " && ".join([*binds, 'exec "$@"'])
    namespaces = ["--mount", "--net", "--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc"]
    return ["unshare", *namespaces, "sh", "-c", script, "sh"]


def connect(run_dir: Path, unshare_pid: int) -> None:
    """Lay the link between the machine and the run's network; both ends go with the namespace."""
    outside, inside = rundir.node_network(run_dir)
    link = f"dc{run_dir.name}"
    init = _only_child(unshare_pid)
    within = ["nsenter", f"--net=/proc/{init}/ns/net"]
    _run(["ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", str(init)])
    _run(["ip", "address", "add", f"{outside}/30", "dev", link])
    _run(["ip", "link", "set", link, "up"])
    _run([*within, "ip", "address", "add", f"{inside}/30", "dev", "eth0"])
    for interface in ("lo", "eth0"):
        _run([*within, "ip", "link", "set", interface, "up"])
    _run([*within, "ip", "route", "add", "default", "via", outside])
    _run([*within, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"])


def make_control_groups(name: str) -> None:
    """Make the control group of that name, which may lie in another one of ours, in each hierarchy."""
    root = Path("/sys/fs/cgroup")
    unified = (root / "cgroup.controllers").exists()
    for hierarchy in [root] if unified else sorted(path for path in root.iterdir() if path.is_dir()):
        group = hierarchy / name
        group.mkdir(exist_ok=True)
        if hierarchy.name == "cpuset":
            for setting in (
                "cpuset.cpus",
                "cpuset.mems",
            ):  # cgroup v1 refuses processes in a cpuset without these
                (group / setting).write_text((hierarchy / setting).read_text())
        if unified:
            available = (group / "cgroup.controllers").read_text().split()
            (group / "cgroup.subtree_control").write_text(" ".join(f"+{kind}" for kind in available))


def _only_child(pid: int) -> int:
    deadline = time.monotonic() + _COMMAND_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if children := Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
                return int(children[0])
        time.sleep(0.01)
    raise DevclusterError("the namespaces were not made in time")


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_COMMAND_SECONDS)
    if done.returncode:
        raise DevclusterError(f"{' '.join(command)} failed: {done.stderr.strip()}")
