"""From manifests to their plans, on the user's cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from containerapp.cli.checks import require_valid
from containerapp.cli.options import Target
from containerapp.cli.planning import AppPlan, Planner
from containerapp.cli.reading import Document
from containerapp.cli.rendering import in_namespace
from containerapp.cli.session import Cluster, connected


async def review(
    documents: Sequence[Document], target: Target, options: Mapping[str, object]
) -> list[AppPlan]:
    """Check the manifests, then plan each of them."""
    require_valid(documents)
    async with connected(target) as cluster:
        planner = await planner_of(cluster, options)
        return [await planner.plan(in_namespace(each.value, cluster.namespace)) for each in documents]


async def planner_of(cluster: Cluster, options: Mapping[str, object]) -> Planner:
    """Return the planner that the options ask for."""
    registry, force = options["default_registry"], bool(options["force_conflicts"])
    return await Planner.of(cluster, default_registry=str(registry) if registry else None, force=force)
