"""Everything that a platform team can set for the operator: environment first, then a YAML file.

Read once at start-up by the command line; passed down as one frozen value. Never read from anywhere else.
Variables are prefixed `CONTAINERAPP_`; `load` says where the file is.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)

_REGISTRY = r"^(?:[A-Za-z0-9*.-]+|\[[0-9a-fA-F:.]+\])(?::(?:[0-9]{1,5}|\*))?(?:/[a-z0-9*._/-]+)?$"
_NAMESPACE = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
_CLASS_NAME = r"^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)?$"
_GATEWAY = r"^([a-z0-9-]{1,63}/[a-z0-9.-]{1,253}(/[a-z0-9.-]{1,253})?)?$"
_CIDR = r"^[0-9a-f.:]{2,39}/[0-9]{1,3}$"
_NAME_PATTERN = r"^[a-z0-9.-]*[*]?$"
_STORE = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
_ROLE_PATTERN = r"^arn:aws[a-z*-]*:iam::[0-9*]+:role/[A-Za-z0-9_+=.@/*{}-]+$"
_NAME_OR_NOTHING = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$"
_PATH_PATTERN = r"^/[^*,]*[*]?$"
_KIND_PATTERN = r"^([A-Z][A-Za-z0-9]*|[*])$"
_ANNOTATION_PATTERN = r"^[A-Za-z0-9._/-]*[*]?$"

Relaxation = Literal[
    "privileged",
    "allowPrivilegeEscalation",
    "runAsRoot",
    "capabilities",
    "seccompUnconfined",
    "seccompLocalhost",
]
"""What an app may ask for in `security` beyond its defaults."""

_Namespaces = Annotated[tuple[Annotated[str, Field(pattern=_NAMESPACE)], ...], NoDecode]
_Cidrs = Annotated[tuple[Annotated[str, Field(pattern=_CIDR)], ...], NoDecode]
_Patterns = Annotated[tuple[Annotated[str, Field(min_length=1, pattern=_ANNOTATION_PATTERN)], ...], NoDecode]


Registries = Annotated[tuple[Annotated[str, Field(pattern=_REGISTRY, max_length=255)], ...], NoDecode]


class Settings(BaseSettings):
    """The operator's settings. Durations are in seconds."""

    model_config = SettingsConfigDict(env_prefix="CONTAINERAPP_", extra="forbid", frozen=True)

    namespaces: _Namespaces = Field(
        default=(),
        description="Namespaces to serve, separated by commas. None means the whole cluster.",
    )
    default_registry: str = Field(
        default="docker.io",
        description="Registry (and optional path) that a short image name such as `shop:1.2` belongs to, "
        "e.g. `123456789012.dkr.ecr.eu-west-1.amazonaws.com`.",
    )
    allowed_registries: Registries = Field(
        default=(),
        description="Registries that may be asked where tags point, as patterns separated by commas: "
        "`*.dkr.ecr.eu-west-1.amazonaws.com`, `ghcr.io/acme/*`, `registry.example.com:5000`. None means any.",
    )
    private_registries: Registries = Field(
        default=(),
        description="Registries that may have addresses in private networks; others must have public ones.",
    )
    insecure_registries: Registries = Field(
        default=(),
        description="Registries that are asked by HTTP, without TLS. They may have addresses in private networks, too.",
    )
    skip_tag_resolving: Registries = Field(
        default=(),
        description="Registries that are never asked: their images run by tag, as `localhost:5001` on kind.",
    )
    adoption_namespaces: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Namespaces, separated by commas, in which the annotation `containerapp.dev/adopt` lets an app "
        "take over objects that no controller owns; `*` stands for any text. None means that nothing is adopted.",
    )
    storage_class: str = Field(
        default="",
        pattern=_NAME_OR_NOTHING,
        max_length=253,
        description="StorageClass of the claims of apps that name none, e.g. `gp3`. Empty leaves it to the cluster.",
    )
    watch_secrets: bool = Field(
        default=True,
        description="Watch the metadata of Secrets, so that a changed Secret rolls the apps that use it.",
    )
    watch_nodes: bool = Field(
        default=True,
        description="Watch nodes, so that an app of one Pod gets a second one before its node is drained. "
        "Only where the whole cluster is served.",
    )
    image_refresh_interval: float = Field(
        default=300.0,
        ge=10,
        description="How often the registries are asked where tags in use point now. "
        "News is shown in the status; it never rolls Pods.",
    )
    secrets_backend: Literal["auto", "external-secrets", "csi"] = Field(
        default="auto",
        description="What fetches the `secrets` of apps: `external-secrets`, `csi` (the Secrets Store CSI driver), or "
        "`auto`, the first of the two whose kind is installed.",
    )
    secrets_store_secrets_manager: str = Field(
        default="aws-secrets-manager",
        pattern=_STORE,
        max_length=253,
        description="Store of External Secrets for secrets of AWS Secrets Manager.",
    )
    secrets_store_parameter_store: str = Field(
        default="aws-parameter-store",
        pattern=_STORE,
        max_length=253,
        description="Store of External Secrets for parameters of the SSM Parameter Store.",
    )
    secrets_store_kind: Literal["ClusterSecretStore", "SecretStore"] = Field(
        default="ClusterSecretStore",
        description="Kind of these stores: `ClusterSecretStore`, or `SecretStore` for one of each in every namespace.",
    )
    secrets_refresh_interval: str = Field(
        default="1h",
        pattern=r"^[1-9][0-9]{0,4}[smh]$",
        description="How often External Secrets asks AWS for changed values, as in `1h` or `15m`.",
    )
    secrets_csi_pod_identity: bool = Field(
        default=True,
        description="Whether the Secrets Store CSI driver asks AWS by EKS Pod Identity; by IRSA otherwise.",
    )
    identity_method: Literal["pod-identity", "irsa"] = Field(
        default="pod-identity",
        description="How apps with `identity` get their IAM role: EKS Pod Identity, or IRSA.",
    )
    identity_cluster_name: str = Field(
        default="",
        max_length=100,
        pattern=r"^([0-9A-Za-z][A-Za-z0-9_-]*)?$",
        description="Name of the EKS cluster, whose Pod Identity associations the operator keeps.",
    )
    identity_allowed_roles: Annotated[
        tuple[Annotated[str, Field(pattern=_ROLE_PATTERN, max_length=640)], ...], NoDecode
    ] = Field(
        default=(),
        description="IAM roles that apps may name, as patterns separated by commas; `{namespace}` stands for the "
        "app's: `arn:aws:iam::123456789012:role/apps/{namespace}/*`. None means any that the operator may pass.",
    )
    identity_check_interval: float = Field(
        default=300.0,
        ge=30,
        description="How often the Pod Identity associations of the cluster are listed, to find what others changed.",
    )
    min_ready_seconds: int = Field(
        default=30,
        ge=0,
        le=3600,
        description="How long a Pod of a new revision must be ready to count as available, for apps that do not set "
        "`rollout.minReadySeconds`: one that crashes within that time never replaces a good one.",
    )
    render_budget: int = Field(
        default=0,
        ge=0,
        description="Apps at a time that take what a new version of the operator renders otherwise, which restarts "
        "their Pods. 0 leaves each app as it is until its next change.",
    )
    workers: int = Field(default=64, ge=1, le=256, description="Apps that are reconciled at the same time.")
    log_format: Literal["json", "text"] = Field(default="json", description="Format of the log lines.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe level that is logged."
    )
    http_host: str = Field(
        default="::",
        description="Address for metrics and health; `::` is every address, IPv4 and IPv6 alike.",
    )
    http_port: int = Field(
        default=8080,
        ge=0,
        le=65535,
        description="Port for `/metrics`, `/healthz` and `/readyz`; 0 picks one.",
    )
    leader_election: bool = Field(
        default=True, description="Take a Lease before acting, so that replicas stand by."
    )
    lease_name: str = Field(default="containerapp-operator", description="Name of the Lease.")
    lease_namespace: str | None = Field(
        default=None, description="Namespace of the Lease; the Pod's own where none is given."
    )
    lease_duration: int = Field(default=15, ge=2, description="How long a silent leader keeps the Lease.")
    lease_renew_deadline: float = Field(
        default=10.0, ge=1.5, description="How long a leader that cannot renew goes on before it steps down."
    )
    lease_retry_period: float = Field(
        default=2.0, ge=1, description="How often the Lease is tried or renewed."
    )
    shutdown_timeout: float = Field(
        default=20.0, ge=0, description="How long running reconciles may take to finish on SIGTERM."
    )

    forbidden_security: Annotated[tuple[Relaxation, ...], NoDecode] = Field(
        default=(),
        description="Relaxations of `security` that no app may ask for, separated by commas: `privileged`, "
        "`allowPrivilegeEscalation`, `runAsRoot`, `capabilities`, `seccompUnconfined`, `seccompLocalhost`.",
    )
    forbidden_service_types: Annotated[tuple[Literal["NodePort", "LoadBalancer"], ...], NoDecode] = Field(
        default=(),
        description="Types of Service that no app may ask for: `NodePort`, `LoadBalancer` (also by `expose.via: nlb`).",
    )
    forbidden_service_annotations: _Patterns = Field(
        default=(),
        description="Annotations that no app may give its Service, Ingress or route; a `*` at the end stands for"
        " anything, as in "
        "`service.beta.kubernetes.io/*`.",
    )
    forbidden_pod_annotations: _Patterns = Field(
        default=(), description="Annotations that no app may give its Pods, written in the same way."
    )
    forbidden_service_accounts: Annotated[
        tuple[Annotated[str, Field(min_length=1, pattern=_NAME_PATTERN)], ...], NoDecode
    ] = Field(
        default=(),
        description="Service accounts that no app may run as, written in the same way; `*` leaves each app the account "
        "that is made for it.",
    )
    forbidden_overrides: Annotated[tuple[Annotated[str, Field(pattern=_KIND_PATTERN)], ...], NoDecode] = (
        Field(
            default=(),
            description="Kinds of objects that no app may change by `overrides`, such as `Deployment`; "
            "`*` is every kind.",
        )
    )
    allowed_host_paths: Annotated[
        tuple[Annotated[str, Field(max_length=512, pattern=_PATH_PATTERN)], ...], NoDecode
    ] = Field(
        default=(),
        description="Paths of nodes that apps may mount by `volumes[].hostPath`, separated by commas; a `*` at the end "
        "stands for anything, as in `/var/log/apps/*`. None means that no app mounts any.",
    )

    expose_via: Literal["", "alb", "gateway", "ingress", "nlb"] = Field(
        default="",
        description="What leads to an app with `expose`, unless it says so by `via`. Empty: `gateway` where the"
        " cluster "
        "has HTTPRoutes and a Gateway is set, else `ingress`.",
    )
    expose_class_name: str = Field(
        default="",
        pattern=_CLASS_NAME,
        description="IngressClass of the apps whose way is that of the setting, e.g. `alb`; for `nlb` the last part of "
        "the load balancer's class.",
    )
    expose_gateway: str = Field(
        default="",
        pattern=_GATEWAY,
        description="Gateway of the apps that are exposed by one and name none: `namespace/name`, or "
        "`namespace/name/listener`.",
    )
    expose_gateway_controller: Literal["aws-load-balancer-controller", "other"] = Field(
        default="other",
        description="Controller of the Gateways: that of AWS gets a TargetGroupConfiguration for each app, for "
        "targets by address.",
    )
    expose_alb_controller: Literal["aws-load-balancer-controller", "auto-mode"] = Field(
        default="aws-load-balancer-controller",
        description="Controller of the ways `alb` and `nlb`; `auto-mode` is that of EKS Auto Mode.",
    )
    expose_preflight: bool = Field(
        default=False,
        description="Whether an app joins an Application Load Balancer only where ACM has a certificate for its hosts "
        "and the load balancer's quotas allow it. The operator needs the rights `acm:ListCertificates`, "
        "`acm:DescribeCertificate` and `elasticloadbalancing:DescribeAccountLimits`.",
    )
    expose_await_targets: bool = Field(
        default=False,
        description="Whether a rollout behind a load balancer of AWS goes on only as the target group says that new "
        "Pods are healthy. The operator needs the right `elasticloadbalancing:DescribeTargetHealth`.",
    )
    fargate_check_profiles: bool = Field(
        default=False,
        description="Whether an app on Fargate is Ready only where a Fargate profile of the cluster that "
        "`CONTAINERAPP_IDENTITY_CLUSTER_NAME` names selects its Pods. The operator needs the rights "
        "`eks:ListFargateProfiles` and `eks:DescribeFargateProfile`.",
    )
    network_default: Literal["open", "namespace"] = Field(
        default="open",
        description="Who may call an app without `network.allowFrom`: `open` is everyone, `namespace` the Pods of its "
        "namespace.",
    )
    network_allowed_namespaces: _Namespaces = Field(
        default=(),
        description="Namespaces that may call every app, separated by commas: those of Prometheus and of Ingress or "
        "Gateway controllers that run as Pods.",
    )
    network_load_balancer_cidrs: _Cidrs = Field(
        default=(),
        description="Addresses of the load balancers, separated by commas: the subnets' or the VPC's. None means all "
        "addresses.",
    )

    @field_validator(
        "namespaces",
        "network_allowed_namespaces",
        "network_load_balancer_cidrs",
        "adoption_namespaces",
        "forbidden_security",
        "forbidden_service_types",
        "forbidden_service_annotations",
        "forbidden_pod_annotations",
        "forbidden_service_accounts",
        "allowed_host_paths",
        "forbidden_overrides",
        "allowed_registries",
        "private_registries",
        "insecure_registries",
        "skip_tag_resolving",
        "identity_allowed_roles",
        mode="before",
    )
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @model_validator(mode="after")
    def _check_lease(self) -> Settings:
        if not self.lease_retry_period * 1.2 < self.lease_renew_deadline < self.lease_duration:
            raise ValueError(
                "lease_duration must be longer than lease_renew_deadline, and that longer than 1.2 times "
                "lease_retry_period (the defaults are 15, 10 and 2)"
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - signature of pydantic-settings
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - likewise
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order: arguments, environment, file."""
        return init_settings, env_settings, YamlConfigSettingsSource(settings_cls)


def load(config_file: Path | None = None, **given: Any) -> Settings:
    """Read the settings: `given` first, then the environment, then the YAML file.

    Args:
        config_file: the file; where None, the one that CONTAINERAPP_CONFIG_FILE names, if any.
        given: settings by name.

    Raises:
        pydantic.ValidationError: a setting is unknown or cannot be used.
        OSError: the file cannot be read.
    """
    named = os.environ.get("CONTAINERAPP_CONFIG_FILE")
    path = config_file or (Path(named) if named else None)
    if path is not None:
        path.read_bytes()  # a file that was asked for must be there

    class WithFile(Settings):
        model_config = SettingsConfigDict(yaml_file=path)

    return WithFile(**given)
