"""Which cluster of Amazon EKS a kubeconfig means: `containerapp.kube.kubeconfig.Access.eks`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from containerapp.kube.kubeconfig import Access, EksContext

ARN = "arn:aws:eks:eu-west-1:123456789012:cluster/prod"
SERVER = "https://0A1B.gr7.eu-north-1.eks.amazonaws.com"


def _eks(tmp_path: Path, *, cluster: str = "some", server: str = SERVER, helper: Any = None) -> EksContext:
    file = tmp_path / "config"
    user = {"exec": helper} if helper else {"token": "t"}
    config = {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": cluster, "user": "me"}}],
        "clusters": [{"name": cluster, "cluster": {"server": server}}],
        "users": [{"name": "other"}, {"name": "me", "user": user}],
    }
    file.write_text(yaml.safe_dump(config))
    return Access(kubeconfig=str(file)).eks()


@pytest.mark.parametrize(
    ("helper", "found"),
    [
        (
            {
                "command": "aws",
                "args": ["--region", "eu-west-3", "eks", "get-token", "--cluster-name", "shop"],
                "env": [{"name": "AWS_PROFILE", "value": "work"}],
            },
            EksContext(name="shop", region="eu-west-3", profile="work"),
        ),
        (
            {"args": ["eks", "get-token", "--cluster-name=shop", "--profile=work"]},
            EksContext(name="shop", region="eu-north-1", profile="work"),
        ),
        (
            {"args": ["token", "-i", "shop"], "env": [{"name": "AWS_REGION", "value": "eu-west-2"}]},
            EksContext(name="shop", region="eu-west-2"),
        ),
        ({"args": ["get-token", "--cluster-name"]}, EksContext(region="eu-north-1")),
    ],
)
def test_the_credential_helper_names_the_cluster(tmp_path: Path, helper: Any, found: EksContext) -> None:
    """As `aws eks update-kubeconfig`, eksctl and aws-iam-authenticator write it."""
    assert _eks(tmp_path, helper=helper) == found


def test_else_the_arn_does(tmp_path: Path) -> None:
    """`aws eks update-kubeconfig` names the cluster by its ARN; another helper gives the token."""
    assert _eks(tmp_path, cluster=ARN) == EksContext(name="prod", region="eu-west-1")


def test_a_cluster_elsewhere_is_none_of_eks(tmp_path: Path) -> None:
    """Nor is one whose entries are missing."""
    assert _eks(tmp_path, server="https://127.0.0.1:6443") == EksContext()
    file = tmp_path / "bare"
    file.write_text("{current-context: a, contexts: [{name: a, context: {cluster: x, user: y}}]}")
    assert Access(kubeconfig=str(file)).eks() == EksContext()
