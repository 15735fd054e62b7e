"""What tests look for in a result: conditions by type, a child by kind, the rules of kstatus.

Used by the tests of the pure core and of the running operator alike; builds nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from containerapp.core.model import Manifest


def conditions(status: Manifest) -> dict[str, Manifest]:
    """Return the conditions by type; a type that stands there twice is an error."""
    listed = status["conditions"]
    by_type = {condition["type"]: condition for condition in listed}
    assert len(by_type) == len(listed)
    return by_type


def summary(status: Manifest) -> dict[str, tuple[str, str]]:
    """Return status and reason of each condition, by type."""
    return {kind: (found["status"], found["reason"]) for kind, found in conditions(status).items()}


def assert_follows_kstatus(status: Manifest) -> None:
    """Reconciling and Stalled are there only while true, never both, and never beside a true Ready.

    https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md
    """
    found = conditions(status)
    exceptional = [found[kind] for kind in ("Reconciling", "Stalled") if kind in found]
    assert all(condition["status"] == "True" for condition in exceptional)
    assert len(exceptional) == (0 if found["Ready"]["status"] == "True" else 1)
    assert {condition["observedGeneration"] for condition in (found["Ready"], *exceptional)} == {
        status["observedGeneration"]
    }


def of_kind(manifests: Iterable[Manifest], kind: str) -> Manifest:
    """Return the one manifest of `kind`."""
    found = [manifest for manifest in manifests if manifest["kind"] == kind]
    assert len(found) == 1, f"{len(found)} of kind {kind}"
    return found[0]
