"""Other resources for Pods that run: which edits need no new Pods, and the steps of such a resize. Pure.

Called by `gather` with the revision that is to run. It remembers nothing. The Deployment gets the new template while it
is paused, so that Kubernetes makes no new Pods; the Pods are resized; with the last one their ReplicaSet gets the same
template, so that it is the Deployment's again, which goes on. Where that does not work out, the Pods get back what
their ReplicaSet says, and the new template has a label that no Pod has: it is rolled out as any other. docs/rollouts.md
has the table of states.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from containerapp.controllers.containerapp.choice import Choice
from containerapp.controllers.containerapp.cluster_version import VERSION, is_at_least
from containerapp.controllers.containerapp.resized_pods import patches_of, progress_of
from containerapp.controllers.containerapp.revisions import Revision, labelled, pods_label
from containerapp.controllers.containerapp.rollout import Rollout, pods_query
from containerapp.controllers.pods.amounts import shrinks_memory, template_change, without_amounts
from containerapp.core.model import Access, Manifest, Patch, Query, View

REACHES = (
    Access(group="apps", plural="replicasets", verbs=("list", "patch")),
    Access(group="", plural="pods/resize", verbs=("patch",)),
)

_SINCE = (1, 35)
"""Version of Kubernetes from which on every cluster resizes Pods, and nodes say which generation they have seen."""
_HASH = "pod-template-hash"
_SHARE, _SHORTEST, _LONGEST = 0.25, 1.0, 15.0
"""The Pods are looked at again after this share of the time that the resize has taken, within these seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resize:
    """How the Pods that run come to what the template says.

    `in_place`: they stay, and so does the label by which they are found. While it is `under_way` the Deployment is
    paused, and `message` says how far it has come. What is to be read and patched for it: see `Gathered`.
    """

    in_place: bool = False
    under_way: bool = False
    message: str = ""
    queries: tuple[Query, ...] = ()
    patches: tuple[Patch, ...] = ()
    again_after: float | None = None


_ROLLED_OUT = Resize()
_IN_PLACE = Resize(in_place=True)
_WAITING = Resize(in_place=True, under_way=True, message="Waiting until the Pods can be resized in place.")


def with_resize(choice: Choice, view: View, live: Manifest | None) -> tuple[Choice, Resize]:
    """Return the choice with the label of the Pods that are to have its template, and how they come to it."""
    if choice.target is None or choice.template is None or live is None:
        return choice, _ROLLED_OUT
    resizing = Rollout.of(live).resizing
    if choice.running != choice.target.number:
        resize = _begun(choice, view, live)
    else:
        resize = _continued(choice.template, view, live) if resizing else _IN_PLACE
    if resizing and not resize.in_place:
        resize = _undone(resize, view, live)
    return _with_label(choice, choice.target, _label(choice.target, resize, pods_label(live))), resize


def _begun(choice: Choice, view: View, live: Manifest) -> Resize:
    """Return whether the new revision needs no new Pods."""
    if not _differs_in_amounts(choice, view, live):
        return _ROLLED_OUT
    if not is_at_least(view.answers.get(VERSION) or {}, *_SINCE):
        return replace(_ROLLED_OUT, queries=(VERSION,))
    return replace(_IN_PLACE if view.rehearses else _WAITING, queries=(VERSION,))


def _differs_in_amounts(choice: Choice, view: View, live: Manifest) -> bool:
    """Whether all Pods run a revision from which the wanted one differs in CPU and memory that may change at once."""
    target, wanted, rollout = choice.target, choice.wanted, Rollout.of(live)
    running = next((each for each in choice.revisions if each.number == choice.running), None)
    if target is None or wanted is None or running is None or choice.template is None:
        return False
    spec, settled = view.obj.spec, rollout.complete and not rollout.paused and rollout.desired > 0
    return (
        bool(spec.rollout.resize_in_place)
        and not (spec.placement is not None and spec.placement.fargate)
        and target.number == wanted.number
        and target.shape == running.shape != ""
        and (settled or rollout.resizing)
        and not shrinks_memory(choice.template["spec"], live["spec"]["template"]["spec"])
    )


def _continued(template: Manifest, view: View, live: Manifest) -> Resize:
    """Return the next steps of a resize, or that the revision is rolled out after all."""
    if view.refused or not view.obj.spec.rollout.resize_in_place:
        return _ROLLED_OUT
    if view.rehearses:
        return _IN_PLACE
    rollout, queries = Rollout.of(live), _queries(view, live)
    if not rollout.observed or not rollout.paused:
        return _WAITING
    if not set(queries) <= view.answers.keys():
        return replace(_WAITING, queries=queries)
    if any(view.answers[each] is None for each in queries):
        return _ROLLED_OUT
    match _active(view, live):
        case []:
            resize = _IN_PLACE
        case [one, *others] if not others and _fixed(one) == _fixed(live):
            resize = _steps(template, view, live, one)
        case _:
            resize = _ROLLED_OUT
    return replace(resize, queries=queries)


def _steps(template: Manifest, view: View, live: Manifest, replica_set: Manifest) -> Resize:
    """Return the next Pods; after the last one the ReplicaSet; and the end, once both controllers have seen that."""
    rollout, wanted, elapsed = Rollout.of(live), template["spec"], _elapsed(live, view.now)
    pods = _owned(view, _queries(view, live)[1], replica_set)
    progress = progress_of(pods, wanted, namespace=view.key.namespace, now=view.now, elapsed=elapsed)
    change = template_change(wanted, replica_set["spec"]["template"]["spec"])
    seen = replica_set["status"].get("observedGeneration", 0) >= replica_set["metadata"]["generation"]
    if progress.complete and not change and seen and rollout.updated == rollout.total:
        return _IN_PLACE
    if progress.refused:
        return _ROLLED_OUT
    last = (_patch(replica_set, change, view),) if progress.complete and change else ()
    return replace(
        _WAITING,
        message=progress.message,
        patches=(*progress.patches, *last),
        again_after=min(max(elapsed * _SHARE, _SHORTEST), _LONGEST),
    )


def _undone(resize: Resize, view: View, live: Manifest) -> Resize:
    """Add that the Pods get back what their ReplicaSet says, before another one takes its place."""
    queries = _queries(view, live)
    undo = [
        patch
        for one in _active(view, live)
        for patch in patches_of(
            _owned(view, queries[1], one), one["spec"]["template"]["spec"], view.key.namespace
        )
    ]
    return replace(resize, queries=(*resize.queries, *queries), patches=tuple(undo))


def _patch(replica_set: Manifest, change: Manifest, view: View) -> Patch:
    metadata = replica_set["metadata"]
    return Patch(
        path=f"/apis/apps/v1/namespaces/{view.key.namespace}/replicasets/{metadata['name']}",
        body={"metadata": {"uid": metadata["uid"]}, "spec": {"template": {"spec": change}}},
    )


def _queries(view: View, live: Manifest) -> tuple[Query, Query]:
    """Return what is read: the ReplicaSets before the Pods, so that a Pod of an older template is seen, too."""
    namespace = view.key.namespace
    pods = pods_query(live, namespace)
    return Query(path=f"/apis/apps/v1/namespaces/{namespace}/replicasets", selector=pods.selector), pods


def _active(view: View, live: Manifest) -> list[Manifest]:
    """Return the Deployment's ReplicaSets that have Pods."""
    found = _owned(view, _queries(view, live)[0], live)
    return [each for each in found if each["spec"].get("replicas", 1)]


def _owned(view: View, query: Query, owner: Manifest) -> list[Manifest]:
    """Return the owner's own among the answer's objects."""
    uid, answer = owner["metadata"]["uid"], view.answers.get(query) or {}
    return [
        item
        for item in answer.get("items", ())
        if any(each["uid"] == uid for each in item["metadata"].get("ownerReferences", ()))
    ]


def _fixed(owner: Manifest) -> Manifest:
    """Return what of a Deployment's or ReplicaSet's template Kubernetes compares, without CPU and memory."""
    template = without_amounts(owner["spec"]["template"])
    labels = {name: value for name, value in template["metadata"]["labels"].items() if name != _HASH}
    return {**template, "metadata": {**template["metadata"], "labels": labels}}


def _elapsed(live: Manifest, now: datetime) -> float:
    """Return the seconds since the Deployment controller has paused the Deployment."""
    times = [
        each["lastUpdateTime"]
        for each in live["status"].get("conditions", ())
        if each["type"] == "Progressing" and each.get("reason") == "DeploymentPaused"
    ]
    return (now - datetime.fromisoformat(times[0])).total_seconds() if times else 0.0


def _label(target: Revision, resize: Resize, current: str) -> str:
    """Return the label of the Pods: the `current` one where they stay, else one that tells new Pods from them."""
    if resize.in_place and current:
        return current
    if target.pods != current:
        return target.pods
    number, _, count = current.partition(".")
    return f"{target.number}.{int(count or 1) + 1}" if number == str(target.number) else str(target.number)


def _with_label(choice: Choice, target: Revision, label: str) -> Choice:
    """Return the choice with the label in the template, and on record where it is not the number of the revision."""
    assert choice.template is not None  # noqa: S101 - for the type checker
    noted = replace(target, label=label if target.label or label != str(target.number) else "")
    wanted = noted if choice.wanted is not None and choice.wanted.number == noted.number else choice.wanted
    revisions = tuple(noted if each.number == noted.number else each for each in choice.revisions)
    return replace(
        choice, target=noted, wanted=wanted, revisions=revisions, template=labelled(choice.template, label)
    )
