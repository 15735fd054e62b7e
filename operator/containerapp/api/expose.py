"""How an app is reached from outside the cluster: the fields of `expose`.

Imported by the kinds' own modules. The docstring below each field is what `kubectl explain` shows. Which way takes
which field stands in `WAYS`: the rules here refuse what the named way lacks, and the operator what the platform's way
lacks. It knows no annotation of any controller.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from containerapp.api.schema.fields import (
    Attributes,
    Boolean,
    CertificateArn,
    Cidr,
    ExposeAnnotations,
    GroupName,
    GroupOrder,
    HeaderName,
    Headers,
    HostName,
    IdleSeconds,
    NamespaceName,
    ObjectName,
    PolicyName,
    PortName,
    RoutePath,
    Seconds,
    WebAclArn,
)
from containerapp.api.schema.fields import Delay as DrainSeconds
from containerapp.api.schema.rules import ApiModel, Rule

Via = Literal["alb", "gateway", "ingress", "nlb"]

_HTTP = ("alb", "gateway", "ingress")
WAYS: dict[str, tuple[str, ...]] = {
    "public": ("alb", "nlb"),
    "path": _HTTP,
    "paths": _HTTP,
    "https": ("alb",),
    "redirect": ("alb",),
    "certificate_arn": ("alb", "nlb"),
    "certificate_arns": ("alb", "nlb"),
    "tls_secret_name": ("ingress",),
    "ssl_policy": ("alb", "nlb"),
    "class_name": ("alb", "ingress", "nlb"),
    "group": ("alb",),
    "group_order": ("alb",),
    "gateway": ("gateway",),
    "request_headers": ("gateway",),
    "response_headers": ("gateway",),
    "rewrite_path": ("gateway",),
    "timeout_seconds": ("gateway",),
    "idle_timeout_seconds": ("alb",),
    "inbound_cidrs": ("alb", "nlb"),
    "waf_acl_arn": ("alb",),
    "attributes": ("alb", "nlb"),
}
"""By the name of a field: the ways that have it. A field that is not here goes with each of them."""


class ExposedPath(ApiModel):
    """A path of the app's hosts, and the port that serves it."""

    path: RoutePath
    """Path, for example `/api`."""
    type: Literal["Prefix", "Exact"] = "Prefix"
    """`Prefix` takes all paths below, too, part by part: `/api` takes `/api/v1` and not `/apis`. Default: `Prefix`."""
    port: PortName | None = None
    """Port of the app, by its name in `ports`. Default: that of `expose.port`."""


class GatewayReference(ApiModel):
    """A Gateway of the Gateway API."""

    name: ObjectName
    """Name of the Gateway."""
    namespace: NamespaceName | None = None
    """Its namespace; its listener must allow routes of the app's. Default: the app's own."""
    section_name: ObjectName | None = None
    """The one listener of it to use, for example `https`. Default: all that take the hosts."""


class HeaderChanges(ApiModel):
    """Headers to set and to remove."""

    set: Headers = Field(default_factory=dict)
    """Headers by name, which replace what there is."""
    remove: Annotated[tuple[HeaderName, ...], Field(max_length=16)] = ()
    """Names of headers to remove."""


def _field(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _is_given(expose: Any, name: str) -> bool:
    value = getattr(expose, name)
    return value not in (None, False, (), {})


def _goes_with(name: str, ways: tuple[str, ...]) -> Rule:
    """A field that the named way lacks would be ignored without a word."""
    field = f"self.{_field(name)}"
    given = {
        "public": field,
        **dict.fromkeys(("https", "redirect"), f"has({field}) && {field}"),
        **dict.fromkeys(_COLLECTIONS, f"has({field}) && {field}.size() > 0"),
    }.get(name, f"has({field})")
    listed = ", ".join(f"'{way}'" for way in ways)
    return Rule(
        cel=f"!has(self.via) || self.via in [{listed}] || !({given})",
        holds=lambda expose: expose.via in {None, *ways} or not _is_given(expose, name),
        message=f"expose.{_field(name)} goes with via: {' or '.join(ways)} only: remove it, or change via",
        path=f".{_field(name)}",
    )


_COLLECTIONS = ("paths", "certificate_arns", "inbound_cidrs", "attributes")
_DELAY = "deregistration_delay.timeout_seconds"


class Expose(ApiModel):
    """How the app is reached from outside the cluster.

    `hosts` are enough: the way, its class or Gateway and the certificate are the platform's, or found by the hosts.
    """

    hosts: Annotated[tuple[HostName, ...], Field(max_length=16)] = ()
    """Names that the app answers to, for example `shop.example.com`, or `*.shop.example.com` for all below. ExternalDNS
    makes the records, where it is installed. Default: every name that leads to the load balancer."""
    path: RoutePath | None = None
    """Path of the hosts that the app serves, with all below it. Another app may serve another path of the same host;
    the longer path wins. Default: `/`."""
    paths: Annotated[tuple[ExposedPath, ...], Field(max_length=16)] = ()
    """Several paths, instead of `path`."""
    port: PortName | None = None
    """Port of the app that serves them, by its name in `ports`. Default: the first TCP port. Its `appProtocol` decides
    how it is spoken to: `grpc`, `kubernetes.io/h2c`, `https`, else HTTP."""
    public: Boolean = False
    """Whether the internet may reach the load balancer; for `alb` and `nlb`. Default: false, the VPC alone. Another
    value makes another load balancer. A Gateway or Ingress controller has its address already."""
    via: Via | None = None
    """What leads to the app: `alb`, an Application Load Balancer by an Ingress; `gateway`, an HTTPRoute or GRPCRoute of
    the Gateway API; `ingress`, an Ingress of any other controller; `nlb`, a Network Load Balancer of all of the app's
    ports, by its Service. Default: the platform's way, else `gateway` where the cluster and the platform have one, else
    `ingress`; the condition `Exposed` says which."""
    class_name: ObjectName | None = None
    """IngressClass, or for `nlb` the last part of the load balancer's class. Default: the platform's, else `alb` for
    `alb` and the cluster's default class for `ingress`."""
    gateway: GatewayReference | None = None
    """Gateway, for `gateway`. Default: the platform's."""

    https: Boolean | None = None
    """Whether the load balancer listens on 443, for `alb`. Default: true where there are hosts or a certificate."""
    redirect: Boolean | None = None
    """Whether the load balancer sends callers from HTTP to HTTPS, for `alb`; it holds for the whole `group`. Default:
    true with `https`."""
    certificate_arn: CertificateArn | None = None
    """Certificate of ACM or IAM, for `alb` and `nlb`. Default for `alb`: the one of ACM that covers the hosts."""
    certificate_arns: Annotated[tuple[CertificateArn, ...], Field(max_length=24)] = ()
    """Further certificates of the same load balancer, of which the caller's host name chooses."""
    tls_secret_name: ObjectName | None = None
    """Secret with the certificate and its key, for `ingress`: one that exists, or that cert-manager makes by an
    annotation of `annotations`. Without it the app is offered by HTTP, unless the controller has a certificate of its
    own."""
    ssl_policy: PolicyName | None = None
    """Security policy of TLS, for example `ELBSecurityPolicy-TLS13-1-2-2021-06`, for `alb` and `nlb`."""

    group: GroupName | None = None
    """Apps with the same name of a group share one load balancer, for `alb`. Default: one of its own, unless the
    IngressClass says otherwise."""
    group_order: GroupOrder | None = None
    """Place of the app's rules in a shared load balancer, the lowest first. Default: by the hosts and the path, so that
    the more specific one comes first."""

    request_headers: HeaderChanges | None = None
    """Changes of the request's headers, for `gateway`."""
    response_headers: HeaderChanges | None = None
    """Changes of the answer's headers, for `gateway`."""
    rewrite_path: RoutePath | None = None
    """What the app sees instead of the path's prefix, for `gateway`: with `/`, `/api/v1` becomes `/v1`."""
    timeout_seconds: Seconds | None = None
    """Seconds that an answer may take, for `gateway`; not for one of AWS."""
    idle_timeout_seconds: IdleSeconds | None = None
    """Seconds that a connection may be silent, for `alb`. Keep it below your program's own keep-alive time. Default:
    60."""
    deregistration_delay_seconds: DrainSeconds | None = None
    """Seconds that the load balancer lets running requests of a leaving Pod finish, for AWS' load balancers. Default:
    `terminationGracePeriodSeconds` less the pause before SIGTERM (10, or half of less than 20), and no more."""

    inbound_cidrs: Annotated[tuple[Cidr, ...], Field(max_length=64)] = ()
    """Addresses that may call the load balancer, for `alb` and `nlb`. Default: all."""
    waf_acl_arn: WebAclArn | None = None
    """Web ACL of AWS WAF, for `alb`."""
    attributes: Attributes = Field(default_factory=dict)
    """Attributes of the load balancer, for `alb` and `nlb`, for example `deletion_protection.enabled: "true"`."""
    target_group_attributes: Attributes = Field(default_factory=dict)
    """Attributes of the target group, for AWS' load balancers, for example `stickiness.enabled: "true"`."""
    annotations: ExposeAnnotations = Field(default_factory=dict)
    """Annotations of the Ingress, the route, or for `nlb` the Service: what the fields above do not say. They win."""

    rules = (
        Rule(
            cel="!has(self.path) || !has(self.paths) || self.paths.size() == 0",
            holds=lambda expose: expose.path is None or not expose.paths,
            message="expose.path and expose.paths are both given: keep one; in paths, the single path is"
            " {path: <path>}",
            path=".path",
        ),
        Rule(
            cel="!has(self.redirect) || !self.redirect || !has(self.https) || self.https",
            holds=lambda expose: not expose.redirect or expose.https is not False,
            message="expose.redirect leads to HTTPS, which expose.https: false turns off: remove one of them",
            path=".redirect",
        ),
        Rule(
            cel=f"!has(self.targetGroupAttributes) || !('{_DELAY}' in self.targetGroupAttributes)",
            holds=lambda expose: _DELAY not in expose.target_group_attributes,
            message=f"expose.targetGroupAttributes must not set {_DELAY}: use expose.deregistrationDelaySeconds",
            path=".targetGroupAttributes",
        ),
        *(_goes_with(name, ways) for name, ways in WAYS.items()),
    )

    def routes(self) -> tuple[ExposedPath, ...]:
        """The paths, whichever way they were written."""
        return self.paths or (ExposedPath(path=self.path or "/"),)

    def certificates(self) -> tuple[str, ...]:
        """The ARNs of the certificates, the default one first."""
        first = (self.certificate_arn,) if self.certificate_arn else ()
        return (*first, *self.certificate_arns)

    def lacking(self, way: str) -> list[str]:
        """Name the fields that are given and that `way` lacks."""
        return [
            f"expose.{_field(name)}"
            for name, ways in WAYS.items()
            if way not in ways and _is_given(self, name)
        ]
