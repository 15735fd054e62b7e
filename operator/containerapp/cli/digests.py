"""Where tags point, asked by the command line itself, with the credentials of the user.

Answers what the operator's resolver answers, without its memory: what is not known is asked for by `ask`, and then
known. Used by `render --resolve` and `plan`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from containerapp.api.images import ImageReference
from containerapp.aws.ecr import EcrSource
from containerapp.core.model import Failed, Key, Lookup, Pending, Resolved
from containerapp.registries.oci import OciSource
from containerapp.registries.policy import Policy
from containerapp.registries.resolver import DigestSource
from containerapp.registries.web import open_web


@dataclass(kw_only=True)
class Answers:
    """What the registries have said."""

    policy: Policy
    _known: dict[ImageReference, Lookup] = field(default_factory=dict)
    _wanted: dict[ImageReference, bool] = field(default_factory=dict)
    """What is to be asked, and whether what it is built for is, too."""

    def lookup(
        self,
        reference: ImageReference,
        app: Key,  # noqa: ARG002 - the protocol's
        *,
        request: str | None = None,  # noqa: ARG002 - likewise
        known: str | None = None,  # noqa: ARG002 - likewise
        architectures: bool = False,
    ) -> Lookup:
        """Return what is known, and remember what is not."""
        if (refusal := self.policy.refusal(reference)) is not None:
            return Failed(error=refusal)
        answer = self._known.get(reference, Pending())
        unknown = architectures and isinstance(answer, Resolved) and answer.built_for is None
        if unknown or isinstance(answer, Pending):
            self._wanted[reference] = architectures or self._wanted.get(reference, False)
        return answer

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
        wanted, self._wanted = self._wanted, {}
        in_ecr = {reference: each for reference, each in wanted.items() if reference.ecr is not None}
        others = {reference: each for reference, each in wanted.items() if reference.ecr is None}
        if in_ecr:
            await self._take(in_ecr, EcrSource(observe=_ignore))
        if others:
            async with open_web(self.policy) as web:
                await self._take(others, OciSource(web, observe=_ignore))
        return True

    async def _take(self, wanted: Mapping[ImageReference, bool], source: DigestSource) -> None:
        answers = await source.resolve(list(wanted))
        for reference, architectures in wanted.items():
            answer = answers[reference]
            if not isinstance(answer, str):
                self._known[reference] = Failed(error=answer)
                continue
            image = replace(reference, tag=None, digest=answer)
            built_for = await source.architectures(image) if architectures else None
            self._known[reference] = Resolved(digest=answer, resolved_at=0.0, built_for=built_for)


def _ignore(_source: str, _outcome: str) -> None:
    """Count nothing."""
