"""What `--once` insists on before it calls the demo a success.

Every claim is read from the running system, none from what the demo did: the Pods' own status, Helm's releases, moto's
log, the operator's metrics, the page.
"""

from __future__ import annotations

import json
import re
from typing import Any

from devcluster import Cluster, ecr
from examples.demo import operator_image, sample
from examples.demo.errors import DemoError

OPERATOR_NAMESPACE = "containerapp-system"
RELEASE = "containerapp-operator"
_AWS_CALL = re.compile(r'"POST / HTTP')
_LOOKUPS = re.compile(
    r'^containerapp_registry_lookups_total\{outcome="ok",registry="ecr"\} ([0-9.]+)', re.MULTILINE
)


def pods(cluster: Cluster, namespace: str, name: str) -> list[dict[str, Any]]:
    """Return the Pods of an app that are not on their way out."""
    answer = cluster.kubectl(
        "get",
        "pods",
        f"--namespace={namespace}",
        f"--selector=app.kubernetes.io/name={name}",
        "--output=json",
    )
    found: list[dict[str, Any]] = json.loads(answer)["items"]
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


def aws_calls(cluster: Cluster) -> int:
    """Return how many AWS calls moto has answered since it started."""
    return len(_AWS_CALL.findall(cluster.log("moto").read_text(errors="replace")))


def pods_run_from_ecr(cluster: Cluster, namespace: str, name: str, repository: str) -> str:
    """Check that every Pod of an app runs, on a real node, the image that ECR names by its digest."""
    known = ecr.client(cluster).describe_images(repositoryName=repository)["imageDetails"]
    expected = {f"{ecr.ECR_HOST}/{repository}@{image['imageDigest']}" for image in known}
    found = pods(cluster, namespace, name)
    _insist(bool(found), f"there is no Pod of {name}")
    runtime = _runtime(cluster)
    _insist(runtime.startswith("containerd://"), f"the node runs no containers: {runtime}")
    for pod in found:
        _insist(pod["status"]["phase"] == "Running", f"Pod {pod['metadata']['name']} does not run")
        asked = {container["image"] for container in pod["spec"]["containers"]}
        ran = {status["imageID"] for status in pod["status"]["containerStatuses"]}
        _insist(
            len(asked) == 1 and asked == ran and asked <= expected,
            f"Pod {pod['metadata']['name']} asks for {asked} and runs {ran}; ECR has {expected}",
        )
    return f"{len(found)} Pods run {ran.pop()} (pulled by {runtime})"


def helm_installed_the_operator(cluster: Cluster) -> str:
    """Check that the operator's Deployment is Helm's, and that its Pods run from ECR."""
    releases = json.loads(cluster.helm("list", f"--namespace={OPERATOR_NAMESPACE}", "--output=json"))
    deployed = [(release["name"], release["status"]) for release in releases]
    _insist(deployed == [(RELEASE, "deployed")], f"Helm's releases are {deployed}")
    told = pods_run_from_ecr(cluster, OPERATOR_NAMESPACE, RELEASE, operator_image.REPOSITORY)
    return f"Helm release {RELEASE} is deployed: {told}"


def aws_calls_went_to_moto(cluster: Cluster, before: int) -> str:
    """Check at both ends that the operator asked ECR, and that moto was the one who answered."""
    answered = aws_calls(cluster) - before
    asked = sum(
        float(count)
        for pod in pods(cluster, OPERATOR_NAMESPACE, RELEASE)
        for count in _LOOKUPS.findall(_metrics(cluster, pod["metadata"]["name"]))
    )
    _insist(answered > 0, "moto has answered no AWS call since the app was made")
    _insist(0 < asked <= answered, f"the operator made {asked:.0f} ECR calls, moto answered {answered}")
    return f"the operator asked ECR {asked:.0f} times, moto answered ({cluster.aws_endpoint})"


def page_is_served_by_a_pod(cluster: Cluster, page: str) -> str:
    """Check that the page names the host, one of the app's Pods, the version, and a user that is not root."""
    names = [pod["metadata"]["name"] for pod in pods(cluster, sample.NAMESPACE, sample.NAME)]
    said = {field: _field(page, field) for field in ("address", "pod", "version", "user")}
    wanted = f"https://{sample.HOST}"
    _insist(said["address"] == wanted, f"the page was asked for at {said['address']}, not at {wanted}")
    _insist(said["pod"] in names, f"the page was answered by {said['pod']}, which is none of {names}")
    _insist(said["version"] == sample.VERSION, f"the page is of version {said['version']}")
    _insist(said["user"] == "65532", f"the page was answered by user {said['user']}")
    return (
        f"{wanted} was answered by Pod {said['pod']}, version {said['version']}, user {said['user']}; "
        "the certificate is right"
    )


def _runtime(cluster: Cluster) -> str:
    return cluster.kubectl(
        "get", "nodes", "--output=jsonpath={.items[*].status.nodeInfo.containerRuntimeVersion}"
    )


def _metrics(cluster: Cluster, pod: str) -> str:
    return cluster.kubectl(
        "get", "--raw", f"/api/v1/namespaces/{OPERATOR_NAMESPACE}/pods/{pod}:8080/proxy/metrics"
    )


def _field(page: str, name: str) -> str:
    match = re.search(rf'id="{name}">([^<]*)<', page)
    return match[1] if match else "nobody"


def _insist(claim: bool, otherwise: str) -> None:  # noqa: FBT001 - reads like assert
    if not claim:
        raise DemoError(otherwise)
