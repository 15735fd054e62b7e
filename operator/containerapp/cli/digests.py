"""Where tags point, asked by the command line itself, with the credentials of the user.

Answers what the operator's resolver answers, without its memory: what is not known is asked for by `ask`, and then
known. Used by `render --resolve` and `plan`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from containerapp.api.images import ImageReference
from containerapp.aws.ecr import EcrSource
from containerapp.core.model import Failed, Key, Lookup, Pending, Resolved
from containerapp.errors import ContainerAppError
from containerapp.registries.oci import OciSource
from containerapp.registries.policy import Policy
from containerapp.registries.web import open_web


@dataclass(kw_only=True)
class Answers:
    """What the registries have said."""

    policy: Policy
    _known: dict[ImageReference, Lookup] = field(default_factory=dict)
    _wanted: set[ImageReference] = field(default_factory=set)

    def lookup(
        self,
        reference: ImageReference,
        app: Key,  # noqa: ARG002 - the protocol's
        *,
        request: str | None = None,  # noqa: ARG002 - likewise
        known: str | None = None,  # noqa: ARG002 - likewise
    ) -> Lookup:
        """Return what is known, and remember what is not."""
        if (refusal := self.policy.refusal(reference)) is not None:
            return Failed(error=refusal)
        if reference not in self._known:
            self._wanted.add(reference)
        return self._known.get(reference, Pending())

    def runs_by_tag(self, reference: ImageReference) -> bool:
        """Whether the operator leaves the tags of this registry as they are."""
        return self.policy.runs_by_tag(reference)

    def forget(
        self,
        app: Key,
        *,
        but: Collection[ImageReference] = (),
    ) -> None:
        """Do nothing: no app is remembered."""

    async def ask(self) -> bool:
        """Ask the registries for everything that `lookup` did not know; False where that is nothing."""
        if not self._wanted:
            return False
        wanted, self._wanted = self._wanted, set()
        in_ecr = [reference for reference in wanted if reference.ecr is not None]
        others = [reference for reference in wanted if reference.ecr is None]
        if in_ecr:
            self._take(in_ecr, await EcrSource(observe=_ignore).resolve(in_ecr))
        if others:
            async with open_web(self.policy) as web:
                self._take(others, await OciSource(web, observe=_ignore).resolve(others))
        return True

    def _take(
        self, asked: Iterable[ImageReference], answers: Mapping[ImageReference, str | ContainerAppError]
    ) -> None:
        for reference in asked:
            answer = answers[reference]
            self._known[reference] = (
                Resolved(digest=answer, resolved_at=0.0) if isinstance(answer, str) else Failed(error=answer)
            )


def _ignore(_source: str, _outcome: str) -> None:
    """Count nothing."""
