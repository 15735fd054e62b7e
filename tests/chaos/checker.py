"""Does the cluster hold what the manifests ask for, exactly? Written from the manifests alone.

Called when all faults are over. It shares no code with the operator but the list of kinds, so that no mistake of the
operator's can hide in it: names, kinds, owners, images, ports, counts and the status are worked out here a second
time. It changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tests.chaos.jobs import check_jobs
from tests.chaos.kinds import CHILDREN, REVISION
from tests.chaos.users import FOREIGN_LABEL
from tests.chaos.violations import Violation
from tests.chaos.wanted import Foreign, Wanted, WantedApp, WantedJob
from tests.controller.api import Api, Manifest

_REVISIONS = 14
"""The limit of the history, and those that run or may run."""
_NOT_OURS = {("ServiceAccount", "default")}
"""What Kubernetes itself puts into every namespace."""
_COUNTS = ("replicas", "updatedReplicas", "readyReplicas")
_MANAGERS = "containerapp"
"""With what the names begin under which the operator writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checker:
    """Compares. `digests` tells by tag what the registry holds; `repository` is its full name."""

    api: Api
    wanted: Wanted
    repository: str
    digests: Mapping[str, str]

    def check(self, namespaces: Iterable[str]) -> list[Violation]:
        """Return everything that is wrong in these namespaces."""
        return [violation for namespace in namespaces for violation in self._check(namespace)]

    def _check(self, namespace: str) -> Iterator[Violation]:
        kinds = ("ContainerApp", "ContainerJob", *CHILDREN, REVISION, "ReplicaSet", "Job", "Pod")
        listed = {kind: self.api.list(kind, namespace) for kind in kinds}
        live = {(kind, _name(item)): item for kind in (*kinds,) for item in listed[kind]}
        apps = {name: app for (space, name), app in self.wanted.apps.items() if space == namespace}
        jobs = {name: job for (space, name), job in self.wanted.jobs.items() if space == namespace}
        foreign = {name: item for (space, name), item in self.wanted.foreign.items() if space == namespace}
        for item in listed["ContainerApp"]:
            if _name(item) not in apps:
                yield Violation(subject=_subject("ContainerApp", item), complaint="nobody wants this app")
        for name, app in apps.items():
            found = live.get(("ContainerApp", name))
            if found is None or _uid(found) != app.uid:
                yield Violation(subject=f"ContainerApp {namespace}/{name}", complaint="the app is lost")
            else:
                yield from self._check_app(app, found, live, foreign.get(name))
        yield from check_jobs(jobs, listed)
        yield from _strangers(listed, {**apps, **jobs}, foreign)
        for other in foreign.values():
            yield from _check_foreign(other, live.get((other.kind, other.name)))

    def _check_app(
        self,
        app: WantedApp,
        found: Manifest,
        live: Mapping[tuple[str, str], Manifest],
        foreign: Foreign | None,
    ) -> Iterator[Violation]:
        subject = f"ContainerApp {app.namespace}/{app.name}"
        lost = {
            field: found["spec"].get(field)
            for field, value in app.spec.items()
            if not _holds(value, found["spec"].get(field))
        }
        if lost:
            yield Violation(subject=subject, complaint=f"the spec is not {app.spec}", found=lost)
        blocked = foreign is not None and _wants(app, foreign.kind)
        for kind in CHILDREN:
            if foreign is None or foreign.kind != kind:
                yield from self._check_child(app, kind, live.get((kind, app.name)), blocked=blocked)
        yield from _check_revisions(app, found, live)
        account = ("ServiceAccount", app.spec.get("serviceAccountName", app.name))
        waits = account in _NOT_OURS and account not in live
        late = [*self._check_status(app, found, live, foreign)]
        if foreign is None or foreign.kind != "Deployment":
            late += self._check_pods(app, live)
        yield from (replace(violation, collectors=waits) for violation in late)

    def _check_child(
        self, app: WantedApp, kind: str, child: Manifest | None, *, blocked: bool
    ) -> Iterator[Violation]:
        """Check one child; nothing is pruned while somebody else's object is in the way of another (`blocked`)."""
        subject = f"{kind} {app.namespace}/{app.name}"
        wanted = _wants(app, kind)
        if child is None:
            if wanted:
                yield Violation(subject=subject, complaint="the child is missing")
            return
        owners = [owner["uid"] for owner in child["metadata"].get("ownerReferences", [])]
        if owners != [app.uid]:
            yield Violation(subject=subject, complaint=f"the owner is not {app.uid} alone", found=owners)
        labels = child["metadata"].get("labels", {})
        own = {
            "containerapp.dev/app": app.name,
            "app.kubernetes.io/name": app.name,
            "app.kubernetes.io/managed-by": "containerapp-operator",
        }
        if not own.items() <= labels.items():
            yield Violation(subject=subject, complaint="labels are missing", found=labels)
        if not wanted and kind != "Deployment" and not (app.image_is_missing or app.pods_fail or blocked):
            yield Violation(subject=subject, complaint="nothing asks for this child any more")
        if kind == "Deployment":
            yield from self._check_deployment(app, child)
        if kind == "Service" and wanted and not app.image_is_missing:  # what runs keeps its ports until then
            yield from _check_service(app, child)
        if kind == "PodDisruptionBudget" and wanted:
            yield from _check_budget(app, child)

    def _check_deployment(self, app: WantedApp, deployment: Manifest) -> Iterator[Violation]:
        subject = f"Deployment {app.namespace}/{app.name}"
        pod = deployment["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        if deployment["spec"]["selector"] != {"matchLabels": _stable(app)}:
            found = deployment["spec"]["selector"]
            yield Violation(subject=subject, complaint="the selector is wrong", found=found)
        allowed = self._images(app)
        if container["image"] not in allowed:
            yield Violation(
                subject=subject, complaint=f"the image is not {allowed}", found=container["image"]
            )
        if app.image_is_missing:
            return
        if deployment["spec"]["replicas"] != app.pods:
            found = deployment["spec"]["replicas"]
            yield Violation(subject=subject, complaint=f"replicas should be {app.pods}", found=found)
        runs = {
            "env": container["env"],
            "account": pod["serviceAccountName"],
            "ports": {(p["name"], p["containerPort"], p["protocol"]) for p in container.get("ports", [])},
        }
        allowed_runs = [_template_facts(app, spec) for spec in app.may_run]
        if runs not in allowed_runs:
            yield Violation(subject=subject, complaint=f"it should run one of {allowed_runs}", found=runs)

    def _images(self, app: WantedApp) -> set[str]:
        """Return what may run: the wanted image, or where that is missing or fails any that was asked for before."""
        asked = app.images if app.image_is_missing or app.pods_fail else app.images[-1:]
        tags = {image.partition(":")[2] for image in asked} & set(self.digests)
        return {
            f"{self.repository}@{digest}" for digest in app.digests or {self.digests[tag] for tag in tags}
        }

    def _check_status(
        self,
        app: WantedApp,
        found: Manifest,
        live: Mapping[tuple[str, str], Manifest],
        foreign: Foreign | None,
    ) -> Iterator[Violation]:
        subject = f"status of {app.namespace}/{app.name}"
        status, generation = found.get("status", {}), found["metadata"]["generation"]
        if status.get("observedGeneration") != generation:
            complaint = f"the newest generation is {generation}"
            yield Violation(subject=subject, complaint=complaint, found=status.get("observedGeneration"))
        conditions = {item["type"]: item for item in status.get("conditions", [])}
        ready = conditions.get("Ready", {})
        taken = foreign is not None and _wants(app, foreign.kind)
        rolled_back = app.pods_fail and len(app.specs) > 1 and ready.get("reason") == "RolledBack"
        healthy = not (app.image_is_missing or taken or (app.pods_fail and app.pods and not rolled_back))
        if rolled_back and conditions.get("Stalled", {}).get("reason") != "RolledBack":
            yield Violation(subject=subject, complaint="a rollback is Stalled", found=conditions)
        if (ready.get("status") == "True") != healthy or ready.get("observedGeneration") != generation:
            yield Violation(subject=subject, complaint=f"Ready should be {healthy}", found=ready)
        if taken and not app.image_is_missing and ready.get("reason") != "NameTaken":
            yield Violation(subject=subject, complaint="the reason should be NameTaken", found=ready)
        if app.image_is_missing != (conditions.get("ImageResolved", {}).get("status") == "False"):
            yield Violation(subject=subject, complaint="ImageResolved is wrong", found=conditions)
        if app.image_is_missing:
            return
        yield from self._check_digest(app, status, conditions, live.get(("Deployment", app.name)))
        counts = {count: status.get(count, 0) for count in _COUNTS}
        if healthy and set(counts.values()) != {app.pods}:
            yield Violation(subject=subject, complaint=f"the counts should be {app.pods}", found=counts)
        listed = sorted((item["kind"], item["name"]) for item in status.get("resources", []))
        owned = [kind for kind in CHILDREN if _uid_of_owner(live.get((kind, app.name))) == app.uid]
        present = sorted((kind, app.name) for kind in owned)
        if listed != present:
            yield Violation(subject=subject, complaint=f"the inventory should be {present}", found=listed)

    def _check_digest(
        self,
        app: WantedApp,
        status: Manifest,
        conditions: Mapping[str, Manifest],
        deployment: Manifest | None,
    ) -> Iterator[Violation]:
        """The digest may be an older one where its tag moves about; then the status says so, and the Pods agree."""
        subject = f"status of {app.namespace}/{app.name}"
        moves = app.tag in self.wanted.moves
        allowed = app.digests if moves else {self.digests[app.tag]}
        newest = self.wanted.newest(app.tag) if moves else self.digests[app.tag]
        image = status.get("image", {})
        if image.get("digest") not in allowed:
            yield Violation(subject=subject, complaint=f"the digest should be one of {allowed}", found=image)
        told = conditions.get("ImageResolved", {}).get("reason") == "TagMoved"
        moved_to = newest if image.get("digest") != newest else None
        if told != (moved_to is not None) or image.get("latestDigest") != moved_to:
            yield Violation(
                subject=subject, complaint=f"the tag points to {newest}", found=(image, conditions)
            )
        if deployment is not None and _uid_of_owner(deployment) == app.uid:
            runs = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
            if not app.pods_fail and runs != f"{self.repository}@{image.get('digest')}":
                yield Violation(subject=subject, complaint=f"{runs} runs", found=image)

    def _check_pods(self, app: WantedApp, live: Mapping[tuple[str, str], Manifest]) -> Iterator[Violation]:
        if app.image_is_missing or app.pods_fail:
            return
        subject = f"Pods of {app.namespace}/{app.name}"
        owners = {_uid(live["Deployment", app.name])} if ("Deployment", app.name) in live else set()
        replica_sets = _owned(live, "ReplicaSet", owners)
        pods = _owned(live, "Pod", {_uid(item) for item in replica_sets})
        serials = [pod["spec"]["containers"][0]["env"][0]["value"] for pod in pods]
        wanted = [app.spec["env"][0]["value"]] * app.pods
        if serials != wanted:
            yield Violation(subject=subject, complaint=f"their serials should be {wanted}", found=serials)
        images = {pod["spec"]["containers"][0]["image"] for pod in pods}
        if not images <= self._images(app):
            yield Violation(subject=subject, complaint=f"they should run {self._images(app)}", found=images)


def _strangers(
    listed: Mapping[str, list[Manifest]],
    apps: Mapping[str, WantedApp | WantedJob],
    foreign: Mapping[str, Foreign],
) -> Iterator[Violation]:
    """Yield what no app and nobody else asked for: orphans, doubles, leftovers of former apps."""
    for kind in CHILDREN:
        for item in listed[kind]:
            name = _name(item)
            known = _may_have(apps.get(name), kind) or (name in foreign and foreign[name].kind == kind)
            if not known and (kind, name) not in _NOT_OURS:
                yield _orphan(kind, item, collectors=_out_of_sight(item))
    deployments = {_uid(item): _name(item) for item in listed["Deployment"]}
    replica_sets = {_uid(item): item for item in listed["ReplicaSet"]}
    for item in listed["ReplicaSet"]:
        if _uid_of_owner(item) not in deployments:
            yield _orphan("ReplicaSet", item, collectors=True)
    runs = {_uid(item) for item in listed["Job"]}
    for item in listed["Pod"]:
        if _uid_of_owner(item) not in replica_sets.keys() | runs:
            yield _orphan("Pod", item, collectors=True)


def _may_have(owner: WantedApp | WantedJob | None, kind: str) -> bool:
    """Whether the owner of that name, if there is one, may have a child of that kind."""
    return owner is not None and (isinstance(owner, WantedApp) or kind == "ServiceAccount")


def _owned(live: Mapping[tuple[str, str], Manifest], kind: str, owners: set[str]) -> list[Manifest]:
    return [item for (known, _), item in live.items() if known == kind and _uid_of_owner(item) in owners]


def _out_of_sight(item: Manifest) -> bool:
    """Whether somebody has taken the labels off a child of an app: no watch of the operator's shows it any more."""
    owners = [owner["kind"] for owner in item["metadata"].get("ownerReferences", [])]
    return owners == ["ContainerApp"] and not item["metadata"].get("labels")


def _orphan(kind: str, item: Manifest, *, collectors: bool = False) -> Violation:
    return Violation(
        subject=_subject(kind, item), complaint="an orphan", found=item["metadata"], collectors=collectors
    )


def _check_foreign(wanted: Foreign, found: Manifest | None) -> Iterator[Violation]:
    subject = f"foreign {wanted.kind} {wanted.namespace}/{wanted.name}"
    if found is None or _uid(found) != wanted.uid:
        yield Violation(subject=subject, complaint="somebody else's object was removed or replaced")
        return
    metadata = found["metadata"]
    written = any(entry["manager"].startswith(_MANAGERS) for entry in metadata.get("managedFields", []))
    if written or metadata.get("ownerReferences") or metadata.get("labels", {}) != {FOREIGN_LABEL: "yes"}:
        yield Violation(subject=subject, complaint="somebody else's object was changed", found=metadata)


def _check_service(app: WantedApp, service: Manifest) -> Iterator[Violation]:
    subject = f"Service {app.namespace}/{app.name}"
    ports = {(p["name"], p["targetPort"], p["port"], p["protocol"]) for p in service["spec"]["ports"]}
    wanted = {(name, name, number, protocol) for name, _, number, protocol in _ports(app)}
    kept = wanted < ports and app.pods_fail  # while a rollout goes on, the old version's ports stay too
    if ports != wanted and not kept:
        yield Violation(subject=subject, complaint=f"the ports should be {wanted}", found=ports)
    selector = {"containerapp.dev/app": app.name}
    if service["spec"].get("selector") != selector:
        yield Violation(
            subject=subject, complaint="the selector is wrong", found=service["spec"].get("selector")
        )


def _check_budget(app: WantedApp, budget: Manifest) -> Iterator[Violation]:
    subject = f"PodDisruptionBudget {app.namespace}/{app.name}"
    wanted = {
        "maxUnavailable": 1,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": {"matchLabels": _stable(app)},
    }
    if budget["spec"] != wanted:
        yield Violation(subject=subject, complaint=f"it should be {wanted}", found=budget["spec"])


def _stable(app: WantedApp) -> dict[str, str]:
    """Return the labels that choose the Pods of the app's Deployment."""
    return {"containerapp.dev/app": app.name, "containerapp.dev/track": "stable"}


def _wants(app: WantedApp, kind: str) -> bool:
    """Whether the manifest asks for a child of that kind, as far as it can be had."""
    match kind:
        case "Deployment":
            return not app.image_is_missing
        case "Service":
            return bool(_ports(app))
        case "PodDisruptionBudget":
            return app.pods >= 2
        case "HorizontalPodAutoscaler":
            return "autoscaling" in app.spec
        case "ServiceAccount":
            return "serviceAccountName" not in app.spec
        case _:
            return False


def _template_facts(app: WantedApp, spec: Manifest) -> Manifest:
    """Return what of a spec stands in the Pod template."""
    asked = replace(app, spec=spec)
    return {
        "env": spec["env"],
        "account": spec.get("serviceAccountName", app.name),
        "ports": {(name, number, protocol) for name, number, _, protocol in _ports(asked)},
    }


def _check_revisions(
    app: WantedApp, found: Manifest, live: Mapping[tuple[str, str], Manifest]
) -> Iterator[Violation]:
    """The revision that runs is on record with the template that runs, and no history is without end."""
    subject, deployment = f"revisions of {app.namespace}/{app.name}", live.get(("Deployment", app.name))
    own = [item for (kind, _), item in live.items() if kind == REVISION and _uid_of_owner(item) == app.uid]
    if len(own) > _REVISIONS:
        yield Violation(subject=subject, complaint="there are too many", found=len(own))
    if deployment is None or _uid_of_owner(deployment) != app.uid:
        return
    number = deployment["metadata"].get("annotations", {}).get("containerapp.dev/revision")
    recorded = [item["data"]["template"] for item in own if str(item["revision"]) == number]
    template = deployment["spec"]["template"]
    if len(recorded) != 1 or recorded[0]["metadata"]["labels"] != template["metadata"]["labels"]:
        yield Violation(subject=subject, complaint=f"revision {number} runs", found=recorded)
    current = found.get("status", {}).get("currentRevision")
    if not app.image_is_missing and str(current) != number:
        yield Violation(subject=subject, complaint=f"the status should name {number}", found=current)


def _ports(app: WantedApp) -> list[tuple[str, int, int, str]]:
    """Return name, container's port, Service's port and protocol of each port that the manifest names."""
    if "port" in app.spec:
        return [("http", app.spec["port"], app.spec["port"], "TCP")]
    return [
        (
            port["name"],
            port["containerPort"],
            port.get("servicePort", port["containerPort"]),
            port.get("protocol", "TCP"),
        )
        for port in app.spec.get("ports", [])
    ]


def _holds(asked: Any, found: Any) -> bool:
    """Whether what was asked for stands there; defaults may have been added."""
    if isinstance(asked, dict):
        return isinstance(found, dict) and all(_holds(value, found.get(key)) for key, value in asked.items())
    if isinstance(asked, list):
        return (
            isinstance(found, list)
            and len(asked) == len(found)
            and all(_holds(one, other) for one, other in zip(asked, found, strict=True))
        )
    return bool(asked == found)


def _name(item: Manifest) -> str:
    return str(item["metadata"]["name"])


def _uid(item: Manifest) -> str:
    return str(item["metadata"]["uid"])


def _uid_of_owner(item: Manifest | None) -> str | None:
    owners = (item or {}).get("metadata", {}).get("ownerReferences", [])
    return owners[0]["uid"] if len(owners) == 1 else None


def _subject(kind: str, item: Manifest) -> str:
    return f"{kind} {item['metadata']['namespace']}/{_name(item)}"
