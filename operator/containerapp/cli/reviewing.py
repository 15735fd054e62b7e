"""From manifests to their plans, on the user's cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from containerapp.cli.checks import require_valid
from containerapp.cli.exits import Failure
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
        require_distinct(documents, cluster.namespace)
        planners: dict[str, Planner] = {}
        plans = []
        for document in documents:
            manifest = in_namespace(document.value, cluster.namespace)
            namespace = manifest["metadata"]["namespace"]
            if namespace not in planners:
                planners[namespace] = await planner_of(cluster.within(namespace), options)
            plans.append(await planners[namespace].plan(manifest))
        return plans


def require_distinct(documents: Sequence[Document], namespace: str) -> None:
    """End the command where two manifests describe one object: each would be planned as if it were the only one."""
    seen: dict[tuple[str, str, str], Document] = {}
    for document in documents:
        manifest = in_namespace(document.value, namespace)
        metadata = manifest["metadata"]
        first = seen.setdefault((manifest["kind"], metadata["namespace"], metadata["name"]), document)
        if first is not document:
            raise Failure(
                f"{document.title} of the namespace {metadata['namespace']} is described twice, in {_where(first)} "
                f"and in {_where(document)}: leave one of them out."
            )


def _where(document: Document) -> str:
    return f"{document.file}:{document.place(()).line}"


async def planner_of(cluster: Cluster, options: Mapping[str, object]) -> Planner:
    """Return the planner of a namespace that the options ask for."""
    registry, force = options["default_registry"], bool(options["force_conflicts"])
    return await Planner.of(cluster, default_registry=str(registry) if registry else None, force=force)
