"""AWS Secrets Manager as far as External Secrets asks it: GetSecretValue, counted, over HTTP on loopback.

It answers in the words of AWS. moto knows no IAM policies and counts nothing, hence this.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_GET = "secretsmanager.GetSecretValue"
_ROLE = "arn:aws:sts::123456789012:assumed-role/external-secrets/eks"


class SecretsManager:
    """Secrets by ARN, each a JSON object; `denied` are those that the role may not read."""

    def __init__(self) -> None:
        self.secrets: dict[str, Mapping[str, str]] = {}
        self.denied: set[str] = set()
        self.reads: Counter[str] = Counter()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def answer(self, action: str, asked: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
        """Return status and body of the answer to one call."""
        arn = asked.get("SecretId", "")
        if action != _GET:
            return 400, {"__type": "InvalidAction", "message": f"{action} is not played here"}
        self.reads[arn] += 1
        if arn in self.denied:
            said = (
                f"User: {_ROLE} is not authorized to perform: secretsmanager:GetSecretValue on resource: {arn} because"
                " no identity-based policy allows the secretsmanager:GetSecretValue action"
            )
            return 400, {"__type": "AccessDeniedException", "Message": said}
        if arn not in self.secrets:
            said = "Secrets Manager can't find the specified secret."
            return 400, {"__type": "ResourceNotFoundException", "Message": said}
        return 200, {"ARN": arn, "VersionId": "1" * 32, "SecretString": json.dumps(self.secrets[arn])}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        answer = self.answer

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, body = answer(self.headers.get("X-Amz-Target", ""), asked)
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: Any) -> None:
                """Say nothing: a body may hold a secret."""

        return Handler
