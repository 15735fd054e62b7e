"""The users of one namespace: they create, change and delete apps, and ask again until the API server has taken it.

Run in a thread for each namespace. Every deed that was taken is written into the book of what is wanted; nothing is
read from the cluster but the answers to the users' own requests.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import urllib3

from tests.chaos.plan import TAGS, Step
from tests.chaos.wanted import Foreign, Wanted
from tests.controller.api import Api, ApiError, Manifest

_PATIENCE = 150.0
_AGAIN = {409, 429, 500, 502, 503, 504}
FOREIGN_LABEL = "chaos/foreign"
_Answer = TypeVar("_Answer")


def insist(deed: Callable[[], _Answer], *, again: frozenset[int] = frozenset()) -> _Answer:
    """Do it until the API server answers; what it refuses for good is an error of the run itself."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return deed()
        except ApiError as error:
            served = error.status != 404 or '"reason":"NotFound"' in str(error).replace(" ", "")
            if served and error.status not in _AGAIN | again:
                raise
            failure: Exception = error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            failure = error
        if time.monotonic() > deadline:
            raise failure
        time.sleep(0.2)


@dataclass(kw_only=True)
class Users:
    """Carries out the deeds of one namespace, in order."""

    api: Api
    namespace: str
    wanted: Wanted
    push: Callable[[str, str], str]
    """Lets a tag point to the image that the second word stands for; returns its digest."""

    def settle_in(self) -> None:
        """Create the namespace."""
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}
        insist(lambda: self.api.apply(manifest))

    def carry_out(self, step: Step) -> None:
        """Do what the step says."""
        name, value = step.target, step.value
        match step.deed:
            case "create":
                self._create(name, value)
            case "update" | "suspend":
                self._replace(name, value)
            case "scale":
                self._scale(name, value)
            case "delete":
                self._delete(name)
                self._unsquat(name)
            case "recreate":
                self._delete(name)
                self._create(name, value)
            case "raze-namespace":
                self._raze()
            case _:
                self._carry_out_oddity(step.deed, name, value)

    def _carry_out_oddity(self, deed: str, name: str, value: Any) -> None:
        match deed:
            case "push":
                self._push(name, value)
            case "refresh":
                self._refresh(name, value)
            case "squat":
                self._squat(name, value)
            case "unsquat":
                self._unsquat(name)
            case "create-job":
                self._create_job(name, value)
            case "ask":
                self._ask(name, value)
            case "delete-job":
                self._remove("ContainerJob", name)
                self.wanted.deleted_job(self.namespace, name)
            case unknown:
                raise ValueError(unknown)

    def _create_job(self, name: str, serial: int) -> None:
        """Create a job that keeps all of its runs."""
        kept = {"successfulJobsHistoryLimit": 100, "failedJobsHistoryLimit": 100}
        env = [{"name": "SERIAL", "value": str(serial)}]
        spec = {"image": f"shop:{TAGS[0]}", "concurrencyPolicy": "Allow", "env": env, **kept}
        self.wanted.created_job(self.namespace, name, self._create_object("ContainerJob", name, spec))

    def _ask(self, name: str, words: list[str]) -> None:
        """Ask for runs of a job, by one write; the operator must make one of each."""
        annotations = {f"run.containerapp.dev/{word}": "" for word in words}
        change = {"metadata": {"annotations": annotations}}
        insist(lambda: self.api.patch("ContainerJob", self.namespace, name, change))
        for word in words:
            self.wanted.asked(self.namespace, name, word)

    def _create(self, name: str, spec: Manifest) -> None:
        self.wanted.created(self.namespace, name, self._create_object("ContainerApp", name, spec), spec)

    def _create_object(self, kind: str, name: str, spec: Manifest) -> str:
        """Create a custom object; return its uid."""
        manifest = {
            "apiVersion": "containerapp.dev/v1alpha1",
            "kind": kind,
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": spec,
        }

        def create() -> Manifest:
            try:
                return self.api.create(manifest)
            except ApiError as error:
                if error.status != 409 or "AlreadyExists" not in str(error):
                    raise
                return self.api.get(kind, self.namespace, name)  # taken, though nobody heard the answer

        return str(insist(create)["metadata"]["uid"])

    def _replace(self, name: str, spec: Manifest) -> None:
        change = [self._test_uid(name), {"op": "replace", "path": "/spec", "value": spec}]
        insist(lambda: self.api.patch("ContainerApp", self.namespace, name, change))
        self.wanted.changed(self.namespace, name, spec)

    def _scale(self, name: str, replicas: int) -> None:
        change = {"spec": {"replicas": replicas}}
        insist(lambda: self.api.patch("ContainerApp", self.namespace, name, change, "scale"))
        spec = self.wanted.apps[self.namespace, name].spec
        self.wanted.changed(self.namespace, name, spec | {"replicas": replicas})

    def _push(self, name: str, serial: int) -> None:
        """Push the app's tag anew. Whatever its status names by now as the answer to its wish must stay."""
        app = self.wanted.apps[self.namespace, name]
        status = insist(lambda: self.api.get("ContainerApp", self.namespace, name)).get("status", {})
        image = status.get("image") or {}
        pinned = image.get("digest") if image.get("refresh") == app.refresh else None
        digest = self.push(app.tag, f"{self.namespace} {name} {serial}")
        self.wanted.pushed(self.namespace, name, digest, pinned=pinned)

    def _refresh(self, name: str, serial: int) -> None:
        change = {"metadata": {"annotations": {"containerapp.dev/refresh-image": str(serial)}}}
        insist(lambda: self.api.patch("ContainerApp", self.namespace, name, change))
        self.wanted.refreshed(self.namespace, name, str(serial))

    def _test_uid(self, name: str) -> Manifest:
        return {"op": "test", "path": "/metadata/uid", "value": self.wanted.apps[self.namespace, name].uid}

    def _delete(self, name: str) -> None:
        self._remove("ContainerApp", name)
        self.wanted.deleted(self.namespace, name)

    def _remove(self, kind: str, name: str) -> None:
        def remove() -> None:
            try:
                self.api.delete(kind, self.namespace, name)
            except ApiError as error:
                if error.status != 404 or f'"{name}\\"' not in str(error):
                    raise

        insist(remove)

    def _squat(self, name: str, kind: str) -> None:
        """Put an object of ours where the app's child will want to be, as soon as a former app's one is gone."""

        def create() -> Manifest:
            try:
                return self.api.create(_foreign(kind, self.namespace, name))
            except ApiError as error:
                existing = self.api.find(kind, self.namespace, name) if error.status == 409 else None
                if existing is None or FOREIGN_LABEL not in existing["metadata"].get("labels", {}):
                    raise
                return existing

        uid = insist(create)["metadata"]["uid"]
        self.wanted.foreign[self.namespace, name] = Foreign(
            kind=kind, namespace=self.namespace, name=name, uid=uid
        )

    def _unsquat(self, name: str) -> None:
        foreign = self.wanted.foreign.get((self.namespace, name))
        if foreign is not None:
            self._remove(foreign.kind, name)
            del self.wanted.foreign[self.namespace, name]

    def _raze(self) -> None:
        """Delete the namespace amid everything, wait until it is gone, and make it anew."""

        def raze() -> None:
            try:
                self.api.delete("Namespace", None, self.namespace)
            except ApiError as error:
                if error.status not in {404, 409}:
                    raise

        insist(raze)
        self.wanted.razed(self.namespace)
        deadline = time.monotonic() + _PATIENCE
        while insist(lambda: self.api.find("Namespace", None, self.namespace)) is not None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"namespace {self.namespace} does not end")
            time.sleep(0.2)
        # A namespace controller that could not ask for all kinds, the API server being down, leaves apps behind.
        for kind in ("ContainerApp", "ContainerJob"):
            for survivor in insist(lambda kind=kind: self.api.list(kind, self.namespace)):  # type: ignore[misc]
                self._remove(kind, survivor["metadata"]["name"])
        self.settle_in()


def _foreign(kind: str, namespace: str, name: str) -> Manifest:
    labels = {FOREIGN_LABEL: "yes"}
    metadata: Manifest = {"name": name, "namespace": namespace, "labels": labels}
    template: dict[str, Any] = {
        "metadata": {"labels": labels | {"foreign": name}},
        "spec": {"containers": [{"name": "other", "image": "other:1"}]},
    }
    match kind:
        case "Deployment":
            spec = {"replicas": 0, "selector": {"matchLabels": template["metadata"]["labels"]}}
            return {
                "apiVersion": "apps/v1",
                "kind": kind,
                "metadata": metadata,
                "spec": spec | {"template": template},
            }
        case "Service":
            return {"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": {"ports": [{"port": 1}]}}
        case _:
            return {"apiVersion": "v1", "kind": kind, "metadata": metadata}
