"""What apps may ask for on a platform that forbids a little of everything, for both who say so.

Used by the unit test of the operator's check and by the test of the chart's admission policy on a real API server.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SETTINGS: dict[str, Any] = {
    "forbidden_security": (
        "privileged,allowPrivilegeEscalation,runAsRoot,capabilities,seccompUnconfined,seccompLocalhost"
    ),
    "forbidden_service_types": "LoadBalancer",
    "forbidden_service_annotations": "service.beta.kubernetes.io/*,example.com/public",
    "forbidden_pod_annotations": "iam.amazonaws.com/role, sidecar.*",
    "forbidden_service_accounts": "admin,deploy-*",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One app: what it asks for besides its image, its name, and what the platform forbids of it."""

    spec: dict[str, Any]
    words: str = ""
    name: str = "shop"

    def __str__(self) -> str:
        return self.words or f"{self.name}-{self.spec}"


_ESCALATION = "spec.security.allowPrivilegeEscalation true"
_CAPABILITIES = "spec.security.capabilities other than drop ALL and add NET_BIND_SERVICE"
_LB = "service.beta.kubernetes.io/aws-load-balancer-scheme"


def _service(**service: Any) -> dict[str, Any]:
    return {"port": 8080, "service": service}


def _security(**security: Any) -> dict[str, Any]:
    return {"security": security}


FORBIDDEN = [
    Case(
        spec=_security(privileged=True, allowPrivilegeEscalation=True),
        words=f"spec.security.privileged true; {_ESCALATION}",
    ),
    Case(spec=_security(allowPrivilegeEscalation=True), words=_ESCALATION),
    Case(spec=_security(runAsNonRoot=False), words="spec.security.runAsNonRoot false"),
    Case(spec=_security(runAsNonRoot=False, runAsUser=0), words="spec.security.runAsNonRoot false"),
    Case(spec=_security(capabilities={"add": ["NET_ADMIN"]}), words=_CAPABILITIES),
    Case(spec=_security(capabilities={"drop": ["NET_RAW"]}), words=_CAPABILITIES),
    Case(spec=_security(capabilities={"drop": []}), words=_CAPABILITIES),
    Case(
        spec=_security(seccompProfile={"type": "Unconfined"}),
        words="spec.security.seccompProfile.type Unconfined",
    ),
    Case(
        spec=_security(seccompProfile={"type": "Localhost", "localhostProfile": "a.json"}),
        words="spec.security.seccompProfile.type Localhost",
    ),
    Case(spec=_service(type="LoadBalancer"), words="spec.service.type LoadBalancer"),
    Case(spec=_service(annotations={_LB: "internet-facing"}), words=f"spec.service.annotations {_LB}"),
    Case(
        spec=_service(annotations={"example.com/public": "yes"}),
        words="spec.service.annotations example.com/public",
    ),
    Case(
        spec={"podAnnotations": {"iam.amazonaws.com/role": "admin"}},
        words="spec.podAnnotations iam.amazonaws.com/role",
    ),
    Case(
        spec={"podAnnotations": {"sidecar.example.com/inject": "true"}},
        words="spec.podAnnotations sidecar.example.com/inject",
    ),
    Case(spec={"serviceAccountName": "admin"}, words="spec.serviceAccountName admin"),
    Case(spec={"serviceAccountName": "deploy-shop"}, words="spec.serviceAccountName deploy-shop"),
    Case(spec={}, name="admin", words="metadata.name admin, which is the name of its service account too"),
]

ALLOWED = [
    Case(spec={}),
    Case(spec=_security()),
    Case(spec=_security(runAsUser=1000, readOnlyRootFilesystem=True)),
    Case(spec=_security(capabilities={"add": ["NET_BIND_SERVICE"]})),
    Case(spec=_security(capabilities={"drop": ["NET_RAW", "ALL"]})),
    Case(spec=_security(seccompProfile={"type": "RuntimeDefault"})),
    Case(spec={"port": 8080}),
    Case(spec=_service(type="NodePort")),
    Case(spec=_service(annotations={"example.com/publication": "no"})),
    Case(spec={"podAnnotations": {"prometheus.io/scrape": "true", "iam.amazonaws.com/role-of": "x"}}),
    Case(spec={"serviceAccountName": "administrator"}),
    Case(spec={"serviceAccountName": "shop"}, name="admin"),
    Case(spec={}, name="undeploy-shop"),
]
