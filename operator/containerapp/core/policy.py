"""What the platform team has set, as far as it decides what an object becomes. Pure.

Made from the settings by the manager; read by the controllers through their view.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Literal, Self

if TYPE_CHECKING:  # reading settings takes longer than all else that the command line imports
    from containerapp.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What no app may ask for, and the paths of nodes that it may. A pattern is a whole name, or ends with `*`."""

    security: frozenset[str] = frozenset()
    service_types: frozenset[str] = frozenset()
    service_annotations: tuple[str, ...] = ()
    pod_annotations: tuple[str, ...] = ()
    service_accounts: tuple[str, ...] = ()
    host_paths: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    """Kinds that no app may override; `*` is every kind."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the policy that the settings describe."""
        return cls(
            security=frozenset(settings.forbidden_security),
            service_types=frozenset(settings.forbidden_service_types),
            service_annotations=settings.forbidden_service_annotations,
            pod_annotations=settings.forbidden_pod_annotations,
            service_accounts=settings.forbidden_service_accounts,
            host_paths=settings.allowed_host_paths,
            overrides=settings.forbidden_overrides,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposeDefaults:
    """How apps are reached that do not say it. Empty: not set.

    `gateway` is namespace, name and maybe a listener. `auto_mode`: load balancers are EKS Auto Mode's, not those of the
    AWS Load Balancer Controller; `aws_gateway`: Gateways are that controller's.
    """

    via: str = ""
    class_name: str = ""
    gateway: tuple[str, ...] = ()
    aws_gateway: bool = False
    auto_mode: bool = False
    preflight: bool = False
    """Whether AWS is asked for certificates and quotas before an app joins a load balancer."""
    await_targets: bool = False
    """Whether a rollout waits until the target groups of load balancers of AWS say that new Pods are healthy."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return what the settings say."""
        return cls(
            via=settings.expose_via,
            class_name=settings.expose_class_name,
            gateway=tuple(settings.expose_gateway.split("/")) if settings.expose_gateway else (),
            aws_gateway=settings.expose_gateway_controller == "aws-load-balancer-controller",
            auto_mode=settings.expose_alb_controller == "auto-mode",
            preflight=settings.expose_preflight,
            await_targets=settings.expose_await_targets,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkDefaults:
    """Who may call an app that does not say it, and who may call every app."""

    same_namespace: bool = False
    allowed_namespaces: tuple[str, ...] = ()
    load_balancer_cidrs: tuple[str, ...] = ()

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return what the settings say."""
        return cls(
            same_namespace=settings.network_default == "namespace",
            allowed_namespaces=settings.network_allowed_namespaces,
            load_balancer_cidrs=settings.network_load_balancer_cidrs,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretStores:
    """What fetches the secrets of apps: the backend, and the names that it goes by."""

    backend: Literal["auto", "external-secrets", "csi"] = "auto"
    secrets_manager: str = "aws-secrets-manager"
    parameter_store: str = "aws-parameter-store"
    kind: str = "ClusterSecretStore"
    refresh_interval: str = "1h"
    pod_identity: bool = True

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return what the settings say."""
        return cls(
            backend=settings.secrets_backend,
            secrets_manager=settings.secrets_store_secrets_manager,
            parameter_store=settings.secrets_store_parameter_store,
            kind=settings.secrets_store_kind,
            refresh_interval=settings.secrets_refresh_interval,
            pod_identity=settings.secrets_csi_pod_identity,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityPolicy:
    """How Pods get their IAM roles, in which cluster, and which roles they may have."""

    method: str = "PodIdentity"
    cluster: str = ""
    allowed_roles: tuple[str, ...] = ()
    """Patterns of ARNs, in which `{namespace}` stands for the app's; none means any."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return what the settings say."""
        return cls(
            method="IRSA" if settings.identity_method == "irsa" else "PodIdentity",
            cluster=settings.identity_cluster_name,
            allowed_roles=settings.identity_allowed_roles,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """The settings of the platform team."""

    default_registry: str = "docker.io"
    adoption: tuple[str, ...] = ()
    """Patterns of the namespaces in which objects that no controller owns may be adopted."""
    watch_secrets: bool = True
    """Whether the metadata of Secrets is watched."""
    watch_nodes: bool = True
    """Whether it is seen that a node is about to go."""
    storage_class: str | None = None
    """StorageClass of claims that name none; None leaves it to the cluster."""
    policy: Policy = Policy()
    expose: ExposeDefaults = ExposeDefaults()
    network: NetworkDefaults = NetworkDefaults()
    secrets: SecretStores = SecretStores()
    identity: IdentityPolicy = IdentityPolicy()
    version: str = "0"
    """Version of the operator that renders."""
    fargate_cluster: str = ""
    """Cluster whose Fargate profiles are looked at; empty where they are not."""
    min_ready_seconds: int = 0
    """How long a new Pod must be ready to count as available, where the app does not say."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return what the settings say."""
        return cls(
            default_registry=settings.default_registry,
            adoption=settings.adoption_namespaces,
            watch_secrets=settings.watch_secrets,
            watch_nodes=settings.watch_nodes and not settings.namespaces,
            storage_class=settings.storage_class or None,
            policy=Policy.of(settings),
            expose=ExposeDefaults.of(settings),
            network=NetworkDefaults.of(settings),
            secrets=SecretStores.of(settings),
            identity=IdentityPolicy.of(settings),
            version=version("containerapp-operator"),
            fargate_cluster=settings.identity_cluster_name if settings.fargate_check_profiles else "",
            min_ready_seconds=settings.min_ready_seconds,
        )
