"""Where each setting comes from, and which are refused: `containerapp.settings`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from containerapp.settings import Settings, load


@pytest.fixture(autouse=True)
def _no_settings_around(monkeypatch: pytest.MonkeyPatch) -> None:
    """The developer's own environment sets nothing."""
    for name in os.environ:
        if name.startswith("CONTAINERAPP_"):
            monkeypatch.delenv(name)


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    """A file that sets something."""
    path = tmp_path / "config.yaml"
    path.write_text("default_registry: ghcr.io/file\nworkers: 3\nnamespaces: [a, b]\n")
    return path


def test_every_setting_has_a_default() -> None:
    """The operator starts with none given: cluster-wide, with leader election, JSON logs."""
    settings = load()
    assert settings.namespaces == ()
    assert settings.default_registry == "docker.io"
    assert settings.leader_election
    assert settings.log_format == "json"
    assert (settings.lease_duration, settings.lease_renew_deadline, settings.lease_retry_period) == (
        15,
        10,
        2,
    )


def test_every_setting_is_described() -> None:
    """The reference page is made from the descriptions."""
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_arguments_come_before_the_environment_and_that_before_the_file(
    config_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nearer to the person at the keyboard, the stronger."""
    monkeypatch.setenv("CONTAINERAPP_DEFAULT_REGISTRY", "ghcr.io/environment")
    monkeypatch.setenv("CONTAINERAPP_LOG_FORMAT", "text")
    settings = load(config_file, log_format="json")
    assert settings.log_format == "json"
    assert settings.default_registry == "ghcr.io/environment"
    assert settings.workers == 3
    assert settings.namespaces == ("a", "b")


def test_the_environment_may_say_where_the_file_is(
    config_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a Pod the file is a mounted ConfigMap; an argument names another one."""
    monkeypatch.setenv("CONTAINERAPP_CONFIG_FILE", str(config_file))
    assert load().workers == 3
    other = config_file.with_name("other.yaml")
    other.write_text("workers: 4\n")
    assert load(other).workers == 4


def test_an_empty_file_sets_nothing(tmp_path: Path) -> None:
    """A chart may write one."""
    path = tmp_path / "empty.yaml"
    path.write_text("")
    assert load(path).model_dump() == load().model_dump()


@pytest.mark.parametrize(
    ("text", "namespaces"),
    [("", ()), ("shop", ("shop",)), ("shop, checkout ,", ("shop", "checkout"))],
)
def test_namespaces_are_separated_by_commas(
    text: str, namespaces: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As people write lists in environment variables; none means the whole cluster."""
    monkeypatch.setenv("CONTAINERAPP_NAMESPACES", text)
    assert load().namespaces == namespaces


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"namespaces": "Shop"}, "namespaces"),
        ({"namespaces": ["a_b"]}, "namespaces"),
        ({"log_format": "xml"}, "log_format"),
        ({"log_level": "loud"}, "log_level"),
        ({"workers": 0}, "workers"),
        ({"http_port": 65536}, "http_port"),
        ({"image_refresh_interval": 1}, "image_refresh_interval"),
        ({"wrokers": 2}, "wrokers"),
        ({"lease_duration": 10}, "lease_duration"),
        ({"lease_retry_period": 9}, "lease_retry_period"),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused_by_name(given: dict[str, Any], named: str) -> None:
    """At the start, with the name of the setting, rather than at some later hour."""
    with pytest.raises(ValidationError, match=named):
        load(**given)


def test_a_misspelt_setting_in_the_file_is_refused(tmp_path: Path) -> None:
    """Else the platform team would believe that it is in force."""
    path = tmp_path / "config.yaml"
    path.write_text("defaultregistry: ghcr.io\n")
    with pytest.raises(ValidationError, match="defaultregistry"):
        load(path)


def test_a_file_that_was_asked_for_must_be_there(tmp_path: Path) -> None:
    """A missing mount is an error, not a set of defaults."""
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "missing.yaml")


def test_settings_do_not_change_once_read() -> None:
    """They are passed down as one value."""
    with pytest.raises(ValidationError, match="frozen"):
        load().__setattr__("workers", 2)


def test_registries_are_patterns_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a chart's list becomes; a scheme or a path alone is refused as the setting is read."""
    monkeypatch.setenv("CONTAINERAPP_ALLOWED_REGISTRIES", "ghcr.io/acme/*, *.corp:5000,[fd00::1]:*")
    assert load().allowed_registries == ("ghcr.io/acme/*", "*.corp:5000", "[fd00::1]:*")
    for wrong in ("https://ghcr.io", "/acme", "ghcr.io:port"):
        with pytest.raises(ValidationError, match="insecure_registries"):
            load(insecure_registries=(wrong,))
