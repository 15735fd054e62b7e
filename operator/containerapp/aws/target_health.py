"""Target groups of Elastic Load Balancing: which addresses are healthy. It reads, and writes nothing.

Called by the engine for apps that roll out.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from containerapp.aws.calls import Calls, client
from containerapp.aws.elb_errors import from_call, is_gone

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_ORDER: Final = ("unhealthy", "initial", "unused", "unhealthy.draining", "draining", "unavailable", "healthy")
"""Of several targets with one address the first of these states counts."""


class TargetHealth:
    """Asks for the health of targets. Its credentials are those that boto3 finds by itself."""

    def __init__(
        self,
        *,
        observe: Callable[[str, str], None] = lambda _operation, _outcome: None,
        connect: Callable[[], Any] | None = None,
    ) -> None:
        """`observe` is called with the operation and the outcome of every call."""
        self._observe = observe
        self._calls = Calls("elbv2", connect or partial(client, "elbv2", read_timeout=5, attempts=2))

    async def describe(self, group: str) -> Mapping[str, str]:
        """Return the state of each target of a group, by address; none where the group is gone."""
        try:
            answer = await self._calls.make(lambda elb: elb.describe_target_health(TargetGroupArn=group))
        except (ClientError, BotoCoreError) as error:
            if is_gone(error):
                self._observe("DescribeTargetHealth", "TargetGroupNotFound")
                return {}
            failure = from_call(error, "DescribeTargetHealth")
            self._observe("DescribeTargetHealth", failure.reason)
            raise failure from None
        self._observe("DescribeTargetHealth", "ok")
        return _states(answer["TargetHealthDescriptions"])


def _states(descriptions: list[Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in descriptions:
        address, state = item["Target"]["Id"], item["TargetHealth"]["State"]
        found[address] = min(state, found.get(address, state), key=_rank)
    return found


def _rank(state: str) -> int:
    """A state that is new to us is none that serves."""
    return _ORDER.index(state) if state in _ORDER else 0
