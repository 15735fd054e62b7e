"""Whether the custom objects can be listed: their definitions are installed, and the operator may read them.

Run by main whenever a replica begins to lead, until the first answer. The watch says once that a definition is missing,
and waits; a replica that waits is of no use, and says so again and in `/readyz`. Changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from dataclasses import dataclass

from containerapp.core.model import Resource
from containerapp.errors import ContainerAppError
from containerapp.kube.client import Client, NotFound, path

_logger = logging.getLogger(__name__)

_PAUSE = 2.0
"""Seconds between two looks."""

_REPEAT = 30.0
"""Seconds between two warnings of the same problem."""


@dataclass(kw_only=True)
class DefinitionCheck:
    """Lists `resources` in `namespaces` (none: in the cluster) until each answers; `problem` says why one does not."""

    client: Client
    resources: tuple[Resource, ...]
    namespaces: tuple[str, ...]
    problem: str | None = None
    _logged: tuple[str, float] = ("", -math.inf)

    async def run(self) -> None:
        """Look until each kind can be listed in the cluster, or in one namespace."""
        while (problem := await self._look()) is not None:
            self.problem = problem
            self._log(problem)
            await asyncio.sleep(_PAUSE)
        if self.problem is not None:
            _logger.info("All custom objects can be listed now")
        self.problem = None

    async def _look(self) -> str | None:
        """Return the first problem, or None where there is none."""
        for resource in self.resources:
            if (problem := await self._look_for(resource)) is not None:
                return problem
        return None

    async def _look_for(self, resource: Resource) -> str | None:
        problem = None
        for namespace in self.namespaces or (None,):
            try:
                await self.client.get(path(resource.api_version, resource.plural, namespace), limit="1")
            except NotFound:
                problem = (
                    f"The definition {resource.plural}.{resource.group} is not installed, so that there is nothing to "
                    "serve: install it by the chart (crds.install), or by "
                    f"`containerapp crd {resource.kind} | kubectl apply --server-side -f -`"
                )
            except ContainerAppError as error:
                problem = f"The {resource.plural} cannot be listed: {error.message}"
            else:
                return None
        return problem

    def _log(self, problem: str) -> None:
        text, at = self._logged
        now = time.monotonic()
        if problem != text or now - at >= _REPEAT:
            self._logged = (problem, now)
            _logger.warning("%s", problem)
