"""PodMonitor: lets a Prometheus of the Prometheus Operator scrape the app's Pods, for an app with `metrics`.

A PodMonitor and not a ServiceMonitor, since workers have no Service. It selects the Pods of every track. The kind is
optional: without its definition the app runs all the same.
"""

from __future__ import annotations

from collections.abc import Iterator

from containerapp.api.containerapp import ContainerApp
from containerapp.controllers.containerapp.inputs import Inputs
from containerapp.controllers.pods.metadata import app_selector, metadata
from containerapp.core.model import Child, Manifest, Resource


def render(app: ContainerApp, _inputs: Inputs) -> Iterator[Manifest]:
    """Yield the app's PodMonitor, if it serves metrics."""
    metrics, port = app.spec.metrics, app.spec.metrics_port()
    if metrics is None or port is None:
        return
    base = metadata(app)
    yield {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PodMonitor",
        "metadata": {**base, "labels": {**metrics.labels, **base["labels"]}},
        "spec": {
            "selector": {"matchLabels": app_selector(app)},
            "podMetricsEndpoints": [
                {
                    "port": port.name,
                    "path": metrics.path,
                    **({"interval": metrics.interval} if metrics.interval else {}),
                }
            ],
        },
    }


CHILD = Child(
    resource=Resource(
        api_version="monitoring.coreos.com/v1",
        kind="PodMonitor",
        plural="podmonitors",
        optional=True,
        install="Install the Prometheus Operator, for example with the Helm chart kube-prometheus-stack.",
    ),
    render=render,
    overridable=True,
    condition="Monitored",
    purpose="Nothing scrapes the metrics of the app.",
)
