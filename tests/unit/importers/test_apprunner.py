"""App Runner, described and by its file: `containerapp.importers.apprunner`."""

from __future__ import annotations

from typing import Any

import pytest

from containerapp.importers import apprunner
from containerapp.importers.manifest import check
from containerapp.importers.source import UNKNOWN, Imported, Refusal
from containerapp.importers.wishes import Wishes

_ROLE = "arn:aws:iam::123456789012:role/shop"
_SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop-AbCdEf"  # noqa: S105 - an ARN


def _convert(*documents: dict[str, Any], **wishes: Any) -> Imported:
    made = apprunner.convert([("file", document) for document in documents], Wishes(**wishes))
    check(made)
    return made


_VALUES = {
    "Port": "8000",
    "StartCommand": "serve --all",
    "RuntimeEnvironmentVariables": {"LEVEL": "info"},
    "RuntimeEnvironmentSecrets": {"KEY": _SECRET},
}
_SERVICE = {
    "ServiceName": "shop",
    "ServiceArn": "arn:aws:apprunner:eu-west-1:123456789012:service/shop/1",
    "Status": "RUNNING",
    "SourceConfiguration": {
        "ImageRepository": {
            "ImageIdentifier": "shop:1",
            "ImageRepositoryType": "ECR",
            "ImageConfiguration": _VALUES,
        },
        "AutoDeploymentsEnabled": True,
        "AuthenticationConfiguration": {"AccessRoleArn": _ROLE},
    },
    "InstanceConfiguration": {"Cpu": "0.25 vCPU", "Memory": "2048", "InstanceRoleArn": _ROLE},
    "HealthCheckConfiguration": {"Protocol": "HTTP", "Path": "/ok", "Interval": 5, "UnhealthyThreshold": 4},
    "NetworkConfiguration": {
        "EgressConfiguration": {"EgressType": "VPC", "VpcConnectorArn": "arn:x"},
        "IngressConfiguration": {"IsPubliclyAccessible": False},
        "IpAddressType": "IPV4",
    },
    "Tags": [{"Key": "team", "Value": "checkout"}],
}


def test_a_described_service_becomes_an_app() -> None:
    """With its scaling and its domains, where these are given."""
    made = _convert(
        {"Service": _SERVICE},
        {"AutoScalingConfiguration": {"MinSize": 2, "MaxSize": 5, "MaxConcurrency": 80, "Latest": True}},
        {"CustomDomains": [{"DomainName": "shop.example.com", "Status": "active"}], "DNSTarget": "x"},
    )
    (app,) = made.manifests
    assert app["metadata"] == {"name": "shop"}
    assert app["spec"] == {
        "image": "shop:1",
        "command": ["serve", "--all"],
        "port": 8000,
        "autoscaling": {"minReplicas": 2, "maxReplicas": 5},
        "resources": {"requests": {"cpu": "250m", "memory": "2Gi"}},
        "env": [{"name": "LEVEL", "value": "info"}],
        "secrets": [{"name": "KEY", "valueFrom": _SECRET}],
        "readinessProbe": {
            "httpGet": {"path": "/ok"},
            "periodSeconds": 5,
            "timeoutSeconds": 2,
            "failureThreshold": 4,
        },
        "expose": {"hosts": ["shop.example.com"]},
        "identity": {"roleArn": _ROLE},
        "labels": {"team": "checkout"},
    }
    assert UNKNOWN not in {loss.reason for loss in made.losses}


def test_what_app_runner_built_needs_an_image() -> None:
    """A service from source has none, and says how to make one."""
    code = {
        "RepositoryUrl": "https://github.com/acme/shop",
        "SourceCodeVersion": {"Type": "BRANCH", "Value": "main"},
        "CodeConfiguration": {
            "ConfigurationSource": "API",
            "CodeConfigurationValues": {"Runtime": "PYTHON_3", "BuildCommand": "make", "Port": "8000"},
        },
    }
    service = {
        "ServiceName": "shop",
        "SourceConfiguration": {"CodeRepository": code},
        "HealthCheckConfiguration": {"Protocol": "TCP"},
        "InstanceConfiguration": {"Cpu": "1024"},
    }
    made = _convert(service, image="shop:2", name="front")
    (app,) = made.manifests
    assert app["metadata"]["name"] == "front"
    assert app["spec"]["image"] == "shop:2"
    assert app["spec"]["resources"] == {"requests": {"cpu": "1"}}
    assert app["spec"]["readinessProbe"]["tcpSocket"] == {"port": 8000}
    assert app["spec"]["expose"] == {"public": True, "via": "alb"}
    assert {loss.reason for loss in made.losses} == {apprunner.BUILD}


@pytest.mark.parametrize("size", ["1..2", "large", "."])
def test_what_is_no_size_is_listed(size: str) -> None:
    """And no traceback."""
    image = {"ImageRepository": {"ImageIdentifier": "shop:1"}}
    made = _convert(
        {"ServiceName": "shop", "SourceConfiguration": image, "InstanceConfiguration": {"Cpu": size}}
    )
    assert [loss.path for loss in made.losses] == ["InstanceConfiguration.Cpu"]


def test_the_file_of_a_repository_becomes_an_app() -> None:
    """Its build belongs to a Dockerfile."""
    document = {
        "version": 1.0,
        "runtime": "python3",
        "build": {"commands": {"build": ["make"]}},
        "run": {
            "runtime-version": 3.11,
            "pre-run": ["migrate"],
            "command": "serve",
            "network": {"port": 8000, "env": "PORT"},
            "env": [{"name": "LEVEL", "value": "info"}],
            "secrets": [{"name": "KEY", "value-from": _SECRET}],
        },
    }
    made = _convert(document, image="shop:1", namespace="team")
    (app,) = made.manifests
    assert app["metadata"] == {"name": "app", "namespace": "team"}
    assert app["spec"] == {
        "image": "shop:1",
        "command": ["/bin/sh", "-c", "migrate && exec serve"],
        "port": 8000,
        "env": [{"name": "LEVEL", "value": "info"}, {"name": "PORT", "value": "8000"}],
        "secrets": [{"name": "KEY", "valueFrom": _SECRET}],
        "expose": {"public": True, "via": "alb"},
    }
    assert [loss.path for loss in made.losses] == ["runtime", "build", "run.runtime-version"]
    (short,) = _convert({"run": {"command": "serve"}}, image="shop:1").manifests
    assert short["spec"] == {
        "image": "shop:1",
        "command": ["serve"],
        "port": 8080,
        "expose": {"public": True, "via": "alb"},
    }


def test_something_else_is_refused() -> None:
    """With what to give instead."""
    with pytest.raises(Refusal, match="describe-service"):
        apprunner.convert([("file", {"kind": "Pod"}), ("other", [1])], Wishes())
