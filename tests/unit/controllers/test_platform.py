"""What the platform forbids, and in which words: `containerapp.controllers.platform`."""

from __future__ import annotations

from typing import Any

import pytest

from containerapp.api.containerapp import ContainerApp
from containerapp.controllers.platform import check
from containerapp.core.policy import Policy
from containerapp.errors import InvalidSpec
from containerapp.settings import load
from tests.builders import app_manifest
from tests.platform_cases import ALLOWED, FORBIDDEN, FORBIDDEN_BY_DEFAULT, SETTINGS, Case


def _refusal(spec: dict[str, Any], policy: Policy, name: str = "shop") -> InvalidSpec | None:
    return check(ContainerApp.parse(app_manifest({"image": "shop:1", **spec}, name=name)), policy)


@pytest.fixture
def policy() -> Policy:
    """A platform that forbids a little of everything."""
    return Policy.of(load(**SETTINGS))


@pytest.mark.parametrize("case", [*FORBIDDEN, *FORBIDDEN_BY_DEFAULT], ids=str)
def test_what_the_platform_forbids_is_named_with_the_remedy(case: Case, policy: Policy) -> None:
    """The field as the user wrote it, and what to do."""
    refusal = _refusal(case.spec, policy, case.name)
    assert refusal is not None
    assert refusal.reason == "ForbiddenByPlatform"
    assert refusal.message == (
        f"The platform forbids {case.words}: remove it from the manifest, or ask the platform team to allow it"
    )


@pytest.mark.parametrize("case", ALLOWED, ids=str)
def test_everything_else_is_allowed(case: Case, policy: Policy) -> None:
    """The defaults, and what is near to the forbidden."""
    assert _refusal(case.spec, policy, case.name) is None


@pytest.mark.parametrize("case", FORBIDDEN, ids=str)
def test_a_platform_that_forbids_nothing_allows_it(case: Case) -> None:
    """As the operator is installed."""
    assert _refusal(case.spec, Policy.of(load()), case.name) is None


@pytest.mark.parametrize("case", FORBIDDEN_BY_DEFAULT, ids=str)
def test_some_things_are_forbidden_until_the_platform_allows_them(case: Case) -> None:
    """Who reads a node's files may read other Pods' Secrets."""
    assert _refusal(case.spec, Policy.of(load())) is not None


def test_all_that_is_forbidden_is_named_at_once(policy: Policy) -> None:
    """A user edits once, not once for each line."""
    refusal = _refusal(
        {"port": 80, "service": {"type": "LoadBalancer"}, "serviceAccountName": "deploy-shop"}, policy
    )
    assert refusal is not None
    assert "spec.service.type LoadBalancer; spec.serviceAccountName deploy-shop:" in refusal.message


def test_an_app_keeps_its_own_account_where_no_other_may_be_named() -> None:
    """The account that is made for the app has no rights but those that the platform gives it."""
    policy = Policy(service_accounts=("*",))
    assert _refusal({}, policy) is None
    assert _refusal({"serviceAccountName": "shop"}, policy) is not None
