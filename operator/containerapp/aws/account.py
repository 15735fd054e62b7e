"""Certificates of AWS Certificate Manager, quotas of Elastic Load Balancing, Fargate profiles. It writes nothing.

Called by the engine every few minutes while an app waits for one of them. boto3 blocks, so calls run in a
thread. The clients are made with the first call.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from containerapp.aws.calls import client
from containerapp.aws.elb_errors import from_call
from containerapp.core.account import FARGATE, LOAD_BALANCERS, Account, Certificate, FargateProfile
from containerapp.errors import ContainerAppError

if TYPE_CHECKING:
    from collections.abc import Callable

_KEY_TYPES: Final = ("RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1")
"""Without them a list has RSA of 1024 and 2048 bits alone."""

_PAGE: Final = 1000


class AwsAccount:
    """Asks as whatever boto3 finds credentials for; `connect` makes a client of a service."""

    def __init__(
        self,
        *,
        cluster: str = "",
        observe: Callable[[str, str], None] = lambda _operation, _outcome: None,
        connect: Callable[[str], Any] | None = None,
    ) -> None:
        """`cluster` is that of the Fargate profiles; `observe` is called with operation and outcome of every call."""
        self._cluster = cluster
        self._observe = observe
        self._connect = connect or partial(client, read_timeout=10, attempts=3)
        self._clients: dict[str, Any] = {}

    async def ask(self, wanted: frozenset[str]) -> Account:
        """Return what is wanted, of what can be asked for, as far as AWS says it."""
        return await asyncio.to_thread(self._ask, wanted)

    def _ask(self, wanted: frozenset[str]) -> Account:
        answers: dict[str, Any] = {}
        if wanted >= LOAD_BALANCERS:
            answers["limits"] = self._try("DescribeAccountLimits", self._limits)
            answers["certificates"] = self._try("ListCertificates", self._certificates)
        if wanted >= FARGATE:
            answers["profiles"] = self._try("ListFargateProfiles", self._profiles)
        errors = {name: each for name, each in answers.items() if isinstance(each, ContainerAppError)}
        known = {name: each for name, each in answers.items() if name not in errors}
        return Account(**known, profiles_error=errors.pop("profiles", None), errors=tuple(errors.values()))

    def _try(self, operation: str, call: Callable[[], Any]) -> Any:
        try:
            answer = call()
        except (ClientError, BotoCoreError) as error:
            failure = from_call(error, _asked(error, operation))
            self._observe(operation, failure.reason)
            return failure
        self._observe(operation, "ok")
        return answer

    def _limits(self) -> dict[str, int]:
        pages = self._client("elbv2").get_paginator("describe_account_limits").paginate()
        return {limit["Name"]: int(limit["Max"]) for page in pages for limit in page["Limits"]}

    def _certificates(self) -> tuple[Certificate, ...]:
        acm = self._client("acm")
        pages = acm.get_paginator("list_certificates").paginate(
            CertificateStatuses=["ISSUED"],
            Includes={"keyTypes": list(_KEY_TYPES)},
            PaginationConfig={"PageSize": _PAGE},
        )
        return tuple(self._certificate(item) for page in pages for item in page["CertificateSummaryList"])

    def _certificate(self, summary: Any) -> Certificate:
        """A summary has the first hundred names; the others take a call more."""
        arn, names = summary["CertificateArn"], summary.get("SubjectAlternativeNameSummaries", [])
        if summary.get("HasAdditionalSubjectAlternativeNames"):
            described = self._client("acm").describe_certificate(CertificateArn=arn)["Certificate"]
            names = described.get("SubjectAlternativeNames", [])
        return Certificate(arn=arn, domains=tuple(dict.fromkeys([summary["DomainName"], *names])))

    def _profiles(self) -> tuple[FargateProfile, ...]:
        eks, cluster = self._client("eks"), self._cluster
        pages = eks.get_paginator("list_fargate_profiles").paginate(clusterName=cluster)
        names = [name for page in pages for name in page["fargateProfileNames"]]
        described = (
            eks.describe_fargate_profile(clusterName=cluster, fargateProfileName=name) for name in names
        )
        return tuple(FargateProfile.of(each["fargateProfile"]) for each in described)

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self._connect(service)
        return self._clients[service]


def _asked(error: ClientError | BotoCoreError, operation: str) -> str:
    """Return the operation that failed: to describe what was listed is part of the list."""
    name = error.operation_name if isinstance(error, ClientError) else ""
    return name if name in {"DescribeCertificate", "DescribeFargateProfile"} else operation
