"""Which revision of an app runs: the state machine of rollout, rollback, pinning and retry. Pure.

Called by `gather` with what was rendered. It reads the spec, the revisions on record and the live Deployment, and
remembers nothing: any state that a crash leaves leads to the same choice. docs/rollouts.md has the table of states, and
each row is a test.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from containerapp.api.containerapp import ContainerApp
from containerapp.controllers.containerapp import before
from containerapp.controllers.containerapp.exposure.targets import never_served
from containerapp.controllers.containerapp.failure import Finding, cause, failed
from containerapp.controllers.containerapp.revisions import (
    RETRY,
    Cause,
    Fingerprint,
    Revision,
    labelled,
    pods_label,
    read_all,
    running_number,
)
from containerapp.controllers.pods.amounts import shape_of
from containerapp.controllers.pods.files import texts_name
from containerapp.controllers.pods.secrets import bundles
from containerapp.core.fingerprint import digest_of
from containerapp.core.model import Manifest, ObjectRef, View

if TYPE_CHECKING:
    from containerapp.controllers.containerapp.inputs import Inputs

_DEADLINE = "It has made no progress within its deadline."


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What the Deployment runs, and which revisions are kept.

    `wanted` is what the spec asks for, `target` what the Deployment gets: another one after a rollback, and while a
    before-job runs. `template` is the target's Pod template, None where nothing may run yet or where `load` has to be
    read first. `created` is the template of a wanted revision that has no ControllerRevision yet. `failure` says why
    the wanted revision has failed. `outdated`: its template is rendered otherwise by this operator. `missing` is the
    number of a pinned revision that does not exist. `job` is how the before-job stands, which runs `candidate`.
    """

    revisions: tuple[Revision, ...] = ()
    running: int | None = None
    wanted: Revision | None = None
    target: Revision | None = None
    last_good: int | None = None
    template: Manifest | None = None
    created: Manifest | None = None
    load: tuple[ObjectRef, ...] = ()
    failure: str = ""
    outdated: bool = False
    missing: int | None = None
    job: before.State = before.State.NONE
    candidate: Manifest | None = None

    @property
    def decided(self) -> bool:
        """Whether it is known what is to run; until then nothing that lives is changed."""
        return (self.wanted is not None or self.missing is not None) and not self.load

    @property
    def rolled_back(self) -> bool:
        """Whether another revision runs because the wanted one has failed."""
        return self.wanted is not None and self.wanted.rejected and self.target != self.wanted

    @property
    def may_roll_back(self) -> bool:
        """Whether an earlier revision would run again if the wanted one failed: it is not known to be good yet."""
        return _good(self) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rendered:
    """The template that the spec asks for, and its hash, by which revisions know it."""

    template: Manifest
    digest: str

    @classmethod
    def of(cls, template: Manifest | None) -> _Rendered | None:
        """Return the template with its hash, where there is one."""
        return None if template is None else cls(template=template, digest=digest_of(template))


def choose(app: ContainerApp, inputs: Inputs, view: View, template: Manifest | None) -> Choice:
    """Return the choice; `template` is what the spec asks for, None while its image has no digest."""
    rendered = _Rendered.of(template)
    gone = {ref for ref, manifest in view.loaded.items() if manifest is None}
    name = app.metadata.name
    known = tuple(each for each in read_all(view.live.values()) if each.ref(name) not in gone)
    running = running_number(inputs.deployment)
    last_good = running if _is_good(inputs, running) else app.status.last_good_revision
    pinned = app.spec.rollout.revision
    held = Choice(revisions=known, running=running, last_good=last_good, missing=pinned)
    if pinned is None:
        if rendered is None:
            return held
        wanted = _asked_for(app, inputs, view, known, rendered)
    elif (found := _numbered(known, pinned)) is None:
        return _with_template(held, _numbered(known, running), rendered, view)
    else:
        wanted = found
    choice = Choice(
        revisions=_kept(app, known, wanted, running, last_good),
        running=running,
        wanted=_retried(app, wanted),
        last_good=last_good,
        outdated=rendered is not None and pinned is None and wanted.template != rendered.digest,
        candidate=template,
    )
    choice = _judged(app, inputs, view, choice)
    return _with_template(choice, _target(app, choice), rendered, view)


def _asked_for(
    app: ContainerApp, inputs: Inputs, view: View, known: tuple[Revision, ...], rendered: _Rendered
) -> Revision:
    """Return the revision of the spec: the newest with its fingerprint, or with its template, or else a new one."""
    assert inputs.pin is not None, "rendered from it"  # noqa: S101 - for the type checker
    fingerprint, template = Fingerprint.of(app, inputs.pin, inputs.facts), rendered.digest
    newest_first = known[::-1]
    same = next((each for each in newest_first if each.fingerprint == fingerprint), None)
    if same is not None and (same.template == template or not view.may_render):
        return replace(same, pin=inputs.pin)
    alike = next((each for each in newest_first if each.template == template), None)
    if alike is not None:
        return replace(alike, fingerprint=fingerprint, pin=inputs.pin)
    numbers = [each.number for each in known]
    status = app.status
    taken = [
        *numbers,
        status.current_revision or 0,
        status.last_good_revision or 0,
        running_number(inputs.deployment) or 0,
    ]
    return Revision(
        number=max(taken) + 1,
        fingerprint=fingerprint,
        template=template,
        pin=inputs.pin,
        operator=view.platform.version,
        cause=Cause.UPGRADE if same is not None else _cause(known, fingerprint, inputs),
        retried=app.metadata.annotations.get(RETRY, ""),
        files=texts_name(app),
        secrets=tuple(bundle.name for bundle in bundles(app)),
        shape=shape_of(rendered.template),
    )


def _cause(known: tuple[Revision, ...], fingerprint: Fingerprint, inputs: Inputs) -> Cause:
    """Return what has changed since the newest revision; the spec comes before what lies outside it."""
    if not known:
        return Cause.CREATED
    newest, pin = known[-1], inputs.pin
    if pin is not None and newest.pin.reference != pin.reference:
        return Cause.IMAGE
    if newest.fingerprint.spec != fingerprint.spec:
        return Cause.SPEC
    return Cause.DIGEST if newest.fingerprint.images != fingerprint.images else Cause.CONFIGURATION


def _retried(app: ContainerApp, wanted: Revision) -> Revision:
    """Return the revision without its rejection, where the user asks to try it again."""
    token = app.metadata.annotations.get(RETRY, "")
    if wanted.rejected and token and token != wanted.retried:
        return replace(wanted, rejected=False, retried=token)
    return wanted


def _judged(app: ContainerApp, inputs: Inputs, view: View, choice: Choice) -> Choice:
    """Find out whether the wanted revision has failed, and whether it is to be replaced by the last good one."""
    wanted = choice.wanted
    assert wanted is not None  # noqa: S101 - for the type checker
    job = before.state_of(app, wanted, choice.running, view.live)
    finding: Finding | None = view.finding
    if job is before.State.SUCCEEDED:
        wanted = replace(wanted, before_done=True)
    elif job is before.State.FAILED and not wanted.rejected:
        wanted = replace(wanted, rejected=True, failure=before.failure(app, wanted, finding))
    failure = wanted.failure if wanted.rejected else ""
    if not wanted.rejected and choice.running == wanted.number != choice.last_good:
        min_ready = min_ready_seconds(app, wanted, view.platform.min_ready_seconds)
        label, deadline = pods_label(inputs.deployment), app.spec.deadline_seconds()
        unserved = "" if inputs.rollout.resizing else never_served(view, label, deadline)
        if unserved or failed(finding, inputs.rollout, min_ready, view.now):
            failure = unserved or _said(finding, inputs)
            may = app.spec.rollout.automatic_rollback and _good(choice) is not None
            wanted = replace(wanted, rejected=True, failure=failure) if may else wanted
    revisions = tuple(wanted if each.number == wanted.number else each for each in choice.revisions)
    return replace(choice, wanted=wanted, revisions=revisions, failure=failure, job=job)


def _said(finding: Finding | None, inputs: Inputs) -> str:
    sentence = cause(finding, inputs.rollout)
    parts = [f"{_DEADLINE} {sentence}".strip() if inputs.rollout.deadline_exceeded else sentence]
    if finding is not None and finding.output and finding.output not in sentence:
        parts.append(f"Its last output:\n{finding.output}")
    return "\n".join(parts)


def _target(app: ContainerApp, choice: Choice) -> Revision | None:
    """Return the revision whose template the Deployment gets."""
    wanted, good = choice.wanted, _good(choice)
    assert wanted is not None  # noqa: S101 - for the type checker
    if choice.job.blocks:
        return _numbered(choice.revisions, choice.running)
    if wanted.rejected and good is not None and app.spec.rollout.automatic_rollback:
        return good
    return wanted


def _good(choice: Choice) -> Revision | None:
    """Return the last good revision, unless it is the wanted one itself."""
    good = _numbered(choice.revisions, choice.last_good)
    return None if good is None or choice.wanted is None or good.number == choice.wanted.number else good


def _with_template(choice: Choice, target: Revision | None, rendered: _Rendered | None, view: View) -> Choice:
    """Add the target's template: what was rendered, where it is the same; else the recorded one."""
    choice = replace(choice, target=target, created=_created(choice, rendered, view))
    if target is None:
        return choice
    if rendered is not None and target.template == rendered.digest:
        return replace(choice, template=labelled(rendered.template, target.pods))
    ref = target.ref(view.key.name)
    recorded = view.loaded.get(ref)
    if recorded is None:
        return replace(choice, load=(ref,))
    return replace(choice, template=labelled(recorded["data"]["template"], target.pods))


def _created(choice: Choice, rendered: _Rendered | None, view: View) -> Manifest | None:
    """Return the template of the wanted revision where it has no ControllerRevision yet."""
    wanted = choice.wanted
    if wanted is None or rendered is None or wanted.ref(view.key.name) in view.live:
        return None
    return labelled(rendered.template, str(wanted.number))


def _kept(
    app: ContainerApp,
    known: tuple[Revision, ...],
    wanted: Revision,
    running: int | None,
    last_good: int | None,
) -> tuple[Revision, ...]:
    """Return the revisions to keep. One that was rejected may be tried again once another one is wanted."""
    others = [each for each in known if each.number != wanted.number]
    limit = app.spec.rollout.history_limit
    newest = {each.number for each in others[max(0, len(others) - limit) :]}
    needed = newest | {running, last_good}
    kept = [replace(each, rejected=False) for each in others if each.number in needed]
    return tuple(sorted([*kept, wanted], key=lambda each: each.number))


def _is_good(inputs: Inputs, running: int | None) -> bool:
    """Whether the running revision has shown itself: all of its Pods are available, and there is at least one."""
    return running is not None and inputs.rollout.complete and inputs.rollout.desired > 0


def _numbered(revisions: Iterable[Revision], number: int | None) -> Revision | None:
    return next((each for each in revisions if each.number == number), None)


def min_ready_seconds(app: ContainerApp, target: Revision, default: int) -> int:
    """Return how long a new Pod must be ready to count as available; the first revision has nothing to protect."""
    given = app.spec.rollout.min_ready_seconds
    if given is not None:
        return given
    return 0 if target.number == 1 else default
