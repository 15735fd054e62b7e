"""The names of AWS' annotations: those that are written, and those that EKS Auto Mode refuses. Pure.

The names are constants of the AWS Load Balancer Controller, kubernetes-sigs/aws-load-balancer-controller,
pkg/annotations/constants.go at 00c019c9b860; a test compares. What Auto Mode refuses is in the EKS User Guide, pages
auto-configure-alb and auto-configure-nlb.
"""

from __future__ import annotations

from collections.abc import Iterable

INGRESS = "alb.ingress.kubernetes.io/"
SERVICE = "service.beta.kubernetes.io/aws-load-balancer-"

_REFUSED = frozenset(
    {
        "kubernetes.io/ingress.class",
        *(
            f"{INGRESS}{suffix}"
            for suffix in ("group.name", "shield-advanced-protection", "tags", "waf-acl-id", "web-acl-id")
        ),
        *(f"{SERVICE}{suffix}" for suffix in ("internal", "proxy-protocol", "type")),
        *(
            f"{SERVICE}{suffix}"
            for suffix in (
                "access-log-enabled",
                "access-log-s3-bucket-name",
                "access-log-s3-bucket-prefix",
                "cross-zone-load-balancing-enabled",
            )
        ),
        "service.beta.kubernetes.io/load-balancer-source-ranges",
    }
)
"""An Ingress with some of these cannot even be deleted there: its finalizer stays."""


def refused_by_auto_mode(annotations: Iterable[str]) -> list[str]:
    """Return the annotations that EKS Auto Mode refuses."""
    return sorted(_REFUSED.intersection(annotations))


def listed(values: Iterable[str]) -> str:
    """Return a list as these annotations have it."""
    return ",".join(values)


def mapped(values: dict[str, str]) -> str:
    """Return a map as these annotations have it."""
    return ",".join(f"{key}={value}" for key, value in sorted(values.items()))
