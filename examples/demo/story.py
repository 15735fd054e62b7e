"""The demo's steps in their order, for a real node and for simulated ones.

Called by the command line. What a step does is told by the module it calls; what is read here is the order, and which
step of ECS each stands for.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devcluster import Cluster, DevclusterError
from examples.demo import (
    access,
    browser,
    evidence,
    load_balancer,
    next_steps,
    operator_image,
    places,
    proof,
    release,
    sample,
    traefik_image,
)
from examples.demo.console import Console
from examples.demo.errors import DemoError
from examples.demo.load_balancer import LoadBalancer
from examples.demo.places import Place

_STEPS = 8
_STEPS_WITH_A_LOAD_BALANCER = 9
_CHILDREN = ("get", "deployment,service,ingress,pod", f"--selector=app.kubernetes.io/name={sample.NAME}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the user asked for."""

    once: bool
    """Check the page and end, instead of holding it open."""
    simulated: bool
    """Do without a real node, also where there could be one."""
    pictures: Path
    """Where screenshots go."""


def tell(console: Console, wishes: Wishes) -> None:
    """Run the demo, on a cluster with a real node where the machine allows it."""
    place, cluster = _start(console, places.candidates(simulated=wishes.simulated))
    with _ended(console, cluster):
        if place.real:
            _on_a_real_node(cluster, console, wishes, place)
        else:
            _on_simulated_nodes(cluster, console, wishes)


def _start(console: Console, choices: Sequence[Place]) -> tuple[Place, Cluster]:
    """Start the first cluster that can be started, as the first step."""
    for place in choices:
        console.say(place.why)
        console.steps = _STEPS_WITH_A_LOAD_BALANCER if place.real else _STEPS
        try:
            with console.step(place.title, "create the cluster"):
                cluster = place.start()
        except DevclusterError as error:
            if place is choices[-1]:
                raise
            console.repeat(f"That failed: {str(error).splitlines()[-1]}")
            continue
        console.note(cluster.kubectl("get", "nodes"))
        console.note(f"its files, until the end: {cluster.run_dir}")
        return place, cluster
    raise DemoError("there is no place to start a cluster")


def _on_a_real_node(cluster: Cluster, console: Console, wishes: Wishes, place: Place) -> None:
    with console.step(place.image_step, "build and push the image"):
        console.note(f"ECR has {sample.build_and_push(cluster, console)}")
    with (
        console.step("Install the operator with Helm, as Pods on that node", "AWS runs this part"),
        evidence.of(cluster, proof.OPERATOR_NAMESPACE),
    ):
        release.install(cluster, console, operator_image.push(cluster, console))
    with (
        console.step(
            "Start a load balancer: Traefik, with a certificate", "create an Application Load Balancer"
        ),
        evidence.of(cluster, load_balancer.NAMESPACE),
    ):
        balancer = load_balancer.install(cluster, console, traefik_image.push(cluster, console))
    calls = proof.aws_calls(cluster)
    _launch(cluster, console, operator=None)
    with (
        console.step("Open the load balancer's address", "open the sample application"),
        evidence.of(cluster, load_balancer.NAMESPACE),
        evidence.of(cluster, sample.NAMESPACE),
    ):
        _open(cluster, console, wishes, balancer, calls)


def _on_simulated_nodes(cluster: Cluster, console: Console, wishes: Wishes) -> None:
    with console.step(
        "Register an image with ECR; it is empty, as nothing runs it", "build and push the image"
    ):
        console.note(f"ECR has {sample.register_empty(cluster)}")
    with (
        console.step("Install the chart with Helm, run the operator beside it", "AWS runs this part"),
        evidence.of(cluster, proof.OPERATOR_NAMESPACE),
    ):
        release.install_without_pods(cluster, console)
    _launch(cluster, console, operator=release.PROCESS)
    with console.step("Show the app; its page needs a real node", "view the service"):
        console.note(_listing(cluster))
        if not wishes.once:
            sample.register_empty(cluster, sample.NEXT_VERSION)
            console.say(next_steps.text(cluster, None))
            signal.pause()


def _launch(cluster: Cluster, console: Console, *, operator: str | None) -> None:
    with console.step("Describe the app in a few lines", "the task definition and the service"):
        console.note(sample.MANIFEST.read_text())
    with console.step("Have the manifest checked and its defaults filled in", "review"):
        sample.review(cluster, console)
    with console.step("Apply it", "launch"), evidence.of(cluster, sample.NAMESPACE):
        sample.launch(cluster, console)
    with (
        console.step("Wait until it is Ready", "view the service"),
        evidence.of(cluster, sample.NAMESPACE, operator),
        evidence.of(cluster, proof.OPERATOR_NAMESPACE),
    ):
        sample.await_ready(cluster, console)


def _open(cluster: Cluster, console: Console, wishes: Wishes, balancer: LoadBalancer, calls: int) -> None:
    url = sample.await_url(cluster)
    console.note(f"$ kubectl get capp\n{_listing(cluster)}")
    console.note(f"the load balancer's address is {balancer.address}; {sample.HOST} leads there")
    for proven in (
        proof.page_is_served_by_a_pod(cluster, access.fetch(url, balancer)),
        proof.pods_run_from_ecr(cluster, sample.NAMESPACE, sample.NAME, sample.NAME),
        proof.helm_installed_the_operator(cluster),
        proof.aws_calls_went_to_moto(cluster, calls),
    ):
        console.note(f"checked: {proven}")
    if wishes.once:
        _photograph(cluster, console, url, balancer, wishes.pictures)
        return
    sample.build_and_push(cluster, console, sample.NEXT_VERSION)
    with access.forward(cluster, sample.NAME, sample.NAMESPACE) as forward:
        page = next_steps.Page(url=url, balancer=balancer, forwarded=forward.url)
        console.say(next_steps.text(cluster, page))
        forward.wait()
    _hold_open(cluster, console, forward.port)


def _hold_open(cluster: Cluster, console: Console, port: int) -> None:
    """Forward the same port again whenever the Pod behind it goes, until Ctrl-C."""
    told = ""
    while True:
        try:
            with access.forward(cluster, sample.NAME, sample.NAMESPACE, port=port) as forward:
                console.say(f"  {forward.url}  is served by another Pod now.")
                forward.wait()
        except (DemoError, DevclusterError) as error:  # no Pod, or the user took the Service away
            if str(error) != told:
                told = str(error)
                console.say(f"  The page is not served, trying again until it is: {told}")
            time.sleep(1)


def _photograph(cluster: Cluster, console: Console, url: str, balancer: LoadBalancer, pictures: Path) -> None:
    if browser.find() is None:
        console.note(browser.MISSING)
        return
    shown = browser.photograph(url, pictures / "sample-app.png", console, site=load_balancer.site(balancer))
    console.note(f"checked: in Chromium, {proof.page_is_served_by_a_pod(cluster, shown)}")
    listings = {
        "kubectl get capp": _listing(cluster),
        f"kubectl {' '.join(_CHILDREN)}": cluster.kubectl(*_CHILDREN, f"--namespace={sample.NAMESPACE}"),
    }
    browser.photograph_terminal(listings, pictures / "kubectl-get-capp.png", console)


def _listing(cluster: Cluster) -> str:
    return cluster.kubectl("get", "capp", f"--namespace={sample.NAMESPACE}")


@contextmanager
def _ended(console: Console, cluster: Cluster) -> Iterator[None]:
    """Whatever happens, leave nothing of the cluster at the end."""
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # impatience must not stop the cleaning up
        begun = time.monotonic()
        cluster.close()
        console.say(f"Everything that was started is gone again ({time.monotonic() - begun:.0f} s).")
