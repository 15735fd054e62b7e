"""Downloads one file that is known by its checksum.

`releases` calls it. A transfer that breaks is resumed, in the same run and in the next one; every wait is bounded; a
whole file that does not have its checksum is deleted and never reaches the target's name.
"""

from __future__ import annotations

import hashlib
import http.client
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from devcluster.options import DevclusterError

PROBE_SECONDS = 5.0
STALL_SECONDS = 20.0
_TOTAL_SECONDS = 1800.0
_ATTEMPTS = 4
_CHUNK = 1 << 18
_RANGE_NOT_SATISFIABLE = 416

Report = Callable[[int, int | None], None]
"""Called with the bytes that are there, and with the size of the whole where the server names it."""


def unreachable(url: str) -> str | None:
    """Return why a server does not answer within seconds, or None when it does, whatever its answer is."""
    reason = [f"no answer within {PROBE_SECONDS:.0f} s"]

    def ask() -> None:
        try:
            with _open(urllib.request.Request(url, method="HEAD"), PROBE_SECONDS):  # noqa: S310 - as in _open
                reason.clear()
        except urllib.error.HTTPError:
            reason.clear()
        except OSError as error:
            reason[:] = [_explain(error)]

    # A thread, because no time-out covers the look-up of a name.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    return next(iter(reason), None)


def fetch(url: str, target: Path, checksum: str, report: Report) -> None:
    """Download a file to the target, or raise an error that says why not."""
    part = target.with_name(f"{target.name}.part")
    deadline = time.monotonic() + _TOTAL_SECONDS
    problem = ""
    for _ in range(_ATTEMPTS):
        before = part.stat().st_size if part.exists() else 0
        try:
            _transfer(url, part, deadline, report)
        except urllib.error.HTTPError as error:
            raise DevclusterError(f"{url} answered {error.code} {error.reason}") from error
        except (OSError, http.client.HTTPException) as error:
            problem = _explain(error)
            continue
        found = _checksum(part, checksum.partition(":")[0])
        if found == checksum:
            part.rename(target)
            return
        part.unlink()
        problem = f"it has the checksum {found}, not {checksum}, and was deleted"
        if not before:  # else the part that was there may be to blame, and the whole is worth another try
            break
    raise DevclusterError(f"{url} could not be downloaded: {problem}")


def _transfer(url: str, part: Path, deadline: float, report: Report) -> None:
    """Append to the part what it lacks of the file, or write it from the beginning where the server wants that."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310 - as in _open
    try:
        response = _open(request, STALL_SECONDS)
    except urllib.error.HTTPError as error:
        if (
            error.code == _RANGE_NOT_SATISFIABLE
        ):  # the part is whole already, or of another file: its checksum says
            return
        raise
    with response:
        resumed = response.status == http.client.PARTIAL_CONTENT
        done = have if resumed else 0
        length = response.headers.get("Content-Length")
        total = done + int(length) if length else None
        with part.open("ab" if resumed else "wb") as output:
            while chunk := response.read(_CHUNK):
                output.write(chunk)
                done += len(chunk)
                report(done, total)
                if time.monotonic() > deadline:
                    raise TimeoutError(f"not done after {_TOTAL_SECONDS / 60:.0f} minutes")
    if total and done < total:
        raise ConnectionError(f"the connection ended after {done:,} of {total:,} bytes")


def _open(request: urllib.request.Request, seconds: float) -> http.client.HTTPResponse:
    """Open a request; only a mirror of the user's may be http, and one on this machine needs no proxy."""
    local = urlsplit(request.full_url).hostname in {"127.0.0.1", "localhost", "::1"}
    handlers = [urllib.request.ProxyHandler({})] if local else []
    response: http.client.HTTPResponse = urllib.request.build_opener(*handlers).open(request, timeout=seconds)
    return response


def _checksum(path: Path, algorithm: str) -> str:
    with path.open("rb") as content:
        return f"{algorithm}:{hashlib.file_digest(content, algorithm).hexdigest()}"


def _explain(error: Exception) -> str:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, TimeoutError) and "timed out" in str(reason):
        return f"no answer within {STALL_SECONDS:.0f} s"
    return getattr(reason, "strerror", None) or str(reason) or repr(reason)
