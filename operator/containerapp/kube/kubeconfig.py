"""Which cluster a person means: the kubeconfig files, the context and its namespace, as kubectl finds them.

Used by the command line, and by `client.connect` for it; the operator itself has a ServiceAccount. What is missing or
wrong is `Blocked`, with the remedy. Nothing is written to the files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from kubernetes.aio import config
from kubernetes.aio.client import Configuration

from containerapp.errors import Blocked

_IN_POD = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_EKS_ARN = re.compile(r"arn:[^:]+:eks:(?P<region>[^:]+):[^:]*:cluster/(?P<name>.+)")
_EKS_SERVER = re.compile(r"https://[^/]+\.(?P<region>[a-z]+(?:-[a-z]+)+-\d+)\.eks\.amazonaws\.com(?:\.cn)?/?")
_NAME_FLAGS, _REGION_FLAGS = ("--cluster-name", "--cluster-id", "-i"), ("--region",)


@dataclass(frozen=True, slots=True, kw_only=True)
class EksContext:
    """What a kubeconfig tells of a cluster of Amazon EKS: None for what it does not."""

    name: str | None = None
    region: str | None = None
    profile: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """The kubeconfig and the context that the user has named; None for those of the environment."""

    kubeconfig: str | None = None
    context: str | None = None

    @property
    def location(self) -> str:
        """Where the configuration is: one path, or several as KUBECONFIG has them."""
        return self.kubeconfig or os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")

    @property
    def in_pod(self) -> bool:
        """Whether the Pod's ServiceAccount is meant: no kubeconfig is there, and an account is."""
        return not self._exists() and _IN_POD.exists() and self.kubeconfig is None

    def namespace(self) -> str:
        """Return the namespace of the context; `default` where it names none."""
        if self.in_pod:
            return _IN_POD.read_text().strip()
        return str(self._chosen().get("namespace") or "default")

    def eks(self) -> EksContext:
        """Return the cluster of EKS that the context means: by its credential helper, else by ARN and server."""
        if self.in_pod:
            return EksContext()
        context = self._chosen()
        helper = self._named("users", "user", context.get("user")).get("exec") or {}
        server = self._named("clusters", "cluster", context.get("cluster")).get("server") or ""
        arguments = [str(each) for each in helper.get("args") or ()]
        variables = {each.get("name"): each.get("value") for each in helper.get("env") or ()}
        arn = _EKS_ARN.fullmatch(str(context.get("cluster")))
        at = _EKS_SERVER.fullmatch(str(server))
        return EksContext(
            name=_flag(arguments, *_NAME_FLAGS) or (arn["name"] if arn else None),
            region=_flag(arguments, *_REGION_FLAGS)
            or variables.get("AWS_REGION")
            or next((match["region"] for match in (arn, at) if match), None),
            profile=_flag(arguments, "--profile") or variables.get("AWS_PROFILE"),
        )

    def contexts(self) -> list[str]:
        """Return the names of all contexts."""
        return [str(each.get("name")) for each in self._merged("contexts")]

    def check(self) -> None:
        """Raise `Blocked` where no cluster can be found."""
        if not self.in_pod:
            self._chosen()

    async def configure(self, configuration: Configuration) -> None:
        """Fill in server and credentials; a credential helper (`aws eks get-token`) runs here."""
        if self.in_pod:
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
            return
        self.check()
        try:
            await config.load_kube_config(  # type: ignore[no-untyped-call]
                config_file=self.location,
                context=self.context,
                client_configuration=configuration,
                persist_config=False,
            )
        except (config.ConfigException, OSError) as error:
            raise Blocked(
                "NoCredentials",
                f"The kubeconfig gives no credentials: {error}. Log in again, for example with `aws sso login` and "
                "`aws eks update-kubeconfig --name CLUSTER`.",
            ) from None

    def _chosen(self) -> Mapping[str, Any]:
        """Return the context that is used."""
        if not self._exists():
            raise Blocked(
                "NoKubeconfig",
                f"There is no kubeconfig at {self.location}, so that no cluster is known. Make one with "
                "`aws eks update-kubeconfig --name CLUSTER`, or name one by --kubeconfig or KUBECONFIG.",
            )
        wanted = self.context or next(filter(None, map(_current, self._files())), None)
        contexts = {str(each.get("name")): each.get("context") or {} for each in self._merged("contexts")}
        if wanted is None:
            known = ", ".join(contexts) or "none"
            raise Blocked(
                "NoContext", f"{self.location} has no current context: name one by --context. Known: {known}."
            )
        if wanted not in contexts:
            known = ", ".join(contexts) or "none"
            raise Blocked(
                "NoContext",
                f"{self.location} has no context {wanted!r}: name one by --context. Known: {known}.",
            )
        chosen: Mapping[str, Any] = contexts[wanted]
        return chosen

    def _named(self, section: str, kind: str, name: Any) -> Mapping[str, Any]:
        """Return an entry of the files; nothing where there is none of that name."""
        entries = (each for each in self._merged(section) if each.get("name") == name)
        return (next(entries, None) or {}).get(kind) or {}

    def _exists(self) -> bool:
        return any(path.exists() for path in self._paths())

    def _paths(self) -> list[Path]:
        return [Path(path).expanduser() for path in self.location.split(os.pathsep) if path]

    def _files(self) -> list[Mapping[str, Any]]:
        return [_parsed(path) for path in self._paths() if path.exists()]

    def _merged(self, section: str) -> list[Mapping[str, Any]]:
        return [each for file in self._files() for each in file.get(section) or ()]


def _parsed(path: Path) -> Mapping[str, Any]:
    try:
        parsed = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
        said = str(error).splitlines()[0]
        raise Blocked("NoKubeconfig", f"The kubeconfig {path} cannot be read: {said}. Correct it.") from None
    if not isinstance(parsed, dict):
        raise Blocked("NoKubeconfig", f"The kubeconfig {path} holds no configuration: make it again.")
    return parsed


def _current(file: Mapping[str, Any]) -> str | None:
    return file.get("current-context") or None


def _flag(arguments: list[str], *names: str) -> str | None:
    """Return the value of an option, as in `--region eu-west-1` or `--region=eu-west-1`."""
    for position, argument in enumerate(arguments):
        flag, equals, value = argument.partition("=")
        if flag in names:
            return value if equals else next(iter(arguments[position + 1 :]), None)
    return None
