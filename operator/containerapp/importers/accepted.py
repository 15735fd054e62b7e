"""Whether a field of ours takes a value, by the field's own type."""

from __future__ import annotations

from typing import Any, Final

from pydantic import TypeAdapter

from containerapp.api.batch import ExitCode
from containerapp.api.pod import Address
from containerapp.api.security import Sysctl

ADDRESS: Final = TypeAdapter[Any](Address)
EXIT_CODE: Final = TypeAdapter[Any](ExitCode)
SYSCTL: Final = TypeAdapter[Any](Sysctl)


def accepts(field: TypeAdapter[Any], value: Any) -> bool:
    """Whether a manifest with this value is valid."""
    try:
        field.validate_python(value)
    except ValueError:
        return False
    return True
