"""What the user has said beside the input, for every format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from containerapp.importers.source import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """Answers that the input does not give.

    Attributes:
        image: image of the app's own container.
        images: images by the names of their containers, as the input spells these.
        name: name of the app. Default: that of the input.
        namespace: namespace of all objects. Default: that of the apply.
        split: whether containers that share nothing become apps of their own.
        job: whether a task runs to completion, so that it becomes a ContainerJob.
    """

    image: str | None = None
    images: Mapping[str, str] = field(default_factory=dict)
    name: str | None = None
    namespace: str | None = None
    split: bool = False
    job: bool = False

    def image_of(self, container: str, given: Source, *, own: bool) -> str:
        """Return the image of a container, taking the one of the input; a placeholder where there is none.

        `own` says whether it is the app's own container, which `image` is for.
        """
        text = given.text()
        wished = self.images.get(container) or (self.image if own else None)
        return wished or text or f"<IMAGE of {container}>"
