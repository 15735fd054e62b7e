"""A tree that remembers what was read: `containerapp.importers.source`."""

from __future__ import annotations

from containerapp.importers.source import UNKNOWN, Loss, source

_TASK = {
    "family": "shop",
    "Cpu": "256",
    "containers": [
        {"name": "web", "essential": True, "links": ["db"]},
        {"name": "db", "new": {"a": 1, "b": []}, "none": None, "empty": ""},
    ],
    "tags": {},
}


def test_what_is_neither_taken_nor_given_up_is_listed() -> None:
    """An importer cannot forget a value in silence."""
    task = source(_TASK)
    assert task.at("family").text() == "shop"
    assert task.at("cpu").number() == 256
    web, db = task.at("containers").items()
    assert (web.at("name").text(), web.at("essential").flag()) == ("web", True)
    web.at("links").lose("Pods have no links: use the name of the app")
    web.at("absent").lose("never listed")
    assert db.at("name").take() == "db"
    assert task.ledger.forgotten(task) == ["containers[1].new.a"]
    assert task.ledger.settle(task) == [
        Loss("containers[0].links", "Pods have no links: use the name of the app"),
        Loss("containers[1].new.a", UNKNOWN),
    ]


def test_values_are_read_as_others_write_them() -> None:
    """Numbers as texts, a text in place of a list, keys with capitals, and nothing at all."""
    tree = source({"Port": "80", "odd": "x", "command": "run", "env": {"A": 1, "B": True}, "none": None})
    assert tree.at("port").number() == 80
    assert tree.at("odd").number(7) == 7
    assert tree.at("command").texts() == ["run"]
    assert {name: value.text() for name, value in tree.at("env").entries()} == {"A": "1", "B": "true"}
    assert not tree.at("none")
    assert not tree.at("absent").at("deeper")
    assert list(tree.at("absent").items()) == []
    assert list(tree.at("port").entries()) == []
    assert tree.at("absent").text("x") == "x"
    assert tree.at("env").text("a map is no text") == "a map is no text"
    assert tree.at("absent").flag(default=True)


def test_a_note_is_about_what_is_carried() -> None:
    """A person should look at the decision."""
    tree = source({"cpu": 100})
    tree.at("cpu").note("rounded")
    tree.at("absent").note("never listed")
    assert tree.ledger.notes == [Loss("cpu", "rounded")]


def test_what_is_no_text_or_number_is_left_for_the_list() -> None:
    """A placeholder where a number or a name is made of it can be asked for."""
    tree = source({"port": "${PORT}", "name": "<NAME>", "list": [1], "cpu": {"a": 1}})
    assert tree.at("port").number(80) == 80
    assert tree.at("cpu").number(1) == 1
    assert tree.at("name").named() == "<NAME>"
    assert tree.at("list").text() == ""
    assert tree.ledger.wanted == ["${PORT}", "<NAME>"]
    assert tree.ledger.forgotten(tree) == ["port", "list[0]", "cpu.a"]
