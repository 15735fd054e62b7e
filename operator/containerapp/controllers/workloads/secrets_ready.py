"""The condition `SecretsReady`: whether the values of `secrets` are fetched, and what to do where they are not. Pure.

One of the status' concerns. What keeps a Secret from being there at all stands in the way of Ready; a failed refresh
does not, since the Pods run with the values that were fetched before.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from containerapp.controllers.pods.secrets import Bundle, bundles
from containerapp.controllers.workloads.concerns import Concern, PodFacts
from containerapp.controllers.workloads.secret_failures import Failure, explain
from containerapp.controllers.workloads.secrets import SecretsState, external_secret, possible
from containerapp.core.conditions import Condition, by_type
from containerapp.core.model import Manifest, ObjectRef, View
from containerapp.core.policy import SecretStores
from containerapp.errors import Blocked, ContainerAppError, Transient

_SILENCE = timedelta(minutes=5)
"""How long External Secrets may take to look at a new ExternalSecret."""


def secrets_ready(facts: PodFacts) -> Iterator[Concern]:
    """Yield the condition of an app that has `secrets`."""
    wanted = bundles(facts.app)
    if not wanted:
        return
    state: SecretsState = facts.outcome.gathered.inputs.secrets
    match state.backend:
        case None:
            yield _not_installed(facts.view.platform.secrets)
        case "csi":
            yield _mounted(facts)
        case _:  # External Secrets
            yield _fetched(facts, wanted, state.missing)


def secret_asks(view: View) -> tuple[ObjectRef, ...]:
    """Return the ExternalSecrets that have failed: an Event says why."""
    return tuple(ref for ref, child in view.live.items() if ref.kind == "ExternalSecret" and _failed(child))


def _not_installed(stores: SecretStores) -> Concern:
    kinds = possible(stores)
    names = " nor ".join(f"{kind.kind} ({kind.api_version})" for kind in kinds)
    remedies = " Or: ".join(kind.install for kind in kinds)
    none = "has neither" if len(kinds) > 1 else "has no kind"
    return _hindered(
        Blocked("KindNotInstalled", f"Nothing fetches the secrets: the cluster {none} {names}. {remedies}")
    )


def _mounted(facts: PodFacts) -> Concern:
    if facts.all_started:
        return _met("Mounted", "The Secrets Store CSI driver has fetched the secrets for every Pod.")
    message = "The Secrets Store CSI driver fetches the secrets while a Pod starts; what fails is an event of the Pod."
    return Concern(
        condition=Condition(type="SecretsReady", status="Unknown", reason="Mounting", message=message)
    )


def _fetched(facts: PodFacts, wanted: tuple[Bundle, ...], missing: tuple[Bundle, ...]) -> Concern:
    sources = [(bundle, facts.view.live.get(external_secret(bundle))) for bundle in wanted]
    for bundle, source in sources:
        if source is None or not _failed(source):
            continue
        failure = explain(source, facts.view.warnings.get(external_secret(bundle), ""))
        if bundle in missing:
            return _hindered(_obstacle(failure))
        message = f"{failure.message} The Pods run with the values that were fetched before."
        return Concern(
            condition=Condition(type="SecretsReady", status="False", reason=failure.reason, message=message)
        )
    if missing:
        return _hindered(_awaited(facts, missing))
    count = sum(len(bundle.entries) for bundle in wanted)
    return _met("Fetched", f"{'The value is' if count == 1 else f'All {count} values are'} fetched.")


def _obstacle(failure: Failure) -> ContainerAppError:
    return (Transient if failure.passing else Blocked)(failure.reason, failure.message)


def _awaited(facts: PodFacts, missing: tuple[Bundle, ...]) -> ContainerAppError:
    """Return that the controller is at work, or that it never looked."""
    bundle = missing[0]
    source = facts.view.live.get(external_secret(bundle))
    if (
        source is not None
        and "conditions" not in source.get("status", {})
        and _is_old(source, facts.view.now)
    ):
        message = (
            f"External Secrets has not looked at ExternalSecret {bundle.name} since it was made: check that its"
            f" controller runs and serves the namespace, and that {source['spec']['secretStoreRef']['kind']}"
            f" {source['spec']['secretStoreRef']['name']} is of its class."
        )
        return Blocked("NotFetched", message)
    return Transient("WaitingForSecret", f"External Secrets has not made Secret {bundle.name} yet.")


def _is_old(source: Manifest, now: datetime) -> bool:
    return now - datetime.fromisoformat(source["metadata"]["creationTimestamp"]) > _SILENCE


def _failed(source: Manifest) -> bool:
    return by_type(source.get("status") or {}).get("Ready", {}).get("status") == "False"


def _hindered(error: ContainerAppError) -> Concern:
    condition = Condition(type="SecretsReady", status="False", reason=error.reason, message=error.message)
    return Concern(condition=condition, obstacle=error)


def _met(reason: str, message: str) -> Concern:
    return Concern(condition=Condition(type="SecretsReady", status="True", reason=reason, message=message))
