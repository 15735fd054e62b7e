"""Which indexes of an array count as ended before a run starts, so that only the others run. Pure.

Kubernetes' Job controller goes on from what the status of a Job says (docs/decisions/0025-indexes.md): the Job is
created suspended, gets the status of the indexes that are not to run, and is released then. `choice` asks which they
are; the renderer of Jobs asks how far that has come.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from containerapp.api.containerjob import ContainerJob
from containerapp.api.run_request import FAILED, PREFIX, RunRequest
from containerapp.controllers.containerjob.indexes import compact, parse
from containerapp.controllers.pods.job import ending, head, rewritten
from containerapp.core.model import Manifest
from containerapp.errors import InvalidSpec

if TYPE_CHECKING:
    from containerapp.controllers.containerjob.dependencies import Dependencies
    from containerapp.controllers.containerjob.runs import Run

_INDEXES = "containerapp.dev/indexes"
"""On a Job: the status that it starts with, as JSON."""
_CONTINUES = "containerapp.dev/continues"
"""On a Job: the first run of those that share its indexes."""
_FOLLOWS = "containerapp.dev/follows"
"""On a Job: the runs of other jobs whose indexes it goes by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Continuation:
    """What a run starts with: indexes that have succeeded or failed before, and the runs that it goes on from."""

    succeeded: str = ""
    failed: str = ""
    continues: str = ""
    follows: str = ""

    @property
    def status(self) -> dict[str, str]:
        """The status that the Job starts with; empty where all indexes run."""
        both = {"completedIndexes": self.succeeded, "failedIndexes": self.failed}
        return both if any(both.values()) else {}

    @property
    def annotations(self) -> dict[str, str]:
        """What `read` reads."""
        texts = {_CONTINUES: self.continues, _FOLLOWS: self.follows}
        status = {_INDEXES: orjson.dumps(self.status).decode()} if self.status else {}
        return {**status, **{key: text for key, text in texts.items() if text}}

    @classmethod
    def read(cls, job: Manifest) -> Continuation:
        """Read the annotations of a Job."""
        notes = job["metadata"].get("annotations") or {}
        status = orjson.loads(notes.get(_INDEXES, "{}"))
        return cls(
            succeeded=status.get("completedIndexes", ""),
            failed=status.get("failedIndexes", ""),
            continues=notes.get(_CONTINUES, ""),
            follows=notes.get(_FOLLOWS, ""),
        )


def asked_for(
    job: ContainerJob, request: RunRequest, newest: Run | None, dependencies: Dependencies
) -> Continuation:
    """Return what a run on demand starts with; raises `InvalidSpec` where the request names no index that there is."""
    if request.indexes is None:
        return _following(dependencies)
    succeeded = _not_asked_for(job, request.indexes, newest)
    continues = newest.root if newest is not None and request.indexes == FAILED else ""
    return _following(dependencies, succeeded, continues)


def followed_on(newest: Run | None, dependencies: Dependencies) -> Continuation:
    """Return what the run of a spec starts with after the `newest` one of the same spec.

    Where it is only that the indexes that have failed in a dependency ran again there, only they run here, too.
    """
    follows = dependencies.indexes_of
    if newest is None or not follows or newest.continuation.follows != follows:
        return _following(dependencies)
    return _following(dependencies, parse(newest.succeeded_indexes), newest.root)


def _following(
    dependencies: Dependencies, succeeded: frozenset[int] = frozenset(), continues: str = ""
) -> Continuation:
    return Continuation(
        succeeded=compact(succeeded),
        failed=compact(dependencies.failed - succeeded),
        continues=continues,
        follows=dependencies.indexes_of,
    )


def _not_asked_for(job: ContainerJob, indexes: str, newest: Run | None) -> frozenset[int]:
    size = job.spec.array.size if job.spec.array else 0
    every = frozenset(range(size))
    if indexes == FAILED:
        if newest is None or newest.outcome != "Failed" or newest.size != size:
            raise _refused("the newest run of this array has not failed, or its Job is gone")
        return parse(newest.succeeded_indexes)
    wanted = parse(indexes)
    if not wanted or not wanted <= every:
        raise _refused(f"it names indexes that are not in an array of {size}")
    return every - wanted


def _refused(why: str) -> InvalidSpec:
    remedy = (
        'Remove the annotation, or write another one with indexes that there are, as in {"indexes": "3,7-9"}'
    )
    return InvalidSpec("InvalidRunRequest", f"The annotation {PREFIX}… has indexes, but {why}. {remedy}")


def next_step(job: Manifest, queued: Mapping[str, str]) -> Manifest | None:
    """Return what is to be written to a Job that waits for its first status, or to be released; None for any other.

    With the labels `queued` it is released to its queue.
    """
    before, labels = Continuation.read(job), job["metadata"].get("labels", {})
    if not before.status or not job["spec"].get("suspend") or ending(job) or labels.keys() & queued:
        return None
    status = job.get("status") or {}
    known = {key: status.get(key, "") for key in before.status}
    if any(not parse(known[key]) >= parse(text) for key, text in before.status.items()):
        return {**head(job), "status": before.status}
    return rewritten(job, {**labels, **queued}, suspend=bool(queued))
