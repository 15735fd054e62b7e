"""Whether an app may join its Application Load Balancer: what would fail there would fail for all apps of the group.

Asked before the Ingress is made or changed, never of one that stands: an app that is served stays served, whatever
others do. Certificates and quotas count where the platform lets AWS be asked, and AWS answers. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import ceil
from typing import Any

from containerapp.api.containerapp import ContainerApp
from containerapp.api.expose import Expose
from containerapp.controllers.containerapp.exposure.alb import alb_annotations, uses_https
from containerapp.controllers.containerapp.exposure.claims import age, listener
from containerapp.controllers.containerapp.exposure.names import INGRESS as PREFIX
from containerapp.controllers.containerapp.exposure.route import INGRESS, Route, choose_route
from containerapp.core.account import LOAD_BALANCERS, Account
from containerapp.core.model import Manifest, ObjectRef, View
from containerapp.errors import Blocked, ContainerAppError, Transient

_SHARED = {
    "sslPolicy": "expose.sslPolicy",
    "wafAclArn": "expose.wafAclArn",
    "idleTimeoutSeconds": "expose.idleTimeoutSeconds",
    "inboundCidrs": "expose.inboundCidrs",
}
"""What all apps of a group that say it must say alike; and `public`, which each says."""

_SURGE = 1.25
_REASONS = {"GroupConflict", "CertificateNotFound", "QuotaExceeded", "Preflight"}
_OF_ITS_OWN = {"HostTaken", "GroupConflict", "CertificateNotFound"}
"""Reasons that lie in an app, or in who has its host, and not in what its load balancer has left."""
_LIMITS = {
    "rules-per-application-load-balancer": "rules",
    "target-groups-per-application-load-balancer": "target groups",
    "targets-per-application-load-balancer": "targets",
}


def checked_route(view: View) -> Route | None:
    """Return how the app is reached, with what keeps it from joining its load balancer."""
    route = choose_route(view)
    if route is None or route.obstacle is not None:
        return route
    return replace(route, obstacle=_obstacle(view, route))


def asks_account(view: View) -> frozenset[str]:
    """Return that certificates and quotas have to be known, where they have."""
    route = choose_route(view) if view.platform.expose.preflight else None
    joins = route is not None and route.leads_by("alb") and not _stands(view)
    return LOAD_BALANCERS if joins else frozenset()


def standing_ingress(app: ContainerApp, route: Route | None) -> ObjectRef | None:
    """Return the Ingress that stays as it is, where its change is refused."""
    obstacle = route.obstacle if route is not None and route.via == "alb" else None
    return INGRESS.ref(app.metadata.name) if obstacle is not None and obstacle.reason in _REASONS else None


def _obstacle(view: View, route: Route) -> ContainerAppError | None:
    app: ContainerApp = view.obj
    if app.spec.expose is None or not route.leads_by("alb") or _stands(view):
        return None
    mine = app.model_dump(by_alias=True, mode="json", exclude_none=True)
    members = list(_members(view, mine)) if app.spec.expose.group else []
    if (conflict := _conflict(mine, members)) is not None or view.account is None:
        return conflict
    if view.account.pending:
        return Transient(
            "Preflight", "Asking AWS for certificates and quotas before the load balancer changes."
        )
    return _certificate(app.spec.expose, route, view.account) or _quota(mine, members, view.account)


def _stands(view: View) -> bool:
    """Whether the Ingress lives as the app asks for it, as far as it can fail."""
    app: ContainerApp = view.obj
    live = view.live.get(INGRESS.ref(app.metadata.name))
    if live is None or app.spec.expose is None:
        return False
    annotations = live["metadata"].get("annotations") or {}
    wanted = alb_annotations(app, app.spec.expose)
    names = {name for name in (*wanted, *annotations) if name.startswith(PREFIX)}
    ours = (name for name in names if name not in app.spec.expose.annotations)
    same = all(annotations.get(name) == wanted.get(name) for name in ours)
    return same and _places(live) == _wanted_places(app.spec.expose)


def _places(live: Manifest) -> set[tuple[str, str]]:
    rules = live["spec"].get("rules") or []
    return {(rule.get("host", ""), path["path"]) for rule in rules for path in rule["http"]["paths"]}


def _wanted_places(expose: Expose) -> set[tuple[str, str]]:
    return {(host, path.path) for host in expose.hosts or ("",) for path in expose.routes()}


def _members(view: View, mine: Manifest) -> Iterator[Manifest]:
    """Yield the apps of the same group that have joined, or come first and are not refused, the oldest first."""
    defaults = view.platform.expose
    place = listener(mine, defaults)
    for peer in sorted(view.peers, key=age):
        is_before = age(peer) < age(mine) and not refusal(peer)
        if listener(peer, defaults) == place and (is_before or _has_joined(peer)):
            yield peer


def refusal(manifest: Manifest) -> str:
    """Return why an app has not joined its load balancer and will not before it is mended; empty where it may.

    One that finds no room is not among them: it joins as soon as there is some.
    """
    status, generation = manifest.get("status") or {}, manifest["metadata"].get("generation")
    reasons = [
        each["reason"]
        for each in status.get("conditions", ())
        if each["type"] == "Exposed" and each.get("observedGeneration") == generation
    ]
    refused = [reason for reason in reasons if reason in _OF_ITS_OWN]
    return refused[0] if refused and not _has_joined(manifest) else ""


def _has_joined(manifest: Manifest) -> bool:
    resources = (manifest.get("status") or {}).get("resources", ())
    return any(each["kind"] == INGRESS.kind for each in resources)


def _conflict(mine: Manifest, members: list[Manifest]) -> Blocked | None:
    """Return what the app and an app of its group say otherwise: the controller would then change nothing any more."""
    ours = mine["spec"]["expose"]
    for peer in members:
        for name, here, there in _differences(ours, peer["spec"]["expose"]):
            other = f"{peer['metadata']['namespace']}/{peer['metadata']['name']}"
            return Blocked(
                "GroupConflict",
                f"{name} is {here} here and {there} in ContainerApp {other}, and the load balancer of group "
                f"{ours['group']} serves both: give them the same, or choose another group.",
            )
    return None


def _differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    here, there = _said(ours), _said(theirs)
    yield from ((name, here[name], there[name]) for name in here if here[name] != there.get(name, here[name]))


def _said(expose: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an app says of the load balancer as a whole."""
    return {
        "expose.public": str(bool(expose.get("public"))).lower(),
        **{name: expose[key] for key, name in _SHARED.items() if expose.get(key)},
        **{f"expose.attributes {key}": value for key, value in expose.get("attributes", {}).items()},
    }


def _certificate(expose: Expose, route: Route, account: Account) -> Blocked | None:
    """Auto Mode takes certificates from its IngressClassParams, which are not ours to know."""
    if account.certificates is None or route.auto_mode or not uses_https(expose):
        return None
    known = {certificate.arn for certificate in account.certificates}
    for arn in expose.certificates():
        if ":acm:" in arn and arn not in known:
            return _refused(
                "CertificateNotFound",
                f"ACM has no issued certificate {arn} in the operator's account and Region: correct "
                "expose.certificateArn, or wait until it is issued.",
            )
    if expose.certificates():
        return None
    for host in expose.hosts:
        if not any(certificate.covers(host) for certificate in account.certificates):
            return _refused(
                "CertificateNotFound",
                f"No certificate of ACM in this account and Region covers {host}: request one, name one in "
                "expose.certificateArn, or set expose.https: false.",
            )
    return None


def _quota(mine: Manifest, members: list[Manifest], account: Account) -> Blocked | None:
    needs, others = _needs(mine), [_needs(peer) for peer in members]
    for limit, what in _LIMITS.items():
        most = (account.limits or {}).get(limit)
        if most is None:
            continue
        used = 0
        for needed in (other[what] for other in others):
            used += needed if used + needed <= most else 0
        if used + needs[what] > most:
            return _refused(
                "QuotaExceeded",
                f"The app needs {needs[what]} {what} of its load balancer, which has {most} ({limit}) and uses "
                f"{used} for other apps: choose another expose.group, or have the quota raised.",
            )
    return None


def _needs(manifest: Manifest) -> dict[str, int]:
    """Return what an app takes of a load balancer: a rule for each path of each host, a target group for each port."""
    spec = manifest["spec"]
    expose = spec["expose"]
    paths = expose.get("paths") or [{}]
    pods = (spec.get("autoscaling") or {}).get("maxReplicas") or spec.get("replicas", 1)
    groups = len({path.get("port", expose.get("port", "")) for path in paths})
    twice = expose.get("redirect") is False and expose.get("https") is not False
    return {
        "rules": len(expose.get("hosts") or [""]) * len(paths) * (2 if twice else 1),
        "target groups": groups,
        "targets": groups * ceil(pods * _SURGE),
    }


def _refused(reason: str, message: str) -> Blocked:
    return Blocked(
        reason, f"{message} Until then the load balancer stays as it is, for this app and the others."
    )
