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
    "allowed_host_paths": "/var/log/shop,/srv/apps/*",
    "forbidden_overrides": "ServiceAccount",
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


def _sidecar(**security: Any) -> dict[str, Any]:
    return {"sidecars": [{"name": "proxy", "image": "proxy:1", "security": security}]}


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
    Case(
        spec=_sidecar(privileged=True, allowPrivilegeEscalation=True),
        words="security.privileged true of the container proxy;"
        " security.allowPrivilegeEscalation true of the container proxy",
    ),
    Case(
        spec=_sidecar(runAsNonRoot=False, runAsUser=0),
        words="security.runAsNonRoot false of the container proxy",
    ),
    Case(
        spec=_sidecar(capabilities={"add": ["NET_ADMIN"]}),
        words=f"{_CAPABILITIES.removeprefix('spec.')} of the container proxy",
    ),
    Case(
        spec=_sidecar(seccompProfile={"type": "Unconfined"}),
        words="security.seccompProfile.type Unconfined of the container proxy",
    ),
    Case(
        spec={"initContainers": [{"name": "files", "image": "files:1", "security": {"runAsNonRoot": False}}]},
        words="security.runAsNonRoot false of the container files",
    ),
    Case(spec=_service(type="LoadBalancer"), words="spec.service.type LoadBalancer"),
    Case(spec=_service(annotations={_LB: "internet-facing"}), words=f"spec.service.annotations {_LB}"),
    Case(
        spec=_service(annotations={"example.com/public": "yes"}),
        words="spec.service.annotations example.com/public",
    ),
    Case(spec={"port": 8080, "expose": {"via": "nlb"}}, words="spec.expose.via nlb"),
    Case(
        spec={"port": 8080, "expose": {"via": "alb", "annotations": {"example.com/public": "yes", "a": "b"}}},
        words="spec.expose.annotations example.com/public",
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
    Case(
        spec={"overrides": [{"kind": "ServiceAccount", "patch": {"metadata": {}}}]},
        words="spec.overrides of kind ServiceAccount",
    ),
    Case(spec={"serviceAccountName": "deploy-shop"}, words="spec.serviceAccountName deploy-shop"),
    Case(spec={}, name="admin", words="metadata.name admin, which is the name of its service account too"),
]


def _host_path(path: str) -> dict[str, Any]:
    return {"volumes": [{"name": "node", "mountPath": "/node", "hostPath": {"path": path}}]}


FORBIDDEN_BY_DEFAULT = [
    Case(spec=_host_path("/var/run"), words="spec.volumes hostPath /var/run"),
    Case(spec=_host_path("/srv/apps"), words="spec.volumes hostPath /srv/apps"),
    Case(spec=_host_path("/var/log/shop/today"), words="spec.volumes hostPath /var/log/shop/today"),
]

ALLOWED = [
    Case(spec=_sidecar(runAsNonRoot=True, seccompProfile={"type": "RuntimeDefault"})),
    Case(spec={"sidecars": [{"name": "proxy", "image": "proxy:1"}]}),
    Case(spec=_host_path("/var/log/shop")),
    Case(spec=_host_path("/srv/apps/shop")),
    Case(spec={"volumes": [{"name": "cache", "mountPath": "/cache", "emptyDir": {}}]}),
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
    Case(spec={"overrides": [{"kind": "Service", "patch": {"metadata": {}}}]}),
    Case(spec={"serviceAccountName": "administrator"}),
    Case(spec={"serviceAccountName": "shop"}, name="admin"),
    Case(spec={}, name="undeploy-shop"),
]
