"""The scalars and maps of the API: types with bounds, and messages that say how to mend a wrong value.

Used by the objects in `kubernetes` and `v1alpha1`. Every string, list and map is bounded, because the API
server counts the cost of a rule by the largest value that could reach it. Nothing here knows which object
a value belongs to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_network
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, Strict
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from containerapp.api.schema.quantity import MAX_LENGTH, QUANTITY_PATTERN, is_quantity, quantity
from containerapp.api.schema.rules import Rule, matches, never

if TYPE_CHECKING:
    from pydantic.json_schema import JsonSchemaValue


@dataclass(frozen=True, slots=True)
class IntOrString:
    """Kubernetes' int-or-string; with `text` an integer is kept as its digits, as quantities are."""

    text: bool = False

    def check(self, value: Any) -> int | str:
        """The integer or string itself; anything else is refused."""
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise PydanticCustomError("type", "must be an integer or a string (put a fraction in quotes)")
        if len(str(value)) > self.longest:
            raise PydanticCustomError("string_too_long", "too long", {"max_length": self.longest})
        return str(value) if self.text else value

    @property
    def longest(self) -> int:
        """The most characters that the text may have."""
        return MAX_LENGTH if self.text else 15

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"x-kubernetes-int-or-string": True, "maxLength": self.longest}


def _within(low: int, high: int) -> Any:
    return Field(ge=low, le=high)


Boolean = Annotated[bool, Strict()]
Text = Annotated[str, Field(max_length=32768)]
PortNumber = Annotated[int, Strict(), _within(1, 65535)]
UserOrGroup = Annotated[int, Strict(), _within(0, 2147483647)]
Replicas = Annotated[int, Strict(), _within(0, 1000)]
GraceSeconds = Annotated[int, Strict(), _within(0, 7200)]
Seconds = Annotated[int, Strict(), _within(1, 3600)]
Deadline = Annotated[int, Strict(), _within(1, 2147483647)]
MinReady = Annotated[int, Strict(), _within(0, 3600)]
HistoryLimit = Annotated[int, Strict(), _within(0, 100)]
RevisionNumber = Annotated[int, Strict(), _within(1, 2147483647)]
Delay = Annotated[int, Strict(), _within(0, 3600)]
Threshold = Annotated[int, Strict(), _within(1, 1000)]
ScaledReplicas = Annotated[int, Strict(), _within(1, 1000)]
Utilization = Annotated[int, Strict(), _within(1, 1000)]

# --- image references -----------------------------------------------------------------------------

_COMPONENT = r"[a-z0-9]+(?:(?:[.]|__?|-+)[a-z0-9]+)*"
_HOST_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = rf"(?:{_HOST_LABEL}(?:\.{_HOST_LABEL})*|\[[0-9a-fA-F:.]+\])(?::[0-9]{{1,5}})?"
_NAMES_A_HOST = r"^[^/@]*[.:][^/@]*/|^localhost/"
_UPPER = r"(?:[^@]*[A-Z][^@]*/|(?:[^@]*/)?[^:@/]*[A-Z])"
_DIGEST = r"@(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_TAGGED = r"^[^@]*:[^/@]*(?:@|$)"
_SHORT = rf"{_COMPONENT}(?:/{_COMPONENT})*(?::[^/@]*)?(?:@.*)?$"
_WELL_TAGGED = rf"^(?:[^@/]+/)?[^:@]*:{_TAG}(?:@|$)"

Image = Annotated[
    str,
    Field(min_length=1, max_length=600),
    never(r"[ \t\r\n]", "the image contains white space: remove it"),
    never("://", "the image starts with a URL scheme: leave it out and begin with the registry's host"),
    Rule(
        cel=f"!self.matches(self.matches(r'{_NAMES_A_HOST}') ? r'^[^/]*/{_UPPER}' : r'^{_UPPER}')",
        holds=lambda image: (
            not re.match(f"[^/]*/{_UPPER}" if re.match(_NAMES_A_HOST, image) else _UPPER, image)
        ),
        message="the image has upper-case letters in its repository: write them in lower case",
    ),
    Rule(
        cel=f"!self.matches(r'{_TAGGED}') || self.matches(r'{_WELL_TAGGED}')",
        holds=lambda image: not re.search(_TAGGED, image) or bool(re.search(_WELL_TAGGED, image)),
        message="the image has a bad tag: a tag is 1 to 128 letters, digits, '_', '.' or '-', as in"
        " shop:1.4.2",
    ),
    Rule(
        cel=f"!self.contains('@') || self.matches(r'{_DIGEST}')",
        holds=lambda image: "@" not in image or bool(re.search(_DIGEST, image)),
        message="the image has a bad digest: write sha256: and 64 hexadecimal digits, or leave the digest out",
    ),
    Rule(
        cel=f"self.matches(self.matches(r'{_NAMES_A_HOST}') ? r'^{_HOST}/{_SHORT}' : r'^{_SHORT}')",
        holds=lambda image: bool(
            re.match(f"{_HOST}/{_SHORT}" if re.match(_NAMES_A_HOST, image) else _SHORT, image)
        ),
        message="the image must read [registry/]repository[:tag][@digest], for example shop:1.4.2",
    ),
]

# --- names ----------------------------------------------------------------------------------------

_LOCAL_NAME = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_DNS_1123 = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"

ObjectName = Annotated[
    str,
    Field(max_length=253),
    matches(
        _DNS_1123, "must be an object's name: lower-case letters, digits, '-' and '.', as in shop-config"
    ),
]
_LABEL_1123 = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
AppName = Annotated[
    str,
    Field(max_length=63),
    matches(
        r"[a-z]([-a-z0-9]*[a-z0-9])?",
        "must be an app's name: lower-case letters, digits and '-', as in shop-api",
    ),
]
NamespaceName = Annotated[
    str,
    Field(max_length=63),
    matches(_LABEL_1123, "must be a namespace's name: lower-case letters, digits and '-', as in checkout"),
]
PortName = Annotated[
    str,
    Field(max_length=15),
    matches(
        r"([a-z0-9]+-)*[a-z0-9]*[a-z][a-z0-9]*(-[a-z0-9]+)*",
        "a port's name has lower-case letters, digits and single '-', at least one letter, and at most 15 of"
        " them, as in http or grpc-admin",
    ),
]
ContainerName = Annotated[
    str,
    Field(max_length=63),
    matches(
        r"[a-z0-9]([-a-z0-9]*[a-z0-9])?",
        "a container's name has lower-case letters, digits and '-', as in log-router",
    ),
    never("^app$", "app is the name of the app's own container: choose another name, as in proxy"),
]
EnvName = Annotated[
    str,
    Field(max_length=253),
    matches(
        r"[ -<>-~]+",
        "an env name has printable ASCII characters but no '=', and at least one: rename it, as in LOG_LEVEL",
    ),
]
EnvPrefix = Annotated[
    str,
    Field(max_length=253),
    matches(
        r"[ -<>-~]*",
        "an envFrom prefix has printable ASCII characters but no '=', as in DB_",
    ),
]
DataKey = Annotated[
    str,
    Field(max_length=253),
    matches(r"[-._a-zA-Z0-9]+", "a key has letters, digits, '-', '_' and '.' only, as in database-url"),
]
Capability = Annotated[
    str,
    Field(max_length=64),
    matches(r"[A-Z][A-Z_]*", "a capability is written in upper case, as in NET_BIND_SERVICE or ALL"),
    never("^CAP_", "a capability is written without CAP_, as in NET_BIND_SERVICE"),
]
QualifiedName = Annotated[
    str,
    Field(max_length=317),
    matches(
        rf"({_DNS_1123}/)?{_LOCAL_NAME}",
        "must be a name with an optional domain before it, as in example.com/internal",
    ),
]
HeaderName = Annotated[
    str,
    Field(max_length=256),
    matches(r"[-A-Za-z0-9]+", "a header's name has letters, digits and '-' only, as in X-Probe"),
]
AbsolutePath = Annotated[
    str,
    Field(max_length=4096),
    matches(r"/.*", "must be an absolute path: begin it with '/', as in /srv/shop"),
]
FieldPath = Annotated[
    str,
    Field(max_length=400),
    matches(
        r"metadata\.(name|namespace|uid|(labels|annotations)\['[-A-Za-z0-9_./]{1,317}'\])|spec\.(nodeName|serviceAccountName)"
        r"|status\.(hostIPs?|podIPs?)",
        "must be a field that a Pod can tell its containers: metadata.name, metadata.namespace, metadata.uid,"
        " metadata.labels['KEY'], metadata.annotations['KEY'], spec.nodeName, spec.serviceAccountName,"
        " status.hostIP, status.hostIPs, status.podIP or status.podIPs",
    ),
]
ResourceField = Annotated[
    str,
    Field(max_length=64),
    matches(
        r"(limits|requests)\.(cpu|memory|ephemeral-storage|hugepages-[0-9]+[KMG]i)",
        "must be limits or requests and a resource, as in limits.memory",
    ),
]

ProfilePath = Annotated[
    str,
    Field(max_length=1024),
    matches(r"[^/].*", "must be a file below the kubelet's seccomp folder, with no '/' at its beginning"),
    never(r"(^|/)\.\.(/|$)", "must stay below the kubelet's seccomp folder: remove '..'"),
]

# --- ports by number or name, and quantities ------------------------------------------------------

_PORT_NAME = re.compile(r"[a-z0-9-]{1,15}")

PortReference = Annotated[
    int | str,
    IntOrString(),
    Rule(
        cel="type(self) == int ? self >= 1 && self <= 65535 : self.matches(r'^[a-z0-9-]{1,15}$')",
        holds=lambda port: 1 <= port <= 65535 if isinstance(port, int) else bool(_PORT_NAME.fullmatch(port)),
        message="a port is a number from 1 to 65535 or the name of one of spec.ports",
    ),
]
Quantity = Annotated[
    str,
    IntOrString(text=True),
    Rule(
        cel="isQuantity(string(self)) && !quantity(string(self)).isLessThan(quantity('0'))",
        holds=lambda text: is_quantity(text) and quantity(text) >= 0,
        message="must be a quantity that is not negative: cpu as in 500m or '0.5', memory as in 256Mi or 1Gi",
        pattern=f"^{QUANTITY_PATTERN}$",
    ),
]
PositiveQuantity = Annotated[
    Quantity,
    Rule(
        cel="!isQuantity(string(self)) || quantity(string(self)).isGreaterThan(quantity('0'))",
        holds=lambda text: quantity(text) > 0,
        message="must be more than 0: raise it, or remove the metric",
    ),
]
_PERCENT = r"(100|[1-9]?[0-9])%"
IntOrPercent = Annotated[
    int | str,
    IntOrString(),
    Rule(
        cel=f"type(self) == int ? self >= 0 && self <= 1000 : self.matches(r'^{_PERCENT}$')",
        holds=lambda pods: (
            0 <= pods <= 1000 if isinstance(pods, int) else re.fullmatch(_PERCENT, pods) is not None
        ),
        message="must be a number of Pods, as in 1, or a percentage of them, as in 25%",
        pattern=f"^{_PERCENT}$",
    ),
]
Interval = Annotated[
    str,
    Field(max_length=32),
    matches(r"[1-9][0-9]{0,4}[smh]", "must be a number of seconds, minutes or hours, as in 30s or 1m"),
]
UrlPath = Annotated[
    str,
    Field(max_length=1024),
    matches(r"/[^ ?#]*", "must be the path of a URL: begin it with '/', as in /metrics"),
]

# --- addresses ------------------------------------------------------------------------------------


def _is_cidr(text: str) -> bool:
    """Whether the API server takes the text for a block of addresses: an IPv4 address written as IPv6 it refuses."""
    try:
        first = ip_network(text, strict=False).network_address
    except ValueError:
        return False
    return not (isinstance(first, IPv6Address) and first.ipv4_mapped)


Cidr = Annotated[
    str,
    Field(max_length=43),
    Rule(
        cel="self.matches(r'^[0-9.]+/[0-9]+$|^[0-9a-f:]+/[0-9]+$') && isCIDR(self)",
        holds=lambda text: bool(re.fullmatch(r"[0-9.]+/[0-9]+|[0-9a-f:]+/[0-9]+", text)) and _is_cidr(text),
        message="must be a block of addresses, as in 10.20.0.0/16 or 2001:db8::/32",
        pattern=r"^[0-9.]+/[0-9]+$|^[0-9a-f:]+/[0-9]+$",
    ),
]

HostName = Annotated[
    str,
    Field(max_length=253),
    matches(
        rf"(\*\.)?{_LABEL_1123}(\.{_LABEL_1123})*",
        "must be a host's name in lower case, as in shop.example.com or *.example.com",
    ),
]
RoutePath = Annotated[
    str,
    Field(max_length=512),
    matches(
        r"/|(/[-A-Za-z0-9._~!$&'()+,;=:@]+)+",
        "must be a path with a '/' at its beginning and none at its end, no pattern and no query, as in /api/v1",
    ),
    never(r"/\.\.?(/|$)", "must have no part '.' or '..': write the path that is meant"),
]

# --- load balancers -------------------------------------------------------------------------------

GroupOrder = Annotated[int, Strict(), _within(-1000, 1000)]
IdleSeconds = Annotated[int, Strict(), _within(1, 4000)]
CertificateArn = Annotated[
    str,
    Field(max_length=512),
    matches(
        r"arn:[-a-z]+:(acm|iam):[-a-z0-9]*:[0-9]{12}:(certificate|server-certificate)/[-A-Za-z0-9_+=.@/]+",
        "must be the ARN of a certificate of ACM or IAM, as in"
        " arn:aws:acm:eu-west-1:123456789012:certificate/0b7e4c1a-5f0d-4f5e-9d43-6a1d7c2b9e01",
    ),
]
WebAclArn = Annotated[
    str,
    Field(max_length=512),
    matches(
        r"arn:[-a-z]+:wafv2:[-a-z0-9]+:[0-9]{12}:regional/webacl/[-A-Za-z0-9_]+/[-a-z0-9]+",
        "must be the ARN of a regional web ACL, as in arn:aws:wafv2:eu-west-1:123456789012:regional/webacl/NAME/ID",
    ),
]
PolicyName = Annotated[
    str,
    Field(max_length=128),
    matches(
        r"[-A-Za-z0-9]+", "must be the name of a security policy, as in ELBSecurityPolicy-TLS13-1-2-2021-06"
    ),
]
GroupName = Annotated[
    str,
    Field(max_length=63),
    matches(
        r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?",
        "a group's name has at most 63 lower-case letters, digits, '-' and '.', as in shared or team.internal",
    ),
]
AttributeValue = Annotated[
    str,
    Field(max_length=256),
    matches(r"[^,= \t\r\n]*", "an attribute's value has no ',', no '=' and no white space"),
]
HeaderValue = Annotated[
    str,
    Field(min_length=1, max_length=1024),
    matches(
        r"[!-~]([ -~]*[!-~])?", "a header's value has printable ASCII characters, and no space at its ends"
    ),
]

# --- labels and annotations -----------------------------------------------------------------------

_LABEL_KEY = rf"({_DNS_1123}/)?{_LOCAL_NAME}"
_ANNOTATION_KEY = _LABEL_KEY.replace("[a-z0-9]", "[A-Za-z0-9]").replace("[-a-z0-9]", "[-A-Za-z0-9]")
_OWN_LABELS = r"(app\.kubernetes\.io/(name|managed-by)|pod-template-hash|containerapp\.dev/.*)"
_OWN_ANNOTATIONS = r"containerapp\.dev/.*"
_ANNOTATIONS_BYTES = 262144  # the API server's own limit for all annotations of one object


def _every_key(pattern: str, message: str) -> Rule:
    compiled = re.compile(pattern)
    return Rule(
        cel=f"self.all(key, key.matches(r'^{pattern}$'))",
        holds=lambda pairs: all(compiled.fullmatch(key) for key in pairs),
        message=message,
    )


def _no_key(pattern: str, message: str) -> Rule:
    compiled = re.compile(pattern)
    return Rule(
        cel=f"self.all(key, !key.matches(r'^{pattern}$'))",
        holds=lambda pairs: not any(compiled.fullmatch(key) for key in pairs),
        message=message,
    )


def _total_bytes(pairs: dict[str, str]) -> int:
    return sum(len(key.encode()) + len(value.encode()) for key, value in pairs.items())


def _well_formed(kind: str, pattern: str) -> Rule:
    return _every_key(
        pattern,
        f"{kind} key must be a name of at most 63 letters, digits, '-', '_' and '.', with an optional domain"
        " before it, as in example.com/team",
    )


Attributes = Annotated[
    dict[str, AttributeValue],
    Field(max_length=32),
    _every_key(r"[a-z0-9_.]{1,64}", "an attribute is written as in deletion_protection.enabled"),
]
Headers = Annotated[
    dict[str, HeaderValue],
    Field(max_length=16),
    _every_key(r"[-A-Za-z0-9]{1,64}", "a header's name has letters, digits and '-' only, as in X-Probe"),
]
LabelValue = Annotated[
    str,
    Field(max_length=63),
    matches(
        r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?",
        "a label's value has at most 63 letters, digits, '-', '_' and '.', and begins and ends with a"
        " letter or digit",
    ),
]


def _labels(field: str) -> tuple[Rule, ...]:
    return (
        _well_formed(f"a {field}", _LABEL_KEY),
        _no_key(
            _OWN_LABELS,
            f"{field} must not set app.kubernetes.io/name, app.kubernetes.io/managed-by, pod-template-hash or"
            " containerapp.dev/*: they belong to the operator; choose another key",
        ),
    )


ChildLabels = Annotated[dict[str, LabelValue], Field(max_length=64), *_labels("labels")]
PodLabels = Annotated[dict[str, LabelValue], Field(max_length=64), *_labels("podLabels")]
MonitorLabels = Annotated[dict[str, LabelValue], Field(max_length=64), *_labels("metrics.labels")]
NodeLabels = Annotated[
    dict[str, LabelValue], Field(max_length=32), _well_formed("placement.nodeSelector", _LABEL_KEY)
]


def _annotations(field: str) -> tuple[Rule, ...]:
    return (
        _well_formed(f"a {field}", _ANNOTATION_KEY),
        _no_key(
            _OWN_ANNOTATIONS,
            f"{field} must not set containerapp.dev/*: they belong to the operator; choose another key",
        ),
        Rule(
            cel=f"self.map(key, bytes(key).size() + bytes(self[key]).size()).sum() <= {_ANNOTATIONS_BYTES}",
            holds=lambda pairs: _total_bytes(pairs) <= _ANNOTATIONS_BYTES,
            message=f"{field} are too big: keep them below 256 KiB in all, for example in a ConfigMap",
        ),
    )


PodAnnotations = Annotated[dict[str, Text], Field(max_length=64), *_annotations("podAnnotations")]
ServiceAnnotations = Annotated[dict[str, Text], Field(max_length=64), *_annotations("service.annotations")]
ExposeAnnotations = Annotated[dict[str, Text], Field(max_length=64), *_annotations("expose.annotations")]
