"""Services of Compose as apps: each field of the specification is carried, or listed with what to do instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from containerapp.importers.compose.application import from_compose
from containerapp.importers.compose.databases import database
from containerapp.importers.compose.project import VariablesMissing, read_project
from containerapp.importers.manifest import check
from containerapp.importers.source import UNKNOWN, Imported, Refusal, source
from containerapp.importers.wishes import Wishes


def convert(
    text: str,
    files: dict[str, str] | None = None,
    *,
    values: dict[str, str] | None = None,
    wishes: Wishes | None = None,
    **options: Any,
) -> Imported:
    """Import a Compose file; what the API would refuse, or no step has looked at, fails."""
    project = read_project(["compose.yaml"], {"compose.yaml": text, **(files or {})}.get, values or {})
    result = from_compose(project, wishes or Wishes(), **options)
    check(result)
    assert [loss.path for loss in result.losses if loss.reason == UNKNOWN] == []
    return result


def service(fields: str, files: dict[str, str] | None = None, top: str = "", **options: Any) -> Imported:
    """Import a file with one service of an image."""
    inner = "\n".join(f"    {line}" for line in fields.splitlines())
    return convert(f"services:\n  web:\n    image: shop:1\n{inner}\n{top}", files, **options)


def spec(result: Imported, name: str = "web") -> dict[str, Any]:
    """Return the spec of an app or a job, without the image."""
    found = next(
        manifest
        for manifest in result.manifests
        if manifest["metadata"]["name"] == name and manifest["kind"].startswith("Container")
    )
    return {key: value for key, value in found["spec"].items() if key != "image"}


def lost(result: Imported) -> list[str]:
    """Return the paths of what is listed, as seen from the service."""
    return [loss.path.removeprefix("services.web.") for loss in result.losses]


CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "compose_services.yaml").read_text())
GIVEN_UP = {
    "attach": "false",
    "blkio_config": "{weight: 9}",
    "cgroup": "host",
    "cgroup_parent": "p",
    "cpu_count": "2",
    "cpu_percent": "50",
    "cpu_rt_period": "1ms",
    "cpu_rt_runtime": "1ms",
    "cpuset": "0-1",
    "credential_spec": "{file: f}",
    "develop": "{watch: [{path: ., action: sync}]}",
    "device_cgroup_rules": "['c 1:3 mr']",
    "devices": "['/dev/a:/dev/b']",
    "domainname": "corp",
    "external_links": "[a]",
    "ipc": "host",
    "isolation": "hyperv",
    "label_file": "./labels",
    "logging": "{driver: json-file, options: {max-size: 1m}}",
    "mac_address": "02:42:ac:11:65:43",
    "mem_swappiness": "1",
    "memswap_limit": "1g",
    "models": "[llm]",
    "oom_kill_disable": "true",
    "oom_score_adj": "1",
    "pid": "host",
    "pids_limit": "9",
    "post_start": "[{command: a}]",
    "pre_stop": "[{command: a}]",
    "provider": "{type: aws}",
    "runtime": "runsc",
    "storage_opt": "{size: 1G}",
    "ulimits": "{nofile: 9}",
    "use_api_socket": "true",
    "userns_mode": "host",
    "uts": "host",
    "volumes_from": "[db]",
}
CASES += [{"service": f"{key}: {value}", "lists": [key]} for key, value in GIVEN_UP.items()]


@pytest.mark.parametrize("case", CASES, ids=[case["service"].splitlines()[0][:60] for case in CASES])
def test_a_field_is_carried_or_listed(case: dict[str, Any]) -> None:
    """Exactly what the case says, and what is listed has a reason with something to do."""
    result = service(case["service"])
    assert lost(result) == case.get("lists", [])
    assert all(len(loss.reason) > 15 for loss in result.losses)
    if "becomes" in case:
        assert spec(result) == case["becomes"]


KEYS = {
    "service": """
annotations attach blkio_config build cap_add cap_drop cgroup cgroup_parent command configs container_name cpu_count
cpu_percent cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpu_shares cpus cpuset credential_spec depends_on deploy
develop device_cgroup_rules devices dns dns_opt dns_search domainname entrypoint env_file environment expose extends
external_links extra_hosts gpus group_add healthcheck hostname image init ipc isolation label_file labels links logging
mac_address mem_limit mem_reservation mem_swappiness memswap_limit models network_mode networks oom_kill_disable
oom_score_adj pid pids_limit platform ports post_start pre_stop privileged profiles provider pull_policy
pull_refresh_after read_only restart runtime scale secrets security_opt shm_size stdin_open stop_grace_period
stop_signal storage_opt sysctls tmpfs tty ulimits use_api_socket user userns_mode uts volumes volumes_from working_dir
""",
    "deploy": "endpoint_mode labels mode placement replicas resources restart_policy rollback_config update_config",
    "healthcheck": "disable interval retries start_interval start_period test timeout",
    "update_config": "delay failure_action max_failure_ratio monitor order parallelism",
    "restart_policy": "condition delay max_attempts window",
    "placement": "constraints max_replicas_per_node preferences",
    "reservations": "cpus devices generic_resources memory",
    "limits": "cpus memory pids",
}
"""The properties of the JSON schema of June 2026: github.com/compose-spec/compose-spec, schema/compose-spec.json."""
ELSEWHERE = {"image", "extends", "profiles", "configs", "secrets"}  # in tests of their own


def test_every_field_of_the_specification_has_a_case() -> None:
    """A field that nobody has thought of would be called unknown."""
    tried: dict[str, set[str]] = {"service": set(ELSEWHERE)}

    def walk(key: str, value: Any) -> None:
        if isinstance(value, dict):
            tried.setdefault(key, set()).update(value)
            for name, inner in value.items():
                walk(str(name), inner)

    for case in CASES:
        walk("service", yaml.safe_load(case["service"]))
    untried = {key: set(names.split()) - tried[key] for key, names in KEYS.items()}
    assert not any(untried.values()), untried


def test_env_files_come_before_the_environment_and_credentials_go_to_a_secret() -> None:
    """A password in a manifest is read by all who read the manifest."""
    result = service(
        "env_file: [a.env, {path: b.env}]\nenvironment: {B: 3, FROM_SHELL: null, PASSWORD: hunter2hunter2}",
        {"a.env": "A=1\nB=1\nSHELL_ONLY", "b.env": "A=2\nAPI_TOKEN=abcdefabcdef"},
        values={"FROM_SHELL": "x"},
    )
    ref = {"secretKeyRef": {"name": "web-env", "key": "API_TOKEN"}}
    assert spec(result)["env"] == [
        {"name": "A", "value": "2"},
        {"name": "B", "value": "3"},
        {"name": "API_TOKEN", "valueFrom": ref},
        {"name": "FROM_SHELL", "value": "x"},
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "web-env", "key": "PASSWORD"}}},
    ]
    assert result.manifests[0]["stringData"] == {"API_TOKEN": "abcdefabcdef", "PASSWORD": "hunter2hunter2"}
    assert [note.path for note in result.notes if "credential" in note.reason] == [
        "a.env: API_TOKEN".replace("a.env", "b.env"),
        "services.web.environment.PASSWORD",
    ]


def test_variables_of_env_files_are_read_carried_or_listed() -> None:
    """Also those of a raw file, and names whose value is the caller's."""
    result = service(
        "env_file: [{path: raw.env, format: raw}, own.env]",
        {"raw.env": "A='a$b'", "own.env": "B=$TAG\nC\nD", ".env": "TAG=${MAIN}.1"},
        values={"C": "c", "MAIN": "1"},
    )
    assert spec(result)["env"] == [
        {"name": "A", "value": "'a$b'"},
        {"name": "B", "value": "1.1"},
        {"name": "C", "value": "c"},
    ]
    assert [loss.path for loss in result.losses] == ["own.env: D"]
    with pytest.raises(VariablesMissing, match="--set GONE=…"):
        service("env_file: [own.env]", {"own.env": "A=x$GONE"})
    with pytest.raises(VariablesMissing, match="--set GONE=…"):
        service("env_file: []", {".env": "A=x$GONE"})


def test_a_service_whose_name_is_legal_keeps_it() -> None:
    """Its callers have the name; the one beside it has to be renamed anyhow."""
    result = convert("services: {A_B: {image: one}, a-b: {image: two}}")
    assert [spec["spec"]["image"] for spec in result.manifests if spec["metadata"]["name"] == "a-b"] == [
        "two"
    ]
    assert [note.path for note in result.notes if "called a-b-2" in note.reason] == ["services.A_B"]


def test_a_volume_that_is_mounted_twice_is_one_claim() -> None:
    """What the program writes at one path, it reads at the other."""
    result = service(
        "volumes: ['My_data:/a', 'My_data:/b:ro', 'other:/c']", top="volumes: {My_data: {}, other: {}}"
    )
    again = {"existingClaim": {"name": "web-my-data"}}
    assert spec(result)["volumes"] == [
        {"name": "my-data", "mountPath": "/a", "claim": {"size": "1Gi"}},
        {"name": "my-data-2", "mountPath": "/b", "readOnly": True, **again},
        {"name": "other", "mountPath": "/c", "claim": {"size": "1Gi"}},
    ]
    shared = convert(
        "services: {a: {image: a, volumes: ['v:/a', 'v:/b']}, b: {image: b, volumes: ['v:/a']}}\nvolumes: {v: {}}"
    )
    many = {"existingClaim": {"name": "a-v", "accessMode": "ReadWriteMany"}}
    assert spec(shared, "a")["volumes"][1] == {"name": "v-2", "mountPath": "/b", **many}


def test_secrets_and_configs_of_any_name_have_a_key_that_kubernetes_takes() -> None:
    """One of them would stop the import of all services otherwise."""
    result = service(
        "secrets: ['tls key', gone key]\nconfigs: ['a conf']",
        {"k": "x"},
        "secrets: {tls key: {file: k}, gone key: {}}\nconfigs: {a conf: {external: true}}",
    )
    assert [file["key"] for file in spec(result)["files"]] == ["a-conf", "tls-key", "gone-key"]
    assert result.manifests[0]["stringData"] == {"tls-key": "x"}
    assert any("--from-file=gone-key=FILE" in note.reason for note in result.notes)


@pytest.mark.parametrize(
    ("text", "is_secret"),
    [
        ("LEVEL=info\nexport DB_PASSWORD='hunter2'\n", True),
        ('{"level": 1, \n "apiKey": "hunter2",\n}', True),
        ("db:\n  url: postgres://shop:hunter2@db/shop", True),
        ("-----BEGIN RSA PRIVATE KEY-----\nhunter2", True),
        ("# password: hunter2\nTOKEN=\npassword_file: /run/secrets/db\nauth_token: true,", False),
    ],
)
def test_a_file_that_holds_a_credential_is_in_a_secret(text: str, *, is_secret: bool) -> None:
    """Its text would be in the manifest otherwise, for all who read that."""
    result = service(
        "volumes: ['./.env:/app/.env']\nconfigs: [{source: c, target: /c, mode: 0400}]",
        {"./.env": text, "c.conf": text},
        "configs: {c: {file: c.conf}}",
    )
    of_env, of_config = spec(result)["files"]
    if not is_secret:
        assert (of_env, of_config["content"]) == ({"path": "/app/.env", "content": text}, text)
        return
    assert of_env == {"path": "/app/.env", "secret": "web-env-file", "key": ".env"}
    assert of_config == {"path": "/c", "mode": 0o400, "secret": "web-c-file", "key": "c"}
    secrets = {each["metadata"]["name"]: each["stringData"] for each in result.manifests[:-1]}
    assert secrets == {"web-env-file": {".env": text}, "web-c-file": {"c": text}}
    assert sum("credential" in note.reason for note in result.notes) == 2
    assert "hunter2" not in str(result.manifests[-1]) + str(result.notes)


def test_files_beside_the_compose_file_become_files_of_the_app() -> None:
    """Mounts of configuration work in the cluster as they did on the host."""
    result = service(
        "volumes: ['./nginx.conf:/etc/nginx/nginx.conf:ro', './big.txt:/big.txt']\n"
        "configs: [one, {source: two, target: /etc/two, mode: 0440}, {source: three, mode: '0600', uid: '7', gid: '8'},"
        " four, gone]",
        {"./nginx.conf": "events {}\n", "three.txt": "3", "./big.txt": "x" * 300_000},
        top="configs: {one: {content: 'one'}, two: {environment: TWO}, three: {file: three.txt}, gone: {file: gone},\n"
        "  four: {external: true, name: Four_Config}}",
        values={"TWO": "two"},
    )
    assert spec(result) == {
        "files": [
            {"path": "/etc/nginx/nginx.conf", "content": "events {}\n"},
            {"path": "/one", "content": "one"},
            {"path": "/etc/two", "content": "two", "mode": 0o440},
            {"path": "/three", "content": "3", "mode": 0o600},
            {"path": "/four", "configMap": "four-config", "key": "four"},
        ]
    }
    assert lost(result) == ["volumes[1]", "configs[2].uid", "configs[2].gid", "configs[4]"]


def test_secrets_are_files_from_secrets() -> None:
    """From a file or a variable the Secret is written beside the app; else it is said how to make it."""
    result = service(
        "secrets: [one, {source: two, target: /etc/two, mode: '0400'}, {source: ext, target: e, mode: odd}]",
        {"./one.txt": "1"},
        top="secrets: {one: {file: ./one.txt, labels: {a: b}}, two: {environment: GONE}, ext: {external: true}}",
        wishes=Wishes(namespace="team"),
    )
    assert spec(result)["files"] == [
        {"path": "/run/secrets/one", "secret": "one", "key": "one"},
        {"path": "/etc/two", "secret": "two", "key": "two", "mode": 0o400},
        {"path": "/run/secrets/e", "secret": "ext", "key": "ext"},
    ]
    assert result.manifests[0] == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "one", "namespace": "team"},
        "stringData": {"one": "1"},
    }
    assert "kubectl create secret generic ext --from-file=ext=FILE" in str(result.notes)
    assert lost(result) == ["secrets.one.labels"]


def test_a_volume_of_several_services_is_one_claim_that_all_nodes_mount() -> None:
    """The first app makes it; the others name it."""
    result = convert(
        "services:\n  a: {image: a, volumes: ['media:/m']}\n  b: {image: b, volumes: ['media:/n', 'ext:/e']}\n"
        "volumes: {media: {driver: local}, ext: {external: true, name: Old_Data},"
        " nfs: {driver: nfs, driver_opts: {o: x}}}"
    )
    assert spec(result, "a")["volumes"] == [
        {"name": "media", "mountPath": "/m", "claim": {"size": "1Gi", "accessMode": "ReadWriteMany"}}
    ]
    assert spec(result, "b")["volumes"] == [
        {
            "name": "media",
            "mountPath": "/n",
            "existingClaim": {"name": "a-media", "accessMode": "ReadWriteMany"},
        },
        {"name": "ext", "mountPath": "/e", "existingClaim": {"name": "old-data"}},
    ]
    assert lost(result) == ["volumes.nfs.driver", "volumes.nfs.driver_opts"]


def test_a_claim_of_one_node_is_mounted_by_one_pod() -> None:
    """Else the second Pod would wait for ever."""
    result = service("volumes: ['data:/data']\ndeploy: {replicas: 3}")
    assert "replicas" not in spec(result)
    assert "one Pod" in str(result.notes)


def test_a_database_has_its_port_a_folder_of_its_own_and_a_better_place() -> None:
    """Compose needs no port within its network; a Service does."""
    result = convert(
        "services: {db: {image: 'docker.io/postgres:16', volumes: ['d:/var/lib/postgresql/data']}}"
    )
    assert spec(result, "db") == {
        "port": 5432,
        "volumes": [
            {
                "name": "d",
                "mountPath": "/var/lib/postgresql/data",
                "subPath": "data",
                "claim": {"size": "1Gi"},
            }
        ],
    }
    assert "Amazon RDS" in str(result.notes)
    assert database("redis-stack:7@sha256:0") is not None
    assert database("shop") is None


def test_a_port_that_others_call_is_the_ports_of_the_service() -> None:
    """What is called by name and number in Compose's network needs a Service here."""
    result = convert(
        "services:\n  api: {image: api}\n  bad: {image: bad}\n  web: {image: web, command: [go, 1], environment:"
        " {API: 'http://api:8000/x', BAD: 'bad:99999'}}\n  odd: {image: odd, expose: ['80']}"
    )
    assert spec(result, "api") == {"port": 8000}
    assert spec(result, "bad") == {}
    assert result.comments["ContainerApp/api spec.port"] == "called by web; the Compose file names no port"


JOINED = """
services:
  web: {image: web, volumes: ['shared:/s', 'own:/o'], expose: [80]}
  proxy:
    image: proxy
    network_mode: service:web
    restart: always
    ports: [{target: 81, name: in}]
    environment: {A: 1, TOKEN: abcdefabcdef}
    user: '7'
    volumes: ['shared:/t', 'mine:/m', './x.conf:/x']
    tmpfs: /run
    hostname: p
    platform: linux/amd64
    deploy: {replicas: 2, resources: {limits: {cpus: 1}}}
    dns: [10.0.0.1]
    configs: [c]
    secrets: [s]
    init: true
    healthcheck: {test: [CMD, ok]}
    working_dir: /
  chain: {image: chain, network_mode: service:proxy}
  db: {image: postgres, network_mode: service:web, volumes: ['pg:/pg']}
  self: {image: self, network_mode: service:self}
configs: {c: {content: x}}
secrets: {s: {environment: S}}
"""


def test_a_service_in_the_network_of_another_is_its_sidecar() -> None:
    """Containers of a Pod share one network, as these do."""
    result = convert(JOINED, {"./x.conf": "x"}, values={"S": "1"})
    web = spec(result, "web")
    assert web["sidecars"] == [
        {
            "name": "proxy",
            "image": "proxy",
            "ports": [{"name": "in", "containerPort": 81}],
            "workingDir": "/",
            "env": [
                {"name": "A", "value": "1"},
                {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "web-env", "key": "proxy.TOKEN"}}},
            ],
            "readinessProbe": {"exec": {"command": ["ok"]}, "periodSeconds": 30, "timeoutSeconds": 30},
            "resources": {"limits": {"cpu": "1"}},
            "volumeMounts": [
                {"name": "shared", "mountPath": "/t"},
                {"name": "mine", "mountPath": "/m"},
                {"name": "run", "mountPath": "/run"},
            ],
            "security": {"runAsUser": 7},
        },
        {"name": "db", "image": "postgres", "volumeMounts": [{"name": "pg", "mountPath": "/pg"}]},
    ]
    assert [volume["name"] for volume in web["volumes"]] == ["shared", "own", "mine", "run", "pg"]
    assert [manifest["metadata"]["name"] for manifest in result.manifests] == [
        "s",
        "web-env",
        "web",
        "chain",
        "self",
    ]
    assert [loss.path.removeprefix("services.") for loss in result.losses] == [
        "proxy.volumes[2]",
        "proxy.hostname",
        "proxy.platform",
        "proxy.deploy.replicas",
        "proxy.dns[0]",
        "proxy.configs[0]",
        "proxy.secrets[0]",
        "proxy.init",
        "chain.network_mode",
        "self.network_mode",
    ]


def test_a_service_joins_another_one_by_wish() -> None:
    """Where they share files, or call each other by localhost."""
    text = "services: {web: {image: w}, log: {image: l}, far: {image: f, network_mode: 'service:web'}}"
    result = convert(text, sidecars={"log": "web", "web": "web"})
    assert [each["name"] for each in spec(result)["sidecars"]] == ["log", "far"]
    with pytest.raises(Refusal, match="no service gone"):
        convert(text, sidecars={"log": "gone"})


def test_a_service_that_others_wait_for_to_end_is_a_job() -> None:
    """An app would start it again for ever."""
    result = convert(
        "services:\n"
        "  migrate: {image: m, restart: 'on-failure:3', ports: ['80:80'], healthcheck: {test: x}, scale: 2}\n"
        "  seed: {image: s, restart: on-failure, depends_on: {migrate: {condition: service_completed_successfully}}}\n"
        "  batch: {image: b, deploy: {mode: replicated-job, replicas: 2, endpoint_mode: vip}}\n"
        "  web: {image: w, depends_on: {migrate: {condition: service_completed_successfully}}}\n"
        "  once: {image: o, restart: 'no'}\n",
        jobs=["seed"],
    )
    kinds = {manifest["metadata"]["name"]: manifest["kind"] for manifest in result.manifests}
    assert kinds == dict.fromkeys(("migrate", "seed", "batch"), "ContainerJob") | {
        "web": "ContainerApp",
        "once": "ContainerApp",
    }
    assert spec(result, "migrate") == {"retry": {"attempts": 4}}
    assert spec(result, "seed") == {"retry": {"attempts": 7}, "dependsOn": [{"job": "migrate"}]}
    assert [loss.path.removeprefix("services.") for loss in result.losses] == [
        "migrate.ports",
        "migrate.healthcheck",
        "migrate.scale",
        "batch.deploy.replicas",
        "batch.deploy.endpoint_mode",
        "web.depends_on.migrate",
    ]
    assert "--job NAME" in str(result.notes)


def test_profiles_choose_services() -> None:
    """What is left out is listed, with the flag that takes it in."""
    text = (
        "services:\n  web: {image: w}\n  debug: {image: d, profiles: [dev, test]}\n  odd: text\n"
        "version: '3'\nname: shop\nx-top: {a: 1}\nmodels: {m: {model: x}}"
    )
    result = convert(text)
    assert [manifest["metadata"]["name"] for manifest in result.manifests] == ["web"]
    assert [(loss.path, loss.reason[:40]) for loss in result.losses] == [
        ("services.debug", "it runs in the profile dev or test alone"),
        ("services.odd", "it is no service: write a map with an im"),
        ("models", "run a model as an app, and name its addr"),
    ]
    for profiles in (["test"], ["*"]):
        assert len(convert(text, profiles=profiles).manifests) == 2


def test_names_are_made_legal() -> None:
    """With a word on who calls them."""
    result = convert("services: {My_Shop: {image: a}, my.shop: {image: b}}")
    assert [manifest["metadata"]["name"] for manifest in result.manifests] == ["my-shop", "my-shop-2"]
    assert [note.path for note in result.notes if "called" in note.reason] == [
        "services.My_Shop",
        "services.my.shop",
    ]


def test_images_that_compose_builds_are_asked_for_by_the_service() -> None:
    """A cluster builds none."""
    text = "services: {web: {build: .}, api: {build: ./api}, db: {image: 'postgres:16'}}"
    images = [
        manifest["spec"]["image"]
        for manifest in convert(
            text, wishes=Wishes(images={"web": "w:1", "api": "a:1", "db": "own:2"})
        ).manifests
    ]
    assert images == ["w:1", "a:1", "own:2"]
    project = read_project(["c"], {"c": text}.get, {})
    asked = [manifest["spec"]["image"] for manifest in from_compose(project, Wishes(image="x:1")).manifests]
    assert asked == ["<IMAGE of web>", "<IMAGE of api>", "postgres:16"]
    one = convert("services: {web: {build: .}, db: {image: 'postgres:16'}}", wishes=Wishes(image="x:1"))
    assert [manifest["spec"]["image"] for manifest in one.manifests] == ["x:1", "postgres:16"]
    with pytest.raises(Refusal, match="no service wbe: the services are web, api, db"):
        convert(text, wishes=Wishes(images={"wbe": "x"}))
    with pytest.raises(Refusal, match="no service gone"):
        convert(text, jobs=["gone"])


def test_networks_that_keep_services_apart_are_said() -> None:
    """Apps of a namespace all reach each other."""
    result = convert(
        "services:\n  a: {image: a, networks: [front]}\n  b: {image: b, networks: [back]}\n"
        "networks: {front: {driver: bridge, name: f}, back: {internal: true}, ext: {external: true}}"
    )
    assert "network.allowFrom" in str(result.notes)
    assert lost(result) == [
        "networks.front.driver",
        "networks.front.name",
        "networks.back.internal",
        "networks.ext.external",
    ]
    assert "allowFrom" not in str(
        convert("services: {a: {image: a, user: '7'}, b: {image: b, user: '7'}}").notes
    )


def test_no_leaf_of_a_whole_file_is_forgotten() -> None:
    """The tree that the importer reads is walked to its last leaf."""
    text = "services:\n  web:\n    image: w\n" + "".join(
        f"    {key}: {value}\n" for key, value in GIVEN_UP.items()
    )
    project = read_project(["c"], {"c": text}.get, {})
    root = source(project.tree)
    assert len(root.ledger.forgotten(root)) > len(GIVEN_UP)
    assert [loss for loss in from_compose(project, Wishes()).losses if loss.reason == UNKNOWN] == []
