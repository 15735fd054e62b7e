"""The screen on which the demo ends in a terminal: what to paste into another one, to see the operator at work.

`story` prints it while the cluster is held. Every line that is indented by four spaces is a command that works.
"""

from __future__ import annotations

from devcluster import Cluster
from examples.demo import sample

_NAME = sample.NAME


def text(cluster: Cluster, *, page: str | None) -> str:
    """Return the screen; without a page there is nothing to open."""
    path = cluster.binary("kubectl").parent
    opening = f"  {page}  is the sample application. Open it in a browser.\n" if page else ""
    return f"""
{opening}  Ctrl-C ends the demo and removes everything. Until then, in another terminal:

    export KUBECONFIG={cluster.kubeconfig} PATH={path}:$PATH
    kubectl get capp,deployment,service,pod

  Scale it:
    kubectl scale capp/{_NAME} --replicas=3

  Break it; what was deleted comes back:
    kubectl delete service,deployment {_NAME}

  Release version {sample.NEXT_VERSION}; new Pods are available before old ones go:
    {_release(sample.NEXT_VERSION)}

  Release a version that nobody has pushed; what ran goes on, and the status says what is wrong:
    {_release("9.9")}

  Read the status, and what a manifest can say:
    kubectl describe capp {_NAME}
    kubectl explain containerapp.spec
"""


def _release(version: str) -> str:
    return f"""kubectl patch capp {_NAME} --type=merge -p '{{"spec":{{"image":"{_NAME}:{version}"}}}}'"""
