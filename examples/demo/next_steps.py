"""The screen on which the demo ends in a terminal: what to paste into another one, to see the operator at work.

`story` prints it while the cluster is held. Every line that is indented by four spaces is a command that works.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from devcluster import Cluster
from examples.demo import browser, load_balancer, sample
from examples.demo.load_balancer import PORT, LoadBalancer

_NAME = sample.NAME


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Where the page is."""

    url: str
    balancer: LoadBalancer
    forwarded: str
    """The same by a port of this machine."""


def text(cluster: Cluster, page: Page | None) -> str:
    """Return the screen; without a page there is nothing to open."""
    path = cluster.binary("kubectl").parent
    opening = _opening(cluster, page) if page else ""
    return f"""
{opening}  Ctrl-C ends the demo and removes everything. Until then, in another terminal:

    export KUBECONFIG={cluster.kubeconfig} PATH={path}:$PATH
    kubectl get capp,deployment,service,ingress,pod

  Scale it:
    kubectl scale capp/{_NAME} --replicas=3

  Break it; what was deleted comes back:
    kubectl delete service,deployment,ingress {_NAME}

  Release version {sample.NEXT_VERSION}; new Pods are available before old ones go:
    {_release(sample.NEXT_VERSION)}

  Release a version that nobody has pushed; what ran goes on, and the status says what is wrong:
    {_release("9.9")}

  Read the status, and what a manifest can say:
    kubectl describe capp {_NAME}
    kubectl explain containerapp.spec
"""


def _opening(cluster: Cluster, page: Page) -> str:
    address = page.balancer.address
    chromium = browser.find()
    if chromium is None:
        window = f"  A browser needs that name for {address} in /etc/hosts, and the authority above.\n"
    else:
        command = browser.command(chromium, cluster.run_dir / "browser", load_balancer.site(page.balancer))
        window = f"    {shlex.join([*command, page.url])}\n"
    return f"""  Open the load balancer's address, {address}: {page.url} is the sample application.
  No name server knows that name, and the certificate is of an authority of this run; these commands know both:

    curl --cacert {page.balancer.authority} --resolve {sample.HOST}:{PORT}:{address} {page.url}
{window}
  {page.forwarded}  is the same page for any browser, past the load balancer (kubectl port-forward).

"""


def _release(version: str) -> str:
    return f"""kubectl patch capp {_NAME} --type=merge -p '{{"spec":{{"image":"{_NAME}:{version}"}}}}'"""
