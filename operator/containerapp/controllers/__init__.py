"""The custom kinds. Pure: no I/O, no clock.

`CONTROLLERS` is the one registration: the definitions, the chart's rights, the stores and informers, the chaos checker
and the command line derive from it. A new kind is one folder and one line here.
"""

from __future__ import annotations

from containerapp.controllers.containerapp.controller import CONTAINER_APP
from containerapp.controllers.containerjob.controller import CONTAINER_JOB
from containerapp.core.model import Controller

CONTROLLERS: tuple[Controller, ...] = (CONTAINER_APP, CONTAINER_JOB)
