"""The ECR that the operator under test asks: moto on a loopback port that can be closed and opened again.

Images are pushed with a digest of the test's choice. Its state outlives a closed port, as ECR's would.
"""

from __future__ import annotations

import hashlib
import json
import re
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from threading import Thread
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import boto3
from moto.iam.models import iam_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from mypy_boto3_ecr import ECRClient
from werkzeug import Response
from werkzeug.serving import BaseWSGIServer, make_server

ACCOUNT, REGION = "123456789012", "eu-west-1"
HOST = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


def digest_of(text: str) -> str:
    """Return a digest that stands for the image of that description."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def environment(endpoint: str) -> dict[str, str]:
    """Return the variables that lead boto3 to `endpoint`, with credentials that mean nothing elsewhere."""
    return {
        "AWS_ENDPOINT_URL_ECR": endpoint,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        **NO_AWS,
    }


NO_AWS = {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/nonexistent",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
}
"""What keeps boto3 from finding credentials by itself."""


def _refusing_in_json(application: WSGIApplication) -> WSGIApplication:
    """Have IAM's refusals told as ECR tells them: moto says them in XML, which no client of ECR understands."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        response = Response.from_app(application, environ)
        refusal = re.search(r"<Code>(.+)</Code><Message>(.+)</Message>", response.get_data(as_text=True))
        if response.status_code == 403 and refusal is not None:
            body = {"__type": f"{refusal[1]}Exception", "message": refusal[2]}
            response = Response(json.dumps(body), 403, content_type="application/x-amz-json-1.1")
        return response(environ, start_response)

    return answer


class Registry:
    """One ECR; closed, its port refuses connections."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._server: BaseWSGIServer | None = None
        self._thread: Thread | None = None

    @property
    def endpoint(self) -> str:
        """Where it answers while it is open."""
        return f"http://127.0.0.1:{self.port}"

    def open(self) -> None:
        """Answer from now on. One request at a time, no connection kept: so that closing means closed."""
        if self._server is not None:
            return
        application = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", self.port, _refusing_in_json(application))
        self._server.log_startup = lambda: None  # type: ignore[method-assign]
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Refuse connections from now on."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()
        self._server = None

    def push(
        self, tag: str, content: str, repository: str = "shop", architectures: Sequence[str] = ()
    ) -> str:
        """Let the tag point to the image that `content` stands for; return its digest.

        With `architectures` it is an index of images for these.
        """
        ecr = self.ecr()
        try:
            known = {item["repositoryName"] for item in ecr.describe_repositories()["repositories"]}
            if repository not in known:
                ecr.create_repository(repositoryName=repository)
            digest = digest_of(content)
            media_type = INDEX if architectures else MANIFEST
            manifest = {"schemaVersion": 2, "mediaType": media_type, "annotations": {"content": content}}
            if architectures:
                platforms = [{"os": "linux", "architecture": each} for each in architectures]
                manifest["manifests"] = [{"platform": each} for each in platforms]
            for name in (f"kept-{digest[-12:]}", tag):  # moto drops an image with its last tag; ECR keeps it
                ecr.put_image(
                    repositoryName=repository,
                    imageManifest=json.dumps(manifest),
                    imageManifestMediaType=media_type,
                    imageTag=name,
                    imageDigest=digest,
                )
        finally:
            ecr.close()
        return digest

    def ecr(self) -> ECRClient:
        """Return a client for whoever pushes; to be closed."""
        return boto3.client(
            "ecr",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",  # noqa: S106 - moto asks for some, and takes any
        )

    @contextmanager
    def iam_user(self, name: str) -> Iterator[tuple[dict[str, str], Callable[[str], object]]]:
        """Make an IAM user for the while: its credentials as variables, and what gives it a policy."""
        iam = iam_backends[ACCOUNT]["aws"]
        iam.create_user(region_name=REGION, user_name=name)
        key = iam.create_access_key(name)
        variables = {
            "AWS_ACCESS_KEY_ID": key.access_key_id,
            "AWS_SECRET_ACCESS_KEY": key.secret_access_key,
        }
        try:
            yield variables, lambda policy: iam.put_user_policy(name, "operator", policy)
        finally:
            iam.delete_access_key(key.access_key_id, name)
            for policy in list(iam.list_user_policies(name)):
                iam.delete_user_policy(name, policy)
            iam.delete_user(name)
