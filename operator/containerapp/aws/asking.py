"""AWS, asked for a person who waits: few seconds a call, no prompt, and one clause for each way that it goes wrong.

Called by `doctor`, `init`, `cost` and `import ecs`. Every call only reads. What AWS does not answer is `Unasked`, never
an error of botocore.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final, TypeVar

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoRegionError, ProfileNotFound
from botocore.session import Session

from containerapp.api.artifacts import printable
from containerapp.aws.errors import NO_ANSWER, NO_CREDENTIALS

_CONFIG: Final = Config(
    connect_timeout=3,
    read_timeout=6,
    retries={"mode": "standard", "total_max_attempts": 2},
    user_agent_extra="containerapp-operator",
)
_PAGES: Final = 20
_LOGIN: Final = "aws sso login, or name a profile by AWS_PROFILE"
_REJECTED: Final = frozenset(
    {"InvalidClientTokenId", "UnrecognizedClientException", "InvalidSignatureException", "AuthFailure"}
)
_EXPIRED: Final = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})

_Result = TypeVar("_Result")


class Unasked(Exception):
    """AWS was not asked, or did not answer: the message is a clause that says why; `remedy` is what mends it."""

    def __init__(self, message: str, remedy: str = "", code: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy
        self.code = code


class Aws:
    """Whatever botocore finds credentials for; `connect` makes a client of a service in place of it."""

    def __init__(
        self,
        region: str | None = None,
        profile: str | None = None,
        connect: Callable[[str], Any] | None = None,
    ) -> None:
        self._named = region
        self._session = Session(profile=profile)
        self._session.set_default_client_config(_CONFIG)
        self._connect = connect or self._make
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    @property
    def region(self) -> str | None:
        """The region that is asked; None where nothing names one. Botocore reads AWS_DEFAULT_REGION alone."""
        try:
            return self._named or os.environ.get("AWS_REGION") or self._session.get_config_variable("region")
        except BotoCoreError:
            return None

    def call(self, service: str, operation: str, **arguments: Any) -> Any:
        """Return the answer to one call, as in `call("eks", "describe_cluster", name="prod")`; raise `Unasked`."""
        return self._guarded(service, lambda client: getattr(client, operation)(**arguments))

    def list(self, service: str, operation: str, key: str, **arguments: Any) -> list[Any]:
        """Return what a list has under `key`, of a bounded number of pages; raise `Unasked`."""

        def read(client: Any) -> list[Any]:
            pages = client.get_paginator(operation).paginate(**arguments)
            return [each for page, _ in zip(pages, range(_PAGES), strict=False) for each in page[key]]

        found: list[Any] = self._guarded(service, read)
        return found

    def _guarded(self, service: str, ask: Callable[[Any], Any]) -> Any:
        signed_as = service
        try:
            client = self._client(service)
            signed_as = client.meta.service_model.signing_name
            return ask(client)
        except (BotoCoreError, ClientError, *NO_ANSWER) as error:
            raise _unasked(error, signed_as) from None

    def _client(self, service: str) -> Any:
        """Return a client. Called in threads; making one is not thread-safe."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._connect(service)
            return self._clients[service]

    def _make(self, service: str) -> Any:
        if "mfa_serial" in self._session.get_scoped_config() and "AWS_ACCESS_KEY_ID" not in os.environ:
            raise Unasked(
                "the AWS profile wants a code of a device (mfa_serial)",
                'eval "$(aws configure export-credentials --format env)"',
            )
        return self._session.create_client(service, region_name=self.region)


def begin(call: Callable[[], _Result]) -> Future[_Result]:
    """Begin a call in a thread that does not keep the process from ending."""
    future: Future[_Result] = Future()

    def work() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - who waits for the result gets it
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return future


def _unasked(error: Exception, service: str) -> Unasked:
    if isinstance(error, ClientError):
        return _refused(error, service)
    if isinstance(error, NO_CREDENTIALS) and not isinstance(error, ProfileNotFound):
        return Unasked("there are no AWS credentials", _LOGIN)
    if isinstance(error, NoRegionError):
        return Unasked("no AWS region is known", "export AWS_REGION=REGION")
    if isinstance(error, NO_ANSWER):
        return Unasked(f"AWS does not answer ({type(error).__name__})", "Check the network and the proxy.")
    return Unasked(printable(str(error).splitlines()[0].rstrip("."), 200))


def _refused(error: ClientError, service: str) -> Unasked:
    answer = error.response.get("Error", {})
    code, said = answer.get("Code", "Unknown"), answer.get("Message", "")
    action = f"{service}:{error.operation_name}"
    if code in _EXPIRED:
        return Unasked("the AWS credentials have expired", _LOGIN, code)
    if code in _REJECTED:
        return Unasked("AWS does not accept the credentials", _LOGIN, code)
    if "AccessDenied" in code or code == "UnauthorizedOperation":
        return Unasked("your AWS identity may not ask", f"Allow your identity {action}.", code)
    return Unasked(f"{action} is refused ({code}: {printable(' '.join(said.split()), 200)})", code=code)
