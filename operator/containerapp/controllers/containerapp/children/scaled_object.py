"""ScaledObject: has KEDA set the number of Pods, for an app with `autoscaling.triggers`.

KEDA makes a HorizontalPodAutoscaler of its own, under another name than ours, and refuses a workload that has one
already; so whichever of the two is not wanted is deleted before the other is made. Neither deletion changes a count.
Names of triggers' parameters are those of kedacore/keda, pkg/scalers at v2.21.
"""

from __future__ import annotations

from collections.abc import Iterator

from containerapp.api.containerapp import ContainerApp
from containerapp.api.schema.quantity import quantity
from containerapp.api.triggers import (
    PrometheusTrigger,
    QueueTrigger,
    RequestTrigger,
    Trigger,
)
from containerapp.api.workload import Autoscaling
from containerapp.controllers.containerapp.inputs import Inputs
from containerapp.controllers.containerapp.scaling import SCALED_OBJECT, TRIGGER_AUTHENTICATION, by_keda
from containerapp.controllers.pods.metadata import labels, metadata
from containerapp.controllers.pods.template import CONTAINER
from containerapp.core.model import Child, Manifest, Prune

_NOT_ON_THE_HPA = "scaledobject.keda.sh/hpa-excluded-labels"
"""Our labels say whose an object is; the autoscaler that KEDA makes is KEDA's."""


def render(app: ContainerApp, inputs: Inputs) -> Iterator[Manifest]:
    """Yield the app's ScaledObject, if there are triggers."""
    autoscaling = by_keda(app)
    if autoscaling is None:
        return
    yield {
        "apiVersion": SCALED_OBJECT.api_version,
        "kind": SCALED_OBJECT.kind,
        "metadata": metadata(app, annotations={_NOT_ON_THE_HPA: ",".join(sorted(labels(app)))}),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": app.metadata.name},
            "minReplicaCount": max(autoscaling.min_replicas, inputs.fewest_pods),
            "maxReplicaCount": autoscaling.max_replicas,
            "advanced": {
                "horizontalPodAutoscalerConfig": {
                    "behavior": autoscaling.behavior.model_dump(by_alias=True, mode="json")
                }
            },
            "triggers": list(_triggers(app.metadata.name, autoscaling)),
        },
    }


def _triggers(name: str, autoscaling: Autoscaling) -> Iterator[Manifest]:
    for resource, percent in (("cpu", autoscaling.cpu), ("memory", autoscaling.memory)):
        if percent is not None:
            parameters = {"value": str(percent), "containerName": CONTAINER}
            yield {"type": resource, "metricType": "Utilization", "metadata": parameters}
    for trigger in autoscaling.triggers:
        kind, parameters = _parameters(trigger)
        asks = {"authenticationRef": {"name": name, "kind": TRIGGER_AUTHENTICATION.kind}}
        yield {
            "type": kind,
            "metricType": "AverageValue",
            "metadata": parameters,
            **(asks if trigger.asks_aws() else {}),
        }


def _parameters(trigger: Trigger) -> tuple[str, dict[str, str]]:
    """Return the type that KEDA knows the trigger by, and its parameters."""
    match trigger.given:
        case QueueTrigger() as queue:
            return "aws-sqs-queue", _queue(queue)
        case RequestTrigger() as requests:
            return "aws-cloudwatch", _requests(requests)
        case PrometheusTrigger(server_address=address, query=query, per_pod=amount):
            threshold = f"{float(quantity(amount)):.9f}".rstrip("0").rstrip(".")
            return "prometheus", {"serverAddress": address, "query": query, "threshold": threshold}
        case _ as schedule:
            return "cron", {
                "timezone": schedule.time_zone,
                "start": schedule.start,
                "end": schedule.end,
                "desiredReplicas": str(schedule.replicas),
            }


def _queue(queue: QueueTrigger) -> dict[str, str]:
    return {
        "queueURL": queue.queue_url,
        "awsRegion": queue.queue_url.split(".")[1],
        "queueLength": str(queue.messages_per_pod),
        "scaleOnInFlight": str(queue.count_in_flight).lower(),
    }


def _requests(requests: RequestTrigger) -> dict[str, str]:
    """Return the sum of a whole minute, the last but one: that of the last is not complete yet.

    The sum over all targets, divided by the Pods: a mean for each target would be followed once more with every new
    Pod until CloudWatch has the next minute.
    """
    balancer, _, group = requests.resource_label.partition("/targetgroup/")
    return {
        "awsRegion": requests.region,
        "namespace": "AWS/ApplicationELB",
        "metricName": "RequestCount",
        "dimensionName": "LoadBalancer;TargetGroup",
        "dimensionValue": f"{balancer};targetgroup/{group}",
        "metricStat": "Sum",
        "metricStatPeriod": "60",
        "metricCollectionTime": "300",
        "metricEndTimeOffset": "60",
        "minMetricValue": "0",
        "targetMetricValue": str(requests.requests_per_pod),
    }


CHILD = Child(resource=SCALED_OBJECT, render=render, prune=Prune.NOW)
