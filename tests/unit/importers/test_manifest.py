"""A manifest in the making, and how it is written: `manifest`, `credentials`, `naming`, `writing`."""

from __future__ import annotations

import pytest
import yaml

from containerapp.importers import manifest, naming, writing
from containerapp.importers.commands import words
from containerapp.importers.credentials import is_credential
from containerapp.importers.manifest import Draft, imported
from containerapp.importers.source import Imported, Loss, Refusal, Source, source
from containerapp.importers.wishes import Wishes


def _shop(**fields: object) -> Draft:
    draft = Draft(name="shop", namespace="team")
    for name, value in {"image": "shop:1", **fields}.items():
        draft.put(name, value)
    return draft


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DB_PASSWORD", "hunter2"),
        ("PGPASSWORD", "x"),
        ("STRIPE_API_KEY", "x"),
        ("AWS_ACCESS_KEY_ID", "x"),
        ("DATABASE_URL", "postgres://shop:hunter2@db/shop"),
        ("X", "AKIAIOSFODNN7EXAMPLE"),
        ("CONNECTION", "Server=db;Password=hunter2;"),
        ("SECRET_KEY_BASE", "x"),
        ("JWT_SECRET", "/kD82abc=="),
        ("STRIPE", "sk_live_abcdef"),
        ("WEBHOOK", "https://hooks.slack.com/services/T0/B0/x"),
        ("STORE", "AccountName=a;AccountKey=abc=="),
    ],
)
def test_credentials_are_known_by_name_or_value(name: str, value: str) -> None:
    """A manifest is read by many."""
    assert is_credential(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DB_PASSWORD_FILE", "/run/secrets/db"),
        ("SECRET_NAME", "shop-db"),
        ("GOOGLE_CREDENTIALS", "/key.json"),
        ("DB_SECRET", "/shop/${ENV}/db"),
        ("DB_SECRET", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:x"),
        ("TOKEN_TTL", "3600"),
        ("USE_TOKEN", "true"),
        ("API_TOKEN", ""),
        ("URL", "https://shop.example.com/login"),
    ],
)
def test_a_reference_to_a_credential_is_none(name: str, value: str) -> None:
    """A Secret for each setting would hide the settings."""
    assert not is_credential(name, value)


def test_a_credential_goes_to_the_secret_beside() -> None:
    """And the manifest says where it is, for each container under a key of its own."""
    root = source({"PASSWORD": "hunter2", "LEVEL": "info"})
    draft = _shop()
    own = [draft.variable(name, value) for name, value in root.entries()]
    sidecar = draft.variable("PASSWORD", root.at("PASSWORD"), container="proxy")
    draft.put("env", [*own, sidecar])
    made = imported([root], [draft])
    secret, app = made.manifests
    assert secret["stringData"] == {"PASSWORD": "hunter2", "proxy.PASSWORD": "hunter2"}
    assert secret["metadata"] == {"name": "shop-env", "namespace": "team"}
    assert own == [
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "shop-env", "key": "PASSWORD"}}},
        {"name": "LEVEL", "value": "info"},
    ]
    assert "hunter2" not in str(app) + str(made.notes) + writing.report(made)


def test_a_key_of_the_secret_is_one_that_kubernetes_takes() -> None:
    """Variables of .NET have a colon; two that would have one key have two."""
    root = source({"Db:Password": "a", "Db_Password": "b"})
    draft = _shop()
    for name, value in root.entries():
        draft.variable(name, value)
    assert draft.credentials == {"Db_Password": "a", "Db_Password-2": "b"}


def test_dollars_reach_the_program() -> None:
    """Kubernetes makes one of two, and fills in `$(NAME)`; what it leaves alone stays as it is."""
    env = [{"name": "A", "value": "a$$b$(C)$(D) $("}, {"name": "B", "valueFrom": {}}]
    proxy = {"name": "proxy", "args": ["$(A)$(C)$$"], "secrets": [{"name": "C", "valueFrom": "/c"}]}
    shop = _shop(
        command=["sh", "-c", "echo $$ $(date) $B $(B)"], env=env, secrets=proxy["secrets"], sidecars=[proxy]
    )
    (app,) = imported([], [shop]).manifests
    assert app["spec"]["command"] == ["sh", "-c", "echo $$$$ $(date) $B $$(B)"]
    assert app["spec"]["env"] == [
        {"name": "A", "value": "a$$$$b$$(C)$(D) $("},
        {"name": "B", "valueFrom": {}},
    ]
    assert app["spec"]["sidecars"][0]["args"] == ["$(A)$$(C)$$$$"]
    shop.expands = True
    assert imported([], [shop]).manifests[0]["spec"]["command"][-1] == "echo $$ $(date) $B $(B)"


def test_fields_stand_in_the_order_of_the_documentation() -> None:
    """Whatever order an importer finds them in; what is empty is left out."""
    draft = _shop(labels={"team": "a"}, replicas=2, port=80, command=[], env=None)
    (app,) = imported([], [draft]).manifests
    assert list(app["spec"]) == ["image", "port", "replicas", "labels"]


def test_the_api_refuses_in_its_own_words() -> None:
    """An import never ends in a manifest that cannot be applied."""
    job = Draft(name="report", kind="ContainerJob", spec={"image": "report:1"})
    others = [{"kind": "Secret", "metadata": {"name": "x"}}]
    manifest.check(imported([], [_shop(), job], others))
    with pytest.raises(Refusal, match=r"no valid ContainerApp shop: spec\.port"):
        manifest.check(imported([], [_shop(port=0)]))


def test_sizes_are_written_as_a_person_writes_them() -> None:
    """Thousandths of a core, and the largest unit that fits."""
    assert [manifest.cpu(each) for each in (250, 2000, 0.4)] == ["250m", "2", "0"]
    assert [manifest.memory(each) for each in (512, 2048)] == ["512Mi", "2Gi"]


def test_tags_become_labels_where_they_can() -> None:
    """The others are listed."""
    root = source({"team": "shop", "Name": "a b", "aws:stack": "x"})
    assert manifest.labels(root.entries()) == {"team": "shop"}
    assert [loss.path for loss in root.ledger.settle(root)] == ["Name", "aws:stack"]


def test_names_of_others_become_names_of_kubernetes() -> None:
    """As near as possible, and never taken twice."""
    assert naming.object_name("BE-Container") == "be-container"
    assert naming.object_name("shopFront") == "shop-front"
    assert naming.object_name("1_2") == "app"
    assert naming.object_name("a" * 70) == "a" * 63
    assert naming.container_name("app") == "app-2"
    assert naming.container_name("x", {"x", "x-2"}) == "x-3"
    assert naming.port_name("web_1", 80) == "web-1"
    assert naming.port_name("a-name-that-is-too-long", 80) == "port-80"
    assert naming.port_name("http", 80, {"http"}) == "port-80"
    assert naming.port_name("http", 80, {"http", "port-80"}) == "port-80-2"


def test_a_line_becomes_words_unless_a_shell_must_read_it() -> None:
    """Without a shell the program itself gets the signals."""
    assert words("serve --port 80 'a b'") == ["serve", "--port", "80", "a b"]
    assert words("a && b") == ["/bin/sh", "-c", "a && b"]
    assert words("it's") == ["/bin/sh", "-c", "it's"]


def test_the_users_image_wins() -> None:
    """And where there is none, the user is asked for it by name."""
    wishes = Wishes(image="shop:2", images={"proxy": "proxy:2"})
    given = source("old:1")
    assert wishes.image_of("web", given, own=True) == "shop:2"
    assert wishes.image_of("proxy", given, own=False) == "proxy:2"
    assert wishes.image_of("log", given, own=False) == "old:1"
    assert wishes.image_of("log", Source(None, "", given.ledger), own=False) == "<IMAGE of log>"


_TEXT = """\
# Not carried over:
# - a: why
# Please look at:
# - b: this
apiVersion: v1
kind: ContainerApp
metadata:
  name: shop
spec:
  # the image
  image: shop:1
  command: [a, b]
  env:
    - {name: A, value: x}
    # of the second
    - {name: B, value: y}
  # of the map
  resources:
    requests: {cpu: 250m}
  files:
    - path: /etc/shop
      content: |
        a
        b
  none: []
---
apiVersion: v1
kind: Secret
metadata:
  name: shop-env
"""


def test_what_keys_hold_stays_in_the_comments() -> None:
    """A line's end in a key would make a manifest of the rest of it."""
    odd = "a\nkind: Secret\u2028\x07é"
    shop = _shop()
    shop.comments["image"] = odd
    made = imported([source({odd: "x"})], [shop])
    text = writing.to_yaml(made.manifests, made, losses=True)
    assert list(yaml.safe_load_all(text)) == list(made.manifests)
    assert text.startswith("# Not carried over:\n# - a\\nkind: Secret\\u2028\\x07é: not known")


@pytest.mark.parametrize("text", ["a\u2028b\nc\n", "a\x85b\nc", "a\rb\nc", "\x0cb\nc", "a\n\n"])
def test_a_text_of_several_lines_is_written_as_it_is(text: str) -> None:
    """Whatever else some take for the end of a line."""
    app = _shop(files=[{"path": "/a", "content": text}]).manifests()[0]
    assert yaml.safe_load(writing.document(app, {"ContainerApp/shop spec.image": "the image"})) == app


def test_manifests_are_written_as_by_a_person() -> None:
    """Short maps on one line, comments above their fields, losses on top; the text means what was made."""
    app = {
        "apiVersion": "v1",
        "kind": "ContainerApp",
        "metadata": {"name": "shop"},
        "spec": {
            "image": "shop:1",
            "command": ["a", "b"],
            "env": [{"name": "A", "value": "x"}, {"name": "B", "value": "y"}],
            "resources": {"requests": {"cpu": "250m"}},
            "files": [{"path": "/etc/shop", "content": "a\nb\n"}],
            "none": [],
        },
    }
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "shop-env"}}
    comments = {
        "ContainerApp/shop spec.env[1].value": "of the second",
        "ContainerApp/shop spec.image": "the image",
        "ContainerApp/shop spec.resources": "of the map",
        "Secret/other spec": "not here",
    }
    made = Imported(
        manifests=(app, secret), losses=(Loss("a", "why"),), notes=(Loss("b", "this"),), comments=comments
    )
    text = writing.to_yaml(made.manifests, made, losses=True)
    assert text == _TEXT
    assert list(yaml.safe_load_all(text)) == [app, secret]
    assert writing.to_yaml([secret], made, losses=False).startswith("apiVersion")
    assert writing.report(made).splitlines()[:3] == ["Made:", "- ContainerApp shop", "- Secret shop-env"]
    assert writing.as_json(made) == {
        "manifests": ["ContainerApp/shop", "Secret/shop-env"],
        "losses": [{"path": "a", "reason": "why"}],
        "notes": [{"path": "b", "reason": "this"}],
    }


def test_a_comment_about_what_is_not_there_stands_on_top() -> None:
    """It is not lost."""
    app = {"kind": "ContainerApp", "metadata": {"name": "shop"}}
    assert writing.document(app, {"ContainerApp/shop spec.port": "none"}).startswith("# none\n")
    assert writing.document(app, {"ContainerApp/shop kind.deeper": "none"}).startswith("# none\n")
