"""Certificates of AWS Certificate Manager and quotas of Elastic Load Balancing. It reads, and writes nothing.

Called by the engine every few minutes while an app is about to join a load balancer. boto3 blocks, so calls run in a
thread. The clients are made with the first call.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from containerapp.aws.calls import client
from containerapp.aws.elb_errors import from_call
from containerapp.core.account import Account, Certificate

if TYPE_CHECKING:
    from collections.abc import Callable

    from containerapp.errors import ContainerAppError

_KEY_TYPES: Final = ("RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1")
"""Without them a list has RSA of 1024 and 2048 bits alone."""

_PAGE: Final = 1000


class AwsAccount:
    """Asks as whatever boto3 finds credentials for; `connect` makes a client of a service."""

    def __init__(
        self,
        *,
        observe: Callable[[str, str], None] = lambda _operation, _outcome: None,
        connect: Callable[[str], Any] | None = None,
    ) -> None:
        """`observe` is called with the operation and the outcome of every call."""
        self._observe = observe
        self._connect = connect or partial(client, read_timeout=10, attempts=3)
        self._clients: dict[str, Any] = {}

    async def ask(self) -> Account:
        """Return certificates and quotas, each where it may be asked."""
        return await asyncio.to_thread(self._ask)

    def _ask(self) -> Account:
        errors: list[ContainerAppError] = []
        limits = self._try("DescribeAccountLimits", self._limits, errors)
        certificates = self._try("ListCertificates", self._certificates, errors)
        return Account(limits=limits, certificates=certificates, errors=tuple(errors))

    def _try(self, operation: str, call: Callable[[], Any], errors: list[ContainerAppError]) -> Any:
        try:
            answer = call()
        except (ClientError, BotoCoreError) as error:
            failure = from_call(error, _asked(error, operation))
            self._observe(operation, failure.reason)
            errors.append(failure)
            return None
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

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self._connect(service)
        return self._clients[service]


def _asked(error: ClientError | BotoCoreError, operation: str) -> str:
    """Return the operation that failed: reading the rest of a certificate's names is part of the list."""
    described = isinstance(error, ClientError) and error.operation_name == "DescribeCertificate"
    return "DescribeCertificate" if described else operation
