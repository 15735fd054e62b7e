"""Service: the stable address of an app with ports; none for a worker.

Ports are targeted by name, so that a port's number can change with a rollout. While Pods of two versions run, the
Service reaches both: a port of the old version is kept until the rollout has ended, and a port that changes its name
keeps the target that serves. It selects the app's Pods of every track, so that a canary gets its share.
"""

from __future__ import annotations

from collections.abc import Iterator

from containerapp.api.containerapp import ContainerApp
from containerapp.api.ports import ContainerPort, Port, Service
from containerapp.controllers.containerapp.exposure.nlb import nlb_annotations, nlb_spec
from containerapp.controllers.containerapp.inputs import Inputs
from containerapp.controllers.pods.metadata import app_selector, metadata
from containerapp.core.model import Child, Manifest, Resource


def render(app: ContainerApp, inputs: Inputs) -> Iterator[Manifest]:
    """Yield the app's Service, unless it listens on no port."""
    service = app.spec.wanted_service()
    if service is None:
        return
    expose, route = app.spec.expose, inputs.route
    yield {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(app, annotations=_annotations(app, inputs, service)),
        "spec": {
            "type": service.type,
            "selector": app_selector(app),
            "ports": _ports(app, inputs),
            **_options(service),
            **(nlb_spec(expose, route) if expose and route and route.leads_by("nlb") else {}),
        },
    }


def _annotations(app: ContainerApp, inputs: Inputs, service: Service) -> dict[str, str]:
    expose, route = app.spec.expose, inputs.route
    if expose is None or route is None or not route.leads_by("nlb"):
        return service.annotations
    return {**nlb_annotations(app, expose), **service.annotations, **expose.annotations}


def _options(service: Service) -> Manifest:
    options = {
        "clusterIP": "None" if service.headless else None,
        "loadBalancerClass": service.load_balancer_class,
        "sessionAffinity": service.session_affinity,
        "internalTrafficPolicy": service.internal_traffic_policy,
        "externalTrafficPolicy": service.external_traffic_policy,
        "trafficDistribution": service.traffic_distribution,
        "ipFamilyPolicy": service.ip_family_policy,
        "ipFamilies": list(service.ip_families) or None,
    }
    return {key: value for key, value in options.items() if value is not None}


def _ports(app: ContainerApp, inputs: Inputs) -> list[Manifest]:
    """Return the wanted ports, and while Pods of two versions run those that only the old version has."""
    listeners = app.spec.listeners()
    wanted = [_port(port, listeners[port.name]) for port in app.spec.container_ports()]
    numbers = {listener.name: listener.container_port for listener in listeners.values()}
    live = inputs.live_ports
    if inputs.service is None or live is None or (inputs.rollout.complete and live == numbers):
        return wanted
    former = {_offer(port): port for port in inputs.service["spec"].get("ports", [])}
    offers, names = {_offer(port) for port in wanted}, {port["name"] for port in wanted}
    bridged = [
        _bridged(port, former.get(_offer(port)), numbers[port["targetPort"]], inputs) for port in wanted
    ]
    old = [_kept(port, names) for offer, port in former.items() if offer not in offers]
    return bridged + old


def _bridged(port: Manifest, former: Manifest | None, number: int, inputs: Inputs) -> Manifest:
    """Return a port whose target serves Pods of both versions, where it had another target before.

    By number, if the old version listens on the same one; else by the old name until a new Pod is available.
    """
    if former is None or former["targetPort"] == port["targetPort"]:
        return port
    target = former["targetPort"]
    if number in {target, (inputs.live_ports or {}).get(target)}:
        return {**port, "targetPort": number}
    return (
        port
        if inputs.rollout.serves and target not in (inputs.live_ports or {})
        else {**port, "targetPort": target}
    )


def _offer(port: Manifest) -> tuple[int, str]:
    return port["port"], port.get("protocol", "TCP")


def _kept(port: Manifest, taken: set[str]) -> Manifest:
    """Return a port of the old version without what Kubernetes has added, under a name that is free."""
    number, protocol = _offer(port)
    name = port.get("name")
    if name is None or name in taken:
        name = f"old-{number}-{protocol.lower()}"
    return {key: value for key, value in port.items() if key != "nodePort"} | {"name": name}


def _port(port: ContainerPort, listener: Port) -> Manifest:
    return {
        "name": port.name,
        "port": port.service_port or port.container_port,
        "targetPort": listener.name,
        "protocol": port.protocol,
        **({"appProtocol": port.app_protocol} if port.app_protocol else {}),
    }


CHILD = Child(
    resource=Resource(api_version="v1", kind="Service", plural="services"), render=render, overridable=True
)
