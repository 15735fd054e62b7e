"""Which custom objects ask for the same thing, and which depend on others: an index, so that none looks at all others.

Kept by the stores from what the controllers say that an object claims, such as a host, and what it follows. It decides
nothing.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from containerapp.core.model import Key


@dataclass
class _Index:
    """Words by object, and objects by word."""

    of: dict[Key, frozenset[str]] = field(default_factory=dict)
    by: defaultdict[str, set[Key]] = field(default_factory=lambda: defaultdict(set))

    def put(self, key: Key, after: frozenset[str]) -> None:
        before = self.of.get(key, frozenset())
        for word in before - after:
            self.by[word].discard(key)
            if not self.by[word]:
                del self.by[word]
        for word in after - before:
            self.by[word].add(key)
        if after:
            self.of[key] = after
        else:
            self.of.pop(key, None)


class Claims:
    """What each object claims, the claims that it follows, and its state, which is news to those who follow it."""

    def __init__(self) -> None:
        self._claimed = _Index()
        self._followed = _Index()
        self._states: dict[Key, str] = {}

    def followed(self, key: Key) -> set[Key]:
        """Return the objects that claim what this one follows; itself, where it follows its own claims."""
        claims = self._followed.of.get(key, ())
        return {each for claim in claims for each in self._claimed.by.get(claim, ())}

    def chain(self, key: Key) -> set[Key]:
        """Return the objects that this one follows, those that they follow, and so on; itself, where that is a ring."""
        found, left = set[Key](), [key]
        while left:
            new = self.followed(left.pop()) - found
            found |= new
            left += new
        return found

    def update(
        self, key: Key, claims: frozenset[str], follows: frozenset[str] | None = None, state: str = ""
    ) -> set[Key]:
        """Take what an object claims and follows now (None: its own claims); return the others to which it is news."""
        before = self._claimed.of.get(key, frozenset())
        is_other = state != self._states.pop(key, "")
        if state:
            self._states[key] = state
        changed = before | claims if is_other else before ^ claims
        others = {peer for claim in changed for peer in self._followed.by.get(claim, ())} - {key}
        self._claimed.put(key, claims)
        self._followed.put(key, claims if follows is None else follows)
        return others
