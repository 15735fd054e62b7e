"""The Job of a run: its Pod template, and Kubernetes' own fields for arrays, retries and deadlines. Pure.

Called by the renderers of both children. A Job never changes: what is rendered here takes effect with the next run.
"""

from __future__ import annotations

from typing import Any

from containerapp.api.batch import Array, OnExit, SuccessPolicy
from containerapp.api.containerjob import REFERENCE, ContainerJob, ContainerJobSpec
from containerapp.api.run_request import RunRequest
from containerapp.api.schema.kubernetes import EnvVar
from containerapp.controllers.containerjob.inputs import JobInputs
from containerapp.controllers.pods.container import container, privileges
from containerapp.controllers.pods.fargate import runnable
from containerapp.controllers.pods.identity import with_role
from containerapp.controllers.pods.metadata import labels, service_account_name
from containerapp.controllers.pods.placement import place, scheduling
from containerapp.controllers.pods.secrets import with_secrets
from containerapp.controllers.pods.settings import pod_settings
from containerapp.controllers.pods.template import (
    CONTAINER,
    DEFAULT_REQUESTS,
    further_containers,
    pod_security,
    pull_secrets,
    volumes_of,
)
from containerapp.controllers.pods.volumes import app_mounts
from containerapp.core.model import Manifest, PinnedImage

_INDEX = "metadata.annotations['batch.kubernetes.io/job-completion-index']"
_DISRUPTED = [{"type": "DisruptionTarget", "status": "True"}]
_NO_REQUEST = RunRequest()


def job_spec(
    job: ContainerJob, inputs: JobInputs, image: PinnedImage, request: RunRequest = _NO_REQUEST
) -> Manifest:
    """Return the spec of a Job that runs `image`, with what was asked for this run alone."""
    spec = job.spec
    optional: dict[str, Any] = {
        "activeDeadlineSeconds": spec.deadline_seconds,
        "podFailurePolicy": _failure_policy(spec),
    }
    return {
        **_attempts(spec),
        **(_array(spec.array) if spec.array else {}),
        "podReplacementPolicy": "Failed",  # never two attempts at the same time
        **{key: value for key, value in optional.items() if value},
        "template": _template(job, inputs, image, request),
    }


def _attempts(spec: ContainerJobSpec) -> Manifest:
    again = spec.retry.attempts - 1
    return {"backoffLimitPerIndex": again} if spec.array else {"backoffLimit": again}


def _array(array: Array) -> Manifest:
    optional: dict[str, Any] = {
        "maxFailedIndexes": array.max_failed_indexes,
        "successPolicy": _success_policy(array.success_policy),
    }
    return {
        "completionMode": "Indexed",
        "completions": array.size,
        "parallelism": array.at_a_time(),
        **{key: value for key, value in optional.items() if value is not None},
    }


def _success_policy(policy: SuccessPolicy | None) -> Manifest | None:
    if policy is None:
        return None
    rule = {"succeededIndexes": policy.succeeded_indexes, "succeededCount": policy.succeeded_count}
    return {"rules": [{key: value for key, value in rule.items() if value is not None}]}


def _failure_policy(spec: ContainerJobSpec) -> Manifest | None:
    rules = [_failure_rule(each, in_array=spec.array is not None) for each in spec.retry.on_exit]
    return {"rules": rules} if rules else None


def _failure_rule(rule: OnExit, *, in_array: bool) -> Manifest:
    ends = "FailIndex" if in_array else "FailJob"
    if rule.disruption:
        return {"action": "Ignore" if rule.action == "Retry" else ends, "onPodConditions": _DISRUPTED}
    codes = list(rule.exit_codes())
    return {
        "action": "Count" if rule.action == "Retry" else ends,
        "onExitCodes": {
            "containerName": CONTAINER,
            "operator": "In" if codes else "NotIn",
            "values": codes or [0],
        },
    }


def _template(job: ContainerJob, inputs: JobInputs, image: PinnedImage, request: RunRequest) -> Manifest:
    spec = job.spec
    annotations = spec.pod_annotations
    deadline = spec.attempt_timeout_seconds
    template = {
        "metadata": {
            "labels": {**labels(job, image), **spec.pod_labels},
            **({"annotations": dict(annotations)} if annotations else {}),
        },
        "spec": {
            "restartPolicy": "Never",
            "serviceAccountName": service_account_name(job),
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": pod_security(job),
            "terminationGracePeriodSeconds": spec.termination_grace_period_seconds,
            **({"activeDeadlineSeconds": deadline} if deadline else {}),
            "containers": [_container(job, image, request)],
            **pull_secrets(job),
            **further_containers(job, image),
            **volumes_of(job),
            **scheduling(job),
            **pod_settings(spec),
        },
    }
    secrets = inputs.secrets
    mounted = secrets.backend == "csi"
    filled = with_secrets(place(job, template), job, version=secrets.version, mounted=mounted)
    return runnable(job, with_role(filled, inputs.facts))


def _container(job: ContainerJob, image: PinnedImage, request: RunRequest) -> Manifest:
    spec = job.spec
    values = {**spec.parameters, **request.parameters}
    args = spec.args if request.args is None else request.args
    env = [each for each in spec.env if each.name not in request.env]
    process = spec.model_copy(
        update={
            "command": tuple(_replaced(word, values) for word in spec.command),
            "args": tuple(_replaced(word, values) for word in args),
            "env": (
                *(each.model_copy(update={"value": _replaced(each.value, values)}) for each in env),
                *(EnvVar(name=name, value=value) for name, value in request.env.items()),
            ),
        }
    )
    found = container(
        process,
        name=CONTAINER,
        image=image.image,
        requests=DEFAULT_REQUESTS,
        security=privileges(spec.security),
        more={"volumeMounts": app_mounts(job)},
    )
    return found if spec.array is None else {**found, "env": [*found.get("env", []), _index_variable()]}


def _replaced(text: str | None, values: dict[str, str]) -> str | None:
    """Return the text with the values of the parameters that it names; others stay as they are."""
    return text and REFERENCE.sub(lambda found: values.get(found[1], found[0]), text)


def _index_variable() -> Manifest:
    """AWS Batch's own name; Kubernetes sets JOB_COMPLETION_INDEX."""
    return {"name": "AWS_BATCH_JOB_ARRAY_INDEX", "valueFrom": {"fieldRef": {"fieldPath": _INDEX}}}
