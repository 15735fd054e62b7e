"""What a container may do on its node: user, capabilities, system calls.

Held by the specs of the custom kinds and of their further containers. The defaults pass Pod Security `restricted`; a
relaxation is a field of its own.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from containerapp.api.schema.fields import Boolean, Capability, ProfilePath, UserOrGroup
from containerapp.api.schema.rules import ApiModel, ListMap, Rule, is_empty, matches


class Capabilities(ApiModel):
    """Linux capabilities of the container."""

    add: Annotated[tuple[Capability, ...], Field(max_length=64)] = Field((), exclude_if=is_empty)
    """Capabilities to add after all others were dropped. Pod Security `restricted` allows
    `NET_BIND_SERVICE` alone."""
    drop: Annotated[tuple[Capability, ...], Field(max_length=64)] = ("ALL",)
    """Capabilities to drop. Default: `ALL`, as Pod Security `restricted` demands."""


class SeccompProfile(ApiModel):
    """Filter of the system calls that the container may make."""

    type: Literal["RuntimeDefault", "Localhost", "Unconfined"] = "RuntimeDefault"
    """`RuntimeDefault` is the container runtime's own filter, `Localhost` a profile file on the node,
    `Unconfined` no filter at all (which Pod Security `restricted` refuses)."""
    localhost_profile: ProfilePath | None = None
    """File below the kubelet's seccomp folder, for example `profiles/shop.json`; for type `Localhost`
    only."""

    rules = (
        Rule(
            cel="(has(self.type) && self.type == 'Localhost') == has(self.localhostProfile)",
            holds=lambda profile: (profile.type == "Localhost") == (profile.localhost_profile is not None),
            message="seccompProfile.localhostProfile goes with type Localhost and no other: give both,"
            " or neither",
            path=".localhostProfile",
        ),
    )


_SAFE_SYSCTLS = (
    r"kernel\.shm_rmid_forced|net\.ipv4\.(ip_local_port_range|ip_local_reserved_ports|ip_unprivileged_port_start"
    r"|ping_group_range|tcp_fin_timeout|tcp_keepalive_(time|intvl|probes)|tcp_rmem|tcp_syncookies|tcp_wmem)"
)
"""Those of Kubernetes 1.32: https://kubernetes.io/docs/tasks/administer-cluster/sysctl-cluster/."""


class Sysctl(ApiModel):
    """A kernel parameter."""

    name: Annotated[
        str,
        Field(max_length=63),
        matches(
            _SAFE_SYSCTLS,
            "a sysctl is one that Kubernetes calls safe, as in net.ipv4.tcp_keepalive_time: set others, such as"
            " net.core.somaxconn, on the nodes (a kubelet refuses Pods that ask for them)",
        ),
    ]
    """Name of the parameter, for example `net.ipv4.tcp_keepalive_time`."""
    value: Annotated[str, Field(min_length=1, max_length=63)]
    """Value of the parameter, a number in quotes."""


class Privileges(ApiModel):
    """What every container may do on its node."""

    read_only_root_filesystem: Boolean = False
    """Whether the image's files cannot be written to. Safer, but many programs want to write somewhere:
    turn it on when yours does not."""
    allow_privilege_escalation: Boolean = False
    """Whether a process may gain more privileges than its parent, as `sudo` does."""
    privileged: Boolean = False
    """Whether the container is as powerful as root on the node. Needs `allowPrivilegeEscalation: true`, and a
    namespace whose Pod Security allows it."""
    capabilities: Capabilities = Capabilities()
    """Linux capabilities. Default: all dropped, none added."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!(has(self.privileged) && self.privileged) || (has(self.allowPrivilegeEscalation)"
            " && self.allowPrivilegeEscalation)",
            holds=lambda security: not security.privileged or security.allow_privilege_escalation,
            message="security.privileged needs allowPrivilegeEscalation: true as well: set it, or drop"
            " privileged",
            path=".allowPrivilegeEscalation",
        ),
    )


class Security(Privileges):
    """What the container may do on its node.

    The defaults pass Pod Security `restricted`; every relaxation is spelled out.
    """

    run_as_user: UserOrGroup | None = None
    """Numeric user to run as. Default: the image's own USER, which must be numeric and not 0 (Kubernetes
    cannot tell whether a named user is root, and refuses to start it)."""
    run_as_group: UserOrGroup | None = None
    """Numeric primary group to run as. Default: the image's."""
    run_as_non_root: Boolean = True
    """Whether a container that would run as root is refused. Set it to false for an image that must run as
    root."""
    fs_group: UserOrGroup | None = None
    """Group that owns the files of mounted volumes, so that the program can write to them."""
    supplemental_groups: Annotated[tuple[UserOrGroup, ...], Field(max_length=32)] = ()
    """Further groups of the process, for example one that may read a shared file system."""
    sysctls: Annotated[tuple[Sysctl, ...], Field(max_length=16), ListMap("name")] = ()
    """Kernel parameters of the Pod's own, of those that Kubernetes calls safe."""
    seccomp_profile: SeccompProfile = SeccompProfile()
    """Filter of system calls. Default: the container runtime's own."""

    rules: ClassVar[tuple[Rule, ...]] = (
        *Privileges.rules,
        Rule(
            cel="!(self.runAsNonRoot && has(self.runAsUser) && self.runAsUser == 0)",
            holds=lambda security: not (security.run_as_non_root and security.run_as_user == 0),
            message="security.runAsUser 0 is root, which runAsNonRoot refuses: choose another user, or set"
            " runAsNonRoot: false",
            path=".runAsUser",
        ),
    )


class ContainerSecurity(Privileges):
    """What a sidecar or an init container may do on its node.

    The defaults pass Pod Security `restricted`. What stands for the Pod as a whole is in `spec.security`.
    """

    run_as_user: UserOrGroup | None = None
    """Numeric user to run as. Default: that of `spec.security`, else the image's own USER."""
    run_as_group: UserOrGroup | None = None
    """Numeric primary group to run as. Default: that of `spec.security`, else the image's."""
    run_as_non_root: Boolean | None = None
    """Whether the container is refused if it would run as root. Default: as `spec.security` says."""
    seccomp_profile: SeccompProfile | None = None
    """Filter of system calls. Default: that of `spec.security`."""

    rules: ClassVar[tuple[Rule, ...]] = (
        *Privileges.rules,
        Rule(
            cel="!has(self.runAsUser) || self.runAsUser != 0 || (has(self.runAsNonRoot) && !self.runAsNonRoot)",
            holds=lambda security: security.run_as_user != 0 or security.run_as_non_root is False,
            message="security.runAsUser 0 is root: choose another user, or set runAsNonRoot: false beside it",
            path=".runAsUser",
        ),
    )
