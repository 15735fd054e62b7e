"""What to show when a step fails: the state, the events and the last words of the Pods concerned.

Collected while the cluster still lives. It must never fail itself, whatever state the cluster is in.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from devcluster import Cluster, DevclusterError
from examples.demo.errors import DemoError

_EVENTS = 12
_LINES = 15


@contextmanager
def of(cluster: Cluster, namespace: str, component: str | None = None) -> Iterator[None]:
    """Add to a failure in here what the namespace's Pods, and a server of the cluster, have to say."""
    try:
        yield
    except (DemoError, DevclusterError) as error:
        known = [error.evidence] if isinstance(error, DemoError) and error.evidence else []
        raise DemoError(str(error), "\n".join([*known, *_collect(cluster, namespace, component)])) from error


def _collect(cluster: Cluster, namespace: str, component: str | None) -> Iterator[str]:
    scope = f"--namespace={namespace}"
    yield f"Pods in {namespace}:\n{_said(cluster, 'get', 'pods', scope, '--output=wide')}"
    events = _said(cluster, "get", "events", scope, "--sort-by=.lastTimestamp").splitlines()
    yield "\n".join(["Events:", *events[-_EVENTS:]])
    for name in _said(cluster, "get", "pods", scope, "--output=name").split():
        if name.startswith("pod/"):
            yield f"Log of {name}:\n{_said(cluster, 'logs', name, scope, f'--tail={_LINES}')}"
    if component and cluster.supervision:
        yield f"Log of {component}:\n{cluster.supervision.log_tail(component)}"


def _said(cluster: Cluster, *arguments: str) -> str:
    try:
        return cluster.kubectl(*arguments, timeout=20)
    except DevclusterError as error:
        return str(error)
