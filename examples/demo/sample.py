"""The sample application: its image, what its manifest asks for, and its way to Ready.

The steps of the demo call these in order; each is what a user would do by hand with docker, kubectl and a browser.
"""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import yaml

from devcluster import Cluster, binaries, ecr, images, supervision, toolchain
from examples.demo import cache, commands
from examples.demo.console import Console
from examples.demo.errors import DemoError

NAME = "sample-app"
VERSION = "1.0"
NEXT_VERSION = "2.0"
NAMESPACE = "default"
DIRECTORY = commands.ROOT / "examples" / "sample-app"
MANIFEST = DIRECTORY / "containerapp.yaml"
_EXPOSE = yaml.safe_load(MANIFEST.read_text())["spec"]["expose"]
HOST: str = _EXPOSE["hosts"][0]
SECRET: str = _EXPOSE["tlsSecretName"]
_READY_SECONDS = 180
_EXPOSED_SECONDS = 60
_READY = '.status.conditions[?(@.type=="Ready")]'
_COLUMNS = ",".join(f"{field.upper()}:{_READY}.{field}" for field in ("status", "reason", "message"))


def build_program(console: Console, log: Path) -> Path:
    """Return the static program that is all there is in the image, compiled unless it is in the cache."""
    sources = [DIRECTORY / name for name in ("main.go", "page.html", "go.mod")]

    def compile_program(directory: Path) -> None:
        console.note("compiling the sample's program (go build, once)")
        go = toolchain.find_go(binaries.cache_root())
        flags = ("-trimpath", "-ldflags=-s -w", f"-o={directory / NAME}")
        command = [go, "-C", str(DIRECTORY), "build", *flags, "."]
        environment = {"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"}
        commands.run(command, console=console, doing="go build", log=log, env=environment)

    return cache.entry("sample", cache.key(["sample-app"], sources), compile_program) / NAME


def build_and_push(cluster: Cluster, console: Console, version: str = VERSION) -> str:
    """Build the image with docker, bring it into ECR, and return its reference by digest."""
    log = cluster.run_dir / "sample-app.log"
    context = cluster.run_dir / NAME
    context.mkdir(exist_ok=True)
    for source in (build_program(console, log), DIRECTORY / "Dockerfile", DIRECTORY / ".dockerignore"):
        target = context / source.name
        target.write_bytes(source.read_bytes())
        target.chmod(source.stat().st_mode & 0o777)
    tag = f"{ecr.ECR_HOST}/{NAME}:{version}"
    build = ["build", f"--build-arg=VERSION={version}", f"--tag={tag}", str(context)]
    for arguments in (build, ["push", tag]) if cluster.docker else (build,):
        console.note(f"$ docker {' '.join(arguments)}".replace(str(context), "examples/sample-app"))
        command = ["docker", *arguments]
        commands.run(command, console=console, doing=f"docker {arguments[0]}", log=log, env=cluster.env)
    return ecr.register(cluster, NAME, version) if cluster.docker else ecr.load(cluster, NAME, version)


def register_empty(cluster: Cluster, version: str = VERSION) -> str:
    """Register an image without a program with ECR, for nodes that run nothing, and return its reference by digest."""
    image = images.Image(
        files={f"/{NAME}": b""},
        entrypoint=[f"/{NAME}"],
        user="65532:65532",
        environment={"VERSION": version},
    )
    return ecr.push(cluster, NAME, version, image)


def review(cluster: Cluster, console: Console) -> None:
    """Have the API server check the manifest and fill in the defaults, without creating anything; show the outcome."""
    answer = cluster.kubectl(
        "apply", f"--filename={MANIFEST}", f"--namespace={NAMESPACE}", "--dry-run=server", "--output=json"
    )
    console.note(yaml.safe_dump({"spec": json.loads(answer)["spec"]}, sort_keys=False))


def launch(cluster: Cluster, console: Console) -> None:
    """Apply the manifest."""
    console.note(f"$ kubectl apply -f {MANIFEST.relative_to(commands.ROOT)}")
    console.note(cluster.kubectl("apply", f"--filename={MANIFEST}", f"--namespace={NAMESPACE}"))


def await_ready(cluster: Cluster, console: Console) -> None:
    """Follow the app's status until it is Ready, and show each message once."""
    command = [
        *(str(cluster.binary("kubectl")), "get", "capp", NAME, f"--namespace={NAMESPACE}", "--watch"),
        *(f"--output=custom-columns={_COLUMNS}", "--no-headers", f"--request-timeout={_READY_SECONDS}s"),
    ]
    environment = supervision.environment_without_proxies() | cluster.env
    begun, shown = time.monotonic(), ""
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as watch:
        assert watch.stdout is not None  # noqa: S101 - it was asked for
        try:
            for line in watch.stdout:
                status, reason, message = [*line.strip().split(maxsplit=2), "", "", ""][:3]
                told = f"{reason}: {message}"
                if told != shown and status in {"True", "False", "Unknown"}:
                    console.note(told)
                    shown = told
                if status == "True":
                    return
        finally:
            watch.kill()
    elapsed = time.monotonic() - begun
    raise DemoError(f"{NAME} was not Ready after {elapsed:.0f} s, when kubectl stopped to watch it")


def await_url(cluster: Cluster) -> str:
    """Wait until the load balancer leads to the app, and return the URL in its status."""
    scope = f"--namespace={NAMESPACE}"
    cluster.kubectl(
        "wait", f"capp/{NAME}", "--for=condition=Exposed", scope, f"--timeout={_EXPOSED_SECONDS}s"
    )
    return cluster.kubectl("get", "capp", NAME, scope, "--output=jsonpath={.status.url}")
