"""What the chart renders: Pods that are safe by default, settings that arrive, options that do what they say."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from containerapp.settings import Settings
from tests.alerts.files import ALERTS_FILE, DASHBOARD_FILE
from tests.chart.rendering import (
    FULL_NAME,
    REQUIRED,
    Chart,
    HelmError,
    Manifest,
    container,
    of_kind,
    plain_environment,
)

_OPTIONAL = ("ServiceMonitor", "NetworkPolicy", "PrometheusRule", "ConfigMap")


def _pod(chart: Chart, **values: Any) -> Manifest:
    spec = chart.only("Deployment", **values)["spec"]["template"]["spec"]
    return dict(spec)


def _settings(chart: Chart, monkeypatch: pytest.MonkeyPatch, **values: Any) -> Settings:
    """The settings as the operator reads them in a Pod of this release."""
    for name, value in plain_environment(chart.only("Deployment", **values)).items():
        monkeypatch.setenv(name, value)
    return Settings()


def test_helm_lint_has_nothing_to_say(chart: Chart) -> None:
    """Lint passes, strictly, with the default values and with every option on."""
    switches = ("serviceMonitor", "networkPolicy", "prometheusRule", "dashboard")
    options = [f"--set={switch}.enabled=true" for switch in switches]

    for arguments in (REQUIRED, (*REQUIRED, *options)):
        assert "0 chart(s) failed" in chart.run("lint", "--strict", str(chart.path), *arguments)


def test_without_an_image_helm_says_what_to_set(chart: Chart) -> None:
    """There is no public image to fall back to, and a guess would be pulled from a stranger."""
    with pytest.raises(HelmError, match=r"--set image\.repository=<account>\.dkr\.ecr\."):
        chart.run("template", "capp", str(chart.path))


def test_two_replicas_are_spread_and_protected_from_drains(chart: Chart) -> None:
    """A node or a zone may go without both replicas going."""
    pod = _pod(chart)
    budget = chart.only("PodDisruptionBudget")

    assert chart.only("Deployment")["spec"]["replicas"] == 2
    assert [item["topologyKey"] for item in pod["topologySpreadConstraints"]] == [
        "topology.kubernetes.io/zone",
        "kubernetes.io/hostname",
    ]
    assert budget["spec"]["maxUnavailable"] == 1
    assert budget["spec"]["selector"] == chart.only("Deployment")["spec"]["selector"]


def test_the_pod_passes_the_restricted_standard_and_cannot_write_its_own_files(chart: Chart) -> None:
    """The operator itself lives by the rules that it gives to apps."""
    pod = _pod(chart)

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 65532
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }


def test_other_services_cannot_reach_into_the_settings(chart: Chart) -> None:
    """A Service named containerapp-http would otherwise set CONTAINERAPP_HTTP_PORT to a URL."""
    assert _pod(chart)["enableServiceLinks"] is False


def test_requests_and_a_memory_limit_are_set_and_no_cpu_limit(chart: Chart) -> None:
    """Throttling delays the renewal of the Lease; memory without a limit endangers the neighbours."""
    resources = container(chart.only("Deployment"))["resources"]

    assert set(resources["requests"]) == {"cpu", "memory"}
    assert set(resources["limits"]) == {"memory"}
    assert resources["limits"]["memory"] == resources["requests"]["memory"]


def test_probes_ask_the_port_that_the_operator_serves(chart: Chart) -> None:
    """Health, metrics and Service meet on one port, wherever it is put."""
    deployment = chart.only("Deployment", http={"port": 9090})
    operator = container(deployment)

    assert operator["ports"] == [{"name": "http", "containerPort": 9090}]
    assert plain_environment(deployment)["CONTAINERAPP_HTTP_PORT"] == "9090"
    assert operator["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    assert operator["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}


def test_the_default_values_are_the_operators_own_defaults(
    chart: Chart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operator run by hand and one run by the chart behave alike."""
    given = _settings(chart, monkeypatch)

    placed = {"lease_name": FULL_NAME, "lease_namespace": "ops"}
    assert given.model_dump() == Settings.model_construct().model_dump() | placed


def test_every_setting_can_be_changed_by_a_value(chart: Chart, monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting that the chart forgets could only be reached through extraEnv."""
    changed = _settings(
        chart,
        monkeypatch,
        replicaCount=1,
        watchNamespaces=["shop", "blog"],
        defaultRegistry="123456789012.dkr.ecr.eu-west-1.amazonaws.com/team",
        adoptionNamespaces=["team-*"],
        allowedRegistries=["*.dkr.ecr.eu-west-1.amazonaws.com", "ghcr.io/acme/*"],
        privateRegistries=["registry.example.com:5000"],
        insecureRegistries=["[fd00::1]:5000"],
        skipTagResolving=["localhost:*"],
        imageRefreshInterval=1200000,
        storageClass="gp3",
        watchSecrets=False,
        watchNodes=False,
        identity={
            "method": "irsa",
            "clusterName": "prod",
            "allowedRoles": ["arn:aws:iam::123456789012:role/apps/{namespace}/*"],
            "checkInterval": 600,
        },
        expose={
            "via": "gateway",
            "className": "shared",
            "gateway": "infra/shared/https",
            "gatewayController": "aws-load-balancer-controller",
            "albController": "auto-mode",
            "preflight": True,
            "awaitTargets": True,
        },
        fargate={"checkProfiles": True},
        network={
            "default": "namespace",
            "allowedNamespaces": ["monitoring"],
            "loadBalancerCidrs": ["10.0.0.0/16"],
        },
        secrets={
            "backend": "csi",
            "stores": {"secretsManager": "sm", "parameterStore": "ps", "kind": "SecretStore"},
            "refreshInterval": "5m",
            "csi": {"podIdentity": False},
        },
        rollout={"minReadySeconds": 5, "renderBudget": 2},
        workers=3,
        shutdownTimeout=2.5,
        log={"format": "text", "level": "debug"},
        leaderElection={
            "enabled": False,
            "leaseName": "l",
            "leaseDuration": 31,
            "renewDeadline": 21,
            "retryPeriod": 5,
        },
        http={"host": "127.0.0.1", "port": 9090},
        platform={
            "forbid": {
                "security": ["privileged", "runAsRoot"],
                "serviceTypes": ["LoadBalancer"],
                "serviceAnnotations": ["service.beta.kubernetes.io/*"],
                "podAnnotations": ["iam.amazonaws.com/role"],
                "serviceAccounts": ["admin", "deploy-*"],
                "overrides": ["Deployment"],
            },
            "allow": {"hostPaths": ["/var/log/*"]},
        },
    ).model_dump()

    defaults = Settings.model_construct().model_dump()
    assert {name for name, value in changed.items() if value == defaults[name]} == set()
    assert changed["namespaces"] == ("shop", "blog")
    assert changed["allowed_registries"] == ("*.dkr.ecr.eu-west-1.amazonaws.com", "ghcr.io/acme/*")
    assert changed["insecure_registries"] == ("[fd00::1]:5000",)
    assert changed["image_refresh_interval"] == 1200000
    assert changed["leader_election"] is False
    assert changed["forbidden_security"] == ("privileged", "runAsRoot")
    assert changed["forbidden_service_accounts"] == ("admin", "deploy-*")


def test_the_environment_holds_settings_that_exist_and_no_others(chart: Chart) -> None:
    """A mistyped variable would be ignored without a word."""
    variables = plain_environment(chart.only("Deployment", aws={"region": "eu-west-1"}))
    ours = {
        name.removeprefix("CONTAINERAPP_").lower() for name in variables if name.startswith("CONTAINERAPP_")
    }

    assert ours == set(Settings.model_fields)
    assert variables["AWS_REGION"] == "eu-west-1"


def test_the_pod_knows_its_name_its_namespace_and_its_memory_limit(chart: Chart) -> None:
    """They identify the holder of the Lease and the origin of events, and tell how near the limit is."""
    fields = {
        item["name"]: item["valueFrom"]
        for item in container(chart.only("Deployment"))["env"]
        if "valueFrom" in item
    }

    assert fields == {
        "POD_NAME": {"fieldRef": {"fieldPath": "metadata.name"}},
        "POD_NAMESPACE": {"fieldRef": {"fieldPath": "metadata.namespace"}},
        "MEMORY_LIMIT": {"resourceFieldRef": {"containerName": "operator", "resource": "limits.memory"}},
    }


def test_large_blocks_of_memory_are_given_back(chart: Chart) -> None:
    """By default glibc raises the size above which it does so, and the holes that connections leave stay."""
    assert plain_environment(chart.only("Deployment"))["MALLOC_MMAP_THRESHOLD_"] == "65536"


def test_the_operator_is_given_time_to_finish_its_work(chart: Chart) -> None:
    """The kubelet must not kill what shutdownTimeout allows to run."""
    assert _pod(chart, shutdownTimeout=90.5)["terminationGracePeriodSeconds"] == 106


def test_a_digest_wins_over_the_tag(chart: Chart) -> None:
    """Who pins the operator's image by digest gets that image."""
    digest = "sha256:" + "a" * 64
    repository = "registry.example/operator"

    assert container(chart.only("Deployment", **{"image.tag": "7"}))["image"] == f"{repository}:7"
    pinned = chart.only("Deployment", **{"image.tag": "7", "image.digest": digest})
    assert container(pinned)["image"] == f"{repository}@{digest}"


def test_irsa_is_an_annotation_and_pod_identity_needs_none(chart: Chart) -> None:
    """EKS Pod Identity is bound to the ServiceAccount's name from outside."""
    arn = "arn:aws-cn:iam::123456789012:role/containerapp-operator"

    assert "annotations" not in chart.only("ServiceAccount")["metadata"]
    annotated = chart.only("ServiceAccount", aws={"roleArn": arn}, serviceAccount={"annotations": {"a": "b"}})
    assert annotated["metadata"]["annotations"] == {"eks.amazonaws.com/role-arn": arn, "a": "b"}


def test_pods_take_what_the_platform_team_gives_them(chart: Chart) -> None:
    """Placement, pull secrets, labels and further variables reach the Pod as they are."""
    toleration = {"key": "dedicated", "operator": "Exists"}
    template = chart.only(
        "Deployment",
        nodeSelector={"pool": "system"},
        tolerations=[toleration],
        affinity={"nodeAffinity": {}},
        imagePullSecrets=[{"name": "pull"}],
        priorityClassName="system-cluster-critical",
        podLabels={"team": "platform", "app.kubernetes.io/name": "other"},
        podAnnotations={"a": "b"},
        extraEnv=[{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
    )["spec"]["template"]

    assert template["metadata"]["annotations"] == {"a": "b"}
    assert template["metadata"]["labels"]["team"] == "platform"
    assert template["metadata"]["labels"]["app.kubernetes.io/name"] == "containerapp-operator"
    expected = {
        "nodeSelector": {"pool": "system"},
        "tolerations": [toleration],
        "affinity": {"nodeAffinity": {}},
        "imagePullSecrets": [{"name": "pull"}],
        "priorityClassName": "system-cluster-critical",
    }
    assert template["spec"].items() >= expected.items()
    assert template["spec"]["containers"][0]["env"][-1] == {
        "name": "HTTPS_PROXY",
        "value": "http://proxy:3128",
    }


@pytest.mark.parametrize(
    ("source", "volume"),
    [
        ("configMap", {"configMap": {"name": "corporate-ca"}}),
        ("secret", {"secret": {"secretName": "corporate-ca"}}),
    ],
)
def test_a_company_s_authorities_are_mounted_and_trusted(
    chart: Chart, source: str, volume: dict[str, Any]
) -> None:
    """Registries are asked with SSL_CERT_FILE; AWS, which has its own bundle, only where that is asked for."""
    bundle = {source: "corporate-ca", "key": "bundle.pem"}
    deployment = chart.only("Deployment", caBundle=bundle)
    spec, variables = deployment["spec"]["template"]["spec"], plain_environment(deployment)
    with_aws = plain_environment(chart.only("Deployment", caBundle=bundle | {"aws": True}))

    assert spec["volumes"] == [{"name": "ca-bundle", **volume}]
    assert container(deployment)["volumeMounts"] == [
        {"name": "ca-bundle", "mountPath": "/etc/containerapp/ca", "readOnly": True}
    ]
    assert variables["SSL_CERT_FILE"] == "/etc/containerapp/ca/bundle.pem"
    assert "AWS_CA_BUNDLE" not in variables
    assert with_aws["AWS_CA_BUNDLE"] == "/etc/containerapp/ca/bundle.pem"


def test_further_volumes_are_mounted_as_they_are(chart: Chart) -> None:
    """Whatever the platform team has to put beside the operator, with a bundle and without."""
    volume = {"name": "ca", "configMap": {"name": "corporate-ca"}}
    mount = {"name": "ca", "mountPath": "/ca"}
    further: dict[str, Any] = {"extraVolumes": [volume], "extraVolumeMounts": [mount]}
    alone = chart.only("Deployment", **further)
    both = chart.only("Deployment", caBundle={"secret": "s"}, **further)

    assert alone["spec"]["template"]["spec"]["volumes"] == [volume]
    assert container(alone)["volumeMounts"] == [mount]
    assert [item["name"] for item in both["spec"]["template"]["spec"]["volumes"]] == ["ca-bundle", "ca"]
    assert [item["name"] for item in container(both)["volumeMounts"]] == ["ca-bundle", "ca"]
    assert "volumes" not in _pod(chart)
    assert "volumeMounts" not in container(chart.only("Deployment"))


def test_a_parent_chart_may_switch_it_on_and_off(chart: Chart, tmp_path: Path) -> None:
    """Helm hands the value of a dependency's condition down to the chart itself."""
    parent = tmp_path / "platform"
    shutil.copytree(chart.path, parent / "charts" / chart.path.name)
    dependency = {"name": chart.path.name, "version": "*", "condition": f"{chart.path.name}.enabled"}
    about = {"apiVersion": "v2", "name": "platform", "version": "1.0.0", "dependencies": [dependency]}
    (parent / "Chart.yaml").write_text(yaml.safe_dump(about))
    (parent / "values.yaml").write_text(
        yaml.safe_dump({chart.path.name: {"enabled": True, "image": {"repository": "registry.example/op"}}})
    )

    assert "kind: Deployment" in chart.run("template", "capp", str(parent))
    off = chart.run("template", "capp", str(parent), f"--set={chart.path.name}.enabled=false")
    assert "kind: Deployment" not in off


def test_options_that_need_more_than_kubernetes_are_off_by_default(chart: Chart) -> None:
    """A cluster without the Prometheus operator takes the chart as it is."""
    switches = ("serviceMonitor", "networkPolicy", "prometheusRule", "dashboard")
    on = chart.render(**{switch: {"enabled": True} for switch in switches})

    for kind in _OPTIONAL:
        assert of_kind(chart.render(), kind) == []
        assert len(of_kind(on, kind)) == 1


def test_the_service_monitor_finds_the_metrics_service(chart: Chart) -> None:
    """Selector, port name and path belong together."""
    monitor = chart.only("ServiceMonitor", serviceMonitor={"enabled": True, "labels": {"release": "prom"}})
    service = chart.only("Service", f"{FULL_NAME}-metrics")

    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["spec"]["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]
    assert monitor["metadata"]["labels"]["release"] == "prom"


def test_the_prometheus_rule_is_the_file_of_alerts(chart: Chart) -> None:
    """Prometheus' own templates survive Helm's; the runbooks are where the platform team serves them."""
    url = "https://wiki.example.com/runbooks"
    rule = chart.only(
        "PrometheusRule", prometheusRule={"enabled": True, "labels": {"release": "prom"}, "runbookUrl": url}
    )
    plain = chart.only("PrometheusRule", prometheusRule={"enabled": True})

    assert plain["spec"] == yaml.safe_load(ALERTS_FILE.read_text())
    assert rule["spec"] == yaml.safe_load(ALERTS_FILE.read_text().replace("docs/runbooks/", f"{url}/"))
    assert rule["spec"] != plain["spec"]
    assert rule["metadata"]["labels"]["release"] == "prom"


def test_the_dashboard_is_the_file_where_grafana_looks_for_it(chart: Chart) -> None:
    """Byte for byte, under the label that Grafana's sidecar watches unless it is told of another."""
    plain = chart.only("ConfigMap", f"{FULL_NAME}-dashboard", dashboard={"enabled": True})
    other = chart.only(
        "ConfigMap",
        f"{FULL_NAME}-dashboard",
        dashboard={
            "enabled": True,
            "labels": {"grafana_dashboard": None, "mine": "yes"},
            "annotations": {"grafana_folder": "Platform"},
        },
    )

    assert plain["data"] == {"containerapp-operator.json": DASHBOARD_FILE.read_text()}
    assert plain["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert "annotations" not in plain["metadata"]
    assert "grafana_dashboard" not in other["metadata"]["labels"]
    assert other["metadata"]["labels"]["mine"] == "yes"
    assert other["metadata"]["annotations"] == {"grafana_folder": "Platform"}


@pytest.mark.parametrize(
    ("values", "remedy"),
    [
        ({"leaderElection": {"enabled": False}}, "set replicaCount=1"),
        ({"leaderElection": {"renewDeadline": 15}}, "leaseDuration must be longer than"),
        ({"leaderElection": {"retryPeriod": 9}}, "longer than 1.2 times leaderElection.retryPeriod"),
        (
            {"serviceMonitor": {"enabled": True}, "service": {"enabled": False}},
            "set service.enabled=true",
        ),
        (
            {"aws": {"roleArn": "arn:aws:iam::123456789012:role/r"}, "serviceAccount": {"create": False}},
            "set serviceAccount.create=true",
        ),
        ({"caBundle": {"configMap": "a", "secret": "b"}}, "keep one of them"),
        ({"platform": {"admissionPolicy": {"enabled": True}}}, "set platform.forbid.security"),
    ],
)
def test_values_that_are_wrong_together_are_refused_with_the_remedy(
    chart: Chart, values: dict[str, object], remedy: str
) -> None:
    """Better at `helm install` than in a crash loop."""
    with pytest.raises(HelmError, match=remedy.replace(".", r"\.")):
        chart.render(**values)


def test_the_notes_give_the_next_three_commands(chart: Chart) -> None:
    """Whoever has installed the chart need not look for what comes next."""
    notes = chart.run("install", "capp", str(chart.path), "--namespace=ops", "--dry-run=client", *REQUIRED)

    for command in (
        f"kubectl rollout status --namespace ops deployment/{FULL_NAME}",
        "kubectl apply -f -",
        "kubectl get containerapps --namespace default --watch",
    ):
        assert command in notes
    assert "DELETES EVERY" not in notes


def test_what_goes_out_can_be_restricted(chart: Chart) -> None:
    """Names, the API server, AWS, registries and Pod Identity; never the node's instance metadata."""
    policy = {"enabled": True, "restrictEgress": True, "extraEgress": [{"ports": [{"port": 3128}]}]}
    spec = chart.only("NetworkPolicy", networkPolicy=policy)["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    names, https, identity, further = spec["egress"]
    assert {port["port"] for port in names["ports"]} == {53}
    assert {port["port"] for port in https["ports"]} == {443, 6443}
    assert https["to"][0]["ipBlock"] == {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16"]}
    assert identity["to"][0]["ipBlock"] == {"cidr": "169.254.170.23/32"}
    assert further == {"ports": [{"port": 3128}]}
    assert chart.only("NetworkPolicy", networkPolicy={"enabled": True})["spec"]["policyTypes"] == ["Ingress"]
