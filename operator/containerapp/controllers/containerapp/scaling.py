"""What scales an app by `autoscaling`: Kubernetes itself, or KEDA where there are triggers; and the condition of these.

Called by the controller, the children that KEDA reads, and the status. KEDA's conditions say only that something fails;
why, it says by Warning events. What runs is left as it is where KEDA is absent or fails: the app stays Ready. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from containerapp.api.containerapp import ContainerApp
from containerapp.api.workload import Autoscaling
from containerapp.controllers.containerapp.cluster_version import VERSION, is_at_least
from containerapp.controllers.containerapp.facts import Facts
from containerapp.controllers.workloads.concerns import Concern
from containerapp.controllers.workloads.identity import forbidden_role
from containerapp.core.conditions import Condition, by_type
from containerapp.core.model import Manifest, ObjectRef, Resource, View
from containerapp.core.policy import Platform
from containerapp.errors import InvalidSpec

_INSTALL = "Install KEDA 2.13 or later, for example with its Helm chart kedacore/keda, or remove autoscaling.triggers."
SCALED_OBJECT = Resource(
    api_version="keda.sh/v1alpha1",
    kind="ScaledObject",
    plural="scaledobjects",
    optional=True,
    install=_INSTALL,
)
TRIGGER_AUTHENTICATION = Resource(
    api_version="keda.sh/v1alpha1",
    kind="TriggerAuthentication",
    plural="triggerauthentications",
    optional=True,
    install=_INSTALL,
)
_SHOWN = 300
_ZERO_SINCE = (1, 37)
"""Where HPAScaleToZero is on by default."""


def by_keda(app: ContainerApp) -> Autoscaling | None:
    """Return how the app is scaled, if it is to be scaled by KEDA."""
    autoscaling = app.spec.autoscaling
    return autoscaling if autoscaling is not None and autoscaling.triggers else None


def forbidden_scaling(app: ContainerApp, platform: Platform) -> InvalidSpec | None:
    """Return what to edit where KEDA would assume a role that the platform does not give the app's namespace."""
    role = app.spec.autoscaling.role_arn if app.spec.autoscaling else None
    return forbidden_role("autoscaling", role, app, platform) if role else None


def zero_by_metrics(app: ContainerApp) -> bool:
    """Whether Kubernetes itself may end all Pods of the app."""
    return app.spec.autoscaling is not None and by_keda(app) is None and app.spec.fewest_pods() == 0


def check_zero(view: View) -> None:
    """Raise `InvalidSpec` where Kubernetes is too old to end all Pods of the app; its version is asked for that."""
    version = view.answers.get(VERSION)
    if zero_by_metrics(view.obj) and version is not None and not is_at_least(version, *_ZERO_SINCE):
        raise InvalidSpec(
            "InvalidSpec",
            f"spec.autoscaling.minReplicas: 0 needs Kubernetes {'.'.join(map(str, _ZERO_SINCE))} or later, and this is "
            f"{version['major']}.{version['minor']}: set it to 1, or give autoscaling.triggers, which KEDA serves.",
        )


def first_replicas(app: ContainerApp, *, keda: bool) -> int:
    """Return the Pods that an autoscaled app starts with: what ends the first one must be able to start it again."""
    return app.spec.fewest_pods() if keda and by_keda(app) else max(1, app.spec.fewest_pods())


def scaling_asks(view: View) -> tuple[ObjectRef, ...]:
    """Return the ScaledObject, if KEDA has failed with it: an Event says why."""
    ref = SCALED_OBJECT.ref(view.key.name)
    child = view.live.get(ref)
    return (ref,) if child is not None and _status(child) == "False" else ()


def autoscaled(facts: Facts) -> Iterator[Concern]:
    """Say whether KEDA scales an app with triggers."""
    autoscaling = by_keda(facts.app)
    if autoscaling is None:
        return
    ref = SCALED_OBJECT.ref(facts.app.metadata.name)
    child = facts.view.live.get(ref)
    sources = ", ".join(sorted({trigger.source for trigger in autoscaling.triggers}))
    if SCALED_OBJECT in facts.view.absent:
        kind = f"{SCALED_OBJECT.kind} ({SCALED_OBJECT.api_version})"
        message = (
            f"Nothing scales the app by {sources}: the number of Pods stays. The cluster has no kind {kind}."
        )
        yield _said("False", "KindNotInstalled", f"{message} {_INSTALL}")
    elif child is None or (status := _status(child)) is None:
        yield _said(
            "Unknown", "WaitingForKeda", "KEDA has not looked at the ScaledObject yet; check that it runs."
        )
    elif status == "True":
        bounds = f"{autoscaling.min_replicas} to {autoscaling.max_replicas}"
        yield _said("True", "ScaledByKeda", f"KEDA keeps {bounds} Pods by {sources}.")
    else:
        why = facts.view.warnings.get(ref) or str(by_type(child["status"])["Ready"].get("message", ""))
        remedy = (
            "The number of Pods stays. Check the trigger, and with AWS the rights of KEDA's role or of"
            " autoscaling.roleArn."
        )
        yield _said("False", "TriggerFailed", f"KEDA cannot scale by {sources}: {why[:_SHOWN]} {remedy}")


def _said(status: str, reason: str, message: str) -> Concern:
    return Concern(condition=Condition(type="Autoscaled", status=status, reason=reason, message=message))


def _status(child: Manifest) -> str | None:
    """Return the status of KEDA's condition Ready; None where it has none yet."""
    found: str | None = by_type(child.get("status") or {}).get("Ready", {}).get("status")
    return found
