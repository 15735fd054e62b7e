"""How a service of Copilot is reached: `image.port`, `http` and `nlb` as ports, `expose` and a readiness probe."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from containerapp.importers import probes, units
from containerapp.importers.copilot.containers import Work
from containerapp.importers.naming import port_name
from containerapp.importers.source import Source

Fields = dict[str, Any]

_BALANCER = (
    "the load balancer of the app is another one, which its controller makes; apps share one by expose.group"
)
_PROTOCOLS = {"grpc": "grpc", "http2": "kubernetes.io/h2c"}
_CODES = re.compile(r"[23][0-9]{2}([-,][23][0-9]{2})*")
_STICKY = {"alb": "lb_cookie", "nlb": "source_ip"}
_GRACE = 10
"""Seconds that a Pod waits before SIGTERM while the load balancer stops sending."""


class Ports:
    """The app's ports in the making: the first one is what probes ask."""

    def __init__(self) -> None:
        self.listed: list[Fields] = []

    def add(self, number: int, **more: Any) -> str:
        """Add a port unless it is there; return its name."""
        more = {key: value for key, value in more.items() if value}
        same = (number, more.get("protocol"), more.get("servicePort"))
        for port in self.listed:
            if (port["containerPort"], port.get("protocol"), port.get("servicePort")) == same:
                port.update(more)
                return str(port["name"])
        wanted = "" if self.listed else "http"
        name = port_name(wanted, number, {port["name"] for port in self.listed})
        self.listed.append({"name": name, "containerPort": number, **more})
        return name

    def put(self, work: Work) -> None:
        """Put the ports: a single one without a word of its own as `port`."""
        if len(self.listed) == 1 and self.listed[0].keys() == {"name", "containerPort"}:
            work.draft.put("port", self.listed[0]["containerPort"])
        else:
            work.draft.put("ports", self.listed)


def reach(work: Work, *, public: bool) -> None:
    """Carry ports and load balancers; `public` says whether the internet reaches the service."""
    manifest, ports = work.manifest, Ports()
    http, nlb = manifest.at("http"), manifest.at("nlb")
    expose: Fields = {}
    if str(http.value).lower() == "false":
        http.take()
    elif isinstance(http.value, dict):
        expose = _http(work, http, ports, public=public)
    if nlb and expose:
        nlb.lose("an app has one load balancer: make another app of the same image with `expose: {via: nlb}`")
    elif nlb:
        expose = _nlb(work, nlb, ports, public=public)
    own = manifest.at("image").at("port").number()
    if own and own not in {port["containerPort"] for port in ports.listed}:
        ports.add(own)
    ports.put(work)
    work.draft.put("expose", expose)


def _target(work: Work, rule: Source) -> int:
    """Return the port that requests go to: that of the target container, unless it is named itself."""
    named = rule.at("target_container") or rule.at("targetContainer")
    sidecar = work.manifest.at("sidecars").at(named.text()) if named else None
    port = sidecar.at("port") if sidecar else work.manifest.at("image").at("port")
    text = str(port.value).partition("/")[0]
    number = int(text) if units.is_number(text) else 0
    return rule.at("target_port").number() or number or 80


def _http(work: Work, http: Source, ports: Ports, *, public: bool) -> Fields:
    hosts = list(_hosts(http))
    number = _target(work, http)
    name = ports.add(number, appProtocol=_protocol(http, number))
    path = _path(http.at("path"))
    paths = [{"path": path}]
    for rule in http.at("additional_rules").items():
        paths += _rule(work, rule, hosts, ports, name)
    http.at("alb").lose(_BALANCER)
    _probe(work, http.at("healthcheck"), number)
    found: Fields = {"hosts": hosts} if hosts else {}
    found |= {"paths": paths} if len(paths) > 1 else {"path": path} if path != "/" else {}
    found |= {"public": True} if public else {}
    found["via"] = "alb"
    redirect = http.at("redirect_to_https")
    if redirect and not redirect.flag(default=True) and hosts:
        found["redirect"] = False
    return found | _common(work, http, "alb")


def _protocol(rule: Source, number: int) -> str:
    return _PROTOCOLS.get(rule.at("version").text(), "https" if number == 443 else "")


def _hosts(rule: Source) -> Iterator[str]:
    """Yield the names; who makes their records is another one here."""
    for alias in rule.at("alias").items():
        yield (alias.at("name") if isinstance(alias.value, dict) else alias).text()
        alias.at("hosted_zone").lose(_ZONE)
    rule.at("hosted_zone").lose(_ZONE)


_ZONE = "ExternalDNS makes the records of hosts, in the zones that it is set up with"


def _path(path: Source) -> str:
    plain = path.text("/").strip("/")
    return f"/{plain}" if plain else "/"


def _rule(work: Work, rule: Source, hosts: list[str], ports: Ports, first: str) -> list[Fields]:
    """Return the path of a further rule, where it is one of the same hosts."""
    others = [alias for alias in _hosts(rule) if alias not in hosts]
    if others:
        rule.lose(f"{others[0]} would be a host of all paths: write an Ingress of your own for this rule")
        return []
    number = _target(work, rule)
    name = ports.add(number, appProtocol=_protocol(rule, number))
    rule.at("path").take()
    for key, reason in _OF_A_RULE.items():
        rule.at(key).lose(reason)
    port = {} if name == first else {"port": name}
    return [{"path": _path(rule.at("path")), **port}]


_ONE = "holds for the whole app: write it to `expose`, or make another app of it"
_OF_A_RULE = {
    "healthcheck": "the app has one readinessProbe, which may ask a path that answers for all ports",
    "stickiness": _ONE,
    "deregistration_delay": _ONE,
    "allowed_source_ips": _ONE,
    "redirect_to_https": _ONE,
}


def _common(work: Work, balancer: Source, way: str) -> Fields:
    """Return what both kinds of load balancers have."""
    found: Fields = {}
    if balancer.at("stickiness").flag():
        found["targetGroupAttributes"] = {"stickiness.enabled": "true", "stickiness.type": _STICKY[way]}
    cidrs = balancer.at("allowed_source_ips").texts()
    found |= {"inboundCidrs": cidrs} if cidrs else {}
    delay = units.duration(balancer.at("deregistration_delay").text())
    if delay is not None:
        found["deregistrationDelaySeconds"] = min(delay, 3600)
        work.draft.put("terminationGracePeriodSeconds", max(30, min(delay, 3600) + _GRACE))
    codes = balancer.at("healthcheck").at("success_codes")
    if codes and _CODES.fullmatch(codes.text()):
        found["annotations"] = {"alb.ingress.kubernetes.io/success-codes": codes.text()}
    else:
        codes.lose("a probe takes codes from 200 to 399 as good: let the path answer so")
    return found


def _probe(work: Work, check: Source, number: int) -> None:
    """Put the readiness probe of a load balancer's check."""
    if not check:
        return
    path = check if not isinstance(check.value, dict) else check.at("path")
    asked = check.at("port").number() or number
    asks: Fields = {"path": path.text("/")}
    asks |= {"port": asked} if asked != number else {}
    asks |= {"scheme": "HTTPS"} if asked == 443 else {}
    work.draft.put("readinessProbe", probes.probe({"httpGet": asks}, **_times(check)))


def _times(check: Source) -> dict[str, int]:
    check.at("grace_period").take()  # a probe lets a Pod start for as long as it takes
    healthy = check.at("healthy_threshold").number()
    return {
        "periodSeconds": units.duration(check.at("interval").text()) or 10,
        "timeoutSeconds": units.duration(check.at("timeout").text()) or 5,
        "failureThreshold": check.at("unhealthy_threshold").number(2),
        **({"successThreshold": healthy} if healthy > 1 else {}),
    }


def _nlb(work: Work, nlb: Source, ports: Ports, *, public: bool) -> Fields:
    found: Fields = {"hosts": hosts} if (hosts := list(_hosts(nlb))) else {}
    found |= {"public": True} if public else {}
    found["via"] = "nlb"
    _listener(work, nlb, ports)
    for listener in nlb.at("additional_listeners").items():
        _listener(work, listener, ports)
        for key in ("healthcheck", "stickiness", "deregistration_delay", "ssl_policy"):
            listener.at(key).lose("holds for all ports of the load balancer: write it to `expose`")
    check = nlb.at("healthcheck")
    if check:
        port = check.at("port").number()
        asks = {"tcpSocket": {"port": port} if port else {}}
        work.draft.put("readinessProbe", probes.probe(asks, **_times(check)))
    policy = nlb.at("ssl_policy").text()
    found |= {"sslPolicy": policy} if policy else {}
    return found | _common(work, nlb, "nlb")


def _listener(work: Work, listener: Source, ports: Ports) -> None:
    """Add the port of a listener, such as `443/tls`, and the one that it leads to."""
    port = listener.at("port")
    text, _, protocol = str(port.value or "").partition("/")
    number = int(text) if units.is_number(text) else 0
    named = listener.at("target_container") or listener.at("target_port")
    target = _target(work, listener) if named else number
    if not number:
        port.lose("it is no port: write it as 443/tls")
        return
    port.take()
    kind = "UDP" if protocol.lower() == "udp" else ""
    ports.add(target, protocol=kind, servicePort=number if number != target else 0)
    if protocol.lower() == "tls":
        port.note("the load balancer ends TLS with a certificate: write its ARN to expose.certificateArn")
