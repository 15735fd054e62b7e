"""AWS App Runner: a service as `describe-service` shows it, or as `create-service` takes it, to a ContainerApp.

What describes its scaling and its domains (`describe-auto-scaling-configuration`, `describe-custom-domains`) is read
where it is given, too. `apprunner.yaml` is in `apprunner_file`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from containerapp.importers import apprunner_file, commands, probes
from containerapp.importers.manifest import TRUST, Draft, cpu, imported, labels, memory
from containerapp.importers.naming import object_name
from containerapp.importers.source import Imported, Refusal, Source, source
from containerapp.importers.wishes import Wishes

BUILD = "App Runner builds the image from source: build it in your pipeline, push it, and name it by --image"
_OWN = {
    "ServiceId": "App Runner's own",
    "ServiceArn": "App Runner's own",
    "ServiceUrl": "App Runner's own address: callers need the app's, which status.url has",
    "CreatedAt": "App Runner's own",
    "UpdatedAt": "App Runner's own",
    "DeletedAt": "App Runner's own",
    "Status": "App Runner's own",
    "OperationId": "App Runner's own",
    "EncryptionConfiguration": "encrypts App Runner's copy of the source; images in ECR are encrypted there",
    "ObservabilityConfiguration": "traces need a collector: run the ADOT collector in the cluster or in `sidecars`",
    "AutoScalingConfigurationArn": "has only the name: give the output of describe-auto-scaling-configuration, too",
    "AutoScalingConfigurationSummary": "has only the name: give the output of describe-auto-scaling-configuration, too",
}
_SIZE = re.compile(r"(?P<number>[0-9]{0,9}\.?[0-9]{1,9}) *(?P<unit>vCPU|GB)?", re.IGNORECASE)


def convert(documents: Sequence[tuple[str, Any]], wishes: Wishes) -> Imported:
    """Return what becomes of an App Runner service; `documents` are file names and their values, in any order."""
    root = source(_merged(documents))
    if root.at("run"):
        return imported([root], [apprunner_file.draft(root, wishes)])
    service = root.at("service") or root
    if not service.at("sourceConfiguration"):
        raise Refusal(
            "This is no App Runner service: give the output of `aws apprunner describe-service`, or apprunner.yaml."
        )
    return imported([root], [_draft(root, service, wishes)])


def _merged(documents: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    return {
        key: value
        for _, document in documents
        if isinstance(document, dict)
        for key, value in document.items()
    }


def _draft(root: Source, service: Source, wishes: Wishes) -> Draft:
    given = service.at("serviceName").named()
    draft = Draft(name=object_name(wishes.name or given), namespace=wishes.namespace)
    port = _source(service.at("sourceConfiguration"), draft, wishes)
    _instance(service.at("instanceConfiguration"), draft)
    _health(service.at("healthCheckConfiguration"), draft, port)
    _scaling(root.at("autoScalingConfiguration"), draft)
    _network(root, service.at("networkConfiguration"), draft)
    draft.put("labels", labels((tag.at("key").text(), tag.at("value")) for tag in service.at("tags").items()))
    for key, reason in _OWN.items():
        service.at(key[:1].lower() + key[1:]).lose(reason)
    return draft


def _source(configured: Source, draft: Draft, wishes: Wishes) -> int:
    """Put the image and what it is given; return the port."""
    configured.at("autoDeploymentsEnabled").lose(
        "an app runs the digest that its tag had: change spec.image in your pipeline, or annotate the app with"
        " containerapp.dev/refresh-image"
    )
    configured.at("authenticationConfiguration").lose(
        "nodes pull from ECR by their own role; source is not pulled"
    )
    repository, code = configured.at("imageRepository"), configured.at("codeRepository")
    repository.at("imageRepositoryType").take()
    draft.put("image", wishes.image_of(draft.name, repository.at("imageIdentifier"), own=True))
    values = repository.at("imageConfiguration") or code.at("codeConfiguration").at("codeConfigurationValues")
    number = values.at("port").number(8080)
    draft.put("port", number)
    _command(values.at("startCommand"), draft)
    variables = values.at("runtimeEnvironmentVariables").entries()
    draft.put("env", [draft.variable(name, value) for name, value in variables])
    draft.put("secrets", secrets(values.at("runtimeEnvironmentSecrets")))
    for part in (
        *(
            values.at("runtime"),
            values.at("buildCommand"),
            code.at("repositoryUrl"),
            code.at("sourceCodeVersion"),
        ),
        *(code.at("sourceDirectory"), code.at("codeConfiguration").at("configurationSource")),
    ):
        part.lose(BUILD)
    return number


def _command(line: Source, draft: Draft) -> None:
    if line:
        draft.put("command", commands.words(line.text()))
        line.note(
            "replaces the image's ENTRYPOINT; App Runner's replaces its CMD: where the image has an ENTRYPOINT"
            " of its own, write it before"
        )


def _instance(configured: Source, draft: Draft) -> None:
    cores, space = _size(configured.at("cpu")), _size(configured.at("memory"))
    requests = {
        **({"cpu": cpu(cores * 1000 if cores <= 8 else cores / 1.024)} if cores else {}),
        **({"memory": memory(round(space * 1024 if space <= 64 else space))} if space else {}),
    }
    draft.put("resources", {"requests": requests} if requests else None)
    role = configured.at("instanceRoleArn").text()
    draft.put("identity", {"roleArn": role} if role else None, TRUST if role else "")


def _size(given: Source) -> float:
    """Take a number of cores or of gigabytes, or AWS' units of them."""
    found = _SIZE.fullmatch(given.text().strip())
    if found is None:
        given.lose("is no size: write resources.requests")
    return float(found["number"]) if found else 0


def _health(check: Source, draft: Draft, port: int) -> None:
    """Put what holds traffic back: App Runner's check does not replace an instance while others run."""
    by_path = check.at("protocol").text().upper() == "HTTP"
    asks = {"httpGet": {"path": check.at("path").text("/")}} if by_path else {"tcpSocket": {"port": port}}
    probe = probes.probe(
        asks,
        periodSeconds=check.at("interval").number(5),
        timeoutSeconds=check.at("timeout").number(2),
        successThreshold=check.at("healthyThreshold").number(1),
        failureThreshold=check.at("unhealthyThreshold").number(5),
    )
    check.at("path").take()
    draft.put("readinessProbe", probe if check else None)


def _scaling(configured: Source, draft: Draft) -> None:
    least, most = configured.at("minSize").number(1), configured.at("maxSize").number(25)
    if configured:
        draft.put("autoscaling", {"minReplicas": least, "maxReplicas": most}, "by 70 % of the requested cpu")
    configured.at("maxConcurrency").lose(
        "Pods are counted by cpu: for requests at a time, add a metric to autoscaling.metrics"
    )
    for key, _ in configured.entries():
        configured.at(key).lose("App Runner's own")


def _network(root: Source, configured: Source, draft: Draft) -> None:
    """Put how the service is reached."""
    public = configured.at("ingressConfiguration").at("isPubliclyAccessible").flag(default=True)
    domains = [domain.at("domainName").text() for domain in root.at("customDomains").items()]
    for domain in root.at("customDomains").items():
        for key in ("enableWWWSubdomain", "certificateValidationRecords", "status"):
            domain.at(key).lose("of App Runner's own certificate: the app's is found in ACM by its hosts")
    root.at("dNSTarget").lose("App Runner's own address")
    for key in ("vpcDNSTargets", "serviceArn"):
        root.at(key).lose("App Runner's own")
    reach: dict[str, Any] = {"public": True, "via": "alb"} if public else {}
    draft.put("expose", {**({"hosts": domains} if domains else {}), **reach})
    configured.at("egressConfiguration").lose(
        "Pods are in the VPC; `network.egress` limits what they may call"
    )
    configured.at("ipAddressType").lose("the load balancer's: `expose.annotations`")


def secrets(named: Source) -> list[dict[str, Any]]:
    """Take a map of variables to ARNs, as `secrets` of an ECS task definition."""
    return [{"name": name, "valueFrom": where.text()} for name, where in named.entries()]
