"""The annotations that the AWS Load Balancer Controller knows: facts, to hold what is rendered against.

From kubernetes-sigs/aws-load-balancer-controller, pkg/annotations/constants.go at 00c019c9b860 (Apache-2.0), those of
Ingresses and Services that an app could need. What EKS Auto Mode refuses: EKS User Guide, auto-configure-alb and
auto-configure-nlb.
"""

from __future__ import annotations

_INGRESS = """
auth-idp-cognito auth-idp-oidc auth-on-unauthenticated-request auth-scope auth-session-cookie auth-session-timeout
auth-type backend-protocol backend-protocol-version certificate-arn group.name group.order healthcheck-interval-seconds
healthcheck-path healthcheck-port healthcheck-protocol healthcheck-timeout-seconds healthy-threshold-count inbound-cidrs
ip-address-type jwt-validation listen-ports listener-attributes load-balancer-attributes load-balancer-name
manage-backend-security-group-rules mutual-authentication scheme security-group-prefix-lists security-groups
shield-advanced-protection ssl-policy ssl-redirect subnets success-codes tags target-group-attributes
target-node-labels target-type unhealthy-threshold-count use-regex-path-match waf-acl-id wafv2-acl-arn wafv2-acl-name
web-acl-id
"""
_SERVICE = """
access-log-enabled access-log-s3-bucket-name access-log-s3-bucket-prefix additional-resource-tags alpn-policy attributes
backend-protocol cross-zone-load-balancing-enabled eip-allocations healthcheck-healthy-threshold healthcheck-interval
healthcheck-path healthcheck-port healthcheck-protocol healthcheck-success-codes healthcheck-timeout
healthcheck-unhealthy-threshold internal ip-address-type listener-attributes manage-backend-security-group-rules name
nlb-target-type proxy-protocol scheme security-group-prefix-lists security-groups ssl-cert ssl-negotiation-policy
ssl-ports subnets target-group-attributes target-node-labels type
"""
INGRESS, SERVICE = "alb.ingress.kubernetes.io/", "service.beta.kubernetes.io/aws-load-balancer-"
KNOWN = frozenset(
    [f"{INGRESS}{suffix}" for suffix in _INGRESS.split()]
    + [f"{SERVICE}{suffix}" for suffix in _SERVICE.split()]
)
REFUSED_BY_AUTO_MODE = frozenset(
    {
        "kubernetes.io/ingress.class",
        f"{INGRESS}group.name",
        f"{INGRESS}shield-advanced-protection",
        f"{INGRESS}tags",
        f"{INGRESS}waf-acl-id",
        f"{INGRESS}web-acl-id",
        f"{SERVICE}access-log-enabled",
        f"{SERVICE}access-log-s3-bucket-name",
        f"{SERVICE}access-log-s3-bucket-prefix",
        f"{SERVICE}cross-zone-load-balancing-enabled",
        f"{SERVICE}internal",
        f"{SERVICE}proxy-protocol",
        f"{SERVICE}type",
        "service.beta.kubernetes.io/load-balancer-source-ranges",
    }
)
