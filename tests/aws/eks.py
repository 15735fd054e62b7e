"""Amazon EKS as botocore's Stubber plays it: the calls that are expected, in order, each with its answer.

Answers and errors are checked against botocore's own model of the service. Any other call fails the test.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.stub import ANY, Stubber
from mypy_boto3_eks import EKSClient

from containerapp.aws.pod_identity import PodIdentityAssociations
from containerapp.core.external import Owner, Place, Want

CLUSTER, REGION, OPERATOR = "prod", "eu-west-1", "ops/containerapp-operator"
ROLE, OTHER_ROLE = "arn:aws:iam::123456789012:role/shop", "arn:aws:iam::123456789012:role/till"
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def owner(name: str = "shop", namespace: str = "default", uid: str = "uid-1") -> Owner:
    """Return an app."""
    return Owner(kind="ContainerApp", namespace=namespace, name=name, uid=uid)


def want(role: str = ROLE, name: str = "shop", namespace: str = "default", **content: Any) -> Want:
    """Return an association as the controller wants it."""
    return Want(
        place=Place(namespace, name), content={"roleArn": role, "disableSessionTags": False, **content}
    )


def tags(of: Owner, operator: str = OPERATOR) -> dict[str, str]:
    """Return the tags of an association of ours."""
    parts = {"operator": operator, "kind": of.kind, "namespace": of.namespace, "name": of.name, "uid": of.uid}
    return {f"containerapp.dev/{name}": value for name, value in parts.items()}


def association(wanted: Want, id_: str = "a-1", tags: Mapping[str, str] | None = None, **extra: Any) -> Any:
    """Return an association in full, as EKS answers it."""
    return {
        "clusterName": CLUSTER,
        "namespace": wanted.place.namespace,
        "serviceAccount": wanted.place.name,
        "associationId": id_,
        "associationArn": f"arn:aws:eks:{REGION}:123456789012:podidentityassociation/{CLUSTER}/{id_}",
        "tags": dict(tags or {}),
        "createdAt": LONG_AGO,
        "modifiedAt": LONG_AGO,
        **wanted.content,
        **extra,
    }


def summary(place: Place, id_: str = "a-1", **extra: str) -> Any:
    """Return an association as a list shows it."""
    return {
        "clusterName": CLUSTER,
        "namespace": place.namespace,
        "serviceAccount": place.name,
        "associationId": id_,
        "associationArn": f"arn:aws:eks:{REGION}:123456789012:podidentityassociation/{CLUSTER}/{id_}",
        **extra,
    }


class Eks:
    """A client of EKS whose calls are stubbed; made where the environment has credentials."""

    def __init__(self) -> None:
        self.client: EKSClient = boto3.client("eks", region_name=REGION)
        self.stub = Stubber(self.client)
        self.stub.activate()
        self.made = 0
        """How often a client was asked for."""

    def backend(self, may_write: Callable[[], bool] = lambda: True, cluster: str = CLUSTER) -> Any:
        """Return the backend of this client, whose associations have an effect at once."""
        made = PodIdentityAssociations(
            cluster=cluster, operator=OPERATOR, may_write=may_write, connect=self._connect
        )
        made.propagation = 0.0
        return made

    def _connect(self) -> EKSClient:
        self.made += 1
        return self.client

    def lists(self, *items: Any, then: str | None = None, **given: str) -> None:
        """Expect one page of a list; `then` is the token of the next page."""
        answer = {"associations": list(items), **({"nextToken": then} if then else {})}
        expected = {"clusterName": CLUSTER, "maxResults": 100, **given}
        self.stub.add_response("list_pod_identity_associations", answer, expected)

    def creates(self, wanted: Want, of: Owner, id_: str = "a-1", **extra: Any) -> None:
        """Expect that an association is made."""
        expected = {
            "clusterName": CLUSTER,
            "namespace": wanted.place.namespace,
            "serviceAccount": wanted.place.name,
            "clientRequestToken": ANY,
            "tags": tags(of),
            **wanted.content,
        }
        answer = {"association": association(wanted, id_, tags(of), **extra)}
        self.stub.add_response("create_pod_identity_association", answer, expected)

    def reads(
        self, wanted: Want, id_: str = "a-1", tags: Mapping[str, str] | None = None, **extra: Any
    ) -> None:
        """Expect that an association is described."""
        answer = {"association": association(wanted, id_, tags, **extra)}
        self.stub.add_response("describe_pod_identity_association", answer, _by_id(id_))

    def updates(self, wanted: Want, of: Owner, id_: str = "a-1") -> None:
        """Expect that an association is given this content."""
        answer = {"association": association(wanted, id_, tags(of))}
        expected = {**_by_id(id_), **wanted.content}
        self.stub.add_response("update_pod_identity_association", answer, expected)

    def deletes(self, wanted: Want, id_: str = "a-1") -> None:
        """Expect that an association is deleted, and asked for once more."""
        answer = {"association": association(wanted, id_)}
        self.stub.add_response("delete_pod_identity_association", answer, _by_id(id_))
        self.fails("delete_pod_identity_association", "ResourceNotFoundException")

    def fails(self, method: str, code: str, message: str = "No.", status: int = 400) -> None:
        """Expect a call that EKS answers with an error."""
        self.stub.add_client_error(method, code, message, status)

    def done(self) -> bool:
        """Whether every call that was expected was made."""
        return not self.stub._queue  # type: ignore[attr-defined]


def _by_id(id_: str) -> dict[str, str]:
    return {"clusterName": CLUSTER, "associationId": id_}
