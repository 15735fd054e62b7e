"""`containerapp import ecs --cluster … --service …`: read from an ECS that boto3 talks to."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from click.testing import CliRunner, Result

from containerapp.cli import main
from tests.aws.conftest import ACCOUNT
from tests.docs.test_imports import commands

REGION = "eu-west-1"


@pytest.fixture
def aws(credentials: pytest.MonkeyPatch, moto_endpoint: str) -> Iterator[Any]:
    """Makes a client of an AWS that is empty before and afterwards."""
    credentials.setenv("AWS_ENDPOINT_URL", moto_endpoint)
    _empty(moto_endpoint)
    yield lambda name: boto3.client(name, region_name=REGION)
    _empty(moto_endpoint)


def _empty(endpoint: str) -> None:
    urllib.request.urlopen(urllib.request.Request(f"{endpoint}/moto-api/reset", method="POST")).close()  # noqa: S310


def _import(*arguments: str) -> Result:
    result = CliRunner().invoke(main, ["import", "ecs", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result


def _balanced(aws: Any) -> str:
    """Make a load balancer with a rule; return the ARN of the target group."""
    ec2, elb = aws("ec2"), aws("elbv2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{index}.0/24", AvailabilityZone=f"{REGION}{zone}")[
            "Subnet"
        ]["SubnetId"]
        for index, zone in enumerate("ab")
    ]
    balancer = elb.create_load_balancer(Name="shop", Subnets=subnets, Scheme="internal")["LoadBalancers"][0]
    group: str = elb.create_target_group(
        Name="shop", Protocol="HTTP", Port=80, VpcId=vpc, HealthCheckPath="/ok", TargetType="ip"
    )["TargetGroups"][0]["TargetGroupArn"]
    forward = [{"Type": "forward", "TargetGroupArn": group}]
    listener = elb.create_listener(
        LoadBalancerArn=balancer["LoadBalancerArn"], Protocol="HTTP", Port=80, DefaultActions=forward
    )["Listeners"][0]["ListenerArn"]
    hosts = [{"Field": "host-header", "Values": ["shop.example.com"]}]
    elb.create_rule(ListenerArn=listener, Conditions=hosts, Priority=1, Actions=forward)
    return group


def test_a_live_service_is_read_with_all_that_leads_to_it(
    aws: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same as from the files that `aws` prints, by the command that the page shows."""
    ecs, scaling = aws("ecs"), aws("application-autoscaling")
    ecs.create_cluster(clusterName="prod")
    ecs.register_task_definition(
        family="shop",
        containerDefinitions=[
            {"name": "web", "image": "shop:1", "memory": 512, "portMappings": [{"containerPort": 8080}]}
        ],
    )
    target = {"targetGroupArn": _balanced(aws), "containerName": "web", "containerPort": 8080}
    ecs.create_service(
        cluster="prod",
        serviceName="shop",
        taskDefinition="shop",
        desiredCount=2,
        loadBalancers=[target],
        serviceRegistries=[{"registryArn": f"arn:aws:servicediscovery:{REGION}:{ACCOUNT}:service/srv-gone"}],
    )
    scaled = {
        "ServiceNamespace": "ecs",
        "ResourceId": "service/prod/shop",
        "ScalableDimension": "ecs:service:DesiredCount",
    }
    scaling.register_scalable_target(**scaled, MinCapacity=2, MaxCapacity=5)
    metric = {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}
    scaling.put_scaling_policy(
        **scaled,
        PolicyName="cpu",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 60.0,
            "PredefinedMetricSpecification": metric,
        },
    )
    (shown,) = (call[2:] for call in commands("from-ecs.md") if "--cluster" in call)
    monkeypatch.chdir(tmp_path)
    done = _import(*shown)
    assert done.exit_code == 0, done.stderr
    assert "Not read: registry: " in done.stderr, "what the user may not see is said"
    text = (tmp_path / "shop.yaml").read_text()
    (app,) = yaml.safe_load_all(text)
    assert app["spec"]["port"] == 8080
    assert app["spec"]["autoscaling"] == {"minReplicas": 2, "maxReplicas": 5, "cpu": 60}
    assert app["spec"]["expose"]["hosts"] == ["shop.example.com"]
    assert app["spec"]["readinessProbe"]["httpGet"] == {"path": "/ok"}
    assert "not known to the importer" not in text


def test_a_service_that_is_not_there_is_named(aws: Any) -> None:
    """And where it was looked for."""
    aws("ecs").create_cluster(clusterName="prod")
    done = _import("--cluster", "prod", "--service", "shop", "--region", REGION)
    assert (done.exit_code, "no service shop in the cluster prod of eu-west-1" in done.stderr) == (1, True)


@pytest.mark.usefixtures("no_aws")
def test_without_credentials_the_remedy_is_named() -> None:
    """One line, and no traceback."""
    done = _import("--cluster", "prod", "--service", "shop", "--region", REGION)
    assert (done.exit_code, "aws sso login" in done.stderr) == (1, True)
    assert "--region" in _import("--cluster", "prod", "--service", "shop").stderr
    assert _import().exit_code == 64
