"""Pod Identity associations, call by call: `containerapp.aws.pod_identity`, by botocore's Stubber."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError, NoRegionError

from containerapp.aws import calls, pod_identity
from containerapp.aws.identity_errors import Call, from_call, taken
from containerapp.core.external import Found, Gone, Owner, Place, Taken
from containerapp.errors import Blocked, ContainerAppError, Transient
from tests.aws.eks import (
    CLUSTER,
    LONG_AGO,
    OTHER_ROLE,
    ROLE,
    Eks,
    association,
    owner,
    summary,
    tags,
    want,
)

FOUND = Found(id="a-1", place=Place("default", "shop"))
CALLS: dict[str, Callable[[Any], Any]] = {
    "list_pod_identity_associations": lambda backend: backend.list(),
    "describe_pod_identity_association": lambda backend: backend.read(FOUND),
    "create_pod_identity_association": lambda backend: backend.create(want(), owner(), "token"),
    "update_pod_identity_association": lambda backend: backend.update(want(), FOUND),
    "delete_pod_identity_association": lambda backend: backend.delete(FOUND),
}
MEANING: dict[str, tuple[type[ContainerAppError], str]] = {
    "ServerException": (Transient, "EksUnavailable"),
    "ResourceNotFoundException": (Gone, "AssociationGone"),
    "InvalidRequestException": (Blocked, "IdentityRejected"),
    "InvalidParameterException": (Blocked, "IdentityRejected"),
    "ResourceLimitExceededException": (Blocked, "AssociationLimitExceeded"),
    "ResourceInUseException": (Taken, "AssociationExists"),
}


@pytest.fixture
def eks(credentials: pytest.MonkeyPatch) -> Eks:  # noqa: ARG001 - an environment in which a client can be made
    """A client whose calls are stubbed."""
    return Eks()


async def _failure(call: Any) -> ContainerAppError:
    with pytest.raises(ContainerAppError) as caught:
        await call
    return caught.value


async def test_a_list_is_read_page_by_page(eks: Eks) -> None:
    """One list shows all associations of the cluster, and which of them belong to add-ons."""
    addon = "arn:aws:eks:eu-west-1:123456789012:addon/prod/aws-ebs-csi-driver/1"
    eks.lists(summary(Place("default", "shop")), then="more")
    eks.lists(summary(Place("kube-system", "ebs"), "a-2", ownerArn=addon), nextToken="more")
    listed = await eks.backend().list()
    assert listed == {
        Place("default", "shop"): Found(id="a-1", place=Place("default", "shop")),
        Place("kube-system", "ebs"): Found(
            id="a-2", place=Place("kube-system", "ebs"), described=f"belongs to the add-on {addon}"
        ),
    }
    assert eks.done()


async def test_one_association_is_found_by_its_service_account(eks: Eks) -> None:
    """After a refusal there is one to look at, and one call shows it."""
    place = Place("default", "shop")
    eks.lists(summary(place), namespace="default", serviceAccount="shop")
    eks.lists(namespace="default", serviceAccount="shop")
    backend = eks.backend()
    assert await backend.find(place) == FOUND
    assert await backend.find(place) is None


async def test_an_association_in_full_shows_whose_it_is(eks: Eks) -> None:
    """Its tags say so; a policy is compared whatever its layout."""
    full = want(targetRoleArn=OTHER_ROLE, policy='{"b": 1,\n "a": 2}', disableSessionTags=True)
    eks.reads(full, tags=tags(owner()))
    found = await eks.backend().read(FOUND)
    assert found == Found(
        id="a-1",
        place=Place("default", "shop"),
        content={
            "roleArn": ROLE,
            "targetRoleArn": OTHER_ROLE,
            "policy": '{"a":2,"b":1}',
            "disableSessionTags": True,
        },
        owner=owner(),
        described="is made by another installation of the operator, ops/containerapp-operator",
        created=LONG_AGO,
    )


@pytest.mark.parametrize(
    ("extra", "described"),
    [
        ({}, "is not made by the operator"),
        (
            {"tags": tags(owner(), operator="other/one")},
            "is made by another installation of the operator, other/one",
        ),
        ({"tags": tags(owner()), "ownerArn": "arn:addon"}, "belongs to the add-on arn:addon"),
    ],
)
async def test_an_association_of_others_has_no_owner(eks: Eks, extra: dict[str, Any], described: str) -> None:
    """It is never changed or deleted, and the app's condition says whose it is."""
    eks.stub.add_response("describe_pod_identity_association", {"association": association(want(), **extra)})
    found = await eks.backend().read(FOUND)
    assert (found.owner, found.described) == (None, described)


async def test_it_is_made_with_tags_and_a_token(eks: Eks) -> None:
    """The tags say whose it is to a later process; the token makes the call one that can be repeated."""
    eks.creates(want(targetRoleArn=OTHER_ROLE), owner())
    created = await eks.backend().create(want(targetRoleArn=OTHER_ROLE), owner(), "token")
    assert (created.id, created.owner) == ("a-1", owner())
    assert eks.done()


async def test_it_is_changed_in_its_place(eks: Eks) -> None:
    """The id stays, so that no Pod is without the association meanwhile."""
    eks.updates(want(OTHER_ROLE), owner())
    changed = await eks.backend().update(want(OTHER_ROLE), FOUND)
    assert (changed.id, changed.content) == ("a-1", dict(want(OTHER_ROLE).content))


async def test_a_policy_is_taken_away_by_another_association(eks: Eks) -> None:
    """An update leaves alone what it does not name."""
    eks.stub.add_response(
        "delete_pod_identity_association",
        {"association": association(want())},
        {"clusterName": CLUSTER, "associationId": "a-1"},
    )
    had = Found(id="a-1", place=FOUND.place, content={**want().content, "policy": "{}"})
    assert isinstance(await _failure(eks.backend().update(want(), had)), Gone)
    assert eks.done()


@pytest.mark.parametrize("method", CALLS)
async def test_each_error_of_the_model_has_a_meaning(eks: Eks, method: str) -> None:
    """An error of botocore's model that is not in the table fails this test."""
    service = botocore.session.get_session().get_service_model("eks")
    operation = "".join(word.title() for word in method.split("_"))
    for shape in service.operation_model(operation).error_shapes:
        eks.fails(method, shape.name, "Trust policy is missing.")
        error = await _failure(CALLS[method](eks.backend()))
        kind, reason = MEANING[shape.name]
        if shape.name == "ResourceNotFoundException" and method.startswith(("list", "create")):
            kind, reason = Blocked, "ClusterNotFound"
        assert (type(error), error.reason) == (kind, reason), shape.name
        assert str(error)[0].isupper()
        assert str(error).endswith(".")


@pytest.mark.parametrize("method", CALLS)
async def test_a_denied_call_names_the_missing_statement(eks: Eks, method: str) -> None:
    """It can be pasted into the policy of the role that the message names."""
    operation = "".join(word.title() for word in method.split("_"))
    arn = "arn:aws:sts::123456789012:assumed-role/containerapp-operator/eks-prod-1a2b"
    eks.fails(
        method,
        "AccessDeniedException",
        f"User: {arn} is not authorized to perform: eks:{operation} on resource: x",
        403,
    )
    error = await _failure(CALLS[method](eks.backend()))
    assert (type(error), error.reason) == (Blocked, "AccessDenied")
    assert "role `containerapp-operator` of account 123456789012 lacks" in str(error)
    assert f'{{"Effect": "Allow", "Action": "eks:{operation}", "Resource": "*"}}' in str(error)
    assert "1a2b" not in str(error)


async def test_a_role_that_may_not_be_passed_is_named(eks: Eks) -> None:
    """Passing a role takes two rights on it."""
    eks.fails(
        "create_pod_identity_association",
        "AccessDeniedException",
        f"User: arn:aws:iam::123456789012:user/me is not authorized to perform: iam:PassRole on resource: {ROLE}",
        403,
    )
    error = await _failure(eks.backend().create(want(), owner(), "token"))
    statement = f'{{"Effect": "Allow", "Action": ["iam:PassRole", "iam:GetRole"], "Resource": "{ROLE}"}}'
    assert statement in str(error)


async def test_a_denied_call_that_names_no_action_names_its_own(eks: Eks) -> None:
    """An SCP's refusal may be shorter."""
    eks.fails("delete_pod_identity_association", "AccessDeniedException", "Denied.", 403)
    error = await _failure(eks.backend().delete(FOUND))
    assert '"Action": "eks:DeletePodIdentityAssociation"' in str(error)


@pytest.mark.parametrize(
    ("code", "status", "kind", "reason"),
    [
        ("ThrottlingException", 429, Transient, "Throttled"),
        ("ExpiredTokenException", 403, Blocked, "NoCredentials"),
        ("Mystery", 503, Transient, "EksUnavailable"),
        ("Mystery", 400, Blocked, "EksRefused"),
    ],
)
async def test_common_errors_have_a_meaning(
    eks: Eks, code: str, status: int, kind: type[ContainerAppError], reason: str
) -> None:
    """They are outside the model of the service."""
    eks.fails("describe_pod_identity_association", code, "Odd.", status)
    error = await _failure(eks.backend().read(FOUND))
    assert (type(error), error.reason) == (kind, reason)


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        (NoCredentialsError(), Blocked, "NoCredentials"),
        (NoRegionError(), Blocked, "NoRegion"),
        (EndpointConnectionError(endpoint_url="https://eks"), Transient, "EksUnavailable"),
        (botocore.exceptions.ParamValidationError(report="bad"), Blocked, "EksRefused"),
    ],
)
def test_errors_before_any_answer_have_a_meaning(
    error: Any, kind: type[ContainerAppError], reason: str
) -> None:
    """No credentials, no region, no connection: each has its own remedy."""
    found = from_call(error, Call(operation="ListPodIdentityAssociations", cluster=CLUSTER))
    assert (type(found), found.reason) == (kind, reason)


def test_credentials_that_sts_refuses_are_the_operators() -> None:
    """boto3 asks STS first, and raises its refusal in the place of the call's answer."""
    refused = botocore.exceptions.ClientError(
        {"Error": {"Code": "AccessDenied"}}, "AssumeRoleWithWebIdentity"
    )
    found = from_call(refused, Call(operation="ListPodIdentityAssociations", cluster=CLUSTER))
    assert found.reason == "NoCredentials"


def test_an_association_of_others_is_named_with_the_remedy() -> None:
    """Whose it is decides what helps."""
    other = Found(id="a-9", place=FOUND.place, described="is not made by the operator")
    assert "a-9" in str(taken(want(), other))
    assert "is not made by the operator" in str(taken(want(), other))
    till = Found(
        id="a-9", place=FOUND.place, owner=Owner(kind="ContainerApp", namespace="default", name="till")
    )
    assert "of ContainerApp default/till" in str(taken(want(), till))
    assert "serviceAccountName" in str(taken(want(), till))


async def test_without_the_clusters_name_nothing_is_asked(eks: Eks) -> None:
    """The platform team has to set it."""
    error = await _failure(eks.backend(cluster="").list())
    assert (error.reason, eks.made) == ("IdentityNotConfigured", 0)


async def test_the_client_is_made_with_the_first_call(eks: Eks) -> None:
    """An operator whose apps have no identity never does."""
    backend = eks.backend()
    assert eks.made == 0
    for _ in range(2):
        eks.lists()
        await backend.list()
    assert eks.made == 1


@pytest.mark.parametrize("method", list(CALLS)[2:])
async def test_a_replica_that_may_not_write_sends_no_write(eks: Eks, method: str) -> None:
    """No answer is stubbed: a call that went out would fail otherwise."""
    error = await _failure(CALLS[method](eks.backend(may_write=lambda: False)))
    assert error.reason == "NotLeading"


async def test_a_write_is_stopped_at_the_last_moment(
    credentials: pytest.MonkeyPatch, moto_endpoint: str
) -> None:
    """A process that is paused after its check would write by its old term; here the Lease goes while boto3 signs."""
    credentials.setenv("AWS_ENDPOINT_URL_EKS", moto_endpoint)
    credentials.setenv("AWS_REGION", "eu-west-1")
    credentials.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    answers = iter([True, False])
    backend = pod_identity.PodIdentityAssociations(
        cluster=CLUSTER, operator="o", may_write=lambda: next(answers, False)
    )
    error = await _failure(backend.delete(FOUND))
    assert error.reason == "NotLeading"
    # A read goes out all the same: moto does not know it, and says so.
    assert (await _failure(backend.list())).reason != "NotLeading"


async def test_calls_are_made_at_a_bounded_rate(eks: Eks) -> None:
    """After a burst of one second's worth."""
    for _ in range(14):
        eks.lists()
    backend, began = eks.backend(), time.monotonic()
    await asyncio.gather(*(backend.list() for _ in range(14)))
    assert time.monotonic() - began > 3 / calls.RATE


async def test_no_more_calls_at_a_time_than_threads(eks: Eks, monkeypatch: pytest.MonkeyPatch) -> None:
    """An API that hangs must not take all the threads of the process."""
    busy, most, lock = 0, 0, threading.Lock()

    def slow(*_: Any, **__: Any) -> dict[str, Any]:
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        time.sleep(0.05)
        with lock:
            busy -= 1
        return {"associations": []}

    monkeypatch.setattr(eks.client, "list_pod_identity_associations", slow)
    backend = eks.backend()
    await asyncio.gather(*(backend.list() for _ in range(10)))
    assert most == calls.CALLS


def test_times_have_a_zone() -> None:
    """What is compared with the present must be comparable."""
    assert datetime.now(UTC) > LONG_AGO
