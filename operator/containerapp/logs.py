"""Log lines: JSON or text, each with the kind, namespace and name of the object that it is about.

Set up once by the command line; the workers of the manager set the object. A leaf.
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

_current: ContextVar[tuple[str, str, str] | None] = ContextVar("object", default=None)
_TIME = "%Y-%m-%dT%H:%M:%S%z"
_NOISY = ("kopf", "botocore", "urllib3", "aiohttp.access")
_SILENT = ("kubernetes",)
"""Logs every lost race for the Lease with a traceback; what matters of it is logged by kube.lease."""


class _ObjectFilter(logging.Filter):
    """Adds `kind`, `namespace` and `object` to every record of a reconcile, unless it names them itself."""

    def filter(self, record: logging.LogRecord) -> bool:
        kind, namespace, name = _current.get() or (None, None, None)
        fields = record.__dict__
        fields.setdefault("kind", kind)
        fields.setdefault("namespace", namespace)
        fields.setdefault("object", name)
        fields["about"] = (
            f" [{fields['kind']} {fields['namespace']}/{fields['object']}]" if fields["object"] else ""
        )
        return True


@contextmanager
def about(kind: str, namespace: str, name: str) -> Iterator[None]:
    """Mark all lines logged inside as being about the object."""
    token = _current.set((kind, namespace, name))
    try:
        yield
    finally:
        _current.reset(token)


def configure(log_format: Literal["json", "text"], level: str) -> None:
    """Log to standard error in `log_format`, from `level` up; what libraries say, from warnings up."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_ObjectFilter())
    if log_format == "json":
        handler.setFormatter(
            JsonFormatter(
                "{asctime}{levelname}{name}{message}{kind}{namespace}{object}",
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
