"""Why a node does not pull an image, by the words of containerd, CRI-O and the registries. Pure.

Called with the message of a container that waits in ErrImagePull, ImagePullBackOff or the like.
"""

from __future__ import annotations

from containerapp.controllers.workloads.diagnosis.kinds import LIKELY, WAITING, Kind

REASONS = {
    "ErrImagePull",
    "ImagePullBackOff",
    "ErrImageNeverPull",
    "InvalidImageName",
    "ImageInspectError",
    "RegistryUnavailable",
}
_RIGHTS = "give the node's role AmazonEC2ContainerRegistryPullOnly, or name a Secret in spec.imagePullSecrets"

KINDS = (
    Kind(
        says="the image has no variant for the node's architecture",
        remedy="Build it for that architecture too: docker buildx build --platform linux/amd64,linux/arm64.",
        pattern=r"no match for platform|no image found in (?:manifest list|image index) for architecture",
    ),
    Kind(
        says="spec.image is no container image that the node can run",
        remedy="It may be a Helm chart, another artifact, or an image of a format that is no longer supported: push an "
        "image that docker build made. The node says: {quote}.",
        pattern=r"mismatched image rootfs|(?i:media type)|encountered unknown type|schema 1|unsupported manifest"
        r"|cannot unmarshal|invalid rootfs",
    ),
    Kind(
        says="the image's name {image} is invalid",
        remedy="Correct spec.image.",
        pattern=r"couldn't parse image (?:name|reference) \\*\"(?P<image>[^\"\\]*)",
    ),
    Kind(
        says="the node does not have the image, and spec.imagePullPolicy is Never",
        remedy="Put the image on every node, or set spec.imagePullPolicy to IfNotPresent.",
        pattern=r"is not present with pull policy of Never",
    ),
    Kind(
        says="the registry limits the number of pulls",
        remedy="Wait, or pull through an ECR pull-through cache or with a Secret in spec.imagePullSecrets.",
        certainty=WAITING,
        pattern=r"(?i)toomanyrequests|too many requests|rate exceeded|pull rate limit",
    ),
    Kind(
        says="the node pulls too many images at once",
        remedy="Wait: the kubelet limits its own pulls (registryPullQPS).",
        certainty=WAITING,
        pattern=r"pull QPS exceeded",
    ),
    Kind(
        says="the node's role may not call {action}",
        remedy="Give the role AmazonEC2ContainerRegistryPullOnly; for a repository of another account, its policy must "
        "name the node's account too.",
        pattern=r"is not authorized to perform: (?P<action>ecr[\w-]*:\w+)",
    ),
    Kind(
        says="the node's token for the registry has expired",
        remedy="Renew the Secret that spec.imagePullSecrets names: a token of ECR is valid for 12 hours. Nodes with "
        "AmazonEC2ContainerRegistryPullOnly need no Secret.",
        pattern=r"(?i)authorization token has expired|token (?:is|has) expired",
    ),
    Kind(
        says="the registry's host {host} has no address",
        remedy="Correct the registry in spec.image, or the nodes' DNS.",
        certainty=LIKELY,
        pattern=r"lookup (?P<host>[^ :]++).*(?:no such host|server misbehaving|i/o timeout"
        r"|Temporary failure in name resolution)",
    ),
    Kind(
        says="the node does not trust the registry's certificate",
        remedy="Give the nodes the registry's CA, or the registry a valid certificate. The node says: {quote}.",
        certainty=LIKELY,
        pattern=r"x509:|tls: failed to verify|certificate (?:has expired|signed by unknown)",
    ),
    Kind(
        says="the registry speaks HTTP where the node expects HTTPS",
        remedy="Give the registry a certificate, or configure the nodes' containerd for this host.",
        pattern=r"server gave HTTP response to HTTPS client",
    ),
    Kind(
        says="the node has no disk left for the image",
        remedy="Use nodes with a larger disk, or a smaller image.",
        certainty=LIKELY,
        pattern=r"no space left on device",
    ),
    Kind(
        says="the image arrived damaged at the node",
        remedy="Wait for the next try; if it stays, push the image again. The node says: {quote}.",
        certainty=WAITING,
        pattern=r"unexpected commit digest|failed size validation|unexpected EOF|failed precondition",
    ),
    Kind(
        says="the registry refuses to let the node pull",
        remedy="For an ECR repository of another account, its policy must name the node's account. Otherwise "
        f"{_RIGHTS}.",
        pattern=r"(?i)\b40[13]\b|unauthorized|forbidden|denied|authentication required|authorization failed"
        r"|no basic auth credentials|insufficient_scope",
    ),
    Kind(
        says="the registry has no repository {repository}",
        remedy="Correct spec.image, or create the repository and push the image.",
        pattern=r"(?i)the repository with name '(?P<repository>[^']*)'",
    ),
    Kind(
        says="the digest {digest} is not in the registry any more",
        remedy="Push the image again, or take what the tag points to now: kubectl annotate containerapp NAME "
        "containerapp.dev/refresh-image=$(date +%s) --overwrite.",
        pattern=r"@(?P<digest>sha\d+:[0-9a-f]{2,128}+).*(?:not found|manifest unknown|\b404\b)",
    ),
    Kind(
        says="the registry has no image {image}",
        remedy="Push it, or correct the tag.",
        pattern=r"(?:image|reference|resolve image:?) \\*\"?(?P<image>[^\s\"\\@]+:[\w.-]++)\\*\"?.*"
        r"(?:not found|manifest unknown|\b404\b)",
    ),
    Kind(
        says="the registry does not answer the node",
        remedy="Wait; if it stays, check the route from the nodes to the registry (NAT gateway, VPC endpoints, "
        "security groups). The node says: {quote}.",
        certainty=WAITING,
        pattern=r"dial tcp|i/o timeout|TLS handshake timeout|connection re(?:fused|set)|deadline exceeded"
        r"|no route to host|\b50\d\b|RegistryUnavailable|request canceled",
    ),
    Kind(
        says="the node cannot pull the image",
        remedy=f"Check that the image exists; then {_RIGHTS}. The node says: {{quote}}.",
        certainty=LIKELY,
    ),
)
