"""A service and what stands around it: `ecs_service`, `ecs_edge`, `ecs_scaling`, `ecs_input`."""

from __future__ import annotations

from typing import Any

import pytest

from containerapp.importers.cloudformation import plain
from tests.unit.importers.ecs_cases import CLUSTER, apps, container, convert, spec, task

GROUP = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/shop/1"
CERTIFICATE = "arn:aws:acm:eu-west-1:123456789012:certificate/0b7e4c1a-5f0d-4f5e-9d43-6a1d7c2b9e01"
_WEB = task(container(portMappings=[{"containerPort": 8080, "name": "http"}]))


def service(**fields: Any) -> dict[str, Any]:
    """Return a service that runs the family `shop`."""
    return {"serviceName": "shop", "taskDefinition": f"{CLUSTER}task-definition/shop:3", **fields}


def _of(*others: Any, **fields: Any) -> dict[str, Any]:
    """Return what a service adds to the app of its task."""
    made = spec(_WEB, service(**fields), *others)
    return {key: value for key, value in made.items() if key not in {"image", "port"}}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"desiredCount": 3}, {"replicas": 3}),
        ({"desiredCount": 1, "schedulingStrategy": "REPLICA", "propagateTags": "NONE"}, {}),
        ({"launchType": "FARGATE"}, {"placement": {"fargate": True}}),
        (
            {"capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]},
            {"placement": {"capacity": "Spot"}},
        ),
        ({"tags": [{"key": "team", "value": "a"}]}, {"labels": {"team": "a"}}),
        (
            {"placementConstraints": [{"type": "distinctInstance"}]},
            {
                "placement": {
                    "topologySpread": [
                        {"topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule"}
                    ]
                }
            },
        ),
        ({"placementStrategy": [{"type": "spread", "field": "attribute:ecs.availability-zone"}]}, {}),
        ({"deploymentConfiguration": {"maximumPercent": 200, "minimumHealthyPercent": 100}}, {}),
        ({"deploymentConfiguration": {"maximumPercent": 100, "minimumHealthyPercent": 100}}, {}),
        (
            {"deploymentConfiguration": {"maximumPercent": 100, "minimumHealthyPercent": 0}},
            {"rollout": {"strategy": "Recreate"}},
        ),
        (
            {
                "deploymentConfiguration": {
                    "maximumPercent": 150,
                    "minimumHealthyPercent": 50,
                    "bakeTimeInMinutes": 0,
                }
            },
            {"rollout": {"maxSurge": "50%", "maxUnavailable": "50%"}},
        ),
        (
            {"deploymentConfiguration": {"deploymentCircuitBreaker": {"enable": True, "rollback": False}}},
            {"rollout": {"automaticRollback": False}},
        ),
    ],
)
def test_what_a_service_says(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    """Defaults are left out."""
    assert _of(**fields) == expected


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"schedulingStrategy": "DAEMON"}, "schedulingStrategy"),
        ({"deploymentController": {"type": "CODE_DEPLOY"}}, "deploymentController.type"),
        ({"deploymentConfiguration": {"strategy": "CANARY"}}, "deploymentConfiguration.strategy"),
        ({"launchType": "EXTERNAL"}, "launchType"),
        ({"placementStrategy": [{"type": "binpack", "field": "memory"}]}, "placementStrategy[0].type"),
        (
            {"capacityProviderStrategy": [{"capacityProvider": "asg", "base": 1}]},
            "capacityProviderStrategy[0].capacityProvider",
        ),
        ({"loadBalancers": [{"loadBalancerName": "old"}]}, "loadBalancers[0].loadBalancerName"),
        (
            {"volumeConfigurations": [{"name": "x", "managedEBSVolume": {"sizeInGiB": 1}}]},
            "volumeConfigurations[0]",
        ),
        ({"serviceRegistries": [{"registryArn": "x"}]}, "serviceRegistries[0]"),
    ],
)
def test_what_a_service_says_and_kubernetes_does_not(fields: dict[str, Any], path: str) -> None:
    """It is listed, with what to do."""
    assert [loss.path.removeprefix("file1.") for loss in convert(_WEB, service(**fields)).losses] == [path]


def test_fargate_has_no_arm64_on_eks() -> None:
    """Such a task runs on nodes, and the manifest says so."""
    arm = {**_WEB, "runtimePlatform": {"cpuArchitecture": "ARM64"}}
    made = convert(arm, service(launchType="FARGATE"))
    assert apps(made)[0]["spec"]["placement"] == {"architectures": ["arm64"]}
    assert "no arm64" in made.comments["ContainerApp/shop spec.placement"]


def test_capacity_of_two_kinds_is_fargate() -> None:
    """And the weights are listed."""
    strategy = [{"capacityProvider": name, "weight": 1} for name in ("FARGATE", "FARGATE_SPOT")]
    made = convert(_WEB, service(capacityProviderStrategy=strategy))
    assert apps(made)[0]["spec"]["placement"] == {"fargate": True}
    assert len(made.losses) == 2


def test_a_volume_that_the_service_configures_is_each_pods_own() -> None:
    """As a managed EBS volume is; Fargate on EKS has none."""
    point = {"sourceVolume": "data", "containerPath": "/data"}
    document = task(container(mountPoints=[point]), volumes=[{"name": "data", "configuredAtLaunch": True}])
    disk = {"name": "data", "managedEBSVolume": {"sizeInGiB": 10, "volumeType": "gp3"}}
    (volume,) = spec(document, service(volumeConfigurations=[disk]))["volumes"]
    assert volume["ephemeral"] == {"size": "10Gi"}
    (volume,) = spec(document, service(volumeConfigurations=[disk], launchType="FARGATE"))["volumes"]
    assert volume["emptyDir"] == {}


def test_a_service_is_called_by_the_name_that_others_know() -> None:
    """That of Service Connect or of Cloud Map becomes the app's."""
    alias = {"portName": "http", "clientAliases": [{"dnsName": "api.internal", "port": 80}]}
    connect = {"enabled": True, "namespace": "prod", "services": [alias]}
    (app,) = apps(convert(_WEB, service(serviceConnectConfiguration=connect)))
    assert app["metadata"]["name"] == "api"
    assert app["spec"]["ports"] == [{"name": "http", "containerPort": 8080, "servicePort": 80}]
    found = {"enabled": True, "services": [{"portName": "http", "discoveryName": "orders"}]}
    (app,) = apps(convert(_WEB, service(serviceConnectConfiguration=found)))
    assert app["metadata"]["name"] == "orders"
    registry = {"Service": {"Id": "srv-1", "Name": "catalog", "DnsConfig": {"DnsRecords": [{"Type": "A"}]}}}
    (app,) = apps(convert(_WEB, service(serviceRegistries=[{"registryArn": "x"}]), registry))
    assert app["metadata"]["name"] == "catalog"


def _group(**fields: Any) -> dict[str, Any]:
    return {"TargetGroups": [{"TargetGroupArn": GROUP, "Protocol": "HTTP", "Port": 80, **fields}]}


_LB = [{"targetGroupArn": GROUP, "containerName": "web", "containerPort": 8080}]


def test_another_target_group_has_no_part_in_a_service() -> None:
    """Its health check asks elsewhere."""
    other = {"TargetGroupArn": f"{GROUP}2", "Protocol": "HTTP", "Port": 80, "HealthCheckPath": "/other"}
    groups = {"TargetGroups": [other, *_group(HealthCheckPath="/ok")["TargetGroups"]]}
    made = _of(groups, loadBalancers=_LB)
    assert made["readinessProbe"]["httpGet"] == {"path": "/ok"}


def test_what_leads_to_a_service_becomes_expose() -> None:
    """Hosts and paths of the rules, the certificate, the scheme, and the health check of the target group."""
    forward = [{"Type": "forward", "TargetGroupArn": GROUP}]
    rules = {
        "Rules": [
            {
                "Priority": "1",
                "Actions": forward,
                "Conditions": [
                    {"Field": "host-header", "HostHeaderConfig": {"Values": ["Shop.example.com"]}},
                    {"Field": "path-pattern", "Values": ["/api/*"]},
                    {"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.0/8"]}},
                ],
            },
            {
                "Priority": "2",
                "Actions": forward,
                "Conditions": [
                    {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/img/*", "/a*b"]}}
                ],
            },
            {
                "Priority": "3",
                "Actions": forward,
                "Conditions": [{"Field": "path-pattern", "Values": ["/more"]}],
            },
            {
                "Priority": "4",
                "Actions": forward,
                "Conditions": [{"Field": "path-pattern", "Values": ["/*"]}],
            },
            {
                "Priority": "5",
                "Actions": [
                    {"Type": "forward", "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": "x"}]}}
                ],
            },
        ]
    }
    listeners = {
        "Listeners": [
            {
                "Port": 443,
                "Certificates": [{"CertificateArn": CERTIFICATE}],
                "SslPolicy": "ELBSecurityPolicy-2016-08",
            },
            {"Port": 80},
        ]
    }
    balancers = {"LoadBalancers": [{"Scheme": "internet-facing", "Type": "application"}]}
    check = _group(
        HealthCheckProtocol="HTTP",
        HealthCheckPath="/ok",
        HealthCheckIntervalSeconds=10,
        Matcher={"HttpCode": "200"},
        TargetGroupAttributes=[
            {"Key": "stickiness.enabled", "Value": "true"},
            {"Key": "deregistration_delay.timeout_seconds", "Value": "5"},
            {"Key": "load_balancing.algorithm.type", "Value": "round_robin"},
        ],
    )
    made = _of(check, rules, listeners, balancers, loadBalancers=_LB)
    assert made["expose"] == {
        "via": "alb",
        "targetGroupAttributes": {"stickiness.enabled": "true"},
        "deregistrationDelaySeconds": 5,
        "hosts": ["shop.example.com"],
        "paths": [{"path": "/api"}, {"path": "/img"}, {"path": "/more"}],
        "certificateArn": CERTIFICATE,
        "sslPolicy": "ELBSecurityPolicy-2016-08",
        "public": True,
    }
    assert made["readinessProbe"] == {"httpGet": {"path": "/ok"}, "timeoutSeconds": 5, "failureThreshold": 2}


@pytest.mark.parametrize(("seconds", "lost"), [("300", 0), ("120", 1)])
def test_requests_have_the_time_that_a_pod_has(seconds: str, lost: int) -> None:
    """AWS' default is longer than a Pod lives after its end has begun."""
    attribute = {"Key": "deregistration_delay.timeout_seconds", "Value": seconds}
    made = convert(_WEB, service(loadBalancers=_LB), _group(TargetGroupAttributes=[attribute]))
    assert "deregistrationDelaySeconds" not in apps(made)[0]["spec"]["expose"]
    assert len([loss for loss in made.losses if loss.path.endswith("Value")]) == lost


def test_a_network_load_balancer_is_one_again() -> None:
    """By its target group, or by itself."""
    assert _of(_group(Protocol="TCP"), loadBalancers=_LB)["expose"] == {"via": "nlb"}
    balancers = {"LoadBalancers": [{"Scheme": "internal", "Type": "network"}]}
    assert _of(_group(Protocol="TCP"), balancers, loadBalancers=_LB)["expose"] == {"via": "nlb"}


@pytest.mark.parametrize(("protocol", "via"), [("tcp", "alb"), ("udp", "nlb")])
def test_a_load_balancer_of_which_nothing_is_known_is_one_of_the_vpc(protocol: str, via: str) -> None:
    """The service stays reached; the import says what to write, as the internet may have reached it."""
    mapping = {"containerPort": 8080, "protocol": protocol}
    made = convert(task(container(portMappings=[mapping])), service(loadBalancers=_LB))
    assert apps(made)[0]["spec"]["expose"] == {"via": via}
    (said,) = (note.reason for note in made.notes if note.path.endswith("loadBalancers[0].targetGroupArn"))
    assert "Write `hosts` and `public`" in said


def test_a_health_check_of_the_task_yields_to_that_of_the_load_balancer() -> None:
    """The one decides on traffic, the other on restarts."""
    checked = task(container(portMappings=[{"containerPort": 8080}], healthCheck={"command": ["CMD", "ok"]}))
    made = spec(checked, service(loadBalancers=_LB), _group(HealthCheckPath="/ready"))
    assert made["readinessProbe"]["httpGet"] == {"path": "/ready"}
    assert made["livenessProbe"]["exec"] == {"command": ["ok"]}


def test_scaling_becomes_autoscaling() -> None:
    """By the targets that Kubernetes knows."""
    resource = "service/prod/shop"

    def tracking(metric: str, **fields: Any) -> dict[str, Any]:
        how = {
            "PredefinedMetricSpecification": {"PredefinedMetricType": metric},
            "TargetValue": 60.0,
            **fields,
        }
        return {"ResourceId": resource, "PolicyName": metric, "TargetTrackingScalingPolicyConfiguration": how}

    targets = {
        "ScalableTargets": [
            {"ResourceId": resource, "MinCapacity": 0, "MaxCapacity": 9, "RoleARN": "x"},
            {"ResourceId": "service/prod/other", "MinCapacity": 5, "MaxCapacity": 5},
        ]
    }
    policies = {
        "ScalingPolicies": [
            tracking("ECSServiceAverageCPUUtilization", ScaleInCooldown=120, ScaleOutCooldown=0),
            tracking("ECSServiceAverageMemoryUtilization", DisableScaleIn=True),
            tracking("ALBRequestCountPerTarget"),
            {"ResourceId": resource, "StepScalingPolicyConfiguration": {"AdjustmentType": "x"}},
            {"ResourceId": "service/prod/other", "PolicyName": "x"},
        ]
    }
    made = convert(_WEB, service(desiredCount=4), service(serviceName="other"), targets, policies)
    first, second = (app["spec"] for app in apps(made))
    assert "replicas" not in first
    assert first["autoscaling"] == {
        "minReplicas": 1,
        "maxReplicas": 9,
        "cpu": 60,
        "behavior": {
            "scaleDown": {"selectPolicy": "Disabled"},
            "scaleUp": {"stabilizationWindowSeconds": 0},
        },
        "memory": 60,
    }
    assert second["autoscaling"] == {"minReplicas": 5, "maxReplicas": 5}
    unused = convert(_WEB, policies, targets)
    assert {loss.reason for loss in unused.losses} == {"belongs to nothing that is imported"}


def test_a_service_alone_says_a_little() -> None:
    """Its container's name and port; the image has to be given."""
    made = convert(service(loadBalancers=_LB, desiredCount=2), image="shop:2")
    assert apps(made)[0]["spec"] == {
        "image": "shop:2",
        "port": 8080,
        "replicas": 2,
        "expose": {"via": "alb"},
    }
    assert apps(convert({"serviceName": "x"}, image="x:1"))[0]["metadata"]["name"] == "x"


def test_descriptions_of_the_api_are_read() -> None:
    """`describe-*` prints one or many."""
    made = convert({"taskDefinition": task(), "tags": [], "service": service()})
    assert len(apps(made)) == 1
    made = convert({"services": [service()], "failures": []}, {"taskDefinition": task()})
    assert len(apps(made)) == 1


_TEMPLATE = {
    "AWSTemplateFormatVersion": "2010-09-09",
    "Parameters": {"Tag": {"Type": "String", "Default": "1.0"}, "Host": {"Type": "String"}},
    "Resources": {
        "Task": {
            "Type": "AWS::ECS::TaskDefinition",
            "DependsOn": "Queue",
            "Properties": {
                "Family": {"Fn::Sub": "${AWS::StackName}-shop"},
                "ContainerDefinitions": [
                    {
                        "Name": "web",
                        "Image": {"Fn::Join": [":", ["shop", {"Ref": "Tag"}]]},
                        "PortMappings": [{"ContainerPort": 80}],
                        "Environment": [{"Name": "HOST", "Value": {"Ref": "Host"}}, {"Ref": "AWS::NoValue"}],
                    }
                ],
            },
        },
        "Web": {
            "Type": "AWS::ECS::Service",
            "Properties": {
                "TaskDefinition": {"Ref": "Task"},
                "ServiceName": "shop",
                "LoadBalancers": [
                    {"TargetGroupArn": {"Ref": "Group"}, "ContainerName": "web", "ContainerPort": 80}
                ],
            },
        },
        "Group": {
            "Type": "AWS::ElasticLoadBalancingV2::TargetGroup",
            "Properties": {"HealthCheckPath": "/ok"},
        },
        "Other": {
            "Type": "AWS::ECS::TaskDefinition",
            "Properties": {"ContainerDefinitions": [{"Name": "b", "Image": "b"}]},
        },
        "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "x"}},
    },
}


def test_a_template_is_read_as_it_will_be_rendered() -> None:
    """Parameters have their defaults; what has none is a placeholder of its name."""
    made = convert(_TEMPLATE, name="shop")
    shop, other = apps(made)
    assert shop["spec"]["image"] == "shop:1.0"
    assert shop["spec"]["env"] == [{"name": "HOST", "value": "${Host}"}]
    assert shop["spec"]["readinessProbe"]["httpGet"] == {"path": "/ok"}
    assert other["metadata"]["name"] == "b"
    assert "Resources.Queue" in {loss.path for loss in made.losses}


@pytest.mark.parametrize(
    ("function", "value"),
    [
        ({"Fn::Sub": ["${A}-${B}-${!C}", {"A": 1}]}, "1-${B}-${!C}"),
        ({"Fn::If": ["IsProd", "a", "b"]}, "a"),
        ({"Fn::If": ["IsProd", {"Ref": "AWS::NoValue"}, "b"]}, "b"),
        ({"Fn::Select": [1, ["a", "b"]]}, "b"),
        ({"Fn::Select": [0, {"Fn::GetAZs": ""}]}, "${Select 0.GetAZs }"),
        ({"Fn::GetAtt": ["Role", "Arn"]}, "${Role.Arn}"),
        ({"Fn::ImportValue": "shared-Role"}, "${shared-Role}"),
        ({"Fn::Join": [",", {"Ref": "Subnets"}]}, "${Join ,.Subnets}"),
        ({"Fn::FindInMap": ["A", "B", "C"]}, "${FindInMap A.B.C}"),
        ({"Ref": 1}, {"Ref": 1}),
        ({"Parameters": "x", "A": 1}, {"Parameters": "x", "A": 1}),
    ],
)
def test_functions_of_a_template(function: dict[str, Any], value: Any) -> None:
    """What AWS alone knows is a placeholder, whose name says what is meant."""
    assert plain(function) == value
