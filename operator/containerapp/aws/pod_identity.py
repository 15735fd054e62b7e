"""EKS Pod Identity associations as children outside Kubernetes: which ServiceAccount has which IAM role.

Called by the engine, a few objects at a time. An association is ours where its tags say so; one of an add-on never is.
A write goes out only while this replica leads. Without an identity nothing asks Amazon EKS.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from containerapp.aws import identity_errors
from containerapp.aws.calls import Calls, client
from containerapp.aws.identity_errors import Call
from containerapp.core.external import Found, Gone, Owner, Place, Want, normal_json
from containerapp.errors import ContainerAppError, Transient

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_eks import EKSClient
    from mypy_boto3_eks.type_defs import PodIdentityAssociationSummaryTypeDef, PodIdentityAssociationTypeDef

TAG: Final = "containerapp.dev/"
"""Prefix of our tags: operator, kind, namespace, name, uid."""

PAGE: Final = 100

_CHANGEABLE: Final = ("roleArn", "targetRoleArn", "disableSessionTags", "policy")


class PodIdentityAssociations:
    """The associations of one EKS cluster. Its credentials are those that boto3 finds by itself."""

    propagation = 10.0

    def __init__(
        self,
        *,
        cluster: str,
        operator: str,
        may_write: Callable[[], bool],
        observe: Callable[[str, str], None] = lambda _operation, _outcome: None,
        connect: Callable[[], EKSClient] | None = None,
    ) -> None:
        """`operator` is the value of the tag by which this operator knows its associations.

        `may_write` is asked as every write goes out; `observe` is called with the operation and the outcome of every
        call.
        """
        self._cluster = cluster
        self._operator = operator
        self._may_write = may_write
        self._observe = observe
        self._connect = connect or partial(client, "eks", read_timeout=10, attempts=4)
        self._calls = Calls("eks", self._fenced)

    async def list(self) -> Mapping[Place, Found]:
        """Return all associations of the cluster, without roles and tags: a page of 100 a call."""
        return await self._list()

    async def find(self, place: Place) -> Found | None:
        """Return the association of a ServiceAccount, without role and tags, or None."""
        listed = await self._list(namespace=place.namespace, serviceAccount=place.name)
        return listed.get(place)

    async def read(self, found: Found) -> Found:
        """Return an association with its role and its owner."""
        answer = await self._call("DescribePodIdentityAssociation", associationId=found.id)
        return self._found(answer["association"])

    async def create(self, want: Want, owner: Owner, token: str) -> Found:
        """Associate a ServiceAccount with a role."""
        answer = await self._call(
            "CreatePodIdentityAssociation",
            namespace=want.place.namespace,
            serviceAccount=want.place.name,
            **want.content,
            clientRequestToken=token,
            tags=self._tags(owner),
        )
        return self._found(answer["association"])

    async def update(self, want: Want, found: Found) -> Found:
        """Give an association another role, target role, policy or session tags."""
        if not {"targetRoleArn", "policy"} & (found.content or {}).keys() <= want.content.keys():
            # What an update leaves out stays as it is: to take it away, another association is made.
            await self.delete(found)
            raise Gone("AssociationGone", "The association was deleted, to be made without what it had.")
        answer = await self._call("UpdatePodIdentityAssociation", associationId=found.id, **want.content)
        return self._found(answer["association"])

    async def delete(self, found: Found) -> None:
        """Delete an association."""
        await self._call("DeletePodIdentityAssociation", associationId=found.id)

    def taken(self, want: Want, found: Found) -> ContainerAppError:
        """Return what to do where the ServiceAccount has an association that is not the app's."""
        return identity_errors.taken(want, found)

    async def _list(self, **only: str) -> dict[Place, Found]:
        listed: dict[Place, Found] = {}
        page: dict[str, str] = {}
        while True:
            answer = await self._call("ListPodIdentityAssociations", maxResults=PAGE, **only, **page)
            for item in answer["associations"]:
                summary = _summary(item)
                listed[summary.place] = summary
            if not answer.get("nextToken"):
                return listed
            page = {"nextToken": answer["nextToken"]}

    async def _call(self, operation: str, **parameters: Any) -> Any:
        """Make one call, as long as this replica may."""
        if not self._cluster:
            raise identity_errors.not_configured()
        role = parameters.get("roleArn", "")
        try:
            answer = await self._calls.make(lambda eks: self._send(eks, operation, parameters))
        except (ClientError, BotoCoreError) as error:
            call = Call(operation=operation, cluster=self._cluster, role=role)
            failure = identity_errors.from_call(error, call)
            self._observe(operation, failure.reason)
            raise failure from None
        self._observe(operation, "ok")
        return answer

    def _send(self, eks: EKSClient, operation: str, parameters: dict[str, Any]) -> Any:
        if _writes(operation):
            self._check_leads()
        return getattr(eks, _method(operation))(clusterName=self._cluster, **parameters)

    def _fenced(self) -> EKSClient:
        """Return a client that asks for each attempt, as late as can be: a process may be paused before it sends."""
        eks = self._connect()
        eks.meta.events.register("before-send.eks", self._fence)
        return eks

    def _fence(self, request: Any, **_: Any) -> None:
        if request.method != "GET":
            self._check_leads()

    def _check_leads(self) -> None:
        if not self._may_write():
            raise Transient("NotLeading", "Another replica of the operator may lead by now.")

    def _tags(self, owner: Owner) -> dict[str, str]:
        return {
            f"{TAG}operator": self._operator,
            f"{TAG}kind": owner.kind,
            f"{TAG}namespace": owner.namespace,
            f"{TAG}name": owner.name,
            f"{TAG}uid": owner.uid,
        }

    def _found(self, association: PodIdentityAssociationTypeDef) -> Found:
        tags = association.get("tags", {})
        addon = association.get("ownerArn")
        ours = tags.get(f"{TAG}operator") == self._operator and not addon
        owner = Owner(**{name: tags.get(f"{TAG}{name}", "") for name in ("kind", "namespace", "name", "uid")})
        other = f"is made by another installation of the operator, {tags.get(f'{TAG}operator')}"
        return Found(
            id=association.get("associationId", ""),
            place=_place(association),
            content=_content(association),
            owner=owner if ours else None,
            described=_belongs_to(addon)
            or (other if f"{TAG}operator" in tags else "is not made by the operator"),
            created=association.get("createdAt"),
        )


def _content(association: PodIdentityAssociationTypeDef) -> dict[str, Any]:
    """Return what can be changed of an association, as the controller writes it."""
    given = {name: association.get(name) for name in _CHANGEABLE}
    content: dict[str, Any] = {name: value for name, value in given.items() if value not in {None, ""}}
    content["disableSessionTags"] = bool(given["disableSessionTags"])
    return content | ({"policy": normal_json(content["policy"])} if "policy" in content else {})


def _summary(item: PodIdentityAssociationSummaryTypeDef) -> Found:
    return Found(
        id=item.get("associationId", ""), place=_place(item), described=_belongs_to(item.get("ownerArn"))
    )


def _belongs_to(addon: str | None) -> str:
    return f"belongs to the add-on {addon}" if addon else ""


def _place(item: PodIdentityAssociationSummaryTypeDef | PodIdentityAssociationTypeDef) -> Place:
    return Place(item.get("namespace", ""), item.get("serviceAccount", ""))


def _writes(operation: str) -> bool:
    return not operation.startswith(("List", "Describe"))


def _method(operation: str) -> str:
    words = [
        ("_" if letter.isupper() and number else "") + letter.lower()
        for number, letter in enumerate(operation)
    ]
    return "".join(words)
