"""Log lines that say which object they are about: `containerapp.logs`."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from containerapp import logs

_logger = logging.getLogger("containerapp.test")


@pytest.fixture(autouse=True)
def _root_logger_restored() -> Iterator[None]:
    """Logging is the process's own: what `configure` changes is put back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    noisy = {name: logging.getLogger(name).level for name in logs._NOISY}
    root.handlers = []
    yield
    root.handlers = handlers
    root.setLevel(level)
    for name, before in noisy.items():
        logging.getLogger(name).setLevel(before)


def _line(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    return line


def test_a_json_line_has_the_object_and_its_namespace(capsys: pytest.CaptureFixture[str]) -> None:
    """One object a line, with fields that a log store can be asked for."""
    logs.configure("json", "info")
    with logs.about("ContainerApp", "default", "shop"):
        _logger.info("Writing %s", "Service shop")
    entry = json.loads(_line(capsys))
    assert entry.pop("time")
    assert entry == {
        "level": "INFO",
        "logger": "containerapp.test",
        "message": "Writing Service shop",
        "kind": "ContainerApp",
        "namespace": "default",
        "object": "shop",
    }


def test_a_json_line_about_no_object_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """The fields are there and null, so that every line has the same shape."""
    logs.configure("json", "info")
    with logs.about("ContainerApp", "default", "shop"):
        pass
    _logger.info("Stopped")
    entry = json.loads(_line(capsys))
    assert (entry["kind"], entry["namespace"], entry["object"]) == (None, None, None)


def test_a_line_about_another_object_says_which(capsys: pytest.CaptureFixture[str]) -> None:
    """What the caller names comes before what is being reconciled."""
    logs.configure("json", "info")
    _logger.info("Queued", extra={"kind": "ContainerApp", "namespace": "default", "object": "shop"})
    entry = json.loads(_line(capsys))
    assert (entry["kind"], entry["namespace"], entry["object"]) == ("ContainerApp", "default", "shop")


def test_a_traceback_stays_in_its_json_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A log store would tear it apart otherwise."""
    logs.configure("json", "info")
    try:
        raise ValueError("broken")  # noqa: TRY301 - there must be a traceback
    except ValueError:
        _logger.exception("A bug")
    assert "ValueError: broken" in json.loads(_line(capsys))["exc_info"]


@pytest.mark.parametrize(
    ("key", "mark"),
    [(("ContainerApp", "default", "shop"), " [ContainerApp default/shop]"), (None, "")],
)
def test_a_text_line_names_the_object_in_brackets(
    key: tuple[str, str, str] | None, mark: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """For people at a terminal."""
    logs.configure("text", "debug")
    if key:
        with logs.about(*key):
            _logger.debug("Nothing differs")
    else:
        _logger.debug("Nothing differs")
    assert _line(capsys).endswith(f"DEBUG   containerapp.test{mark}: Nothing differs")


def test_the_object_outside_is_named_again_after_one_inside(capsys: pytest.CaptureFixture[str]) -> None:
    """Also where the inner one has failed."""
    logs.configure("text", "info")
    with logs.about("ContainerApp", "default", "outer"):
        with pytest.raises(ValueError, match="broken"), logs.about("ContainerApp", "default", "inner"):
            raise ValueError("broken")
        _logger.info("Done")
    assert "[ContainerApp default/outer]" in _line(capsys)


@pytest.mark.parametrize(
    ("level", "ours", "theirs"),
    [("debug", logging.DEBUG, logging.WARNING), ("error", logging.ERROR, logging.ERROR)],
)
def test_libraries_are_heard_from_warnings_up(level: str, ours: int, theirs: int) -> None:
    """What they say below that is about themselves."""
    logs.configure("json", level)
    assert logging.getLogger().level == ours
    assert {logging.getLogger(name).level for name in logs._NOISY} == {theirs}
