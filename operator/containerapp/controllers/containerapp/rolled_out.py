"""What the status says of revisions: the condition RolledOut, and how the last revisions went. Pure.

Called by `status`. The wording tells which revision has failed, why, which one runs, and what to do.
"""

from __future__ import annotations

from containerapp.api.images import parse
from containerapp.controllers.containerapp.before import State, ref_of
from containerapp.controllers.containerapp.choice import Choice
from containerapp.controllers.containerapp.exposure.served import note, served, unserved
from containerapp.controllers.containerapp.facts import Facts
from containerapp.controllers.containerapp.failure import cause
from containerapp.controllers.containerapp.revisions import RETRY, Revision
from containerapp.core.conditions import Condition
from containerapp.core.model import Manifest
from containerapp.errors import Blocked, ContainerAppError, InvalidSpec, Transient

_SHOWN = 5
_MESSAGE = 500


def rolled_out(facts: Facts) -> Condition:
    """Say whether every Pod runs the revision that is wanted."""
    problem = failure(facts) or progress(facts)
    if problem is not None:
        return Condition(type="RolledOut", status="False", reason=problem.reason, message=problem.message)
    reason, message = served(facts.view, facts.outcome.gathered.inputs.route)
    return Condition(type="RolledOut", status="True", reason=reason, message=message)


def failure(facts: Facts) -> ContainerAppError | None:
    """Return why the wanted revision does not run, where only an edit or a new try helps."""
    choice = facts.choice
    if choice.missing is not None:
        numbers = ", ".join(str(each.number) for each in choice.revisions) or "none"
        return InvalidSpec(
            "RevisionNotFound",
            f"There is no revision {choice.missing}: set spec.rollout.revision to one of those that exist ({numbers}), "
            "or remove it.",
        )
    wanted = choice.wanted
    if wanted is None or not choice.failure:
        return None
    if choice.job is State.FAILED:
        return Blocked("BeforeJobFailed", _failed(facts, wanted, choice))
    if choice.rolled_back:
        return Blocked("RolledBack", _failed(facts, wanted, choice))
    reason = "ProgressDeadlineExceeded" if facts.rollout.deadline_exceeded else "RolloutFailed"
    return Blocked(reason, _failed(facts, wanted, choice))


def progress(facts: Facts) -> Transient | None:
    """Return what the rollout waits for, or None where it has ended."""
    if facts.choice.job is State.RUNNING and facts.choice.wanted is not None:
        name = ref_of(facts.app, facts.choice.wanted).name
        message = f"Waiting for the before-job {name} to complete.{_detail(facts)}"
        return Transient("RunningBeforeJob", message)
    if facts.rollout.resizing:
        resize = facts.outcome.gathered.inputs.resize
        return Transient("Resizing", f"{resize.message if resize else ''}{_detail(facts)}")
    if not facts.rollout.complete:
        return Transient("RollingOut", _waiting(facts) + note(facts.view))
    return unserved(facts.view, facts.outcome.gathered.inputs.route)


def history(facts: Facts) -> list[Manifest] | None:
    """Return the last revisions, the newest first; how an earlier one went is carried over from the old status."""
    known = {each.revision: each.outcome for each in facts.app.status.revisions}
    newest = facts.choice.revisions[: -_SHOWN - 1 : -1]
    return [_entry(facts.choice, each, known.get(each.number)) for each in newest] or None


def _entry(choice: Choice, revision: Revision, before: str | None) -> Manifest:
    outcome = _outcome(choice, revision, before)
    entry = {
        "revision": revision.number,
        "image": parse(revision.pin.reference, default_registry="docker.io").familiar,
        "cause": str(revision.cause),
        "outcome": outcome,
        "createdAt": revision.created,
        "message": revision.failure[:_MESSAGE] if outcome == "Failed" else "",
    }
    return {key: value for key, value in entry.items() if value}


def _outcome(choice: Choice, revision: Revision, before: str | None) -> str:
    if revision.number == choice.last_good:
        return "Good"
    if revision.rejected or (choice.wanted == revision and choice.failure):
        return "Failed"
    if choice.wanted is not None and revision.number == choice.wanted.number:
        return "Progressing"
    if before in {"Good", "Failed"}:
        return before
    return "Failed" if revision.failure else "Superseded"


def _failed(facts: Facts, wanted: Revision, choice: Choice) -> str:
    sentences = [f"Revision {wanted.number} has failed. {choice.failure}".rstrip()]
    if choice.target is not None and choice.target.number != wanted.number:
        sentences.append(f"Revision {choice.target.number} runs.")
    job = " (as an edit of rollout.before alone needs, too)" if choice.job is State.FAILED else ""
    sentences.append(f"Change the spec, or try it again{job}: {_retry(facts)}")
    return "\n".join(sentences) if "\n" in choice.failure else " ".join(sentences)


def _retry(facts: Facts) -> str:
    metadata = facts.app.metadata
    return f"kubectl annotate containerapp {metadata.name} -n {metadata.namespace} {RETRY}=$(date +%s) --overwrite"


def _waiting(facts: Facts) -> str:
    """Say what is waited for, and what a Pod complains of where that is known."""
    rollout, detail = facts.rollout, _detail(facts)
    if not rollout.exists:
        return "Waiting for the Deployment."
    if not rollout.observed:
        return "Waiting for the Deployment controller to see the change."
    if rollout.updated < rollout.desired or rollout.available < rollout.desired:
        available = min(rollout.available, rollout.updated)
        return f"Waiting for Pods of the new version: {available} of {rollout.desired} are available.{detail}"
    if rollout.updated > rollout.desired:
        return f"Waiting for {_pods(rollout.updated - rollout.desired)} more than wanted to end.{detail}"
    return f"Waiting for {_pods(rollout.total - rollout.updated)} of the old version to end.{detail}"


def _detail(facts: Facts) -> str:
    trouble = cause(facts.view.finding, facts.rollout)
    return f" {trouble}" if trouble else ""


def _pods(count: int) -> str:
    return "1 Pod" if count == 1 else f"{count} Pods"
