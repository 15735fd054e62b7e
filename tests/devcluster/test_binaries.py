"""Where the cluster's programs come from, without building any of the large ones."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from devcluster import DevclusterError, binaries, releases, toolchain, trimming

_ROOT = Path(__file__).parents[2]


def test_takes_ready_programs_where_they_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """KUBEBUILDER_ASSETS goes before the cache, so that nothing is built."""
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    program = _executable(tmp_path / "kubectl", "exit 0")
    assert binaries.obtain(["kubectl"]) == {"kubectl": program}


def test_builds_once_and_then_takes_it_from_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second start finds what the first one built."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    built = binaries.obtain(["pause"])["pause"]
    assert built.is_relative_to(tmp_path)
    assert "building pause" in capsys.readouterr().err
    assert binaries.obtain(["pause"])["pause"] == built
    assert capsys.readouterr().err == ""


def test_two_runs_build_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes second waits for the first and finds the program there."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    calls = tmp_path / "calls"
    _executable(
        tmp_path / "bin" / "go",
        f'case "$1" in env) echo go1.26.0; exit;; list) exit;; esac; echo build >> {calls}; sleep 0.5; '
        'while [ "$1" != -o ]; do shift; done; echo x > "$2/pause"; chmod +x "$2/pause"',
    )
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: binaries.obtain(["pause"]), range(2))
    assert first == second
    assert calls.read_text() == "build\n"


def test_a_failed_build_says_what_the_compiler_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing half-built is left to be taken for a program."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    _executable(
        tmp_path / "bin" / "go", '[ "$1" = env ] && echo go1.26.0 && exit; echo no such module >&2; exit 1'
    )
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    with pytest.raises(DevclusterError, match="no such module"):
        binaries.obtain(["pause"])
    assert not list(tmp_path.rglob("pause"))


def test_a_part_that_nothing_uses_is_left_out_of_a_build(tmp_path: Path) -> None:
    """The compiler reads a copy of the module with our package in its place; what Go has fetched stays as it is."""
    module = tmp_path / "fetched"
    for name in ("go.mod", "challenge/provider.go", "providers/dns/all.go", "providers/http/web.go"):
        (module / name).parent.mkdir(parents=True, exist_ok=True)
        (module / name).write_text(name)
    go = _executable(tmp_path / "bin" / "go", f"""echo '{{"Dir": "{module}"}}'""")
    source = _ROOT / "devcluster" / "gomod" / "traefik"
    (flag,) = trimming.flags(str(go), source, tmp_path / "scratch")
    copy = tmp_path / "scratch" / "module"
    files = {str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file()}
    assert files == {"go.mod", "challenge/provider.go", "providers/dns/dns.go"}
    changed = Path(flag.removeprefix("-modfile="))
    assert f"replace github.com/go-acme/lego/v4 => {copy}\n" in changed.read_text()
    assert changed.with_suffix(".sum").read_text() == (source / "go.sum").read_text()
    assert trimming.flags(str(go), source.with_name("tools"), tmp_path) == []


def test_an_old_go_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A toolchain of our own in the cache is taken instead."""
    _executable(tmp_path / "bin" / "go", "echo go1.19.8")
    own = _executable(tmp_path / "cache" / "go" / "bin" / "go", "echo go1.26.3")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    assert toolchain.find_go(tmp_path / "cache") == str(own)


def test_the_programs_know_their_version() -> None:
    """Clients decide by the server's version what it can do."""
    kubectl = binaries.obtain(["kubectl"])["kubectl"]
    said = subprocess.run([kubectl, "version", "--client"], capture_output=True, text=True, check=True).stdout
    required = (_ROOT / "devcluster" / "gomod" / "kubernetes" / "go.mod").read_text()
    built = required.split("k8s.io/kubernetes ")[1].split()[0]
    released = tomllib.loads(releases.CATALOGUE.read_text())["kubernetes"]["version"]
    assert said.split("Client Version: ")[1].split()[0] in {built, f"v{released}"}


def test_cleaning_removes_outdated_programs_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version bump must not fill the user's cache for ever."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    current = binaries._cache_directory("tools")
    old = current.with_name("tools-0123456789abcdef")
    for directory in (current, old):
        directory.mkdir(parents=True)
    subprocess.run([sys.executable, "-m", "devcluster", "clean"], cwd=_ROOT, check=True, capture_output=True)
    assert current.exists()
    assert not old.exists()


def _executable(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path
