"""A person with a terminal: calls the command line, with the rights of a namespace's admin and no more."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner, Result

from containerapp.cli import main
from tests.controller.api import Manifest
from tests.controller.audit import Audit
from tests.controller.registry import HOST, environment
from tests.controller.world import World

NAME = "person"


@dataclass(frozen=True, kw_only=True)
class Person:
    """Who types."""

    world: World
    kubeconfig: Path
    audit: Audit
    environment: Mapping[str, str]

    def call(self, *arguments: str, stdin: str | None = None) -> Result:
        """Run a command in this process; a traceback is a failure."""
        environment = {**self.environment, "KUBECONFIG": str(self.kubeconfig)}
        result = CliRunner().invoke(main, list(arguments), input=stdin, env=environment)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
        return result

    def here(self, command: str, *arguments: str, stdin: str | None = None) -> Result:
        """Run a command in the test's namespace."""
        return self.call(command, "-n", self.world.namespace, *arguments, stdin=stdin)

    def plan(self, manifest: Manifest) -> tuple[int, dict[str, Any]]:
        """Return the exit code and the plan of one app."""
        result = self.here("plan", "-f", "-", "-o", "json", stdin=yaml.safe_dump(manifest))
        assert result.exit_code in {0, 2}, result.output
        (app,) = json.loads(result.stdout)["apps"]
        return result.exit_code, app


def admit(world: World) -> Person:
    """Make the person's account, bind it to the role `admin` of the test's namespace, and give it a kubeconfig."""
    namespace = world.namespace
    world.api.create(
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": NAME, "namespace": namespace},
        }
    )
    world.api.create(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": NAME, "namespace": namespace},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"},
            "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": namespace}],
        }
    )
    return Person(
        world=world,
        kubeconfig=world.cluster.kubeconfig_for_service_account(namespace, NAME),
        audit=Audit(log=world.audit.log, user=f"system:serviceaccount:{namespace}:{NAME}"),
        environment={
            **environment(world.registry.endpoint),
            "CONTAINERAPP_DEFAULT_REGISTRY": HOST,
            "CONTAINERAPP_MIN_READY_SECONDS": "0",  # as the operator has it
        },
    )
