"""The group `identity`: the IAM role that an app's Pods act as.

Imported by the custom kinds that run Pods. The docstring below each field is what `kubectl explain` shows. What depends
on the cluster (the default method, the roles that a namespace may name) is for the controller to judge.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from containerapp.api.placement import not_on_fargate
from containerapp.api.schema.fields import Boolean
from containerapp.api.schema.rules import ApiModel, Rule, matches

RoleArn = Annotated[
    str,
    Field(min_length=20, max_length=640),
    matches(
        r"arn:aws[a-z-]{0,16}:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]{1,576}",
        "must be the ARN of an IAM role, as in arn:aws:iam::123456789012:role/shop",
    ),
]
SessionPolicy = Annotated[
    str,
    Field(min_length=2, max_length=2048),
    matches(
        r"[ \t\r\n]*\{[\s\S]*\}[ \t\r\n]*",
        "identity.policy must be an IAM policy as JSON text: begin with { and end with }",
    ),
]

_OF_POD_IDENTITY = "has(self.targetRoleArn) || has(self.policy) || self.disableSessionTags"


class Identity(ApiModel):
    """The IAM role that the Pods act as, so that the AWS SDKs find its credentials by themselves."""

    role_arn: RoleArn
    """ARN of the role, for example `arn:aws:iam::123456789012:role/shop`. It is in the cluster's account, and its trust
    policy lets EKS Pod Identity (or, for `IRSA`, the cluster's OIDC provider) assume it. A changed role restarts the
    Pods, by an ordinary rollout."""
    method: Literal["PodIdentity", "IRSA"] | None = None
    """How the Pods get the role's credentials. `PodIdentity`: the operator keeps an EKS Pod Identity association for
    the app's ServiceAccount. `IRSA`: the operator annotates the ServiceAccount. Default: what the platform team
    has set, which is `PodIdentity` unless they changed it; on Fargate `IRSA`."""
    target_role_arn: RoleArn | None = None
    """ARN of a second role, in any account, that the first one assumes: the Pods get the credentials of this one. For
    `PodIdentity` only."""
    policy: SessionPolicy | None = None
    """Session policy (JSON) that narrows what the role may do, or with `targetRoleArn` what that role may do. For
    `PodIdentity` only; it needs `disableSessionTags: true`."""
    disable_session_tags: Boolean = False
    """Whether EKS leaves out the session tags (cluster, namespace, ServiceAccount, Pod), by which policies can be
    written. For `PodIdentity` only."""

    rules = (
        Rule(
            cel="!has(self.policy) || self.disableSessionTags",
            holds=lambda identity: identity.policy is None or identity.disable_session_tags,
            message="identity.policy needs disableSessionTags: true, as EKS takes either a session policy or session"
            " tags: set it, or remove the policy",
            path=".policy",
        ),
        Rule(
            cel=f"!has(self.method) || self.method != 'IRSA' || !({_OF_POD_IDENTITY})",
            holds=lambda identity: identity.method != "IRSA" or not identity.needs_pod_identity(),
            message="identity.targetRoleArn, policy and disableSessionTags go with method PodIdentity only: remove"
            " them, or set method: PodIdentity",
            path=".method",
        ),
    )

    def needs_pod_identity(self) -> bool:
        """Whether a field is given that IRSA has no place for."""
        return self.target_role_arn is not None or self.policy is not None or self.disable_session_tags


def _may_annotate(spec: Any) -> bool:
    return spec.identity is None or spec.identity.method != "IRSA" or spec.service_account_name is None


IDENTITY_RULES = (
    Rule(
        cel="!has(self.identity) || !has(self.identity.method) || self.identity.method != 'IRSA'"
        " || !has(self.serviceAccountName)",
        holds=_may_annotate,
        message="identity.method IRSA annotates the ServiceAccount that is made for the app, and serviceAccountName"
        " names another: remove serviceAccountName; or remove identity, and annotate that ServiceAccount with"
        " eks.amazonaws.com/role-arn yourself",
        path=".identity.method",
    ),
)
"""For the rules of a spec with `identity` and `serviceAccountName`."""

IDENTITY_ON_FARGATE = (
    not_on_fargate(
        "has(self.identity) && (has(self.identity.targetRoleArn) || has(self.identity.policy)"
        " || self.identity.disableSessionTags || (has(self.identity.method) && self.identity.method == 'PodIdentity'))",
        lambda spec: (
            spec.identity is not None
            and (spec.identity.method == "PodIdentity" or spec.identity.needs_pod_identity())
        ),
        "Fargate has no EKS Pod Identity: set identity.method: IRSA and remove targetRoleArn, policy and"
        " disableSessionTags, or run on EC2 nodes",
        ".identity",
    ),
)
"""For the rules of a spec with `identity` and `placement`."""
