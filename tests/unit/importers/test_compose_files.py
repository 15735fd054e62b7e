"""Compose files before they become apps: YAML 1.2, variables, short syntaxes, merge, extends, include."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from containerapp.importers import units
from containerapp.importers.compose.merging import merge, untagged
from containerapp.importers.compose.project import Project, read_project
from containerapp.importers.compose.syntax import long_form, long_service
from containerapp.importers.compose.variables import Variables, parse_env, parse_raw_env
from containerapp.importers.documents import Tagged, load
from containerapp.importers.source import Refusal


def project(files: dict[str, str], values: dict[str, str] | None = None, *named: str) -> Project:
    """Read the project of `named`, or of the first file."""
    return read_project([*named] or [next(iter(files))], files.get, values or {})


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("on: yes", {"on": "yes"}),
        ("a: true", {"a": True}),
        ("a: 22:22", {"a": "22:22"}),
        ("a: 2026-01-02", {"a": "2026-01-02"}),
        ("a: 80", {"a": 80}),
        ("a: [08, 010, 0o10, 0x1F, 1_000]", {"a": ["08", 8, 8, 31, "1_000"]}),
        ("a: -0.5", {"a": -0.5}),
        ("a: [1.0, 1.10, .inf]", {"a": [1, 1.1, float("inf")]}),
        ("a: &x {b: 1}\nc: {<<: *x, d: 2}", {"a": {"b": 1}, "c": {"b": 1, "d": 2}}),
        ("a: !reset null", {"a": Tagged("!reset", None)}),
        ("a: !override [1]", {"a": Tagged("!override", [1])}),
        ("a: !override {b: 1}", {"a": Tagged("!override", {"b": 1})}),
        ("a: !GetAtt Queue.Arn", {"a": Tagged("!GetAtt", "Queue.Arn")}),
        ("", None),
    ],
)
def test_yaml_is_read_as_compose_reads_it(written: str, read: Any) -> None:
    """YAML 1.1 would make true of `on`, and seconds of `22:22`."""
    assert load(written, "c.yaml") == read


def test_texts_of_copilot_are_what_is_written() -> None:
    """Copilot reads a variable as a text, so a version stays `1.10`, and an account keeps its 0."""
    written = "a: [1.10, 012, True, no, 0x1F, ~]"
    assert load(written, "m.yml", literal=True) == {"a": ["1.10", "012", "True", "no", "0x1F", None]}


@pytest.mark.parametrize(
    "text", ["a: 1\nb: {c: 1,\n  c: 2}", "- {a: 1}\n- a: 1\n  a: 2", "? a\n: 1\n? [b]\n: 1\na: 2"]
)
def test_a_key_that_is_given_twice_is_refused(text: str) -> None:
    """As Compose and Copilot do: which of both counts is not said."""
    with pytest.raises(Refusal, match=r"c.yaml:[235]:[13]: [ac] is given twice: remove one of them"):
        load(text, "c.yaml")


def test_anchors_that_multiply_are_refused() -> None:
    """Ten lines must not fill the memory; an anchor within itself is endless."""
    bomb = "a0: &a0 [x, x]\n" + "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9)
    )
    with pytest.raises(Refusal, match="anchors"):
        load(bomb, "c.yaml")
    with pytest.raises(Refusal, match="anchors"):
        load("a: &a [*a]", "c.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1\nb: 2", r"c\.yaml:2:2: this is no YAML: .* Check the indentation"),
        ("a: b: c", r"c\.yaml:1:5: this is no YAML"),
        ("a: \x00", r"c\.yaml is no YAML: unacceptable character"),
        ("a: !!int x", r"c\.yaml is no YAML: invalid literal"),
        ("a: " + "[" * 2000, r"c\.yaml is no YAML: maximum recursion"),
    ],
)
def test_what_is_no_yaml_is_named_with_its_place(text: str, said: str) -> None:
    """Line and column, as an editor shows them."""
    with pytest.raises(Refusal, match=said):
        load(text, "c.yaml")


_VALUES = {"A": "1", "EMPTY": "", "B": "two"}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("$A-${B}", "1-two"),
        ("${X:-d} ${EMPTY:-d} ${EMPTY-d} ${A:-d}", "d d  1"),
        ("${X:-${Y:-${B}}}", "two"),
        ("${A:+yes}${EMPTY:+no}${EMPTY+set}${X+no}", "yesset"),
        ("${A:?must be} ${A?must be} ${EMPTY?}", "1 1 "),
        ("$$A $${B} 5$ $1", "$A ${B} 5$ $1"),
    ],
)
def test_variables_are_filled_in(text: str, filled: str) -> None:
    """As a shell does, with `$$` for a dollar."""
    variables = Variables(_VALUES)
    assert variables.text(text, "c.yaml") == filled
    assert variables.missing == {}


def test_values_and_not_keys_have_variables() -> None:
    """Compose leaves the keys as they are."""
    variables = Variables(_VALUES)
    tree = {"$A": ["$A", 1, Tagged("!override", "$B"), None]}
    assert variables.fill(tree, "c.yaml") == {"$A": ["1", 1, Tagged("!override", "two"), None]}


def test_missing_variables_are_asked_for_all_at_once() -> None:
    """With the message that the file has for one of them."""
    files = {"c.yaml": "services: {a: {image: '$ONE', user: '${TWO:?which user}', labels: ['$ONE']}}"}
    with pytest.raises(Refusal, match=r"ONE, TWO; TWO: which user\. Give them by --set ONE=… --set TWO=…"):
        project(files)
    assert project(files, {"ONE": "x", "TWO": "7"}).tree["services"]["a"]["user"] == "7"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hunter2${A/hunter2}", r"\$\{A…\} is no variable"),
        ("hunter2${}", r"\$\{…\} is no variable"),
        ("hunter2${A", "a brace is not closed"),
    ],
)
def test_what_compose_refuses_is_refused_by_its_place(text: str, said: str) -> None:
    """The message has no text: that may be a password."""
    files = {"c.yaml": yaml.safe_dump({"services": {"a": {"command": [text]}}}), "a.env": f"A={text}"}
    with pytest.raises(Refusal, match=rf"^c\.yaml: services\.a\.command\[0\]: {said}") as refused:
        project(files)
    assert "hunter2" not in str(refused.value)
    with pytest.raises(Refusal, match=rf"^a\.env: A: {said}"):
        _env(files["a.env"])


def _env(text: str, **values: str) -> dict[str, str | None]:
    return parse_env(text, "a.env", Variables(values))


def test_env_files_are_read_as_compose_reads_them() -> None:
    """Quotes, escapes, comments, `export`, variables of earlier lines, and names alone."""
    text = (
        '\ufeff# comment\n\nexport A=1\r\nB = two words # more\nC=\'$A as it is\'\nD="$A\\n\\t\\"x\\""\nE=${A}-$B\nF\n'
        'G=\nH=a#b\nI=#fff\nJ="pa\\$word \\d"\nK="one\n#two"# more\nL=\'it\\\'s\'\nM: 3\n2nd=x\n  # end'
    )
    assert _env(text) == {
        "A": "1",
        "B": "two words",
        "C": "$A as it is",
        "D": '1\n\t"x"',
        "E": "1-two words",
        "F": None,
        "G": "",
        "H": "a#b",
        "I": "#fff",
        "J": "pa$word \\d",
        "K": "one\n#two",
        "L": "it's",
        "M": "3",
        "2nd": "x",
    }
    assert _env("A=1\nB=$GIVEN-$A", GIVEN="x", A="2") == {"A": "1", "B": "x-2"}


@pytest.mark.parametrize("text", ["A=1\nB C=2", "A=1\nB='x", 'A=1\nB="x', "A=1\n+B=2"])
def test_a_line_of_an_env_file_that_is_no_variable_is_refused(text: str) -> None:
    """Left out in silence, the program would be without it."""
    with pytest.raises(Refusal, match=r"a\.env:2: this is no variable: write NAME=value"):
        _env(text)


def test_a_raw_env_file_has_values_as_they_stand() -> None:
    """As ECS reads its environment files, and Compose those of `format: raw`."""
    text = '\ufeffA="q"\n  # comment\n B=x #y\nC=pa$word\nD\n\nE=\n'
    assert parse_raw_env(text) == {"A": '"q"', "B": "x #y", "C": "pa$word", "D": None, "E": ""}


@pytest.mark.parametrize(
    ("port", "ports"),
    [
        ("80", [{"target": 80}]),
        (80, [{"target": 80}]),
        ("8080:80", [{"target": 80, "published": "8080"}]),
        ("8080:80/udp", [{"target": 80, "published": "8080", "protocol": "udp"}]),
        ("127.0.0.1:8080:80", [{"target": 80, "published": "8080", "host_ip": "127.0.0.1"}]),
        ("[::1]:8080:80", [{"target": 80, "published": "8080", "host_ip": "::1"}]),
        ("127.0.0.1::80", [{"target": 80, "host_ip": "127.0.0.1"}]),
        ("90-91:80-81", [{"target": 80, "published": "90"}, {"target": 81, "published": "91"}]),
        ({"target": 80}, [{"target": 80}]),
        ("what", ["what"]),
        ("81-80", ["81-80"]),
        ("1-33", ["1-33"]),
        ("9" * 5000, ["9" * 5000]),
    ],
)
def test_ports_have_one_form(port: Any, ports: list[Any]) -> None:
    """Short, long, with an address, in ranges; what is none stays."""
    assert long_service({"ports": [port]}) == {"ports": ports}


@pytest.mark.parametrize(
    ("volume", "read"),
    [
        ("data:/var/lib/data", {"type": "volume", "source": "data", "target": "/var/lib/data"}),
        ("/only", {"type": "volume", "target": "/only"}),
        (
            "./a.conf:/a.conf:ro",
            {"type": "bind", "source": "./a.conf", "target": "/a.conf", "read_only": True},
        ),
        ("~/d:/d:rw,z", {"type": "bind", "source": "~/d", "target": "/d", "options": ["z"]}),
        (r"C:\d:/d", {"type": "bind", "source": r"C:\d", "target": "/d"}),
        ({"type": "tmpfs", "target": "/t"}, {"type": "tmpfs", "target": "/t"}),
    ],
)
def test_volumes_have_one_form(volume: Any, read: Any) -> None:
    """Short and long, with modes, from Windows too."""
    assert long_service({"volumes": [volume]}) == {"volumes": [read]}


def test_lists_become_maps_where_the_specification_has_both() -> None:
    """So that files merge by names; null and tags stay."""
    service = {
        "environment": ["A=1", "B"],
        "labels": {"x": "y"},
        "extra_hosts": ["one:10.0.0.1", "two=::1"],
        "networks": ["front"],
        "depends_on": ["db"],
        "secrets": ["s"],
        "configs": "c",
        "env_file": ".env",
        "build": ".",
        "deploy": {"labels": ["a=b"]},
        "extends": "base",
        "expose": None,
        "tmpfs": Tagged("!override", "/run"),
    }
    assert long_service(service) == {
        "environment": {"A": "1", "B": None},
        "labels": {"x": "y"},
        "extra_hosts": {"one": "10.0.0.1", "two": "::1"},
        "networks": {"front": None},
        "depends_on": {"db": {"condition": "service_started"}},
        "secrets": [{"source": "s"}],
        "configs": [{"source": "c"}],
        "env_file": [{"path": ".env"}],
        "build": {"context": "."},
        "deploy": {"labels": {"a": "b"}},
        "extends": {"service": "base"},
        "expose": None,
        "tmpfs": Tagged("!override", ["/run"]),
    }
    assert long_service({"build": {"args": ["A=1"]}}) == {"build": {"args": {"A": "1"}}}
    assert long_service(
        {"depends_on": {"db": {}}, "env_file": [{"path": "x"}], "extends": {"service": "x"}}
    ) == {
        "depends_on": {"db": {}},
        "env_file": [{"path": "x"}],
        "extends": {"service": "x"},
    }
    assert long_form(
        {"services": {"a": Tagged("!override", {"expose": 80})}, "volumes": {"v": {"labels": ["a=b"]}}}
    ) == {
        "services": {"a": Tagged("!override", {"expose": [80]})},
        "volumes": {"v": {"labels": {"a": "b"}}},
    }
    assert long_form({"services": ["a"]}) == {"services": ["a"]}
    assert long_form("text") == "text"


@pytest.mark.parametrize(
    ("base", "override", "merged"),
    [
        ({"a": 1, "b": {"c": 1}}, {"b": {"d": 2}, "e": 3}, {"a": 1, "b": {"c": 1, "d": 2}, "e": 3}),
        ({"command": ["a"]}, {"command": ["b"]}, {"command": ["b"]}),
        ({"cap_add": ["A"]}, {"cap_add": ["B", "A"]}, {"cap_add": ["A", "B"]}),
        ({"image": "a"}, {"image": None}, {"image": "a"}),
        ({"environment": {"A": "1"}}, {"environment": {"A": None}}, {"environment": {"A": None}}),
        ({"ports": [{"target": 80}]}, {"ports": Tagged("!reset", [])}, {}),
        (
            {"ports": [{"target": 80}]},
            {"ports": Tagged("!override", [{"target": 81}])},
            {"ports": [{"target": 81}]},
        ),
        ({"a": Tagged("!override", {"b": 1})}, {"a": {"c": 2}}, {"a": {"b": 1, "c": 2}}),
        (
            {"volumes": [{"source": "x", "target": "/w"}]},
            {"volumes": [{"source": "y", "target": "/w"}]},
            {"volumes": [{"source": "y", "target": "/w"}]},
        ),
        (
            {"secrets": [{"source": "s"}], "configs": ["odd"], "ports": ["odd"]},
            {"secrets": [{"source": "s", "mode": 256}], "configs": ["odd"], "ports": ["odd"]},
            {"secrets": [{"source": "s", "mode": 256}], "configs": ["odd"], "ports": ["odd"]},
        ),
    ],
)
def test_files_merge_by_the_rules_of_compose(base: Any, override: Any, merged: Any) -> None:
    """Maps by keys, lists by appending, what is unique by its key, commands by the last file."""
    assert merge(base, override) == merged


def test_a_reset_without_a_base_resets_nothing() -> None:
    """Tags do not reach the apps."""
    tree = {"a": Tagged("!reset", 1), "b": [Tagged("!reset", 1), Tagged("!override", {"c": 1}), 2]}
    assert untagged(tree) == {"b": [{"c": 1}, 2]}


def test_several_files_make_one_project() -> None:
    """Variables come from `.env` beside the first file, and a given value wins."""
    files = {
        "p/compose.yaml": "services: {web: {image: 'shop:${TAG}', environment: {A: '$A'}}}",
        "p/prod.yaml": "services: {web: {environment: [B=2]}, db: {image: postgres}}",
        "p/.env": "TAG=1\nA=file\nALONE",
    }
    found = project(files, {"A": "given"}, "p/compose.yaml", "p/prod.yaml")
    assert found.tree["services"]["web"] == {"image": "shop:1", "environment": {"A": "given", "B": "2"}}
    assert list(found.tree["services"]) == ["web", "db"]


def test_services_extend_others() -> None:
    """Of the same file and of another one, whose paths are seen from its folder."""
    files = {
        "c.yaml": (
            "services:\n  a: {extends: b, environment: {X: 1}}\n  b: {extends: {service: c}, image: b}\n"
            "  c: {image: c, user: '7'}\n  d: {extends: {file: sub/base.yaml, service: e}, image: d}\n  odd: text\n"
        ),
        "sub/base.yaml": (
            "services: {e: {extends: {file: ../top.yaml, service: t}, env_file: [one.env, /abs.env],"
            " volumes: ['./x:/x', 'v:/v', '~/h:/h']}}"
        ),
        "top.yaml": "services: {t: {working_dir: /t, env_file: [t.env]}}",
    }
    services = project(files).tree["services"]
    assert services["a"] == {"image": "b", "user": "7", "environment": {"X": 1}}
    assert services["d"] == {
        "working_dir": "/t",
        "env_file": [{"path": "sub/../t.env"}, {"path": "sub/one.env"}, {"path": "/abs.env"}],
        "volumes": [
            {"type": "bind", "source": "sub/./x", "target": "/x"},
            {"type": "volume", "source": "v", "target": "/v"},
            {"type": "bind", "source": "~/h", "target": "/h"},
        ],
        "image": "d",
    }
    assert services["odd"] == "text"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("services: {a: {extends: b}}", "no service b in c.yaml"),
        ("services: {a: {extends: a}}", "extends itself"),
        ("services: {a: {extends: {file: gone.yaml, service: a}}}", "no file gone.yaml to extend"),
        ("services: {a: {extends: {file: text.yaml, service: a}}}", "no service a in text.yaml"),
        ("include: c.yaml", "includes itself"),
        ("include: [gone.yaml]", "no file gone.yaml"),
        ("include: [{}]", "an include names no file"),
        ("include: [[]]", "an include names no file"),
        ("[1]", "no Compose file"),
        ("services: {}", "no services"),
        ("services: [a]", "no services"),
        ("name: x", "no services"),
    ],
)
def test_what_is_not_there_is_named(text: str, said: str) -> None:
    """A refusal says which file or service is missing."""
    with pytest.raises(Refusal, match=said):
        project({"c.yaml": text, "text.yaml": "text"})


def test_a_file_of_a_service_that_is_no_map_is_extended_as_it_is() -> None:
    """Its odd value is listed later."""
    files = {
        "c.yaml": "services: {a: {extends: {file: s/b.yaml, service: b}}}",
        "s/b.yaml": "services: {b: text}",
    }
    assert project(files).tree["services"] == {"a": {}}


def test_included_files_are_read_with_their_own_variables() -> None:
    """From the `.env` of their folder, or from the env files that are named; the caller's win."""
    files = {
        "c.yaml": (
            "include:\n  - sub/one.yaml\n  - {path: [sub/two.yaml, sub/two.more.yaml], env_file: [sub/other.env]}\n"
            "  - {path: three.yaml, env_file: sub/other.env}\nservices: {own: {image: own}}"
        ),
        "sub/one.yaml": "services: {one: {image: '$IMAGE', user: '$GIVEN'}}",
        "sub/.env": "IMAGE=one\nGIVEN=file",
        "sub/two.yaml": "services: {two: {image: '$IMAGE', env_file: own.env}}",
        "sub/two.more.yaml": "services: {two: {tty: true}}",
        "sub/other.env": "IMAGE=two",
        "three.yaml": "services: {three: {image: '$IMAGE'}}\ninclude: four.yaml",
        "four.yaml": "volumes: {v: {}}",
    }
    tree = project(files, {"GIVEN": "7"}).tree
    assert tree["services"] == {
        "three": {"image": "two"},
        "two": {"image": "two", "env_file": [{"path": "sub/own.env"}], "tty": True},
        "one": {"image": "one", "user": "7"},
        "own": {"image": "own"},
    }
    assert tree["volumes"] == {"v": {}}


def test_no_file_is_no_project() -> None:
    """An empty list of files must not end in a traceback."""
    with pytest.raises(Refusal, match="no services"):
        read_project([], lambda _: None, {})


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10s", 10),
        ("1m30s", 90),
        ("1.5h", 5400),
        ("500ms", 1),
        ("0s", 0),
        ("15", 15),
        ("1d", 86400),
        ("soon", None),
    ],
)
def test_durations(text: str, seconds: int | None) -> None:
    """Whole seconds, and at least one for any time at all."""
    assert units.duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("512m", "512Mi"),
        ("1.5G", "1536Mi"),
        ("2gb", "2Gi"),
        ("64k", "64Ki"),
        ("1000", "1000"),
        ("0", "0"),
        ("1TiB", "1024Gi"),
    ],
)
def test_sizes(text: str, written: str) -> None:
    """Compose's units are powers of 1024."""
    size = units.memory(text)
    assert size is not None
    assert units.quantity(size) == written


def test_words_are_those_of_a_shell() -> None:
    """A quote that is not closed must not end in a traceback."""
    assert units.words("a 'b c' \"d\"") == ["a", "b c", "d"]
    assert units.words("it's") == ["it's"]
    assert units.memory("much") is None
