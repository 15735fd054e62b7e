"""Why External Secrets could not fetch something, in a sentence with the remedy. Pure.

Asked by the condition `SecretsReady`. The only source is the controller's Warning event. Nothing of its text is passed
on but the names of IAM actions and the number of an entry: a message of a provider may hold whatever it likes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from containerapp.core.model import Manifest

_ENTRY = re.compile(r"spec\.data\[(\d+)\]")
_ACTION = re.compile(r"not authorized to perform: ((?:secretsmanager|ssm|kms):[A-Za-z]+)")
_KMS = re.compile(r"(?i)\bkms\b|ciphertext|DecryptionFailure|InvalidKeyId")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A reason for the condition, and the sentence. `passing`: it may mend itself."""

    reason: str
    message: str
    passing: bool = False


_WORDS: tuple[tuple[str, str, str], ...] = (
    (
        r"AccessDenied|not authorized to perform|UnauthorizedOperation",
        "AccessDenied",
        "the IAM role of {store} may not read {key}: allow {action} on it, as docs/secrets.md says",
    ),
    (
        r"DecryptionFailure|InvalidKeyId|KMS",
        "AccessDenied",
        "the key that encrypts {key} cannot be used: allow {action} on the KMS key to the IAM role of {store}",
    ),
    (
        r"does not exist in secret",
        "KeyNotFound",
        "{key} is there, but has no such key in its JSON, or is no JSON: correct the json-key of valueFrom, or add it",
    ),
    (
        r"(Resource|Parameter|ParameterVersion)NotFound|[Ss]ecret does not exist|can't find the specified",
        "SecretNotFound",
        "{key}, or its version, does not exist in the account and Region of {store}: create it, or correct valueFrom",
    ),
    (
        r"marked for deletion|marked deleted|InvalidRequest",
        "SecretDeleted",
        "{key} is scheduled for deletion: restore it (aws secretsmanager restore-secret), or correct valueFrom",
    ),
    (
        r"(could not get|not found).*[Ss]ecret[Ss]tore|[Ss]ecret[Ss]tore.* not found",
        "StoreNotFound",
        "there is no {store}: create it, or set the operator's secrets.stores to one that exists",
    ),
    (
        r"not allowed from namespace|namespace.*conditions",
        "StoreForbidden",
        "{store} does not serve this namespace: add the namespace to the conditions of the store",
    ),
    (
        r"[Ss]tore.*(not ready|is not valid)",
        "StoreNotReady",
        "{store} is not ready: its status says why (kubectl describe {kind} {name})",
    ),
    (
        r"ExpiredToken|UnrecognizedClient|InvalidClientToken|NoCredentialProviders|no valid providers|AssumeRole",
        "NoCredentials",
        "{store} has no valid AWS credentials: give its service account a role by EKS Pod Identity or IRSA",
    ),
)
_PASSING = re.compile(
    r"Throttling|TooManyRequests|RequestError|InternalServiceError|ServiceUnavailable|timeout|connection re"
)


def explain(source: Manifest, warning: str) -> Failure:
    """Return why the ExternalSecret has failed; `warning` is its newest Warning event, empty where none is known."""
    name, namespace = source["metadata"]["name"], source["metadata"]["namespace"]
    store = source["spec"]["secretStoreRef"]
    entry = _entry(source, warning)
    values = {
        "store": f"{store['kind']} {store['name']}",
        "kind": store["kind"].lower(),
        "name": store["name"],
        "key": entry["remoteRef"]["key"] if entry else "what is named",
        "action": _action(warning, entry),
    }
    subject = f"{entry['secretKey']}: " if entry else ""
    see = f"kubectl describe externalsecret {name} -n {namespace}"
    if _PASSING.search(warning):
        return Failure(reason="Unavailable", message=f"{subject}AWS did not answer, see {see}.", passing=True)
    for pattern, reason, words in _WORDS:
        if re.search(pattern, warning):
            return Failure(reason=reason, message=f"{subject}{words.format(**values)}.")
    return Failure(reason="FetchFailed", message=f"{subject}External Secrets says why: {see}")


def _entry(source: Manifest, warning: str) -> Manifest | None:
    """Return the entry that the controller names by its number."""
    found, data = _ENTRY.search(warning), source["spec"]["data"]
    number = int(found[1]) if found else len(data)
    entry: Manifest | None = data[number] if number < len(data) else None
    return entry


def _action(warning: str, entry: Manifest | None) -> str:
    """Return the IAM action that is missing: the one that AWS names, else the one that is needed first."""
    if (named := _ACTION.search(warning)) is not None:
        return named[1]
    if _KMS.search(warning):
        return "kms:Decrypt"
    is_secret = entry is None or ":secretsmanager:" in entry["remoteRef"]["key"]
    return "secretsmanager:GetSecretValue" if is_secret else "ssm:GetParameter"
