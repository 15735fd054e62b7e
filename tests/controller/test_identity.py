"""An app's IAM role on a real API server: the operator's engine in this process, Amazon EKS by botocore's Stubber.

The engine has the rights that the chart gives. Kubernetes is real; EKS answers what botocore's model of it allows, in
the order that a test expects, and any other call fails. The webhook of EKS, which mounts the token, is not there.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from prometheus_client import CollectorRegistry

from containerapp.aws.pod_identity import PodIdentityAssociations
from containerapp.controllers import CONTROLLERS
from containerapp.core.external import Owner, Place, Want
from containerapp.engine.account import Ask
from containerapp.engine.manager import Manager
from containerapp.engine.targets import Describe
from containerapp.kube import watch
from containerapp.kube.client import connect
from containerapp.metrics import Metrics
from containerapp.settings import Settings
from tests.aws.eks import CLUSTER, OTHER_ROLE, ROLE, Eks, summary, tags, want
from tests.controller.api import ApiError, Manifest
from tests.controller.operators import Operator
from tests.controller.registry import HOST, NO_AWS, digest_of
from tests.controller.world import World

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(180),
    # An engine that ends at once leaves connections to the garbage collector, as a crash leaves them to the kernel.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

_FINALIZER = "containerapp.dev/identity"
_IMAGE = f"{HOST}/shop@{digest_of('shop 1.0')}"
_ANNOTATION = "containerapp.dev/identity"


async def _forever() -> None:
    await asyncio.Event().wait()


@dataclass(kw_only=True)
class Stage:
    """One term of the engine at a time, and the EKS that it asks."""

    world: World
    eks: Eks = field(default_factory=Eks)
    settings: dict[str, Any] = field(default_factory=dict)
    describe_targets: Describe | None = None
    ask_account: Ask | None = None
    _thread: threading.Thread | None = None
    _loop: asyncio.AbstractEventLoop | None = None
    _task: asyncio.Task[None] | None = None
    backend: PodIdentityAssociations = field(init=False)

    def __post_init__(self) -> None:
        self.backend = self.eks.backend()

    def start(self) -> None:
        """Begin a term: in a thread, since kopf cancels all tasks of its loop that began after it."""
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="the engine")
        self._thread.start()

    def stop(self) -> None:
        """End the term as a crash does: at once."""
        if self._thread is None or self._loop is None or self._task is None:
            return
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(30)
        assert not self._thread.is_alive()
        self._thread = None

    async def _run(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.create_task(self._lead())
        await asyncio.wait([self._task])
        await asyncio.sleep(0.1)  # connections are closed by then

    async def _lead(self) -> None:
        async with connect(lambda *_: None) as client:
            manager = Manager(
                controllers=CONTROLLERS,
                settings=Settings(
                    identity_cluster_name=CLUSTER,
                    min_ready_seconds=0,
                    workers=4,
                    default_registry=HOST,
                    **self.settings,
                ),
                client=client,
                metrics=Metrics(CollectorRegistry(), ["ContainerApp"]),
                make_resolver=lambda _add: Mock(run=_forever, runs_by_tag=Mock(return_value=False)),
                stop=asyncio.Event(),
                identity="in-process",
                backends={"PodIdentityAssociation": self.backend},
                describe_targets=self.describe_targets,
                ask_account=self.ask_account,
            )
            await manager.run()

    def owner(self, name: str) -> Owner:
        """Return an app as the tags name it."""
        uid = self.world.get("ContainerApp", name)["metadata"]["uid"]
        return Owner(kind="ContainerApp", namespace=self.world.namespace, name=name, uid=uid)

    def want(self, name: str, role: str = ROLE, **content: Any) -> Want:
        """Return the association of an app's own ServiceAccount."""
        return want(role, name=name, namespace=self.world.namespace, **content)

    def apply(self, name: str, **spec: Any) -> Manifest:
        """Apply an app of a known digest."""
        return self.world.apply(name, image=_IMAGE, **spec)

    def ready(self, name: str) -> Manifest:
        """Wait until an app is Ready."""
        return self.world.await_ready(name)

    def until(self, what: str, condition: Callable[[], object], *names: str) -> None:
        """Wait for something."""
        self.world.until(what, condition, names=names)

    def condition(self, name: str, kind: str, status: str, reason: str) -> Manifest:
        """Wait for a condition."""
        return self.world.await_condition(name, kind, status, reason)

    def gone(self, name: str) -> None:
        """Wait until an app is gone."""
        self.until(f"{name} is gone", lambda: self.world.find("ContainerApp", name) is None, name)

    def finalizers(self, name: str) -> list[str]:
        """Return the finalizers of an app."""
        return list(self.world.get("ContainerApp", name)["metadata"].get("finalizers", []))

    def pod_role(self, name: str) -> str | None:
        """Return what the Pod template shows of the role."""
        metadata = self.world.get("Deployment", name)["spec"]["template"]["metadata"]
        found: str | None = metadata.get("annotations", {}).get(_ANNOTATION)
        return found

    def pods(self, name: str) -> set[str]:
        """Return the uids of an app's Pods."""
        found = self.world.api.list("Pod", self.world.namespace, f"containerapp.dev/app={name}")
        return {pod["metadata"]["uid"] for pod in found}


@pytest.fixture
def stage(
    world: World, own_operator: Operator, log_in: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stage]:
    """The engine in this process, in the place of the session's operator, with the chart's rights."""
    for name, value in {"AWS_ACCESS_KEY_ID": "t", "AWS_SECRET_ACCESS_KEY": "t", **NO_AWS}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(watch, "handle_signals", lambda _stop: None)  # which only the main thread may have
    own_operator.log_file.touch()
    log_in(own_operator.identity.kubeconfig)
    stage = Stage(world=world)
    yield stage
    stage.stop()
    for app in world.api.list("ContainerApp", world.namespace):
        name = app["metadata"]["name"]
        world.patch("ContainerApp", name, {"metadata": {"finalizers": None}})
        with contextlib.suppress(ApiError):
            world.delete("ContainerApp", name)
    stage.until(
        "no app is left to the next test", lambda: not world.api.list("ContainerApp", world.namespace)
    )


def test_a_role_comes_changes_and_goes(stage: Stage) -> None:
    """The association stands before the first Pod, its change rolls the Pods, its end takes the finalizer with it."""
    seen: list[tuple[list[str], Manifest | None]] = []

    def look(model: Any, **_: Any) -> None:
        if model.name == "CreatePodIdentityAssociation":
            seen.append((stage.finalizers("shop"), stage.world.find("Deployment", "shop")))

    stage.eks.client.meta.events.register("provide-client-params.eks", look)
    stage.start()
    stage.apply("beside")
    stage.ready("beside")
    assert stage.eks.made == 0, "an app without an identity asks AWS for nothing"
    assert stage.finalizers("beside") == []

    stage.stop()
    stage.apply("shop", identity={"roleArn": ROLE}, replicas=2)
    stage.eks.lists()
    stage.eks.creates(stage.want("shop"), stage.owner("shop"))
    stage.start()
    ready = stage.ready("shop")
    assert seen == [([_FINALIZER], None)], (
        "the finalizer comes first, and the Deployment after the association"
    )
    assert ready["status"]["identity"]["associationId"] == "a-1"
    first, pods = stage.pod_role("shop"), stage.pods("shop")
    assert first is not None
    assert first.startswith("a-1.")

    position = stage.world.audit.position()
    stage.world.patch("ContainerApp", "shop", {"metadata": {"annotations": {"note": "irrelevant"}}})
    time.sleep(2)
    assert stage.world.audit.writes(position, namespace=stage.world.namespace) == {}

    stage.eks.updates(stage.want("shop", OTHER_ROLE), stage.owner("shop"))
    stage.apply("shop", identity={"roleArn": OTHER_ROLE}, replicas=2)
    stage.until("the Pods roll", lambda: stage.pod_role("shop") != first, "shop")
    stage.ready("shop")
    stage.until("the old Pods are gone", lambda: not stage.pods("shop") & pods, "shop")

    stage.eks.deletes(stage.want("shop", OTHER_ROLE))
    stage.apply("shop", replicas=2)
    stage.until("the finalizer is gone", lambda: stage.finalizers("shop") == [], "shop")
    stage.ready("shop")
    assert stage.pod_role("shop") is None
    assert "identity" not in stage.world.get("ContainerApp", "shop")["status"]
    assert stage.eks.done()


def test_an_app_that_runs_gets_its_role_without_a_gap(stage: Stage) -> None:
    """What runs is not stopped while EKS refuses; then its Pods are replaced as by any rollout."""
    stage.start()
    stage.apply("shop", replicas=2)
    stage.ready("shop")
    pods = stage.pods("shop")
    stage.eks.lists()
    stage.eks.fails(
        "create_pod_identity_association",
        "AccessDeniedException",
        f"User: arn:aws:iam::1:user/o is not authorized to perform: iam:PassRole on resource: {ROLE}",
        403,
    )
    stage.apply("shop", identity={"roleArn": ROLE}, replicas=2)
    condition = stage.condition("shop", "IdentityReady", "False", "AccessDenied")
    assert "iam:PassRole" in condition["message"]
    assert stage.world.conditions("shop")["Stalled"]["reason"] == "AccessDenied"
    assert stage.world.conditions("shop")["Available"]["status"] == "True"
    assert stage.pods("shop") == pods
    stage.eks.creates(stage.want("shop"), stage.owner("shop"))
    # An edit is tried at once; otherwise it takes the delay of a refusal.
    stage.apply("shop", identity={"roleArn": ROLE, "disableSessionTags": False}, replicas=2)
    stage.stop()
    stage.eks.lists()
    stage.eks.stub._queue.rotate(1)  # type: ignore[attr-defined]
    stage.start()
    stage.ready("shop")
    stage.until("the Pods are replaced", lambda: not stage.pods("shop") & pods, "shop")
    assert stage.eks.done()


def test_a_crash_after_the_create_makes_no_second_association(stage: Stage) -> None:
    """The status does not name it yet: the next process finds it in the list, and reads whose it is."""
    stage.backend.propagation = 3600.0
    stage.eks.lists()
    stage.apply("shop", identity={"roleArn": ROLE})
    stage.eks.creates(stage.want("shop"), stage.owner("shop"), createdAt=datetime.now(UTC))
    stage.start()
    stage.until("the association is made", stage.eks.done, "shop")
    stage.condition("shop", "IdentityReady", "Unknown", "AssociationPending")
    stage.stop()
    assert stage.world.find("Deployment", "shop") is None
    assert "identity" not in stage.world.get("ContainerApp", "shop")["status"]
    stage.backend.propagation = 0.0
    stage.eks.lists(summary(Place(stage.world.namespace, "shop")))
    stage.eks.reads(stage.want("shop"), tags=tags(stage.owner("shop")))
    stage.start()
    assert (stage.ready("shop"))["status"]["identity"]["associationId"] == "a-1"
    stage.stop()
    stage.eks.lists(summary(Place(stage.world.namespace, "shop")))
    stage.eks.reads(stage.want("shop"), tags=tags(stage.owner("shop")))
    position = stage.world.audit.position()
    stage.start()
    stage.until("the restart's list is read", stage.eks.done, "shop")
    time.sleep(1)
    assert stage.world.audit.writes(position, namespace=stage.world.namespace) == {}, (
        "a restart writes nothing"
    )


def test_a_deletion_that_is_denied_says_so_and_can_be_given_up(stage: Stage) -> None:
    """Its status has the missing statement. The annotation lets it go, and an event says what is left behind."""
    stage.eks.lists()
    stage.apply("shop", identity={"roleArn": ROLE})
    stage.eks.creates(stage.want("shop"), stage.owner("shop"))
    stage.start()
    stage.ready("shop")
    stage.eks.fails(
        "delete_pod_identity_association",
        "AccessDeniedException",
        "User: arn:aws:iam::1:user/o is not authorized to perform: eks:DeletePodIdentityAssociation on resource: x",
        403,
    )
    stage.world.delete("ContainerApp", "shop")
    condition = stage.condition("shop", "Stalled", "True", "AccessDenied")
    assert '"Action": "eks:DeletePodIdentityAssociation"' in condition["message"]
    assert stage.finalizers("shop") == [_FINALIZER]
    stage.world.patch(
        "ContainerApp", "shop", {"metadata": {"annotations": {"containerapp.dev/abandon-aws": "true"}}}
    )
    stage.gone("shop")
    stage.until(
        "an event says what is left",
        lambda: any(
            "a-1" in event["message"]
            for event in stage.world.events("shop")
            if event["reason"] == "LeftBehind"
        ),
    )


def test_an_app_with_a_role_is_deleted_with_its_association(stage: Stage) -> None:
    """The finalizer ends when EKS itself says that the association is gone; the children go with the app."""
    stage.eks.lists()
    stage.apply("shop", identity={"roleArn": ROLE})
    stage.eks.creates(stage.want("shop"), stage.owner("shop"))
    stage.start()
    stage.ready("shop")
    stage.eks.deletes(stage.want("shop"))
    stage.world.delete("ContainerApp", "shop")
    stage.gone("shop")
    assert stage.eks.done()


def test_one_service_account_has_one_role(stage: Stage) -> None:
    """The second app of an account is Stalled, names the first, and runs no Pod; the first is left alone."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount"}
    stage.world.api.create({**account, "metadata": {"name": "shared", "namespace": stage.world.namespace}})
    shared = {"identity": {"roleArn": ROLE}, "serviceAccountName": "shared"}
    stage.eks.lists()
    stage.apply("first", **shared)
    stage.eks.creates(stage.want("shared"), stage.owner("first"))
    stage.start()
    stage.ready("first")
    stage.apply("second", **shared)
    condition = stage.condition("second", "Stalled", "True", "AssociationTaken")
    assert f"ContainerApp {stage.world.namespace}/first" in condition["message"]
    assert stage.world.find("Deployment", "second") is None
    assert stage.world.conditions("first")["Ready"]["status"] == "True"


def test_by_irsa_the_account_is_annotated_and_nothing_is_asked(stage: Stage) -> None:
    """No finalizer and no call; another role rolls the Pods, and no role takes the annotation away."""
    stage.settings["identity_method"] = "irsa"
    stage.start()
    stage.apply("shop", identity={"roleArn": ROLE})
    stage.ready("shop")
    annotations = stage.world.get("ServiceAccount", "shop")["metadata"]["annotations"]
    assert annotations["eks.amazonaws.com/role-arn"] == ROLE
    first = stage.pod_role("shop")
    stage.apply("shop", identity={"roleArn": OTHER_ROLE})
    stage.until("the Pods roll", lambda: stage.pod_role("shop") != first, "shop")
    stage.ready("shop")
    stage.apply("shop")
    stage.until("no role is left", lambda: stage.pod_role("shop") is None, "shop")
    stage.ready("shop")
    annotations = stage.world.get("ServiceAccount", "shop")["metadata"].get("annotations", {})
    assert "eks.amazonaws.com/role-arn" not in annotations
    assert (stage.eks.made, stage.finalizers("shop")) == (0, [])
