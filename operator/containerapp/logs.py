"""Log lines: JSON or text, each with the app and namespace that it is about.

Set up once by the command line; the workers in main say which app they are at. A leaf.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

_current: ContextVar[tuple[str, str] | None] = ContextVar("app", default=None)
_TIME = "%Y-%m-%dT%H:%M:%S%z"
_NOISY = ("kopf", "botocore", "urllib3", "aiohttp.access")
_SILENT = ("kubernetes",)
"""Tells every lost race for the Lease with a traceback; what matters of it is said by kube.leader."""


class _AppFilter(logging.Filter):
    """Adds `namespace` and `app` to every record that is made during a reconcile, unless it names them itself."""

    def filter(self, record: logging.LogRecord) -> bool:
        namespace, app = _current.get() or (None, None)
        said = record.__dict__
        said.setdefault("namespace", namespace)
        said.setdefault("app", app)
        said["about"] = f" [{said['namespace']}/{said['app']}]" if said["app"] else ""
        return True


@contextmanager
def about(namespace: str, app: str) -> Iterator[None]:
    """Mark all lines logged inside as being about the app."""
    token = _current.set((namespace, app))
    try:
        yield
    finally:
        _current.reset(token)


def configure(log_format: Literal["json", "text"], level: str) -> None:
    """Log to standard error in `log_format`, from `level` up; what libraries say, from warnings up."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_AppFilter())
    if log_format == "json":
        handler.setFormatter(
            JsonFormatter(
                "{asctime}{levelname}{name}{message}{namespace}{app}",
                style="{",
                datefmt=_TIME,
                reserved_attrs=[*RESERVED_ATTRS, "about"],
                rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
            )
        )
    else:
        handler.setFormatter(
            logging.Formatter("{asctime} {levelname:<7} {name}{about}: {message}", datefmt=_TIME, style="{")
        )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in _NOISY:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))
    for name in _SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL)
