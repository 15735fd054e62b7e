"""What keeps Pods from being available, in a sentence with a remedy: `containerapp.controllers.workloads.diagnosis`.

The messages are those of the kubelet, containerd, runc, the scheduler, admission and the registries.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from containerapp.controllers.workloads.diagnosis import GROUPS, diagnose, pod_problem, refusal
from containerapp.controllers.workloads.diagnosis.kinds import CERTAIN, LIKELY, PAST, WAITING, Kind, quoted
from containerapp.core.model import Manifest

ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
DIGEST = f"sha256:{'ab' * 32}"
IMAGE = f"{ECR}/shop@{DIGEST}"
PULL = f'rpc error: code = Unknown desc = failed to pull and unpack image "{IMAGE}": '
RUNC = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: "
    "unable to start container process: "
)
SPEC = {
    "name": "app",
    "resources": {"requests": {"cpu": "2", "memory": "1Gi"}, "limits": {"memory": "256Mi"}},
    "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}},
}
LIVENESS = {"livenessProbe": {"tcpSocket": {"port": "http"}}}
STARTUP = {"startupProbe": {"exec": {"command": ["check"]}}}
RUNNING = {"name": "app", "ready": True, "state": {"running": {}}, "lastState": {}}
UNREADY = {**RUNNING, "ready": False}
SCHEDULED = {"type": "PodScheduled", "status": "True"}
UNSTARTED = {"type": "PodReadyToStartContainers", "status": "False"}


def _pod(
    *containers: Manifest,
    name: str = "shop-1",
    created: str = "2026-01-01T00:00:00Z",
    template: str = "5d6f",
    spec: Manifest | None = None,
    inits: tuple[Manifest, ...] = (),
    conditions: tuple[Manifest, ...] = (),
    **status: Any,
) -> Manifest:
    return {
        "metadata": {"name": name, "creationTimestamp": created, "labels": {"pod-template-hash": template}},
        "spec": {"containers": [spec or SPEC], "initContainers": list(inits), "nodeName": "ip-10-0-0-1"},
        "status": {"containerStatuses": list(containers), "conditions": list(conditions), **status},
    }


def _waiting(reason: str, message: str | None = None, name: str = "app", **last: Any) -> Manifest:
    waiting = {"reason": reason, **({"message": message} if message else {})}
    return {"name": name, "ready": False, "state": {"waiting": waiting}, "lastState": last}


def _pull(message: str, reason: str = "ErrImagePull") -> Manifest:
    return _pod(_waiting(reason, message))


def _crashed(code: int, reason: str = "Error", message: str = "", spec: Manifest | None = None) -> Manifest:
    """Return a Pod whose container ended with the code and waits for its next start."""
    ended = {"exitCode": code, "reason": reason, **({"message": message} if message else {})}
    back_off = "back-off 40s restarting failed container=app pod=shop-1_default(0b7a)"
    return _pod(_waiting("CrashLoopBackOff", back_off, terminated=ended), spec=spec)


def _unscheduled(message: str, reason: str = "Unschedulable") -> Manifest:
    condition = {"type": "PodScheduled", "status": "False", "reason": reason, "message": message}
    return _pod(conditions=(condition,), phase="Pending")


def _failed(reason: str, message: str = "", *conditions: Manifest) -> Manifest:
    return _pod(phase="Failed", reason=reason, message=message, conditions=conditions)


def _event(reason: str, message: str, *, at: str = "2026-01-01T00:01:00Z", kind: str = "Warning") -> Manifest:
    involved = {"kind": "Pod", "name": "shop-1"}
    return {
        "type": kind,
        "reason": reason,
        "message": message,
        "lastTimestamp": at,
        "involvedObject": involved,
    }


LOGS = "See kubectl logs shop-1 -c app --previous."
COMES = "With Karpenter, EKS Auto Mode or Fargate a node comes within minutes"
RIGHTS = "give the node's role AmazonEC2ContainerRegistryPullOnly, or name a Secret in spec.imagePullSecrets."
BUILD = "docker buildx build --platform linux/amd64,linux/arm64."

PULLS = {
    "no variant": (
        _pull(f"{PULL}no match for platform in manifest: not found"),
        (
            "Pod shop-1 (ErrImagePull): the image has no variant for the node's architecture. Build it for that "
            f"architecture too: {BUILD}"
        ),
    ),
    "an artifact": (
        _pull("mismatched image rootfs and manifest layers", "ImagePullBackOff"),
        (
            "Pod shop-1 (ImagePullBackOff): spec.image is no container image that the node can run. It may be a Helm "
            "chart, another artifact, or an image of a format that is no longer supported: push an image that docker "
            "build made. The node says: ImagePullBackOff mismatched image rootfs and manifest layers."
        ),
    ),
    "an old format": (
        _pull(
            f"{PULL}not implemented: media type "
            '"application/vnd.docker.distribution.manifest.v1+prettyjws" is no longer supported since containerd v2.1'
        ),
        "Pod shop-1 (ErrImagePull): spec.image is no container image that the node can run. ",
    ),
    "a bad name": (
        _pull(
            'Failed to apply default image tag "Shop:1": couldn\'t parse image name "Shop:1": invalid reference '
            "format: repository name (library/Shop) must be lowercase",
            "InvalidImageName",
        ),
        "Pod shop-1 (InvalidImageName): the image's name Shop:1 is invalid. Correct spec.image.",
    ),
    "never pulled": (
        _pull('Container image "shop:1" is not present with pull policy of Never', "ErrImageNeverPull"),
        (
            "Pod shop-1 (ErrImageNeverPull): the node does not have the image, and spec.imagePullPolicy is Never. Put "
            "the image on every node, or set spec.imagePullPolicy to IfNotPresent."
        ),
    ),
    "rate limited": (
        _pull(
            "failed to copy: httpReadSeeker: failed open: unexpected status code "
            f"https://registry-1.docker.io/v2/library/shop/manifests/{DIGEST}: 429 Too Many Requests - Server message: "
            "toomanyrequests: You have reached your pull rate limit."
        ),
        (
            "Pod shop-1 (ErrImagePull): the registry limits the number of pulls. Wait, or pull through an ECR "
            "pull-through cache or with a Secret in spec.imagePullSecrets."
        ),
    ),
    "the kubelet's limit": (
        _pull("pull QPS exceeded"),
        (
            "Pod shop-1 (ErrImagePull): the node pulls too many images at once. Wait: the kubelet limits its own "
            "pulls (registryPullQPS)."
        ),
    ),
    "the node's role": (
        _pull(
            f"{PULL}pulling from host {ECR} failed with status code [manifests 1]: 403 Forbidden: User: "
            "arn:aws:sts::111111111111:assumed-role/node/i-0abc is not authorized to perform: ecr:BatchGetImage on "
            "resource: arn:aws:ecr:eu-west-1:123456789012:repository/shop because no resource-based policy allows it"
        ),
        (
            "Pod shop-1 (ErrImagePull): the node's role may not call ecr:BatchGetImage. Give the role "
            "AmazonEC2ContainerRegistryPullOnly; for a repository of another account, its policy must name the node's "
            "account too."
        ),
    ),
    "an old token": (
        _pull("denied: Your authorization token has expired. Reauthenticate and try again."),
        (
            "Pod shop-1 (ErrImagePull): the node's token for the registry has expired. Renew the Secret that "
            "spec.imagePullSecrets names: a token of ECR is valid for 12 hours. Nodes with "
            "AmazonEC2ContainerRegistryPullOnly need no Secret."
        ),
    ),
    "no address": (
        _pull(
            'failed to do request: Head "https://registry.example.com/v2/shop/manifests/1": dial tcp: lookup '
            "registry.example.com on 10.100.0.10:53: no such host"
        ),
        (
            "Pod shop-1 (ErrImagePull): the registry's host registry.example.com has no address. Correct the registry "
            "in spec.image, or the nodes' DNS."
        ),
    ),
    "a private CA": (
        _pull("tls: failed to verify certificate: x509: certificate signed by unknown authority"),
        (
            "Pod shop-1 (ErrImagePull): the node does not trust the registry's certificate. Give the nodes the "
            "registry's CA, or the registry a valid certificate. The node says: "
        ),
    ),
    "plain HTTP": (
        _pull("http: server gave HTTP response to HTTPS client"),
        (
            "Pod shop-1 (ErrImagePull): the registry speaks HTTP where the node expects HTTPS. Give the registry a "
            "certificate, or configure the nodes' containerd for this host."
        ),
    ),
    "a full disk": (
        _pull(f"{PULL}failed to extract layer: write /usr/lib/x: no space left on device"),
        (
            "Pod shop-1 (ErrImagePull): the node has no disk left for the image. Use nodes with a larger disk, or a "
            "smaller image."
        ),
    ),
    "a damaged layer": (
        _pull('failed commit on ref "layer-1": unexpected commit digest sha256:12: failed precondition'),
        "Pod shop-1 (ErrImagePull): the image arrived damaged at the node. Wait for the next try; ",
    ),
    "refused by ECR": (
        _pull(f"{PULL}failed to resolve reference: authorization failed: no basic auth credentials"),
        (
            "Pod shop-1 (ErrImagePull): the registry refuses to let the node pull. For an ECR repository of another "
            f"account, its policy must name the node's account. Otherwise {RIGHTS}"
        ),
    ),
    "refused by Docker Hub": (
        _pull(
            "pull access denied, repository does not exist or may require authorization: server message: "
            "insufficient_scope: authorization failed"
        ),
        "Pod shop-1 (ErrImagePull): the registry refuses to let the node pull. ",
    ),
    "no repository": (
        _pull(
            "name unknown: The repository with name 'shop' does not exist in the registry with id '123456789012'"
        ),
        (
            "Pod shop-1 (ErrImagePull): the registry has no repository shop. Correct spec.image, or create the "
            "repository and push the image."
        ),
    ),
    "a digest that is gone": (
        _pull(
            f'Back-off pulling image "{IMAGE}": ErrImagePull: rpc error: code = NotFound desc = failed to pull and '
            f'unpack image "{IMAGE}": failed to resolve reference "{IMAGE}": {IMAGE}: not found',
            "ImagePullBackOff",
        ),
        (
            f"Pod shop-1 (ImagePullBackOff): the digest {DIGEST} is not in the registry any more. Push the image "
            "again, or take what the tag points to now: kubectl annotate containerapp NAME "
            "containerapp.dev/refresh-image=$(date +%s) --overwrite."
        ),
    ),
    "a tag that is missing": (
        _pull(
            'failed to resolve reference "docker.io/library/shop:1.4.3": docker.io/library/shop:1.4.3: not found'
        ),
        (
            "Pod shop-1 (ErrImagePull): the registry has no image docker.io/library/shop:1.4.3. Push it, or correct "
            "the tag."
        ),
    ),
    "no answer": (
        _pull(f'failed to do request: Head "https://{ECR}/v2/shop": dial tcp 10.0.0.1:443: i/o timeout'),
        (
            "Pod shop-1 (ErrImagePull): the registry does not answer the node. Wait; if it stays, check the route from "
            "the nodes to the registry (NAT gateway, VPC endpoints, security groups). The node says: "
        ),
    ),
    "another reason": (
        _pull('Back-off pulling image "shop"', "ImagePullBackOff"),
        (
            f"Pod shop-1 (ImagePullBackOff): the node cannot pull the image. Check that the image exists; then "
            f"{RIGHTS[:-1]}. "
            'The node says: ImagePullBackOff Back-off pulling image "shop".'
        ),
    ),
}

ENV = "correct spec.env and spec.envFrom."


def _config(message: str) -> Manifest:
    return _pod(_waiting("CreateContainerConfigError", message))


def _start(message: str, reason: str = "RunContainerError") -> Manifest:
    return _pod(_waiting(reason, message))


STARTS = {
    "no Secret": (
        _config('secret "shop-db" not found'),
        (
            "Pod shop-1 (CreateContainerConfigError): Secret shop-db does not exist. Create it in the app's namespace, "
            f"or {ENV}"
        ),
    ),
    "no ConfigMap": (
        _config('configmap "shop" not found'),
        (
            "Pod shop-1 (CreateContainerConfigError): ConfigMap shop does not exist. Create it in the app's namespace, "
            f"or {ENV}"
        ),
    ),
    "no key of a Secret": (
        _config("couldn't find key password in Secret default/shop-db"),
        (
            "Pod shop-1 (CreateContainerConfigError): Secret shop-db has no key password. Add the key, or "
            f"{ENV}"
        ),
    ),
    "no key of a ConfigMap": (
        _config("couldn't find key level in ConfigMap default/shop"),
        f"Pod shop-1 (CreateContainerConfigError): ConfigMap shop has no key level. Add the key, or {ENV}",
    ),
    "a named user": (
        _config(
            "container has runAsNonRoot and image has non-numeric user (node), cannot verify user is non-root (pod: "
            '"shop-1_default(0b7a)", container: app)'
        ),
        (
            "Pod shop-1 (CreateContainerConfigError): the image runs as the user node, which may be root. Set "
            "spec.security.runAsUser to the number of that user, or USER to a number in the Dockerfile."
        ),
    ),
    "root": (
        _config(
            'container has runAsNonRoot and image will run as root (pod: "shop-1_default(0b7a)", container: app)'
        ),
        (
            "Pod shop-1 (CreateContainerConfigError): the image runs as root. Set spec.security.runAsUser to a user "
            "other than 0, or spec.security.runAsNonRoot to false."
        ),
    ),
    "another architecture": (
        _crashed(1, message="exec /app: exec format error"),
        (
            "Pod shop-1 (CrashLoopBackOff): exec format error: the program is of another architecture than the node, "
            f"or a script without #!. Build the image for the node's architecture: {BUILD}"
        ),
    ),
    "a bad working directory": (
        _start(f'{RUNC}chdir to cwd ("/srv/shop") set in config.json failed: permission denied: unknown'),
        (
            "Pod shop-1 (RunContainerError): the working directory /srv/shop cannot be used. Correct spec.workingDir, "
            "or let the user that the app runs as read it. The node says: "
        ),
    ),
    "no such program": (
        _start(f'{RUNC}exec: "/app": stat /app: no such file or directory: unknown'),
        (
            "Pod shop-1 (RunContainerError): exec /app: no such file in the image. Correct spec.command, or the "
            "image's ENTRYPOINT. A file that is there lacks its interpreter or its C library (a glibc program on "
            "Alpine)."
        ),
    ),
    "no such program in PATH": (
        _crashed(128, "StartError", f'{RUNC}exec: "shop": executable file not found in $PATH: unknown'),
        "Pod shop-1 (CrashLoopBackOff): exec shop: no such file in the image. ",
    ),
    "no interpreter": (
        _crashed(1, message="exec /start.sh: no such file or directory"),
        "Pod shop-1 (CrashLoopBackOff): exec /start.sh: no such file in the image. ",
    ),
    "not executable": (
        _start(f'{RUNC}exec: "/app": permission denied: unknown', "CreateContainerError"),
        (
            "Pod shop-1 (CreateContainerError): exec /app: permission denied. Make the file executable for the user "
            "that the app runs as (chmod 755 in the Dockerfile), and check spec.command."
        ),
    ),
    "no command": (
        _start(
            'failed to generate container "0b7a" spec: failed to generate spec: no command specified',
            "CreateContainerError",
        ),
        (
            "Pod shop-1 (CreateContainerError): the image has no program to run. Set spec.command, or ENTRYPOINT in "
            "the Dockerfile."
        ),
    ),
    "no user": (
        _start(
            "failed to generate spec: unable to find user shop: no matching entries in passwd file",
            "CreateContainerError",
        ),
        (
            "Pod shop-1 (CreateContainerError): the image does not know its own user shop. Set spec.security.runAsUser "
            "to a number, or correct USER in the Dockerfile."
        ),
    ),
    "too little memory to start": (
        _start(f"{RUNC}container init was OOM-killed (memory limit too low?): unknown"),
        (
            "Pod shop-1 (RunContainerError): OOMKilled before the program started: the memory limit is too low. Raise "
            "spec.resources.limits.memory (or the request, where there is no limit)."
        ),
    ),
    "no seccomp profile": (
        _start(
            'cannot load seccomp profile "/var/lib/kubelet/seccomp/profiles/shop.json": open '
            "/var/lib/kubelet/seccomp/profiles/shop.json: no such file or directory",
            "CreateContainerError",
        ),
        (
            "Pod shop-1 (CreateContainerError): the node has no seccomp profile "
            "/var/lib/kubelet/seccomp/profiles/shop.json. Put the file on every node, or correct "
            "spec.security.seccompProfile."
        ),
    ),
    "a failed hook": (
        _start("", "PostStartHookError"),
        "Pod shop-1 (PostStartHookError): the command after the start failed. The node says: PostStartHookError.",
    ),
    "a slow node": (
        _start(
            'failed to reserve container name "app_shop-1": name is reserved for "0b7a"',
            "CreateContainerError",
        ),
        (
            "Pod shop-1 (CreateContainerError): the node is too slow to create the container. Wait; if it stays, the "
            "node is overloaded or its disk is slow: drain it."
        ),
    ),
    "another start": (
        _crashed(128, "ContainerCannotRun", "novel"),
        (
            "Pod shop-1 (CrashLoopBackOff): the node cannot start the container. Check spec.command, spec.args and "
            "spec.workingDir. The node says: novel."
        ),
    ),
    "a novel reason": (
        _pod(_waiting("Novel")),
        "Pod shop-1 (Novel): it does not start: Novel. See kubectl describe pod shop-1.",
    ),
}

BARE = {"name": "app", "resources": {}}
MEMORY = "Raise spec.resources.limits.memory (or the request, where there is no limit), or let the program use less."
PROBES: dict[str, tuple[Manifest, str]] = {
    "a liveness probe": (LIVENESS, "liveness probe"),
    "a startup probe": (STARTUP, "startup probe"),
    "both probes": ({**LIVENESS, **STARTUP}, "liveness probe or startup probe"),
}
CRASHES = {
    "too much memory": (
        _crashed(137, "OOMKilled"),
        f"Pod shop-1 (CrashLoopBackOff): OOMKilled at 256Mi. {MEMORY}",
    ),
    "too much memory, not restarted yet": (
        _pod({**UNREADY, "state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}),
        f"Pod shop-1: OOMKilled at 256Mi. {MEMORY}",
    ),
    "too much memory, running again": (
        _pod({**UNREADY, "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}),
        f"Pod shop-1: OOMKilled at 256Mi. {MEMORY}",
    ),
    "a node without memory": (
        _crashed(137, "OOMKilled", spec=BARE),
        (
            "Pod shop-1 (CrashLoopBackOff): OOMKilled without a limit of its own: the node has no memory left. Raise "
            "spec.resources.requests.memory to what the program uses."
        ),
    ),
    **{
        probe: (
            _crashed(code, spec={**SPEC, **fields}),
            (
                f"Pod shop-1 (CrashLoopBackOff): exit code {code}: it was stopped from outside, most likely as its "
                f"{name} failed. See kubectl describe pod shop-1, and kubectl logs shop-1 -c app --previous. A slow "
                "start needs a spec.startupProbe with a higher failureThreshold."
            ),
        )
        for code, (probe, (fields, name)) in zip((143, 137, 143), PROBES.items(), strict=True)
    },
    "an end of its own": (
        _crashed(0, "Completed"),
        (
            "Pod shop-1 (CrashLoopBackOff): exit code 0: the program ends by itself, although an app must keep "
            f"running. Let spec.command start a program that stays in the foreground. {LOGS}"
        ),
    ),
    "an error": (
        _crashed(1),
        f"Pod shop-1 (CrashLoopBackOff): exit code 1: the program ends with an error. {LOGS}",
    ),
    "an error with its message": (
        _crashed(1, message="cannot connect to postgres://shop:hunter2@db:5432/shop\n"),
        (
            "Pod shop-1 (CrashLoopBackOff): exit code 1: the program ends with an error: cannot connect to "
            f"postgres://***@db:5432/shop. {LOGS}"
        ),
    ),
    "a message of the program like one of the runtime": (
        _crashed(1, message="mkdir /data: permission denied"),
        (
            "Pod shop-1 (CrashLoopBackOff): exit code 1: the program ends with an error: mkdir /data: permission "
            f"denied. {LOGS}"
        ),
    ),
    "a message of the program that begins like the runtime's": (
        _crashed(1, message="exec of the query failed"),
        f"Pod shop-1 (CrashLoopBackOff): exit code 1: the program ends with an error: exec of the query failed. {LOGS}",
    ),
    "bad arguments": (
        _crashed(2),
        (
            "Pod shop-1 (CrashLoopBackOff): exit code 2: the program does not accept its arguments, or ends with an "
            f"error. Check spec.args. {LOGS}"
        ),
    ),
    "not executable by the shell": (
        _crashed(126),
        (
            "Pod shop-1 (CrashLoopBackOff): exit code 126: the shell may not run the program. Make the file executable "
            f"(chmod 755 in the Dockerfile), and check spec.command. {LOGS}"
        ),
    ),
    "not found by the shell": (
        _crashed(127),
        (
            "Pod shop-1 (CrashLoopBackOff): exit code 127: the shell does not find the program. Correct spec.command, "
            f"or install the program in the image. {LOGS}"
        ),
    ),
    "an older processor": (
        _crashed(132),
        (
            "Pod shop-1 (CrashLoopBackOff): exit code 132 (SIGILL): the program uses instructions that the node's "
            f"processor lacks. Build it for an older processor of the architecture. {LOGS}"
        ),
    ),
    "an abort": (
        _crashed(134),
        f"Pod shop-1 (CrashLoopBackOff): exit code 134 (SIGABRT): the program aborts itself. {LOGS}",
    ),
    "a kill": (
        _crashed(137),
        (
            "Pod shop-1 (CrashLoopBackOff): exit code 137 (SIGKILL): it was killed, and not for the memory of the "
            "container. The node may have run out of memory, or the program has not ended within "
            "spec.terminationGracePeriodSeconds. See kubectl describe pod shop-1."
        ),
    ),
    "native code": (
        _crashed(139),
        (
            "Pod shop-1 (CrashLoopBackOff): exit code 139 (SIGSEGV): the program crashes in native code. Check native "
            f"libraries and their architecture. {LOGS}"
        ),
    ),
    "a request to end": (
        _crashed(143),
        (
            "Pod shop-1 (CrashLoopBackOff): exit code 143 (SIGTERM): it was asked to end, or ends itself so. "
            f"{LOGS}"
        ),
    ),
    "another code": (_crashed(3), f"Pod shop-1 (CrashLoopBackOff): exit code 3. {LOGS}"),
    "no code": (
        _pod(_waiting("CrashLoopBackOff")),
        f"Pod shop-1 (CrashLoopBackOff): it ends again and again. {LOGS}",
    ),
}

INIT = {"name": "migrate", "ready": False, "state": {"running": {}}}
SIDECAR = {"name": "proxy", "restartPolicy": "Always"}
DESCRIBE = "See kubectl describe pod shop-1."
NOT_READY = {"type": "Ready", "status": "False"}
GATED = {
    **NOT_READY,
    "reason": "ReadinessGatesNotReady",
    "message": "corresponding condition of gate is not True.",
}
WAITS = {
    "a network or a volume": (
        _pod(_waiting("ContainerCreating"), conditions=(SCHEDULED, UNSTARTED)),
        f"Pod shop-1: its network or its volumes are not ready yet. {DESCRIBE}",
    ),
    "a startup probe": (
        _pod({**UNREADY, "started": False}, spec={**SPEC, **STARTUP}),
        (
            "Pod shop-1: has not passed its startup probe yet (command). A slow start needs a higher "
            f"spec.startupProbe.failureThreshold. {DESCRIBE}"
        ),
    ),
    "a readiness probe": (
        _pod(UNREADY),
        (
            "Pod shop-1: runs but does not pass its readiness probe (GET /healthz on port http). Check "
            f"spec.readinessProbe and spec.port. {DESCRIBE}"
        ),
    ),
    "a readiness probe of TCP": (
        _pod(UNREADY, spec={"name": "app", "readinessProbe": {"tcpSocket": {"port": 8080}}}),
        "Pod shop-1: runs but does not pass its readiness probe (TCP connection to port 8080). ",
    ),
    "a readiness probe of gRPC": (
        _pod(UNREADY, spec={"name": "app", "readinessProbe": {"grpc": {"port": 9090}}}),
        "Pod shop-1: runs but does not pass its readiness probe (gRPC health check on port 9090). ",
    ),
    "an init container": (
        _pod(_waiting("PodInitializing"), initContainerStatuses=[INIT], inits=({"name": "migrate"},)),
        (
            "Pod shop-1, init container migrate: has not ended yet, and the app starts after it. See kubectl logs "
            "shop-1 -c migrate."
        ),
    ),
    "a sidecar": (
        _pod(
            _waiting("PodInitializing"),
            initContainerStatuses=[_waiting("CrashLoopBackOff", name="proxy", terminated={"exitCode": 1})],
            inits=({"name": "migrate"}, SIDECAR),
        ),
        "Pod shop-1, sidecar proxy (CrashLoopBackOff): exit code 1: the program ends with an error. ",
    ),
    "the image of a sidecar": (
        _pod(
            _waiting("PodInitializing"),
            initContainerStatuses=[
                _waiting("InvalidImageName", 'couldn\'t parse image reference "Proxy:1"', "proxy")
            ],
            inits=(SIDECAR,),
        ),
        (
            "Pod shop-1, sidecar proxy (InvalidImageName): the image's name Proxy:1 is invalid. Correct"
            " spec.sidecars[proxy].image."
        ),
    ),
    "the startup probe of a sidecar": (
        _pod(
            _waiting("PodInitializing"),
            initContainerStatuses=[{**UNREADY, "name": "proxy", "started": False}],
            inits=({**SIDECAR, **STARTUP},),
        ),
        (
            "Pod shop-1, sidecar proxy: has not passed its startup probe yet (command). A slow start needs a higher "
            "spec.sidecars[proxy].startupProbe.failureThreshold. "
        ),
    ),
    "the memory of an init container": (
        _pod(
            _waiting("PodInitializing"),
            initContainerStatuses=[
                _waiting(
                    "CrashLoopBackOff", name="migrate", terminated={"exitCode": 137, "reason": "OOMKilled"}
                )
            ],
            inits=({"name": "migrate", "resources": {"limits": {"memory": "64Mi"}}},),
        ),
        (
            "Pod shop-1, init container migrate (CrashLoopBackOff): OOMKilled at 64Mi. Raise"
            " spec.initContainers[migrate].resources.limits.memory "
        ),
    ),
    "a container of an admission webhook": (
        _pod(RUNNING, _waiting("CrashLoopBackOff", name="mesh", terminated={"exitCode": 1})),
        "Pod shop-1, container mesh (CrashLoopBackOff): exit code 1: the program ends with an error. ",
    ),
    "a readiness gate": (
        _pod(RUNNING, conditions=(GATED,)),
        "Pod shop-1: its readiness gate is not met: corresponding condition of gate is not True. With target-health",
    ),
    "a silent node": (
        _pod(RUNNING, conditions=(NOT_READY,)),
        "Pod shop-1: its node ip-10-0-0-1 does not report any more. See kubectl get nodes: ",
    ),
}
SETUPS = {
    "no address": (
        _event(
            "FailedCreatePodSandBox", "plugin aws-cni: add cmd: failed to assign an IP address to container"
        ),
        "Pod shop-1: its node has no free address for it. Use larger subnets, or prefix delegation of the VPC CNI. ",
    ),
    "no network": (
        _event("FailedCreatePodSandBox", "cni plugin not initialized"),
        "Pod shop-1: its network cannot be set up. Check the CNI's Pods on the node (aws-node in kube-system). ",
    ),
    "a volume elsewhere": (
        _event("FailedAttachVolume", 'Multi-Attach error for volume "pvc-1"'),
        "Pod shop-1: its volume is still attached to another node. Wait until the old Pod has ended. ",
    ),
    "a volume": (
        _event("FailedMount", 'MountVolume.SetUp failed for volume "ca" : configmap "ca" not found'),
        (
            "Pod shop-1: a volume cannot be mounted. Check what the volume names. The node says: FailedMount "
            'MountVolume.SetUp failed for volume "ca" : configmap "ca" not found.'
        ),
    ),
    "an event that is no failure": (
        _event("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 500"),
        "Pod shop-1: its network or its volumes are not ready yet. ",
    ),
    "an event that is no warning": (
        _event("FailedMount", "", kind="Normal"),
        "Pod shop-1: its network or its volumes are not ready yet. ",
    ),
}

SCHEDULING = {
    "a claim": (
        _unscheduled('0/3 nodes are available: persistentvolumeclaim "data" not found. preemption: none.'),
        "Pod shop-1: PersistentVolumeClaim data does not exist. Create it in the app's namespace.",
    ),
    "a volume": (
        _unscheduled("0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims."),
        "Pod shop-1: its PersistentVolumeClaims have no volume yet. See kubectl describe pvc: ",
    ),
    "Fargate": (
        _unscheduled("Misconfigured Fargate Profile: fargate profile shop blocked for new launches"),
        (
            "Pod shop-1: Fargate does not take the Pod. Check the Fargate profile: its namespace, labels, subnets and "
            "Pod execution role. Misconfigured Fargate Profile: fargate profile shop blocked for new launches."
        ),
    ),
    "no nodes": (
        _unscheduled("no nodes available to schedule pods"),
        f"Pod shop-1: the cluster has no nodes. {COMES}; otherwise add nodes.",
    ),
    "cpu": (
        _unscheduled(
            "0/4 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, "
            "3 Insufficient cpu. preemption: 0/4 nodes are available: 4 Insufficient memory."
        ),
        (
            f"Pod shop-1: 3 of 4 nodes have too little free cpu: it requests 2. {COMES}; otherwise add nodes, or lower "
            "spec.resources.requests.cpu."
        ),
    ),
    "memory": (
        _unscheduled("0/3 nodes are available: 1 Insufficient cpu, 3 Insufficient memory."),
        f"Pod shop-1: 3 of 3 nodes have too little free memory: it requests 1Gi. {COMES}; ",
    ),
    "another resource": (
        _unscheduled("0/3 nodes are available: 1 Insufficient cpu, 3 Insufficient nvidia.com/gpu."),
        f"Pod shop-1: 3 of 3 nodes have too few free nvidia.com/gpu. {COMES}; ",
    ),
    "a request that is not stated": (
        {**_unscheduled("0/1 nodes are available: 1 Insufficient cpu."), "spec": {"containers": [BARE]}},
        "Pod shop-1: 1 of 1 nodes have too little free cpu: it requests none. ",
    ),
    "a count that is not stated": (
        _unscheduled("2 Insufficient cpu"),
        "Pod shop-1: 2 of the nodes have too little free cpu: it requests 2. ",
    ),
    "too many Pods": (
        _unscheduled("0/3 nodes are available: 3 Too many pods."),
        f"Pod shop-1: 3 of 3 nodes run as many Pods as they may. {COMES}; otherwise add nodes, or raise ",
    ),
    "a taint": (
        _unscheduled("0/3 nodes are available: 3 node(s) had untolerated taint {gpu: yes}."),
        f"Pod shop-1: 3 of 3 nodes have a taint that it does not tolerate: gpu: yes. {COMES}; ",
    ),
    "a selector": (
        _unscheduled("0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector."),
        f"Pod shop-1: 3 of 3 nodes are not those that its node selector or affinity names. {COMES}; ",
    ),
    "a spread": (
        _unscheduled("0/3 nodes are available: 3 node(s) didn't match pod topology spread constraints."),
        f"Pod shop-1: 3 of 3 nodes do not fit beside other Pods (affinity or topology spread). {COMES}; ",
    ),
    "a zone": (
        _unscheduled("0/3 nodes are available: 3 node(s) had volume node affinity conflict."),
        "Pod shop-1: 3 of 3 nodes are in another zone than its volume. Add a node in the zone of the volume: ",
    ),
    "too many volumes": (
        _unscheduled("0/3 nodes are available: 3 node(s) exceed max volume count."),
        f"Pod shop-1: 3 of 3 nodes have no room for another volume. {COMES}; otherwise add nodes.",
    ),
    "a cordon": (
        _unscheduled("0/3 nodes are available: 3 node(s) were unschedulable."),
        "Pod shop-1: 3 of 3 nodes are cordoned. Uncordon them: kubectl uncordon NODE. ",
    ),
    "another reason": (
        _unscheduled("", reason="SchedulingGated"),
        f"Pod shop-1: cannot be scheduled: SchedulingGated. {DESCRIBE}",
    ),
}

ASK = "ask who set it in the namespace"
FORBIDDEN = 'pods "shop-5d6f-x2x" is forbidden: '
REFUSALS = {
    "quota": (
        f"{FORBIDDEN}exceeded quota: team, requested: requests.cpu=2, used: requests.cpu=3, limited: requests.cpu=4",
        (
            "No Pod is created: the quota team is exceeded: requested requests.cpu=2, used requests.cpu=3, limited to "
            "requests.cpu=4. Lower spec.resources, delete what is not needed, or raise the quota "
            f"({ASK})."
        ),
    ),
    "quota without a request": (
        f"{FORBIDDEN}failed quota: team: must specify limits.memory for: app",
        (
            "No Pod is created: the quota team wants every Pod to have limits.memory. Set it in spec.resources."
        ),
    ),
    "limits": (
        f"{FORBIDDEN}[maximum cpu usage per Container is 1, but limit is 2]",
        (
            "No Pod is created: a LimitRange of the namespace refuses the Pod: maximum cpu usage per Container is 1, "
            f"but limit is 2. Change spec.resources, or the LimitRange ({ASK})."
        ),
    ),
    "ratio": (
        f"{FORBIDDEN}cpu max limit to request ratio per Container is 2, but provided ratio is 4.000000",
        "No Pod is created: a LimitRange of the namespace refuses the Pod: cpu max limit to request ratio per ",
    ),
    "Pod Security": (
        f'{FORBIDDEN}violates PodSecurity "restricted:latest": runAsNonRoot != true (container "app")',
        (
            "No Pod is created: Pod Security restricted:latest refuses the Pod: runAsNonRoot != true (container "
            '"app"). Remove the relaxation from spec.security, or run the app in a namespace that allows it.'
        ),
    ),
    "account": (
        'error looking up service account default/shop: serviceaccount "shop" not found',
        (
            "No Pod is created: ServiceAccount shop does not exist. Create it, or correct spec.serviceAccountName."
        ),
    ),
    "priority": (
        f"{FORBIDDEN}no PriorityClass with name gold was found",
        "No Pod is created: the PriorityClass gold does not exist. Create it, or name another one.",
    ),
    "webhook": (
        'admission webhook "validate.kyverno.svc-fail" denied the request: label team is missing.',
        (
            "No Pod is created: the admission webhook validate.kyverno.svc-fail refuses the Pod: label team is "
            "missing. Change what it asks for in the spec, or exclude the namespace from it "
        ),
    ),
    "silent webhook": (
        'Internal error occurred: failed calling webhook "mesh.example.com": no endpoints available',
        "No Pod is created: the admission webhook mesh.example.com does not answer. Start what serves it, or ",
    ),
    "policy": (
        f"{FORBIDDEN}ValidatingAdmissionPolicy 'team' with binding 'team' denied request: label team is missing",
        (
            "No Pod is created: the policy team refuses the Pod: label team is missing. Change what it asks for in the "
            f"spec, or its binding ({ASK})."
        ),
    ),
    "deleted namespace": (
        f"{FORBIDDEN}unable to create new content in namespace shop because it is being terminated",
        "No Pod is created: the namespace is being deleted. Apply the app in another namespace.",
    ),
    "another": (
        "Novel.",
        "No Pod is created: the API server refuses its Pods: Novel. Change what the message names.",
    ),
}

DISRUPTED = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
ENDED = {
    "disk": (
        _failed("Evicted", "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi."),
        (
            "Pod shop-1: it was evicted, as it wrote more to the node's disk than it may. Raise "
            "spec.resources.limits.ephemeral-storage, or write less. The node says: "
        ),
    ),
    "memory": (
        _failed("Evicted", "The node was low on resource: memory. Threshold quantity: 100Mi."),
        "Pod shop-1: it was evicted, as its node ran out of memory. Raise spec.resources.requests ",
    ),
    "eviction": (_failed("Evicted"), "Pod shop-1: it was evicted. The node says: Evicted."),
    "shutdown": (
        _failed("Terminated", "Pod was terminated in response to imminent node shutdown."),
        "Pod shop-1: its node shut down. Nothing to do: another Pod takes its place.",
    ),
    "lost node": (
        _failed("", "", {**DISRUPTED, "reason": "DeletionByPodGC"}),
        "Pod shop-1: its node was lost. Nothing to do: another Pod takes its place. See kubectl get nodes.",
    ),
    "preemption": (
        _failed("", "", SCHEDULED, DISRUPTED),
        (
            "Pod shop-1: it was preempted by a Pod of higher priority. Add nodes, or give the app a higher priority."
        ),
    ),
    "deadline": (
        _failed("DeadlineExceeded", "Pod was active on the node longer than the specified deadline"),
        "Pod shop-1: DeadlineExceeded: it ran longer than its activeDeadlineSeconds. ",
    ),
    "no room": (
        _failed("OutOfcpu", "Node didn't have enough resource: cpu"),
        "Pod shop-1: its node no longer had room when it came there. Nothing to do: ",
    ),
    "another": (
        _failed("Novel"),
        f"Pod shop-1: it has failed. {DESCRIBE} Its status says: Novel.",
    ),
}

PODS = {
    f"{table}: {case}": found
    for table, cases in {
        "image": PULLS,
        "start": STARTS,
        "crash": CRASHES,
        "wait": WAITS,
        "node": SCHEDULING,
        "end": ENDED,
    }.items()
    for case, found in cases.items()
}
SETTING_UP = _pod(conditions=(SCHEDULED, UNSTARTED))
KINDS = [kind for kinds in GROUPS.values() for kind in kinds]


@pytest.mark.parametrize(("pod", "sentence"), PODS.values(), ids=PODS)
def test_says_why_a_pod_is_not_available(pod: Manifest, sentence: str) -> None:
    """The user need not know which of Kubernetes' objects to look at, and reads what helps."""
    assert str(pod_problem([pod])).startswith(sentence)


@pytest.mark.parametrize(("message", "sentence"), REFUSALS.values(), ids=REFUSALS)
def test_says_why_no_pod_is_created(message: str, sentence: str) -> None:
    """No Pod exists that could say it."""
    assert refusal(message).startswith(sentence)


@pytest.mark.parametrize(("event", "sentence"), SETUPS.values(), ids=SETUPS)
def test_events_say_what_a_node_cannot_set_up(event: Manifest, sentence: str) -> None:
    """The Pod itself says only that it is not ready to start containers."""
    diagnosis = diagnose([SETTING_UP], [event])
    assert diagnosis is not None
    assert diagnosis.sentence.startswith(sentence)


def test_the_newest_event_counts() -> None:
    """An older one may be over."""
    old = _event("FailedCreatePodSandBox", "cni plugin not initialized", at="2026-01-01T00:00:00Z")
    new = _event("FailedMount", "timed out", at="2026-01-01T00:02:00Z")
    diagnosis = diagnose([SETTING_UP], [old, new])
    assert diagnosis is not None
    assert "a volume cannot be mounted" in diagnosis.sentence


def test_an_event_says_how_a_probe_failed() -> None:
    """The Pod itself has no word of it."""
    event = _event("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 500")
    diagnosis = diagnose([_pod(UNREADY)], [event])
    assert diagnosis is not None
    assert "(GET /healthz on port http: HTTP probe failed with statuscode: 500)" in diagnosis.sentence


@pytest.mark.parametrize(
    "pod",
    [
        _pod(RUNNING, conditions=(SCHEDULED, {"type": "Ready", "status": "True"})),
        _pod(RUNNING, conditions=({**NOT_READY, "reason": "ContainersNotReady"},)),
        _pod({**RUNNING, "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}),
        _pod(_waiting("ContainerCreating")),
        _pod(_waiting("PodInitializing")),
        _pod({**UNREADY, "state": {"waiting": {}}}),
        _pod({**UNREADY, "state": {"terminated": {"exitCode": 0}}}),
        _pod(UNREADY, spec=BARE),
        _pod(phase="Failed"),
        {"metadata": {"name": "shop-1", "creationTimestamp": "2026-01-01T00:00:00Z"}},
    ],
)
def test_a_pod_that_is_well_or_about_to_start_has_no_problem(pod: Manifest) -> None:
    """Also one that Kubernetes has said nothing of yet."""
    assert pod_problem([pod]) is None


def test_a_pod_that_is_being_deleted_has_no_problem() -> None:
    """A Pod that stops is not ready, as it should be."""
    leaving = _pod(UNREADY)
    leaving["metadata"]["deletionTimestamp"] = "2026-01-02T00:00:00Z"
    assert pod_problem([leaving]) is None
    assert pod_problem([]) is None


def test_pods_of_the_newest_template_come_first() -> None:
    """Older Pods run the version that is being replaced, however badly."""
    old = _pod(_waiting("CreateContainerConfigError", 'secret "x" not found'), name="old", template="1a")
    new = _pod(UNREADY, name="new", created="2026-01-02T00:00:00Z", template="2b")
    assert str(pod_problem([old, new])).startswith("Pod new: ")


def test_the_surest_cause_of_a_template_counts() -> None:
    """A Pod that has no node yet does not hide one that cannot start."""
    sure = _config('secret "shop-db" not found')
    waiting = {**_unscheduled("0/1 nodes are available: 1 Insufficient cpu.")}
    waiting["metadata"] = {
        **waiting["metadata"],
        "name": "shop-2",
        "creationTimestamp": "2026-01-02T00:00:00Z",
    }
    assert "Secret shop-db" in str(pod_problem([waiting, sure]))
    assert "Secret shop-db" in str(pod_problem([sure, waiting]))


@pytest.mark.parametrize(
    ("pod", "certainty"),
    [
        (_config('secret "shop-db" not found'), CERTAIN),
        (_crashed(1), LIKELY),
        (_unscheduled("0/1 nodes are available: 1 Insufficient cpu."), WAITING),
        (_failed("Evicted"), PAST),
    ],
)
def test_tells_failures_from_what_may_pass(pod: Manifest, certainty: int) -> None:
    """Slow is not failed."""
    diagnosis = diagnose([pod])
    assert diagnosis is not None
    assert diagnosis.certainty == certainty


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.says)
def test_every_kind_is_found_in_some_message(kind: Kind) -> None:
    """One before it in its table may hide it."""
    says = ".*".join(re.escape(part) for part in re.split(r"\{\w+\}", kind.says))
    events = (diagnose([SETTING_UP], [event]) for event, _ in SETUPS.values())
    found = [
        *(pod_problem([pod]) for pod, _ in PODS.values()),
        *(refusal(message) for message, _ in REFUSALS.values()),
        *(diagnosis.sentence for diagnosis in events if diagnosis),
    ]
    assert any(re.search(rf": {says}", str(sentence)) for sentence in found)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.says)
def test_no_pattern_repeats_a_group(kind: Kind) -> None:
    """A repeated group may take exponential time for a message that a registry or a program chose."""
    assert not re.search(r"\)[*+{]", kind.pattern)


HOSTILE = [
    'lookup a lookup a:53 x image "a:a:a:a:a reference a:a',
    "@sha256:aaaaaaaaaa",
    "exceeded quota: a, requested: , used: ",
    "mkdir /aaaa chdir to cwd (/",
    "passwordsecrettoken-",
    "9",
    'exec: "/a": stat : exec /a: ',
    "ValidatingAdmissionPolicy '' maximum a usage per Pod is ",
]


@pytest.mark.parametrize("part", HOSTILE)
def test_a_long_message_gives_a_short_sentence(part: str) -> None:
    """Whatever it repeats; a pattern that takes exponential time would not end."""
    message = part * (100_000 // len(part))
    pods = [
        _pull(message),
        _config(message),
        _start(message),
        _crashed(1, message=message),
        _unscheduled(message),
    ]
    for sentence in (*(pod_problem([pod]) for pod in [*pods, _failed("Evicted", message)]), refusal(message)):
        assert len(str(sentence)) < 2000


@given(st.text(max_size=400))
def test_any_message_gives_one_line(message: str) -> None:
    """No text of another program breaks the templates."""
    pods = [
        _pull(message),
        _config(message),
        _start(message),
        _crashed(1, message=message),
        _unscheduled(message),
    ]
    for sentence in (*(pod_problem([pod]) for pod in [*pods, _failed("Evicted", message)]), refusal(message)):
        assert sentence
        assert sentence.isprintable() or not message.isprintable()
        assert "\n" not in sentence


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("GET https://shop:hunter2@example.com/v2", "GET https://***@example.com/v2"),
        ("authorization: Bearer abcdefghijklmnop1234", "authorization: Bearer ***"),
        ("DB_PASSWORD=hunter2 retry=3", "DB_PASSWORD=*** retry=3"),
        ('{"api_key": "hunter2", "level": "info"}', '{"api_key": "***", "level": "info"}'),
        ("X-Amz-Signature=0a1b&X-Amz-Date=1", "X-Amz-Signature=***&X-Amz-Date=1"),
        ("password: hunter2", "password: ***"),
        ("key AKIAIOSFODNN7EXAMPLE is invalid", "key *** is invalid"),
        ('secret "shop-db" not found', 'secret "shop-db" not found'),
        ("one\n  two\ttwo", "one two two"),
        ("x" * 400, "x" * 299 + "…"),
    ],
)
def test_quotes_no_secret(message: str, shown: str) -> None:
    """Messages of programs and registries may have one."""
    assert quoted(message) == shown
