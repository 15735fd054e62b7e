"""Patches of objects that are no children, such as a Pod's resources: carried out before any child is written.

Called by the reconcile. It never repeats a patch that is refused: what the API server said goes into the object's
memory, and the controller decides again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from containerapp.core.model import Patch
from containerapp.engine.memory import Memory
from containerapp.errors import Blocked, ContainerAppError, Transient
from containerapp.kube.client import Client, Conflict, NamespaceTerminating, NotFound

_logger = logging.getLogger(__name__)


async def carry_out(client: Client, patches: Iterable[Patch], memory: Memory) -> ContainerAppError | None:
    """Write one after another until one is refused; return an error after which all of them are tried again."""
    for patch in patches:
        try:
            await client.patch(patch.path, patch.body, strategic=True)
        except (NotFound, Conflict) as error:
            _logger.debug("%s is not the object any more: %s", patch.path, error)
        except NamespaceTerminating:
            raise
        except Blocked as error:
            _logger.warning("The patch of %s is refused: %s", patch.path, error)
            memory.refused = error.message
            return None
        except Transient as error:
            return error
    return None
