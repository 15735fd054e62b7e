"""Mistakes for the chaos run to find: each is put into a copy of the operator, and must be seen by the checker.

Called by the command with `--bugs`. They are mistakes that somebody could make, and that a calm cluster hides.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.plan import MEDDLINGS, Shape
from tests.controller.operators import ROOT


@dataclass(frozen=True, slots=True, kw_only=True)
class Bug:
    """A mistake: in `module`, each pair's first text is replaced by its second. `faults` bring it to light soonest."""

    name: str
    module: str
    edits: tuple[tuple[str, str], ...]
    faults: tuple[str, ...] = ("kill-leader",)
    squatted: int = 0
    """Apps whose name somebody else has taken; they make a run longer, for they are tried again slowly."""

    @property
    def shape(self) -> Shape:
        """What a run is like that shows it: without API outages, after which the cluster itself takes its time."""
        return Shape(
            seconds=25,
            faults=self.faults,
            fault_gap=3,
            squatted=self.squatted,
            settling=90 if self.squatted else 30,
        )

    def put_into(self, directory: Path) -> Path:
        """Copy the operator's source into `directory`, make the mistake there, and return the copy's root."""
        root = directory / "operator"
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(ROOT / "operator", root, ignore=shutil.ignore_patterns("__pycache__"))
        path = root / "containerapp" / self.module
        path.write_text(self.applied_to(path.read_text()))
        return root

    def applied_to(self, source: str) -> str:
        """Return the module's source with the mistake in it."""
        for right, wrong in self.edits:
            if source.count(right) != 1:
                raise ValueError(f"{self.name}: {self.module} has {right!r} {source.count(right)} times")
            source = source.replace(right, wrong)
        return source


_EARLY_STATUS = """\
        early = Outcome(image=image, resources=self._inventory(key, app))
        status = compute_status(app, early, self.cache.children(key), self._timestamp())
        after = await self._finish(key, manifest, status, self._next(key, app, image, None))
        await self.writer.converge(target, plan, settled=lambda: self._rollout(key, app).complete)
        return after
        obstacle = await self.writer.converge(target"""

SOUND = tuple(
    Bug(
        name=name,
        module="main.py",
        edits=(),
        faults=("kill-leader", "pause-leader", "trouble-requests", "expire-watches", *MEDDLINGS),
        squatted=squatted,
    )
    for name, squatted in (("no bug", 2), ("no bug where nothing is squatted", 0))
)
"""The operator as it is, by all that the bugs are shown by, in either of their shapes: nothing may be found."""

BUGS = (
    Bug(
        name="prune-skipped",
        module="engine/apply.py",
        edits=(("if plan.deletes and not errors and settled():", "if False:"),),
    ),
    Bug(
        name="status-before-apply",
        module="engine/reconcile.py",
        edits=(("        obstacle = await self.writer.converge(target", _EARLY_STATUS),),
        squatted=2,
    ),
    Bug(
        name="requeue-lost",
        module="kube/queue.py",
        edits=(
            (
                "            self._again.discard(key)\n            self.add(key)\n",
                "            self._again.discard(key)\n",
            ),
        ),
        faults=MEDDLINGS,
    ),
    Bug(
        name="retry-lost",
        module="engine/manager.py",
        edits=(("delay = self.queue.retry(key, floor=asked_for or 0.0)", "delay = asked_for or 0.0"),),
        faults=("trouble-requests",),
    ),
    Bug(
        name="cache-goes-back",
        module="kube/store.py",
        edits=(("known is None or version > known.version", "known is None or known is not None"),),
        faults=("trouble-requests", "fight", "scale-deployment", "change-image"),
    ),
    Bug(
        name="fence-removed",
        module="main.py",
        edits=(("        self.client.may_write = leadership.holds\n", ""),),
        faults=("pause-leader", "fight"),
    ),
    Bug(
        name="strangers-adopted",
        module="engine/apply.py",
        edits=(("if not owned_by(existing, uid) and not target.adopts:", "if False:"),),
        squatted=2,
    ),
    Bug(
        name="moved-tag-followed",
        module="engine/reconcile.py",
        edits=(
            (
                "return ImageState(pin=record, latest_digest=moved_to, news_error=trouble)",
                "return ImageState(pin=pin(reference, latest or record.digest, record.refresh))",
            ),
        ),
    ),
    Bug(
        name="expired-watch-kept",
        module="kube/informer.py",
        edits=(
            (
                "            except Expired:\n                return\n",
                "            except Expired:\n                failures = 0\n",
            ),
        ),
        faults=("expire-watches", "delete-child", "scale-deployment"),
    ),
)
