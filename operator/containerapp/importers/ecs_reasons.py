"""Why values of ECS are not carried over, and what takes their place; by the keys of ECS, each as its own words."""

from __future__ import annotations

STATE = "ECS' own state"
LOGS = "a Pod's output is read by the cluster's log agent, such as the CloudWatch Observability add-on: set it there"
ROUTER = (
    "in a Pod nothing leads the output of containers to a log router: install Fluent Bit for the cluster, with the"
    " options of this one"
)
MESH = "AWS App Mesh has ended: use Amazon VPC Lattice or a mesh of the cluster; its proxy is left out"
ULIMITS = (
    "Kubernetes has no ulimits: EKS' nodes allow many open files; for others call `ulimit` in the command"
)
CONTAINER = {
    "repositoryCredentials": "make a Secret of type kubernetes.io/dockerconfigjson, and name it in imagePullSecrets;"
    " ECR needs none",
    "environmentFiles": "make a ConfigMap or a Secret of the file, and name it in envFrom",
    "logConfiguration": LOGS,
    "ulimits": ULIMITS,
    "startTimeout": "a startupProbe says how long a start may take",
    "credentialSpecs": "Windows alone has them, and an app runs on Linux",
    "disableNetworking": "a Pod has a network: limit it with `network: {allowFrom: [], egress: []}`",
}
LINUX = {
    "devices": "a device plug-in of the cluster offers devices, as resources.limits; for a socket or a file mount a"
    " hostPath in `volumes`",
    "maxSwap": "Pods have no swap",
    "swappiness": "Pods have no swap",
}
TASK = {
    "executionRoleArn": "not needed: nodes pull images by their own role, and the cluster's secret store fetches"
    " `secrets` by its own",
    "requiresAttributes": STATE,
    "compatibilities": STATE,
    "registeredAt": STATE,
    "registeredBy": STATE,
    "deregisteredAt": STATE,
    "deleteRequestedAt": STATE,
    "taskDefinitionArn": STATE,
    "revision": STATE,
    "status": STATE,
    "proxyConfiguration": MESH,
    "inferenceAccelerators": "Elastic Inference has ended: use `resources.limits` with aws.amazon.com/neuron or GPUs",
    "enableFaultInjection": "AWS FIS acts on Pods of EKS by its own actions",
    "trustedExecutionConfiguration": "Kubernetes isolates by placement.runtimeClassName, where the nodes have one",
}
SERVICE = {
    "cluster": "the context of kubectl, and the namespace, say where an app runs",
    "clientToken": STATE,
    "role": "the load balancer's controller has a role of its own",
    "platformVersion": "EKS chooses the version of Fargate",
    "platformFamily": "EKS chooses the version of Fargate",
    "availabilityZoneRebalancing": "Pods are spread over zones when they start; placement.topologySpread says how",
    "networkConfiguration": "Pods have addresses of the cluster's subnets; `network` says who may call, or security"
    " groups for Pods by a SecurityGroupPolicy",
    "healthCheckGracePeriodSeconds": "not needed: a load balancer's check never ends a Pod, only a livenessProbe does,"
    " and a startupProbe holds it back",
    "enableECSManagedTags": "labels say what a Pod belongs to",
    "propagateTags": "`labels` and `podLabels` are given by the app",
    "enableExecuteCommand": "not needed: `kubectl exec`, by RBAC",
    "vpcLatticeConfigurations": "the AWS Gateway API Controller leads VPC Lattice to Pods: `expose` with via: gateway",
    "gatewayConnectors": "`expose` leads to the app",
    "monitoring": "the cluster's metrics agent decides the resolution",
    "serviceArn": STATE,
    "clusterArn": STATE,
    "status": STATE,
    "runningCount": STATE,
    "pendingCount": STATE,
    "deployments": STATE,
    "events": STATE,
    "taskSets": STATE,
    "createdAt": STATE,
    "createdBy": STATE,
    "roleArn": STATE,
    "currentServiceDeployment": STATE,
    "currentServiceRevisions": STATE,
    "resourceManagementType": STATE,
}
DEPLOYMENT = {
    "alarms": "a rollout is judged by its Pods: let readinessProbe and rollout.minReadySeconds find what alarms find",
    "bakeTimeInMinutes": "rollout.minReadySeconds is how long a new Pod must stay ready",
    "lifecycleHooks": "a Job before the rollout is rollout.before; Lambda functions are not called",
    "linearConfiguration": "a rollout replaces Pods by rollout.maxSurge and maxUnavailable",
    "canaryConfiguration": "a rollout replaces Pods by rollout.maxSurge and maxUnavailable",
    "earlySuccessCriteria": "a rollout has succeeded when all Pods are available",
}
