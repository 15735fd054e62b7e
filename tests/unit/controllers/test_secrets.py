"""Secrets of AWS: which backend fetches them, what waits for them, and what the status says where they fail."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from containerapp.api.containerapp import ContainerApp
from containerapp.controllers.containerapp.controller import CONTAINER_APP
from containerapp.controllers.containerapp.inputs import Inputs
from containerapp.controllers.pods.secrets import bundles
from containerapp.controllers.workloads.secrets import (
    EXTERNAL_SECRET,
    SECRET,
    SECRET_PROVIDER_CLASS,
    SecretsState,
    find_secrets,
)
from containerapp.core.model import Gathered, Manifest, Outcome, View
from containerapp.core.policy import Platform, SecretStores
from tests.builders import (
    BEFORE,
    DEPLOYMENT,
    NOW,
    a_view,
    an_app,
    inputs,
    live_children,
    rendered,
    with_rollout,
)
from tests.expectations import assert_follows_kstatus, conditions, of_kind

_ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop-db-AbCdEf"
_PASSWORD = {"name": "DB_PASSWORD", "valueFrom": f"{_ARN}:password::"}
_TOKEN = {"name": "TOKEN", "valueFrom": "/shop/token"}
_FETCHED: Manifest = {"refreshTime": BEFORE, "conditions": [{"type": "Ready", "status": "True"}]}
_FAILED: Manifest = {"conditions": [{"type": "Ready", "status": "False", "reason": "SecretSyncedError"}]}
_SYNC = "error processing spec.data[0] (key: x), err: "


def _app(*secrets: Manifest) -> ContainerApp:
    return an_app({"secrets": list(secrets or (_PASSWORD,))})


def _view(app: ContainerApp, status: Manifest | None = None, **fields: Any) -> View:
    """Return the view once all was written, with this status on each ExternalSecret."""
    live = live_children(app)
    live[DEPLOYMENT] = with_rollout(live[DEPLOYMENT])
    for ref, manifest in live.items():
        if ref.kind == EXTERNAL_SECRET.kind and status is not None:
            live[ref] = {**manifest, "status": status}
    return a_view(app, live, **fields)


def _platform(**stores: Any) -> Platform:
    return Platform(secrets=SecretStores(**stores))


def _status(view: View) -> dict[str, Manifest]:
    gathered = Gathered(inputs=Inputs(image=inputs().image, secrets=find_secrets(view)))
    status = CONTAINER_APP.status(view, Outcome(gathered=gathered), NOW)
    assert_follows_kstatus(status)
    return conditions(status)


def _said(view: View) -> tuple[str, str]:
    found = _status(view)["SecretsReady"]
    return found["status"], found["reason"]


# --- backend ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("backend", "absent", "found"),
    [
        ("auto", [], "external-secrets"),
        ("auto", [SECRET_PROVIDER_CLASS], "external-secrets"),
        ("auto", [EXTERNAL_SECRET], "csi"),
        ("auto", [EXTERNAL_SECRET, SECRET_PROVIDER_CLASS], None),
        ("csi", [], "csi"),
        ("csi", [SECRET_PROVIDER_CLASS], None),
        ("external-secrets", [EXTERNAL_SECRET], None),
    ],
)
def test_the_backend_is_the_one_that_is_installed_or_configured(
    backend: str, absent: list[Any], found: str | None
) -> None:
    """A platform team that names one does not get the other by accident."""
    view = _view(_app(), platform=_platform(backend=backend), absent=frozenset(absent))
    assert find_secrets(view).backend == found


def test_without_a_backend_both_remedies_are_named() -> None:
    """The user cannot install either, and has to ask for one of them."""
    view = _view(_app(), absent=frozenset({EXTERNAL_SECRET, SECRET_PROVIDER_CLASS}))
    found = _status(view)
    assert found["SecretsReady"]["reason"] == found["Stalled"]["reason"] == "KindNotInstalled"
    assert "External Secrets 0.16" in found["SecretsReady"]["message"]
    assert "Secrets Store CSI driver" in found["SecretsReady"]["message"]


def test_a_configured_backend_that_is_missing_is_the_only_remedy() -> None:
    """The other one would not be used."""
    view = _view(_app(), platform=_platform(backend="csi"), absent=frozenset({SECRET_PROVIDER_CLASS}))
    message = _status(view)["SecretsReady"]["message"]
    assert "External Secrets" not in message
    assert "SecretProviderClass (secrets-store.csi.x-k8s.io/v1)" in message


def test_an_app_without_secrets_has_no_such_condition() -> None:
    """And needs no backend."""
    view = _view(an_app(), absent=frozenset({EXTERNAL_SECRET, SECRET_PROVIDER_CLASS}))
    assert find_secrets(view).ready
    assert "SecretsReady" not in _status(view)


# --- waiting and versions --------------------------------------------------------------------------


def test_no_pod_starts_before_its_secrets_are_fetched() -> None:
    """Else the first revision would be replaced as soon as the version of its Secrets is known."""
    app = _app(_PASSWORD, _TOKEN)
    view = a_view(app, {})
    state = find_secrets(view)
    assert [bundle.service for bundle in state.missing] == ["parameter-store", "secrets-manager"]
    kinds = [manifest["kind"] for manifest in rendered(app, Inputs(image=inputs().image, secrets=state))]
    assert kinds.count("ExternalSecret") == 2
    assert "Deployment" not in kinds


def test_what_runs_stays_while_a_changed_list_is_fetched() -> None:
    """The Secret of the new list has another name; until it is there the old Pods and their Secret stay."""
    view = _view(_app(_PASSWORD, _TOKEN), _FETCHED)
    gathered = CONTAINER_APP.gather(_edited(view, {**_PASSWORD, "name": "COPY"}), _NoDigests())
    assert not gathered.complete
    assert CONTAINER_APP.gather(view, _NoDigests()).complete


def test_secrets_of_every_revision_on_record_stay() -> None:
    """One that is pinned, or rolled back to, starts with the Secrets that it was made for."""
    app = _app()
    gathered = CONTAINER_APP.gather(_view(app, _FETCHED), _NoDigests())
    (name,) = {bundle.name for bundle in bundles(app)}
    kept = CONTAINER_APP.retained(an_app(), gathered.inputs)
    assert {EXTERNAL_SECRET.ref(name), SECRET_PROVIDER_CLASS.ref(name)} <= kept


def _edited(view: View, *secrets: Manifest) -> View:
    app = an_app({"secrets": list(secrets)}, generation=2)
    return a_view(app, {**view.live})


class _NoDigests:
    """The image runs by its tag."""

    def lookup(self, *_: Any, **__: Any) -> Any:
        """Nothing is asked."""
        raise AssertionError

    def runs_by_tag(self, _reference: Any) -> bool:
        """Every registry is left alone."""
        return True

    def forget(self, _app: Any, *, but: Any = ()) -> None:
        """There is nothing to forget."""


def test_another_list_of_secrets_has_another_name() -> None:
    """Pods of the old revision still find every key that they need; the order of the list does not matter."""
    (one,), (two,) = bundles(_app(_PASSWORD)), bundles(_app(_PASSWORD, {**_PASSWORD, "name": "COPY"}))
    (turned,) = bundles(_app({**_PASSWORD, "name": "COPY"}, _PASSWORD))
    assert one.name != two.name == turned.name


def test_the_version_of_the_secret_is_a_fact() -> None:
    """A changed value is a revision; without a watch of Secrets there is none."""
    app = _app()
    ref = SECRET.ref(bundles(app)[0].name)
    first, second, unwatched = (
        find_secrets(_view(app, _FETCHED, watched=watched)) for watched in ({ref: "1"}, {ref: "2"}, {})
    )
    assert first.facts == {"secrets": first.version}
    assert first.version != second.version
    assert unwatched.facts == {}


def test_the_secret_is_waited_for_as_well_as_the_status() -> None:
    """Two watches show them, in any order; a version that comes late would be a second revision."""
    app = _app()
    ref = SECRET.ref(bundles(app)[0].name)
    assert not find_secrets(_view(app, _FETCHED, watched={ref: ""})).ready
    assert find_secrets(_view(app, _FETCHED, watched={})).ready


def test_a_version_reaches_the_pods() -> None:
    """A changed value is a revision like any other."""
    app = _app()
    (deployment,) = [
        each
        for each in rendered(app, inputs(app=app, secrets=SecretsState(version="v1")))
        if each["kind"] == "Deployment"
    ]
    template = deployment["spec"]["template"]
    assert template["metadata"]["annotations"] == {"containerapp.dev/secrets-version": "v1"}


# --- condition -------------------------------------------------------------------------------------


def test_fetched_secrets_are_ready() -> None:
    """The usual case."""
    assert _said(_view(_app(), _FETCHED)) == ("True", "Fetched")
    assert "All 2 values" in _status(_view(_app(_PASSWORD, _TOKEN), _FETCHED))["SecretsReady"]["message"]


def test_secrets_that_are_not_fetched_yet_are_waited_for() -> None:
    """For some minutes nothing is wrong."""
    found = _status(_view(_app(), {}, now=BEFORE))
    assert (found["SecretsReady"]["status"], found["SecretsReady"]["reason"]) == ("False", "WaitingForSecret")
    assert found["Reconciling"]["reason"] == "WaitingForSecret"


def test_a_controller_that_never_looks_is_named_after_some_minutes() -> None:
    """A store of another class, or a controller that does not run, would leave the app waiting for ever."""
    late = (datetime.fromisoformat(BEFORE) + timedelta(minutes=6)).strftime("%Y-%m-%dT%H:%M:%SZ")
    found = _status(_view(_app(), {}, now=late))
    assert found["Stalled"]["reason"] == "NotFetched"
    assert "ClusterSecretStore aws-secrets-manager" in found["Stalled"]["message"]


@pytest.mark.parametrize(
    ("warning", "reason", "words"),
    [
        (
            f"{_SYNC}AccessDeniedException: User: x is not authorized to perform: secretsmanager:GetSecretValue on y",
            "AccessDenied",
            f"DB_PASSWORD: the IAM role of ClusterSecretStore aws-secrets-manager may not read {_ARN}: allow secretsm",
        ),
        (f"{_SYNC}AccessDeniedException: Access to KMS is not allowed", "AccessDenied", "allow kms:Decrypt"),
        (f"{_SYNC}DecryptionFailure: cannot decrypt", "AccessDenied", "allow kms:Decrypt on the KMS key"),
        (f"{_SYNC}AccessDeniedException: denied", "AccessDenied", "allow secretsmanager:GetSecretValue"),
        (f"{_SYNC}Secret does not exist", "SecretNotFound", f"DB_PASSWORD: {_ARN}, or its version, does not"),
        (f"{_SYNC}key password does not exist in secret x", "KeyNotFound", "correct the json-key"),
        (f"{_SYNC}InvalidRequestException: marked for deletion", "SecretDeleted", "restore-secret"),
        (
            f'{_SYNC}could not get ClusterSecretStore "a", ClusterSecretStore.external-secrets.io "a" not found',
            "StoreNotFound",
            "there is no ClusterSecretStore aws-secrets-manager",
        ),
        (
            f'{_SYNC}using cluster store "a" is not allowed from namespace "b": denied by spec.condition',
            "StoreForbidden",
            "does not serve this namespace",
        ),
        (f"{_SYNC}ClusterSecretStore a is not ready", "StoreNotReady", "kubectl describe clustersecretstore"),
        (f"{_SYNC}ExpiredTokenException: expired", "NoCredentials", "EKS Pod Identity or IRSA"),
        ("something else", "FetchFailed", "kubectl describe externalsecret shop-secrets-manager-"),
        ("error processing spec.data[7], err: else", "FetchFailed", "kubectl describe externalsecret"),
        ("", "FetchFailed", "kubectl describe externalsecret"),
    ],
)
def test_a_failure_names_the_entry_and_the_remedy(warning: str, reason: str, words: str) -> None:
    """The cause stands in an event of another object, in the words of AWS."""
    app = _app()
    ref = EXTERNAL_SECRET.ref(bundles(app)[0].name)
    found = _status(_view(app, _FAILED, warnings={ref: warning}))
    assert found["SecretsReady"]["status"] == "False"
    assert found["SecretsReady"]["reason"] == found["Stalled"]["reason"] == reason
    assert words in found["SecretsReady"]["message"]


def test_a_parameter_needs_another_action() -> None:
    """The statement that is missing is the one of the service."""
    app = _app(_TOKEN)
    ref = EXTERNAL_SECRET.ref(bundles(app)[0].name)
    found = _status(_view(app, _FAILED, warnings={ref: f"{_SYNC}AccessDeniedException: denied"}))
    assert "allow ssm:GetParameter on it" in found["SecretsReady"]["message"]


def test_throttling_mends_itself() -> None:
    """Nobody has to act."""
    app = _app()
    ref = EXTERNAL_SECRET.ref(bundles(app)[0].name)
    found = _status(_view(app, _FAILED, warnings={ref: f"{_SYNC}ThrottlingException: slow down"}))
    assert found["Reconciling"]["reason"] == "Unavailable"


def test_a_failed_refresh_does_not_stop_what_runs() -> None:
    """The Pods have the values of the last time: the condition warns, and the app stays Ready."""
    found = _status(_view(_app(), {**_FAILED, "refreshTime": BEFORE}))
    assert (found["SecretsReady"]["status"], found["Ready"]["status"]) == ("False", "True")
    assert "were fetched before" in found["SecretsReady"]["message"]


def test_the_message_of_a_provider_is_never_passed_on() -> None:
    """It may quote a value."""
    app = _app()
    ref = EXTERNAL_SECRET.ref(bundles(app)[0].name)
    view = _view(app, _FAILED, warnings={ref: f"{_SYNC}cannot parse 'hunter2-hunter2'"})
    assert "hunter2" not in str(CONTAINER_APP.status(view, _outcome(view), NOW))


def _outcome(view: View) -> Outcome:
    return Outcome(gathered=Gathered(inputs=Inputs(image=inputs().image, secrets=find_secrets(view))))


def test_the_csi_driver_is_believed_once_the_pods_run() -> None:
    """A SecretProviderClass has no status; a Pod that runs has mounted it."""
    view = _view(_app(), platform=_platform(backend="csi"))
    assert _said(view) == ("True", "Mounted")
    live = {**view.live, DEPLOYMENT: with_rollout(view.live[DEPLOYMENT], updated=0)}
    assert _said(a_view(view.obj, live, platform=view.platform)) == ("Unknown", "Mounting")


# --- children --------------------------------------------------------------------------------------


def test_stores_and_intervals_are_settings() -> None:
    """The platform team names its stores once."""
    stores = SecretStores(
        secrets_manager="sm", parameter_store="ps", kind="SecretStore", refresh_interval="5m"
    )
    given = Inputs(image=inputs().image, platform=Platform(secrets=stores))
    found = [
        each["spec"] for each in rendered(_app(_PASSWORD, _TOKEN), given) if each["kind"] == "ExternalSecret"
    ]
    assert [spec["secretStoreRef"] for spec in found] == [
        {"name": "ps", "kind": "SecretStore"},
        {"name": "sm", "kind": "SecretStore"},
    ]
    assert {spec["refreshInterval"] for spec in found} == {"5m"}


def test_the_csi_driver_reads_each_secret_once() -> None:
    """Thirty keys of one secret are one object."""
    keys = [{"name": f"KEY_{number}", "valueFrom": f"{_ARN}:key-{number}::"} for number in range(30)]
    state = SecretsState(backend="csi", version="csi")
    given = Inputs(image=inputs().image, secrets=state, platform=_platform(pod_identity=False))
    found = of_kind(rendered(_app(*keys), given), "SecretProviderClass")
    assert found["spec"]["parameters"]["objects"].count(_ARN) == 1
    assert found["spec"]["parameters"]["usePodIdentity"] == "false"
    assert len(found["spec"]["secretObjects"][0]["data"]) == 30


# --- credentials in plain text ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "sign"),
    [
        ("KEY", "AKIAIOSFODNN7EXAMPLE", "an AWS access key"),
        ("PEM", "-----BEGIN RSA PRIVATE KEY-----\nMIIE", "a private key"),
        ("DATABASE_URL", "postgres://shop:hunter2@db:5432/shop", "a URL with a password"),
        ("GH", "ghp_" + "a1B2" * 9, "an access token"),
        ("DB_PASSWORD", "aB3dE6gH9jK2mN5p", "a secret by its name"),
        ("jwt_secret", "0123456789abcdef0123456789abcdef", "a secret by its name"),
    ],
)
def test_a_credential_in_env_is_pointed_out_and_never_repeated(name: str, value: str, sign: str) -> None:
    """The manifest is in Git, and all who may read Pods see it."""
    found = _status(_view(an_app({"env": [{"name": name, "value": value}]})))
    assert found["CredentialInPlainText"]["status"] == found["Ready"]["status"] == "True"
    assert f"{name} ({sign})" in found["CredentialInPlainText"]["message"]
    assert value not in str(found)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "postgres://shop:$(DB_PASSWORD)@db:5432/shop"),
        ("DATABASE_URL", "postgres://shop@db:5432/shop"),
        ("DB_PASSWORD", "postgres"),
        ("DB_PASSWORD", "/run/secrets/db_password_for_Shop1"),
        ("API_TOKEN", "https://Example1.com/token"),
        ("CLIENT_SECRET", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:Shop"),
        ("CLIENT_SECRET", "$(OTHER_SECRET_of_Shop1)"),
        ("CACHE_KEY", "aB3dE6gH9jK2mN5p"),
        ("SECRET_NAME", "aB3dE6gH9jK2mN5p"),
        ("JWT_SECRET", "change-me-please"),
        ("EMPTY", ""),
    ],
)
def test_what_is_no_credential_raises_no_alarm(name: str, value: str) -> None:
    """False alarms are soon ignored."""
    app = an_app({"env": [{"name": name, "value": value}]})
    assert "CredentialInPlainText" not in _status(_view(app))


def test_many_credentials_are_counted() -> None:
    """A condition is read by people."""
    env = [{"name": f"URL_{number}", "value": "amqp://a:b@c"} for number in range(7)]
    message = _status(_view(an_app({"env": env})))["CredentialInPlainText"]["message"]
    assert "URL_4" in message
    assert "and 2 more" in message
    assert "URL_5" not in message
