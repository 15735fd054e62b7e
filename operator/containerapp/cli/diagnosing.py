"""The checks of `doctor`, each a sentence with what mends it. They read, and write nothing.

What the user may not read is a check that was skipped, not one that failed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from importlib.metadata import version

from containerapp.api.crd import custom_resource_definition
from containerapp.aws.asking import Aws
from containerapp.cli.aws_checks import examine_aws
from containerapp.cli.digests import Answers
from containerapp.cli.findings import Finding, Grade, fail, ok, skip, warn
from containerapp.cli.looks import RESOURCE, items, look
from containerapp.cli.operator_settings import find_operator, read_settings, registry_policy
from containerapp.cli.options import Target
from containerapp.cli.session import Cluster, connected, refused
from containerapp.controllers import CONTROLLERS
from containerapp.core.model import Failed, Key, Manifest, Resource
from containerapp.errors import ContainerAppError
from containerapp.kube.client import NotFound, path
from containerapp.kube.kubeconfig import Access

_OLDEST = 33
"""Minor version of Kubernetes that the rules of the definition are written for."""
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
_BALANCING = {"ingress.k8s.aws/alb", "eks.amazonaws.com/alb"}
"""Controllers of an IngressClass that make Application Load Balancers."""
_CLASS = (
    'kubectl create -f - <<< \'{{"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": '
    '{{"name": "alb"}}, "spec": {{"controller": "{controller}"}}}}\''
)
_HELM = "helm upgrade --install containerapp-operator … (see the page Install on Amazon EKS)"


Check = Callable[[Cluster], Awaitable[list[Finding]]]


async def examine(target: Target, name: str | None, cluster_name: str | None) -> list[Finding]:
    """Return what the checks find of the cluster and of AWS; with `name`, those of one app.

    `cluster_name` is the name of the cluster in EKS; None for that of the kubeconfig.
    """
    async with connected(target) as cluster:
        if name is not None:
            return [finding async for finding in _app(cluster, name)]
        eks = Access(kubeconfig=target.kubeconfig, context=target.context).eks()
        found = [finding for check in _CHECKS for finding in await _checked(check, cluster)]
        aws = Aws(region=eks.region, profile=eks.profile)
        eks_name = cluster_name or eks.name
        found += await examine_aws(aws, eks_name, cluster.namespace)
        return [finding.naming(eks_name) for finding in found]


async def _checked(check: Check, cluster: Cluster) -> list[Finding]:
    try:
        return await check(cluster)
    except ContainerAppError as error:
        answer = refused(error)
        if answer is None:
            raise
        return [skip(f"Skipped: {answer}")]


async def _kubernetes(cluster: Cluster) -> list[Finding]:
    found = await cluster.client.get("/version")
    minor = int("".join(filter(str.isdigit, found["minor"])) or 0)
    if minor < _OLDEST:
        remedy = "aws eks update-cluster-version --name CLUSTER --kubernetes-version 1.33"
        return [warn(f"Kubernetes {found['gitVersion']} is not tested.", remedy)]
    return [ok(f"Kubernetes {found['gitVersion']} answers.")]


async def _definitions(cluster: Cluster) -> list[Finding]:
    findings = []
    for controller in CONTROLLERS:
        definition = controller.definition
        mend = f"containerapp crd {definition.kind} | kubectl apply --server-side -f -"
        url = path("apiextensions.k8s.io/v1", "customresourcedefinitions", None, definition.name)
        stored = await cluster.find(url)
        if stored is None:
            said = f"The definition of {definition.kind} is not installed."
            findings.append(fail(said, mend))
            continue
        ours = custom_resource_definition(definition)["spec"]["versions"][0]["schema"]
        if stored["spec"]["versions"][0]["schema"] != ours:
            said = f"The definition of {definition.kind} is of another version than this command."
            findings.append(warn(said, mend))
        else:
            findings.append(ok(f"The definition of {definition.kind} is installed."))
    return findings


async def _operator(cluster: Cluster) -> list[Finding]:
    await cluster.client.get("/apis/apps/v1/deployments", limit="1")
    found = await find_operator(cluster.client)
    if found is None:
        said = "The operator's Deployment is not found: apps wait until one serves them."
        return [fail(said, _HELM)]
    metadata, status = found["metadata"], found.get("status", {})
    where = f"{metadata['namespace']}/{metadata['name']}"
    if not status.get("readyReplicas"):
        remedy = f"kubectl logs -n {metadata['namespace']} deployment/{metadata['name']}"
        return [fail(f"The operator {where} is not ready.", remedy)]
    theirs = (metadata.get("labels") or {}).get("app.kubernetes.io/version", "unknown")
    ours = version("containerapp-operator")
    if theirs != ours:
        said = f"The operator {where} is version {theirs}, this command {ours}: a plan may differ."
        return [warn(said, _HELM)]
    return [ok(f"The operator {where} runs, version {theirs}.")]


async def _optional_kinds(cluster: Cluster) -> list[Finding]:
    watched = {watch.resource: "" for each in CONTROLLERS for watch in each.watches}
    owned = {child.resource: child.purpose for each in CONTROLLERS for child in each.owns}
    kinds = {resource: purpose for resource, purpose in {**watched, **owned}.items() if resource.install}
    return [await _optional_kind(cluster, resource, purpose) for resource, purpose in kinds.items()]


async def _optional_kind(cluster: Cluster, resource: Resource, purpose: str) -> Finding:
    if await _serves(cluster, resource.api_version, resource.plural):
        return ok(f"The kind {resource.kind} is installed.")
    return warn(f"The kind {resource.kind} is not installed. {purpose}".strip(), resource.install)


async def _metrics(cluster: Cluster) -> list[Finding]:
    remedy = "aws eks create-addon --cluster-name CLUSTER --addon-name metrics-server"
    try:
        serves = await _serves(cluster, "metrics.k8s.io/v1beta1", "pods")
    except ContainerAppError as error:
        if refused(error) is None:
            raise
        said = "metrics-server is registered and does not answer: spec.autoscaling by cpu and memory does not scale."
        return [warn(said, "kubectl describe apiservice v1beta1.metrics.k8s.io")]
    if serves:
        return [ok("metrics-server answers: spec.autoscaling and `top` work.")]
    return [warn("There is no metrics-server: spec.autoscaling by cpu and memory does not scale.", remedy)]


async def _load_balancers(cluster: Cluster) -> list[Finding]:
    auto_mode = await _serves(cluster, "eks.amazonaws.com/v1", "nodeclasses")
    if not auto_mode and not await _serves(cluster, "elbv2.k8s.aws/v1beta1", "targetgroupbindings"):
        said = "Neither EKS Auto Mode nor the AWS Load Balancer Controller is found: no app gets a load balancer."
        return [
            warn(
                said,
                "helm install aws-load-balancer-controller eks/aws-load-balancer-controller -n kube-system"
                " --set clusterName=CLUSTER",
            )
        ]
    maker = "EKS Auto Mode makes" if auto_mode else "The AWS Load Balancer Controller makes"
    try:
        classes = await items(cluster, "/apis/networking.k8s.io/v1/ingressclasses")
    except ContainerAppError as error:
        if refused(error) is None:
            raise
        return [ok(f"{maker} load balancers.")]
    named = [each["metadata"]["name"] for each in classes if each["spec"].get("controller") in _BALANCING]
    if named:
        return [ok(f"{maker} load balancers; IngressClass {', '.join(named)}.")]
    said = f"{maker} load balancers, but no IngressClass is theirs: spec.expose gets no address by alb."
    return [
        warn(said, _CLASS.format(controller="eks.amazonaws.com/alb" if auto_mode else "ingress.k8s.aws/alb"))
    ]


async def _storage(cluster: Cluster) -> list[Finding]:
    classes = await items(cluster, "/apis/storage.k8s.io/v1/storageclasses")
    names = [each["metadata"]["name"] for each in classes]
    default = [
        each["metadata"]["name"]
        for each in classes
        if (each["metadata"].get("annotations") or {}).get(_DEFAULT_CLASS) == "true"
    ]
    if default:
        return [ok(f"The default StorageClass is {' and '.join(default)}.")]
    said = "There is no default StorageClass: a claim of spec.volumes waits, unless it names a class."
    return [warn(said, f"kubectl annotate storageclass {(names or ['NAME'])[0]} {_DEFAULT_CLASS}=true")]


async def _pod_identity(cluster: Cluster) -> list[Finding]:
    if await _serves(cluster, "eks.amazonaws.com/v1", "nodeclasses"):
        return [ok("EKS Auto Mode has the Pod Identity agent.")]
    agent = await cluster.find(path("apps/v1", "daemonsets", "kube-system", "eks-pod-identity-agent"))
    if agent is not None:
        return [ok("The Pod Identity agent is installed.")]
    remedy = "aws eks create-addon --cluster-name CLUSTER --addon-name eks-pod-identity-agent"
    said = "There is no Pod Identity agent: spec.identity needs it, or IRSA."
    return [warn(said, remedy)]


async def _nodes(cluster: Cluster) -> list[Finding]:
    listed = await items(cluster, "/api/v1/nodes")
    ready = [node for node in listed if _holds(node, "Ready")]
    if not ready:
        said = "No node is ready: Pods wait, unless Auto Mode, Karpenter or Fargate brings nodes."
        return [warn(said, "kubectl get nodes")]
    return [ok(f"{len(ready)} of {len(listed)} nodes are ready.")]


_CHECKS: tuple[Check, ...] = (
    _kubernetes,
    _definitions,
    _operator,
    _nodes,
    _load_balancers,
    _storage,
    _metrics,
    _pod_identity,
    _optional_kinds,
)


async def _app(cluster: Cluster, name: str) -> AsyncIterator[Finding]:
    """Check one app: what the operator says, what its Pods say, and whether its image is found from here."""
    seen = await look(cluster, name)
    ready = seen.conditions.get("Ready", {})
    said = f"{ready.get('reason', 'Pending')}: {ready.get('message', 'no status yet')}"
    if not seen.current:
        remedy = "Check by `containerapp doctor` that the operator runs and serves this namespace."
        yield Finding(grade=Grade.FAIL, said="The operator has not seen the last change.", remedy=remedy)
    else:
        yield Finding(grade=Grade.OK if seen.ready else Grade.FAIL, said=said)
    if problem := seen.problem:
        yield fail(problem)
    for kind, condition in seen.conditions.items():
        if kind not in {"Ready", "Stalled", "Reconciling"} and condition["status"] != "True":
            yield warn(f"{kind}: {condition['message']}")
    yield await _image(cluster, seen.app)


async def _image(cluster: Cluster, app: Manifest) -> Finding:
    from containerapp.api.images import parse

    settings = await read_settings(cluster.client, cluster.namespace, None)
    answers = Answers(policy=registry_policy(settings))
    reference = parse(app["spec"]["image"], default_registry=settings.default_registry)
    if reference.digest is not None or answers.runs_by_tag(reference):
        return ok(f"{reference} needs no looking up.")
    key = Key(RESOURCE.kind, app["metadata"]["namespace"], app["metadata"]["name"])
    answers.lookup(reference, key)
    await answers.ask()
    answer = answers.lookup(reference, key)
    if isinstance(answer, Failed):
        said = f"With your own credentials {reference} is not found: {answer.error.message}"
        return warn(said)
    return ok(f"{reference} is found in its registry.")


async def _serves(cluster: Cluster, api_version: str, plural: str) -> bool:
    """Whether the API server knows a kind; everybody may ask that."""
    try:
        known = await cluster.client.get(
            f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        )
    except NotFound:
        return False
    return any(each["name"] == plural for each in known["resources"])


def _holds(node: Manifest, kind: str) -> bool:
    conditions = node.get("status", {}).get("conditions", ())
    return any(each["type"] == kind and each["status"] == "True" for each in conditions)
