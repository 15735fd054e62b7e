"""What a task definition says, on a real node: order of containers, files, folders, claims, secrets, before-jobs.

The containers write what they see; the tests read their logs.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import devcluster
from devcluster import ecr, images, system
from tests.controller.api import Api, Manifest
from tests.controller.aws_secrets import SecretsManager
from tests.controller.operators import Operator, eventually
from tests.controller.real_external_secrets import fetching_from
from tests.e2e.node_apps import App, installed_operator

pytestmark = [pytest.mark.node, pytest.mark.timeout(600)]

_SERVE = "exec /bin/busybox httpd -f -p 8080 -h /tmp/www"
_ORDER = "/bin/busybox cat /work/order"


@pytest.fixture(scope="module")
def api(node_cluster: devcluster.Cluster) -> Iterator[Api]:
    """The API server, as its administrator sees it."""
    api = Api(node_cluster.kubeconfig)
    yield api
    api.close()


@pytest.fixture(scope="module", autouse=True)
def operator(
    node_cluster: devcluster.Cluster, api: Api, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Operator]:
    """The operator, and an image that runs a shell's commands."""
    system.require({"/bin/busybox": "busybox-static"})
    image = images.Image(
        files={"/bin/busybox": Path("/bin/busybox").read_bytes()}, entrypoint=["/bin/busybox", "sh", "-c"]
    )
    ecr.push(node_cluster, "shell", "v1", image)
    operator = installed_operator(node_cluster, api, tmp_path_factory.mktemp("operator"), min_ready_seconds=0)
    yield operator
    operator.kill()


class _Task(App):
    """An app of one Pod whose container runs a script."""

    def run(self, script: str, **spec: Any) -> None:
        """Apply it and wait until it is Ready."""
        self.write(script, **spec)
        self.await_condition("Ready", "True", "Running", seconds=120)

    def write(self, script: str, **spec: Any) -> None:
        """Apply it."""
        self.apply(image="shell:v1", args=[script], replicas=1, terminationGracePeriodSeconds=1, **spec)

    def logs(self, container: str = "app") -> list[str]:
        """Return the lines of the one Pod that stays."""
        (name,) = [
            pod["metadata"]["name"]
            for pod in self.api.list("Pod", "default", f"containerapp.dev/app={self.name}")
            if "deletionTimestamp" not in pod["metadata"]
        ]
        return self.node.kubectl("logs", name, f"--container={container}", "--namespace=default").splitlines()

    def await_logs(self, *lines: str) -> None:
        """Wait until the one Pod has written these lines and no more."""
        eventually(f"{self.name} writes {lines}", lambda: self._writes(list(lines)), timeout=90, interval=0.5)

    def _writes(self, lines: list[str]) -> bool:
        pods = self.api.list("Pod", "default", f"containerapp.dev/app={self.name}")
        ready = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        return len(ready) == 1 and _runs(ready[0]) and self.logs() == lines


def _runs(pod: Manifest) -> bool:
    statuses = pod.get("status", {}).get("containerStatuses", [])
    return bool(statuses) and all(status["ready"] for status in statuses)


def test_containers_start_in_their_order(node_cluster: devcluster.Cluster, api: Api) -> None:
    """Init container, sidecar with a startup probe, the init container after it, the app: as `dependsOn` says it."""
    app = _Task(node_cluster, api, "order")
    mount = [{"name": "work", "mountPath": "/work"}]
    app.run(
        f"{_ORDER}; /bin/busybox mkdir /tmp/www; {_SERVE}",
        volumes=[
            {"name": "work", "mountPath": "/work", "emptyDir": {}},
            {"name": "tmp", "mountPath": "/tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},  # noqa: S108
        ],
        initContainers=[
            {
                "name": "first",
                "image": "shell:v1",
                "args": ["echo first >> /work/order"],
                "volumeMounts": mount,
            },
            {
                "name": "migrate",
                "image": "shell:v1",
                "args": ["echo migrate >> /work/order"],
                "after": "proxy",
                "volumeMounts": mount,
            },
        ],
        sidecars=[
            {
                "name": "proxy",
                "image": "shell:v1",
                "args": ["/bin/busybox sleep 3; echo proxy >> /work/order; exec /bin/busybox sleep 600"],
                "volumeMounts": mount,
                "startupProbe": {
                    "exec": {"command": ["/bin/busybox", "grep", "proxy", "/work/order"]},
                    "periodSeconds": 1,
                },
            }
        ],
    )
    assert app.logs() == ["first", "proxy", "migrate"]
    api.delete("ContainerApp", "default", app.name)


def test_files_are_there_and_a_change_of_their_source_is_a_new_version(
    node_cluster: devcluster.Cluster, api: Api
) -> None:
    """Text of the manifest, a key of a ConfigMap, a Secret's folder with its mode."""
    _put(api, "ConfigMap", "texts", data={"greeting": "hello\n"})
    _put(api, "Secret", "keys", data={"token": base64.b64encode(b"t0ken\n").decode()})
    app = _Task(node_cluster, api, "files")
    read = "/bin/busybox cat /etc/shop.yaml /etc/greeting /keys/token"
    look = "/bin/busybox stat -L -c %a /keys/token"
    spec: Manifest = {
        "files": [
            {"path": "/etc/shop.yaml", "content": "currency: EUR\n"},
            {"path": "/etc/greeting", "configMap": "texts", "key": "greeting"},
            {"path": "/keys", "secret": "keys", "mode": 0o440},
        ],
        "volumes": [{"name": "tmp", "mountPath": "/tmp", "emptyDir": {}}],  # noqa: S108
    }
    script = f"{read}; {look}; /bin/busybox mkdir /tmp/www; {_SERVE}"
    app.run(script, **spec)
    assert app.logs() == ["currency: EUR", "hello", "t0ken", "440"]
    _put(api, "ConfigMap", "texts", data={"greeting": "bonjour\n"})
    app.await_logs("currency: EUR", "bonjour", "t0ken", "440")
    spec["files"][0]["content"] = "currency: CHF\n"
    app.run(script, **spec)
    assert app.logs() == ["currency: CHF", "bonjour", "t0ken", "440"]
    api.delete("ContainerApp", "default", app.name)


def test_the_data_of_a_claim_survives_the_app(
    node_cluster: devcluster.Cluster, api: Api, tmp_path: Path
) -> None:
    """A new app of the name has it again."""
    tmp_path.chmod(0o777)
    volume = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "by-hand",
        "hostPath": {"path": str(tmp_path)},
    }
    _put(api, "PersistentVolume", "by-hand", namespace=None, spec=volume)
    app = _Task(node_cluster, api, "keeps")
    script = f"echo run >> /data/runs; /bin/busybox cat /data/runs; /bin/busybox mkdir -p /data/www; {_SERVE}"
    script = script.replace("/tmp/www", "/data/www")  # noqa: S108
    spec = {"volumes": [{"name": "data", "mountPath": "/data", "claim": {"storageClass": "by-hand"}}]}
    app.run(script, **spec)
    assert app.logs() == ["run"]
    uid = api.get("PersistentVolumeClaim", "default", "keeps-data")["metadata"]["uid"]
    api.delete("ContainerApp", "default", app.name)
    eventually(
        "its Pods are gone", lambda: not api.list("Pod", "default", "containerapp.dev/app=keeps"), timeout=60
    )
    app.run(script, **spec)
    assert app.logs() == ["run", "run"]
    assert api.get("PersistentVolumeClaim", "default", "keeps-data")["metadata"]["uid"] == uid
    api.delete("ContainerApp", "default", app.name)


def test_a_secret_reaches_the_before_job_and_a_bad_value_is_rolled_back(
    node_cluster: devcluster.Cluster, api: Api
) -> None:
    """The job runs once per version, with the value of its time; the value is in no status, event or revision."""
    app = _Task(node_cluster, api, "vault")
    refuse = 'case "$PASSWORD" in wrong*) exit 3;; esac'
    script = f'{refuse}; echo "${{#PASSWORD}}"; /bin/busybox mkdir /tmp/www; {_SERVE}'
    spec: Manifest = {
        "env": [{"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "vault", "key": "password"}}}],
        "volumes": [{"name": "tmp", "mountPath": "/tmp", "emptyDir": {}}],  # noqa: S108
        "rollout": {"before": {"args": ['echo "migrates with ${#PASSWORD} letters"']}},
    }
    _put(api, "Secret", "vault", data={"password": base64.b64encode(b"battery").decode()})
    app.run(script, **spec)
    assert app.logs() == ["7"]
    assert _job_logs(node_cluster, "vault-before-1") == "migrates with 7 letters\n"
    _put(api, "Secret", "vault", data={"password": base64.b64encode(b"wrong-horse").decode()})
    app.await_condition("RolledOut", "False", "RolledBack", seconds=180)
    assert _job_logs(node_cluster, "vault-before-2") == "migrates with 11 letters\n"
    assert "exit code 3" in app.message("RolledOut")
    _put(api, "Secret", "vault", data={"password": base64.b64encode(b"staple").decode()})
    app.await_logs("6")
    everything = [
        api.get("ContainerApp", "default", "vault"),
        *api.list("ControllerRevision", "default"),
        *api.list("Event", "default"),
        *api.list("Deployment", "default"),
    ]
    assert not [word for word in ("battery", "wrong-horse", "staple") if word in json.dumps(everything)]
    api.delete("ContainerApp", "default", app.name)


@pytest.mark.long
@pytest.mark.timeout(5400)
def test_a_changed_secret_of_aws_is_rolled_out_and_a_bad_one_rolled_back(
    node_cluster: devcluster.Cluster, api: Api, tmp_path: Path
) -> None:
    """By External Secrets itself. The Pods of the good value have never ended."""
    arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop-AbCdEf"
    aws = SecretsManager()
    app = _Task(node_cluster, api, "fetched")
    script = f'case "$PASSWORD" in wrong*) exit 3;; esac; echo "${{#PASSWORD}}"; /bin/busybox mkdir /tmp/www; {_SERVE}'
    spec: Manifest = {
        "secrets": [{"name": "PASSWORD", "valueFrom": f"{arn}:password::"}],
        "volumes": [{"name": "tmp", "mountPath": "/tmp", "emptyDir": {}}],  # noqa: S108
        "rollout": {"before": {"args": ['echo "migrates with ${#PASSWORD} letters"']}},
    }
    with fetching_from(aws, node_cluster, api, tmp_path):
        aws.secrets[arn] = {"password": "battery"}
        app.run(script, **spec)
        assert app.logs() == ["7"]
        assert _job_logs(node_cluster, "fetched-before-1") == "migrates with 7 letters\n"
        aws.secrets[arn] = {"password": "wrong-horse"}
        _fetch_again(api, app.name)
        app.await_condition("RolledOut", "False", "RolledBack", seconds=180)
        assert "exit code 3" in app.message("RolledOut")
        app.await_logs("7")
        aws.secrets[arn] = {"password": "staple"}
        _fetch_again(api, app.name)
        app.await_logs("6")
        api.delete("ContainerApp", "default", app.name)
    aws.close()


def _fetch_again(api: Api, app: str) -> None:
    """Have the newest value fetched at once, not within the hour."""
    for source in api.list("ExternalSecret", "default", f"containerapp.dev/app={app}"):
        change = {"metadata": {"annotations": {"force-sync": source["metadata"]["resourceVersion"]}}}
        api.patch("ExternalSecret", "default", source["metadata"]["name"], change)


def _put(api: Api, kind: str, name: str, namespace: str | None = "default", **content: Any) -> None:
    version = {"apiVersion": "v1", "kind": kind}
    metadata = {"name": name} if namespace is None else {"name": name, "namespace": namespace}
    api.apply({**version, "metadata": metadata, **content})


def _job_logs(cluster: devcluster.Cluster, job: str) -> str:
    return cluster.kubectl("logs", f"job/{job}", "--namespace=default", "--container=app")
