"""What holds for a Pod as a whole and few apps need: the names that it resolves, and what its containers share.

Fields of a custom kind's spec, common to the kinds that run Pods. Names and types are Kubernetes' own.
"""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, Literal

from pydantic import Field

from containerapp.api.schema.fields import Boolean, ObjectName
from containerapp.api.schema.rules import ApiModel, ListMap, Rule, matches


def _is_address(text: str) -> bool:
    """What CEL's isIP says: no zone, and no IPv4 address within an IPv6 one."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text and getattr(address, "ipv4_mapped", None) is None


Address = Annotated[
    str,
    Field(max_length=45),
    Rule(cel="isIP(self)", holds=_is_address, message="must be an IP address, as in 10.0.0.7 or 2001:db8::7"),
]
_SEARCH = r"([a-z0-9_]([-a-z0-9_]*[a-z0-9_])?\.)*[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?\.?"
SearchDomain = Annotated[
    str,
    Field(max_length=253),
    matches(_SEARCH, "must be a domain in lower case, as in corp.example.com"),
]
Hostname = Annotated[
    str,
    Field(max_length=63),
    matches(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", "must be a host's name without a domain, as in shop-1"),
]


class HostAlias(ApiModel):
    """A line of /etc/hosts."""

    ip: Address
    """Address that the names stand for."""
    hostnames: Annotated[tuple[ObjectName, ...], Field(min_length=1, max_length=16)]
    """Names of the address, for example `legacy.corp.example.com`."""


class DnsOption(ApiModel):
    """An option of the resolver."""

    name: Annotated[str, Field(min_length=1, max_length=63)]
    """Name of the option, for example `ndots`."""
    value: Annotated[str, Field(max_length=63)] | None = None
    """Value of the option, where it has one; a number in quotes."""


class DnsConfig(ApiModel):
    """What is added to the Pod's /etc/resolv.conf, or all of it with dnsPolicy `None`."""

    nameservers: Annotated[tuple[Address, ...], Field(max_length=3)] = ()
    """Addresses of DNS servers."""
    searches: Annotated[tuple[SearchDomain, ...], Field(max_length=8)] = ()
    """Domains in which a short name is looked up."""
    options: Annotated[tuple[DnsOption, ...], Field(max_length=16)] = ()
    """Options of the resolver. `ndots: "2"` spares programs that call names outside the cluster most of their
    look-ups."""


class PodSettings(ApiModel):
    """What holds for the Pod as a whole."""

    host_aliases: Annotated[tuple[HostAlias, ...], Field(max_length=32), ListMap("ip")] = ()
    """Lines of /etc/hosts in all containers, for names that no DNS server knows."""
    dns_policy: Literal["ClusterFirst", "Default", "None"] | None = None
    """`ClusterFirst` asks the cluster's DNS, `Default` that of the node, `None` what `dnsConfig` names alone. Default:
    `ClusterFirst`."""
    dns_config: DnsConfig | None = None
    """DNS servers, search domains and options besides those of `dnsPolicy`."""
    hostname: Hostname | None = None
    """Host name that the containers see, the same in all Pods. Default: the name of the Pod."""
    share_process_namespace: Boolean = False
    """Whether the containers see each other's processes. The Pod's own process then is the first one and removes ended
    processes, as `initProcessEnabled` of ECS does."""


def _names_a_server(spec: Any) -> bool:
    return spec.dns_policy != "None" or bool(spec.dns_config and spec.dns_config.nameservers)


POD_RULES = (
    Rule(
        cel="!has(self.dnsPolicy) || self.dnsPolicy != 'None' || (has(self.dnsConfig)"
        " && has(self.dnsConfig.nameservers) && self.dnsConfig.nameservers.size() > 0)",
        holds=_names_a_server,
        message="dnsPolicy None resolves no name without dnsConfig.nameservers: add them, or choose another dnsPolicy",
        path=".dnsConfig",
    ),
)
