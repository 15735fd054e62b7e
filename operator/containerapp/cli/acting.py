"""What a person does to an app that runs: restart it, scale it, delete it; to a job the last. Each is one write."""

from __future__ import annotations

from datetime import UTC, datetime

from containerapp.cli.exits import NOT_FOUND, Failure
from containerapp.cli.looks import RESOURCE
from containerapp.cli.options import Target
from containerapp.cli.session import Cluster, connected
from containerapp.core.model import ADOPTED_ANNOTATION, Controller, Manifest, ObjectRef, Resource
from containerapp.core.ownership import owned_by, retained
from containerapp.engine.apply import url_of
from containerapp.kube.client import path

_RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"


async def restart(target: Target, name: str) -> None:
    """Mark the Pod template of the app's Deployment with the time, as kubectl does."""
    async with connected(target) as cluster:
        app = await cluster.app(RESOURCE, name)
        if app["spec"].get("suspend"):
            raise Failure(f"{name} is suspended: no Pod runs. Set spec.suspend to false to start it.")
        url = path("apps/v1", "deployments", cluster.namespace, name)
        deployment = await cluster.find(url)
        if deployment is None or not owned_by(deployment, app["metadata"]["uid"]):
            raise Failure(f"{name} has no Pods of its own yet. See `containerapp status {name}`.", NOT_FOUND)
        annotations = {_RESTARTED_AT: datetime.now(UTC).isoformat(timespec="seconds")}
        change = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
        await cluster.patch(url, change)


async def scale(target: Target, name: str, replicas: int) -> str:
    """Write the replicas through the scale subresource; return what to say of it."""
    async with connected(target) as cluster:
        app = await cluster.app(RESOURCE, name)
        spec = app["spec"]
        if spec.get("autoscaling"):
            raise Failure(
                f"{name} is scaled by the load: change spec.autoscaling.minReplicas or maxReplicas instead."
            )
        url = path(RESOURCE.api_version, RESOURCE.plural, cluster.namespace, name, "scale")
        await cluster.patch(url, {"spec": {"replicas": replicas}})
    suspended = " It is suspended: no Pod runs until spec.suspend is false." if spec.get("suspend") else ""
    return f"{name} is scaled from {spec.get('replicas', 1)} to {replicas}.{suspended}"


async def children(
    cluster: Cluster, app: Manifest, controller: Controller
) -> tuple[list[Manifest], list[Manifest]]:
    """Return what goes together with an app or a job, and what stays: retained claims, and what was adopted."""
    plurals = {(each.resource.api_version, each.resource.kind): each.resource for each in controller.owns}
    going: list[Manifest] = []
    staying: list[Manifest] = []
    for item in (app.get("status") or {}).get("resources", ()):
        ref = ObjectRef.from_status(item)
        resource = plurals.get((ref.api_version, ref.kind))
        if resource is None:
            continue
        found = await cluster.find(url_of(resource, app["metadata"]["namespace"], ref.name))
        if found is None:
            continue
        stays = retained(found) or ADOPTED_ANNOTATION in (found["metadata"].get("annotations") or {})
        (staying if stays else going).append(found)
    return going, staying


async def delete(cluster: Cluster, app: Manifest, resource: Resource) -> None:
    """Delete an app or a job; the garbage collector deletes what belongs to it."""
    metadata = app["metadata"]
    await cluster.client.delete(
        url_of(resource, metadata["namespace"], metadata["name"]), uid=metadata["uid"]
    )
