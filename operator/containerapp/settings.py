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
_NAME_PATTERN = r"^[a-z0-9.-]*[*]?$"
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

_Patterns = Annotated[tuple[Annotated[str, Field(min_length=1, pattern=_ANNOTATION_PATTERN)], ...], NoDecode]


Registries = Annotated[tuple[Annotated[str, Field(pattern=_REGISTRY, max_length=255)], ...], NoDecode]


class Settings(BaseSettings):
    """The operator's settings. Durations are in seconds."""

    model_config = SettingsConfigDict(env_prefix="CONTAINERAPP_", extra="forbid", frozen=True)

    namespaces: Annotated[tuple[Annotated[str, Field(pattern=_NAMESPACE)], ...], NoDecode] = Field(
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
    image_refresh_interval: float = Field(
        default=300.0,
        ge=10,
        description="How often the registries are asked where tags in use point now. "
        "News is shown in the status; it never rolls Pods.",
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
        default=(), description="Types of Service that no app may ask for: `NodePort`, `LoadBalancer`."
    )
    forbidden_service_annotations: _Patterns = Field(
        default=(),
        description="Annotations that no app may give its Service; a `*` at the end stands for anything, as in "
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

    @field_validator(
        "namespaces",
        "adoption_namespaces",
        "forbidden_security",
        "forbidden_service_types",
        "forbidden_service_annotations",
        "forbidden_pod_annotations",
        "forbidden_service_accounts",
        "allowed_registries",
        "private_registries",
        "insecure_registries",
        "skip_tag_resolving",
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
