"""Why the API server refuses the Pods of a Deployment: quotas, limits, policies. Pure.

Called with the message of the Deployment's condition ReplicaFailure. There is no Pod that could say it.
"""

from __future__ import annotations

from containerapp.controllers.workloads.diagnosis.kinds import LIKELY, WAITING, Kind, classified

_BY_PLATFORM = "ask who set it in the namespace"
KINDS = (
    Kind(
        says="the quota {quota} is exceeded: requested {requested}, used {used}, limited to {limited}",
        remedy=f"Lower spec.resources, delete what is not needed, or raise the quota ({_BY_PLATFORM}).",
        certainty=LIKELY,
        pattern=r"exceeded quota: (?P<quota>[^,]+), requested: (?>(?P<requested>.*?), used: )"
        r"(?>(?P<used>.*?), limited: )(?P<limited>[^;]*)",
    ),
    Kind(
        says="the quota {quota} wants every Pod to have {field}",
        remedy="Set it in spec.resources.",
        pattern=r"failed quota: (?P<quota>[^:]+): must specify (?P<field>[\w./,-]+)",
    ),
    Kind(
        says="a LimitRange of the namespace refuses the Pod: {limit}",
        remedy=f"Change spec.resources, or the LimitRange ({_BY_PLATFORM}).",
        pattern=r"(?P<limit>(?:maximum|minimum) [\w./-]+ usage per (?:Container|Pod) is [^\]]*"
        r"|[\w./-]+ max limit to request ratio per \w+ is [^\]]*)",
    ),
    Kind(
        says="Pod Security {level} refuses the Pod: {why}",
        remedy="Remove the relaxation from spec.security, or run the app in a namespace that allows it.",
        pattern=r"violates PodSecurity \"(?P<level>[^\"]*)\": (?P<why>.*)",
    ),
    Kind(
        says="ServiceAccount {name} does not exist",
        remedy="Create it, or correct spec.serviceAccountName.",
        pattern=r"serviceaccount \"(?P<name>[^\"]*)\" not found",
    ),
    Kind(
        says="the PriorityClass {name} does not exist",
        remedy="Create it, or name another one.",
        pattern=r"no PriorityClass with name (?P<name>\S+)",
    ),
    Kind(
        says="the admission webhook {webhook} refuses the Pod: {why}",
        remedy=f"Change what it asks for in the spec, or exclude the namespace from it ({_BY_PLATFORM}).",
        pattern=r"admission webhook \"(?P<webhook>[^\"]*)\" denied the request: (?P<why>.*)",
    ),
    Kind(
        says="the admission webhook {webhook} does not answer",
        remedy=f"Start what serves it, or delete its configuration ({_BY_PLATFORM}). The API server says: {{quote}}.",
        certainty=WAITING,
        pattern=r"failed calling webhook \"(?P<webhook>[^\"]*)\"",
    ),
    Kind(
        says="the policy {policy} refuses the Pod: {why}",
        remedy=f"Change what it asks for in the spec, or its binding ({_BY_PLATFORM}).",
        pattern=r"ValidatingAdmissionPolicy '(?P<policy>[^']*)'.* denied request: (?P<why>.*)",
    ),
    Kind(
        says="the namespace is being deleted",
        remedy="Apply the app in another namespace.",
        pattern=r"because it is being terminated",
    ),
    Kind(
        says="the API server refuses its Pods: {quote}",
        remedy="Change what the message names.",
        certainty=LIKELY,
    ),
)


def refusal(message: str) -> str:
    """Return why no Pod is created, as one sentence with a remedy."""
    return classified(KINDS, message, {}).sentence("No Pod is created")
