"""What runs in a container: image, command, environment, resources.

Shared by the app itself, its sidecars, its init containers and what else runs a container. A field here is one that
every container has; what only some have (ports, probes, security) belongs to their own models.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from containerapp.api.schema.fields import AbsolutePath, Boolean, Image, Text
from containerapp.api.schema.kubernetes import EnvFromSource, EnvVar, ResourceRequirements
from containerapp.api.schema.rules import ApiModel, ListMap
from containerapp.api.secrets import SECRET_RULES, SecretVars


class Process(ApiModel):
    """The program that a container runs, and what it is given."""

    image: Image
    """Container image to run, for example `123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop:1.4.2`. A
    short name such as `shop:1.4.2` is looked up in the registry that the operator was set up with. The tag
    is resolved to a digest when this field changes and stays with it: a tag that is pushed again does not
    restart the app (see `status.image`)."""
    image_pull_policy: Literal["IfNotPresent", "Always", "Never"] = "IfNotPresent"
    """When a node pulls the image. As a container always runs by digest, `IfNotPresent` never runs a stale
    image; `Always` checks the pull rights at each start. `Never` wants the image put on the node by other
    means, and runs it by its tag: no registry is asked."""

    command: Annotated[tuple[Text, ...], Field(max_length=256)] = ()
    """Program to run instead of the image's ENTRYPOINT, with no shell around it. `$(NAME)` is replaced by
    the variable NAME of `env`. Default: the image's ENTRYPOINT."""
    args: Annotated[tuple[Text, ...], Field(max_length=1024)] = ()
    """Arguments instead of the image's CMD. `$(NAME)` is replaced as in `command`. Default: the image's
    CMD, unless `command` is given."""
    working_dir: AbsolutePath | None = None
    """Folder in which the program starts. Default: the image's WORKDIR."""

    stdin: Boolean = False
    """Whether the program has an open standard input, for `kubectl attach`."""
    tty: Boolean = False
    """Whether the program has a terminal. With `stdin`, for programs that end without one."""

    env: Annotated[tuple[EnvVar, ...], Field(max_length=512), ListMap("name")] = ()
    """Environment variables, each with a `value` or a `valueFrom` (a key of a Secret or ConfigMap, a field
    of the Pod). They win over those of `envFrom`. A Secret's changed value reaches the program at its next
    start."""
    env_from: Annotated[tuple[EnvFromSource, ...], Field(max_length=64)] = ()
    """Takes all keys of ConfigMaps and Secrets as environment variables; of two that set the same
    variable, the later one wins."""

    secrets: SecretVars = ()
    """Environment variables whose values are kept in AWS Secrets Manager or the SSM Parameter Store, written as in an
    ECS task definition. A value that changes there restarts the Pods as a new revision."""

    resources: ResourceRequirements = Field(default_factory=ResourceRequirements)
    """CPU and memory, in Kubernetes' own terms. Without it the container is promised a default, may use idle cpu beyond
    that, and no memory beyond it."""

    rules = SECRET_RULES
