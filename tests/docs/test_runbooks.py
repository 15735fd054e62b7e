"""The commands of the runbooks can be pasted at night: kubectl understands each of them."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterator

import pytest

import devcluster
from containerapp.api import crd
from containerapp.controllers import CONTROLLERS
from devcluster.cluster import CommandError
from tests.docs.pages import ROOT, blocks

_NOT_THERE = re.compile(
    r"not found|doesn't have a resource type|Metrics API not available|no endpoints available|forbidden"
)
"""What is said where neither operator nor app are installed: the command was understood."""


def _commands() -> Iterator[list[str]]:
    """Yield what each kubectl of a runbook is given; what its output is piped into is left out."""
    for block in blocks():
        if block.page.parent == ROOT / "docs" / "runbooks" and block.language == "sh":
            for line in block.text.replace("\\\n", " ").splitlines():
                lexer = shlex.shlex(line, posix=True, punctuation_chars="|")
                lexer.whitespace_split = True
                words = list(itertools.takewhile(lambda word: word != "|", lexer))
                if words[:1] == ["kubectl"]:
                    yield [{"NAMESPACE": "default", "APP": "web"}.get(word, word) for word in words[1:]]


COMMANDS = list(_commands())


@pytest.fixture(scope="module")
def api(cluster: devcluster.Cluster) -> devcluster.Cluster:
    """The cluster with the definition installed."""
    for controller in CONTROLLERS:
        definition = crd.render_yaml(controller.definition)
        cluster.kubectl("apply", "--server-side", "--filename=-", stdin=definition)
    return cluster


@pytest.mark.cluster
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command)[:70])
def test_kubectl_understands(api: devcluster.Cluster, command: list[str]) -> None:
    """Verbs, flags, paths and templates; what is asked for need not be there."""
    try:
        api.kubectl(*command, stdin="" if "--filename=-" in command else None)
    except CommandError as error:
        said = error.stderr
        assert _NOT_THERE.search(said) or command[:2] == ["auth", "can-i"], said
        assert not re.search(r"unknown|usage|jsonpath|template", said, re.IGNORECASE), said


def test_there_are_commands_to_try() -> None:
    """The pattern finds what it should, in every runbook."""
    assert len(COMMANDS) > 2 * len(list((ROOT / "docs" / "runbooks").glob("*.md")))
