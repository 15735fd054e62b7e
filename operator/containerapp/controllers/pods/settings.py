"""What holds for the Pod as a whole, as far as it is set: `api.pod` in the words of a Pod.

Called by the template. What is not set is not rendered, so that it stays Kubernetes' own default.
"""

from __future__ import annotations

from containerapp.api.pod import DnsConfig, PodSettings
from containerapp.controllers.pods.container import plain
from containerapp.core.model import Manifest


def pod_settings(spec: PodSettings) -> Manifest:
    """Return the part of the Pod's spec."""
    optional = {
        "hostname": spec.hostname,
        "hostAliases": [plain(alias) for alias in spec.host_aliases],
        "dnsPolicy": spec.dns_policy,
        "dnsConfig": _dns(spec.dns_config) if spec.dns_config else None,
        "shareProcessNamespace": spec.share_process_namespace,
    }
    return {key: value for key, value in optional.items() if value}


def _dns(config: DnsConfig) -> Manifest:
    return {key: value for key, value in plain(config).items() if value}
