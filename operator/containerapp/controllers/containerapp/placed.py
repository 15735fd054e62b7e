"""The condition Placed: what is known of where the app's Pods run. Pure.

Asked by the status. For Fargate it says which size is billed, by the containers that the Deployment has, and, where the
platform team has that checked, which Fargate profile selects the Pods: without one they run on EC2 nodes, or nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from containerapp.api.containerapp import ContainerApp
from containerapp.controllers.containerapp.children import deployment
from containerapp.controllers.containerapp.facts import Facts
from containerapp.controllers.containerapp.revisions import running_number
from containerapp.controllers.pods.fargate import fargate_size
from containerapp.controllers.pods.placement import FARGATE_PROFILE
from containerapp.controllers.workloads.concerns import Concern
from containerapp.core.account import FARGATE, FargateProfile
from containerapp.core.conditions import Condition
from containerapp.core.model import View
from containerapp.errors import Blocked, Transient

_SELECTED: Final = "The Fargate profile "


def asks_profiles(view: View) -> frozenset[str]:
    """Return that the Fargate profiles have to be known, until one is that selects the Pods of the revision."""
    app: ContainerApp = view.obj
    if not view.platform.fargate_cluster or app.spec.placement is None or not app.spec.placement.fargate:
        return frozenset()
    return frozenset() if _said(view).startswith(_SELECTED) or _ready(view) else FARGATE


def placed(facts: Facts) -> Iterator[Concern]:
    """Yield the condition for an app on Fargate."""
    placement, live = facts.app.spec.placement, facts.view.live.get(deployment.ref(facts.app.metadata.name))
    if placement is None or not placement.fargate or live is None:
        return
    if (size := fargate_size(live["spec"]["template"]["spec"])) is None:
        return
    billed = f"Fargate bills each Pod as {size}: its requests and 256 MiB, rounded up."
    found = _selecting(facts.view, billed)
    if isinstance(found, str):
        yield Concern(condition=Condition(type="Placed", status="True", reason="Fargate", message=found))
        return
    status = "Unknown" if isinstance(found, Transient) else "False"
    condition = Condition(type="Placed", status=status, reason=found.reason, message=found.message)
    yield Concern(condition=condition, obstacle=found, after_rollout=True)


def _selecting(view: View, billed: str) -> str | Blocked | Transient:
    """Return what the condition says, or why the Pods are not on Fargate; what was known holds for the revision."""
    account = view.account
    if account is not None and account.profiles_error is not None:
        return f"{billed} Whether a profile selects the Pods is not known: {account.profiles_error.message}"
    if account is not None and account.pending:
        return Transient("AskingForProfiles", f"Asking EKS which Fargate profile selects the Pods. {billed}")
    if account is None or account.profiles is None:
        said = _said(view)
        return said if said.startswith(_SELECTED) and said.endswith(billed) else billed
    if ready := _ready(view):
        return f"{_SELECTED}{ready} selects the Pods. {billed}"
    found = _found(view)
    return _inactive(view, found[0]) if found else _none(view)


def _labels(view: View) -> Mapping[str, str]:
    """Return those of the Pods; none before there is a Deployment."""
    live = view.live.get(deployment.ref(view.key.name))
    labels: Mapping[str, str] = live["spec"]["template"]["metadata"]["labels"] if live else {}
    return labels


def _known(view: View) -> list[FargateProfile]:
    """Return the profiles that come into question: all, or the one that the Pods name."""
    named, account = _labels(view).get(FARGATE_PROFILE), view.account
    profiles = account.profiles or () if account is not None else ()
    return [each for each in profiles if named in {None, each.name}]


def _found(view: View) -> list[FargateProfile]:
    labels = _labels(view)
    return [each for each in _known(view) if labels and each.selects(view.key.namespace, labels)]


def _ready(view: View) -> str | None:
    """Return the name of the profile by which the Pods run on Fargate."""
    return min((each.name for each in _found(view) if each.status == "ACTIVE"), default=None)


def _inactive(view: View, profile: FargateProfile) -> Blocked:
    cluster = view.platform.fargate_cluster
    return Blocked(
        "FargateProfileNotActive",
        f"{_SELECTED}{profile.name} selects the Pods and is {profile.status}: until it is ACTIVE they run on EC2 "
        f"nodes, or wait. For more: aws eks describe-fargate-profile --cluster-name {cluster} --fargate-profile-name "
        f"{profile.name}",
    )


def _none(view: View) -> Blocked:
    cluster, namespace, known = view.platform.fargate_cluster, view.key.namespace, _known(view)
    selects = f"Pods of the namespace {namespace} with this app's labels"
    what = f"No Fargate profile of the cluster {cluster} selects {selects}"
    if (named := _labels(view).get(FARGATE_PROFILE)) is not None:
        missing = f"The cluster {cluster} has no Fargate profile {named}"
        what = f"{_SELECTED}{named} does not select {selects}" if known else missing
    lacking = [_written(wanted) for each in known for wanted in each.labels_of(namespace)]
    labels = f", set podLabels to what one asks for ({' or '.join(lacking)})" if lacking else ""
    return Blocked(
        "NoFargateProfile",
        f"{what}: they run on EC2 nodes, or wait. Create a profile (aws eks create-fargate-profile --cluster-name "
        f"{cluster} --selectors namespace={namespace} ...){labels}, or remove spec.placement.fargate. Then restart the "
        "Pods: a profile is chosen when they are created.",
    )


def _written(labels: Mapping[str, str]) -> str:
    return ",".join(f"{name}={value}" for name, value in labels.items())


def _said(view: View) -> str:
    """Return what the status says of Pods that are on Fargate, and of the revision that the Deployment has now."""
    app: ContainerApp = view.obj
    if app.status.current_revision != running_number(view.live.get(deployment.ref(view.key.name))):
        return ""
    placed = next((each for each in app.status.conditions if each.type == "Placed"), None)
    return placed.message if placed is not None and placed.status == "True" else ""
