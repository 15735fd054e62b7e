"""Services of AWS whose answers are given by the call's name, in any order and from any thread.

Answers are checked against botocore's own model of the service. What has no answer is refused for want of a right.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.validate import validate_parameters

REGION = "eu-west-1"


class Played:
    """Clients of services. An answer is what the call returns, or the code of an error."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        """`answers` by the call, as in `eks.DescribeCluster`."""
        self.answers = dict(answers)
        self.asked: list[str] = []

    def connect(self, service: str) -> Any:
        """Make a client."""
        keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
        client: Any = boto3.client(service, region_name=REGION, **keys)  # type: ignore[call-overload]
        client.meta.events.register("before-call", self._answer)
        return client

    def _answer(self, model: Any, **_: Any) -> tuple[AWSResponse, dict[str, Any]]:
        call = f"{model.service_model.service_name}.{model.name}"
        self.asked.append(call)
        answer = self.answers.get(call, "AccessDeniedException")
        refused = isinstance(answer, str)
        if refused:
            answer = {"Error": {"Code": answer, "Message": "No."}}
        else:
            validate_parameters(answer, model.output_shape)
        status = 400 if refused else 200
        metadata = {"ResponseMetadata": {"HTTPStatusCode": status}}
        return AWSResponse("https://aws.example", status, HTTPHeaders(), None), {**answer, **metadata}
