"""What a Pod template shows of the role that its Pods have: an annotation that changes with it, so that Pods roll.

Called by the kinds that run Pods. EKS gives a Pod its role as it is created, and by nothing in the template.
"""

from __future__ import annotations

from collections.abc import Mapping

from containerapp.core.model import Manifest

FACT = "identity"
"""Name of the fact that stands for the role."""

_ANNOTATION = "containerapp.dev/identity"


def with_role(template: Manifest, facts: Mapping[str, str]) -> Manifest:
    """Return the template for Pods that have the role of `facts`; the same one where they have none."""
    if FACT not in facts:
        return template
    metadata = template["metadata"]
    annotations = {**metadata.get("annotations", {}), _ANNOTATION: facts[FACT]}
    return {**template, "metadata": {**metadata, "annotations": annotations}}
