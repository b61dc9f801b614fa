"""Resources written as documents, and read again."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from reconciler.core import shape
from reconciler.core.parse import Text, parse
from reconciler.core.unparse import MASK, by_the_library, to_yaml, unparse
from reconciler.core.yaml12 import load, plain
from reconciler.errors import SpecError
from reconciler.kinds import KINDS
from reconciler.model.resource import Resource
from tests.core.specs import documents, resource

NAMES = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True).filter(
    lambda name: name not in {"ports", "volumes", "matrix"}
)
TRICKY = st.sampled_from(
    [
        "",
        "no",
        "on",
        "y",
        "010",
        "0o17",
        "1e3",
        "22:22",
        "2026-11-20",
        "=",
        "<<",
        "~",
        "null",
        "1.10",
        "1_000",
        "0x1f",
        ".5",
        "a: b",
        "# x",
        "- a",
        "a #b",
        "'",
        '"',
        "\\",
        "*a",
        "&a",
        "!a",
        "@a",
        "`a",
        "%a",
        "|",
        ">",
        "[a",
        "{a",
        "a,",
        "?",
        ":",
        " a",
        "a ",
        "a\n",
        "\na",
        "a\n\nb\n",
        "a\n b\n",
        " a\nb",
        "a \nb",
        "a\tb",
        "\ta",
        "a\r\nb",
        "a\rb",
        "\x85",
        "\u2028",
        "\ufeff",
        "\x7f",
        "\x1b[0m",
        "---",
        "...",
        "--- a\n",
        "é",
        "😀",
        "日本",
        "\u202e",
        "a" * 200,
        "a b " * 100,
        "line one\nline two\n",
        "key: |\n  text\n",
        "$$",
        "$HOME",
        "${db.addr}",
        "a\u00a0b",
        "\u200b",
    ]
)
TEXT = (TRICKY | st.text(max_size=12)).filter(
    lambda text: "\0" not in text and "${" not in text.replace("${db.addr}", "")
)
KEYS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,8}", fullmatch=True)


def values(form: shape.Shape, name: str = "") -> st.SearchStrategy[Any]:
    """Trees that fit a shape: whatever the kinds hold, this follows."""
    match form:
        case shape.Record():
            required = {key: values(entry.shape, key) for key, entry in form.fields.items() if entry.required}
            optional = {key: values(entry.shape, key) for key, entry in form.fields.items() if not entry.required}
            return st.fixed_dictionaries(required, optional=optional)
        case shape.Items(item):
            return st.lists(values(item, name), min_size=1, max_size=3)
        case shape.Entries(value):
            return st.dictionaries(KEYS, values(value), max_size=3)
        case shape.Optional(inner):
            return values(inner, name)
        case shape.Either(arms):
            return st.one_of([values(arm, name) for arm in arms])
        case shape.Text(choices):
            return st.sampled_from(choices) if choices else SENSIBLE.get(name, TEXT)
        case shape.Number(whole):
            return st.integers(1, 200) if whole else st.floats(0.1, 100) | st.integers(1, 100)
        case _:
            return st.booleans()


SENSIBLE = {
    "image": st.sampled_from(["nginx", "nginx:1.27", "a/b@sha256:00"]),
    "hostPort": st.sampled_from(["auto", "8080-8099"]),
    "signal": st.sampled_from(["TERM", "INT"]),
    "pattern": st.sampled_from(["ready", "^a .* b$"]),
    "memory": st.sampled_from(["256Mi", "1024"]),
    "shmSize": st.just("1Gi"),
    "subnet": st.just("10.0.0.0/24"),
    "mountPath": st.sampled_from(["/a", "/b/c"]),
    "name": st.sampled_from(["http", "admin", "x-1"]),
    "devices": st.just("/dev/fuse"),
    "extraHosts": st.just("db:10.0.0.5"),
    "port": st.just("http"),
}
"""Fields whose strings have rules of their own, which another test tries to break."""

EXCLUSIVE = (
    ("container", "process"),
    ("httpGet", "tcpSocket", "exec", "log"),
    ("volume", "hostPath", "config", "secret"),
    ("file", "config", "secret"),
)


def pruned(tree: Any) -> Any:
    """Of fields that exclude one another, the first: otherwise no generated service would be one."""
    if isinstance(tree, list):
        return [pruned(item) for item in tree]
    if not isinstance(tree, dict):
        return tree
    kept = {key: pruned(value) for key, value in tree.items()}
    for group in EXCLUSIVE:
        for name in [name for name in group if name in kept][1:]:
            del kept[name]
    return kept


def mended(spec: dict[str, Any], kind: str) -> dict[str, Any]:
    """The rules between fields, kept: otherwise hardly one generated service would be read at all."""
    if kind == "Service":
        _mend_workload(spec)
        _mend_lists(spec)
        for probe in spec.get("probes", {}).values():
            if not set(probe) & {"httpGet", "tcpSocket", "exec", "log"}:
                probe["tcpSocket"] = {"port": "http"}
    elif len(spec) > 1:
        spec.pop("external", None)
    return spec


def _mend_workload(spec: dict[str, Any]) -> None:
    container = spec.get("container")
    if container and container.get("keepAlive"):
        container.pop("command", None)
        container.pop("entrypoint", None)
    if container:
        container["networks"] = container.get("networks", [])[:1]
    elif "process" not in spec:
        spec["container"] = {"image": "nginx"}
    else:
        spec.pop("restart", None)
        spec["process"]["command"].insert(0, "./run")


def _mend_lists(spec: dict[str, Any]) -> None:
    port = {"port": 80} | (spec.get("ports") or [{}])[0] | {"name": "http", "onConflict": "reassign"}
    spec["ports"] = [
        port | {"hostPort": port.get("hostPort", "auto") if port.get("hostPort") != "8080-8099" else "1-9999"}
    ]
    spec["dependsOn"] = spec.get("dependsOn", [])[:1]
    spec["envFrom"] = [
        item if set(item) & {"file", "config", "secret"} else {"file": "x"} for item in spec.get("envFrom", [])
    ]
    spec["volumes"] = [_mount(item, process="process" in spec) for item in spec.get("volumes", [])[:1]]


def _mount(mount: dict[str, Any], *, process: bool) -> dict[str, Any]:
    source = next((name for name in ("volume", "config", "secret", "hostPath") if mount.get(name)), "volume")
    if process:
        return {"volume" if source == "hostPath" else source: "data"}
    return {source: mount.get(source) or "data", "mountPath": "/a", "readOnly": mount.get("readOnly", False)}


@st.composite
def trees(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(sorted(KINDS)))
    spec = mended(pruned(draw(values(shape.record(KINDS[kind].spec)))), kind)
    metadata: dict[str, Any] = {"name": draw(NAMES), "namespace": draw(NAMES), "generation": draw(st.integers(1, 99))}
    metadata["annotations"] = draw(st.dictionaries(KEYS, TEXT, max_size=2))
    return {"apiVersion": "reconciler/v1", "kind": kind, "metadata": metadata, "spec": spec}


@given(trees())
def test_what_is_written_is_what_is_read(tree: dict[str, Any]) -> None:
    """A document is read, written, read again: the same resource, with its defaults or without."""
    try:
        (document,) = documents(to_yaml(tree), {"VARIABLE": "a$b${c}"})
    except SpecError as error:
        assume(not error)
    again = reread(document.resource)
    assert again == document.resource
    assert reread(again, filled=True) == again


@given(st.dictionaries(KEYS, TEXT | st.text(), min_size=1, max_size=3))
def test_any_text_survives_in_a_config(data: dict[str, str]) -> None:
    assume(not any("\0" in text or "${" in text for text in data.values()))
    tree = {"apiVersion": "reconciler/v1", "kind": "Config", "metadata": {"name": "a"}, "spec": {"data": data}}
    config = resource(to_yaml(tree))
    assert config.spec.data == data
    assert reread(config) == config


@given(
    st.recursive(
        TEXT | st.integers(-999, 999) | st.booleans() | st.none(),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(KEYS.filter(lambda k: len(k) > 3), inner, max_size=3)
        ),
    )
)
def test_readers_of_both_versions_see_the_same(tree: Any) -> None:
    """What we write, YAML 1.1 and YAML 1.2 read alike: other tools may have it."""
    assume(not isinstance(tree, str | int | bool | None))
    text = to_yaml(tree)
    assert yaml.safe_load(text) == tree
    loaded = load(text.encode())
    assert [flaw for flaw in loaded.flaws if "the key" not in flaw.message] == []
    if not loaded.flaws:
        assert [plain(node) for node in loaded.documents] == [tree]


WORDS = st.from_regex(r"[A-Za-z0-9/~._-][A-Za-z0-9/._ :-]{0,12}", fullmatch=True) | st.text("ab1:-", min_size=95)


@given(
    st.recursive(
        WORDS | TRICKY | st.integers() | st.booleans() | st.none() | st.floats(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | TRICKY | st.booleans(), inner, max_size=3),
        max_leaves=12,
    )
)
def test_the_short_way_and_the_library_write_the_same(tree: Any) -> None:
    assert to_yaml(tree) == by_the_library(tree)


def reread(found: Resource, *, filled: bool = False) -> Resource:
    text = to_yaml(unparse(found, reveal=True, filled=filled))
    (document,) = parse([Text("applied", text.encode(), "/elsewhere")], environment={})
    return document.resource


def test_only_what_differs_from_the_defaults_is_written() -> None:
    found = resource("""\
        apiVersion: reconciler/v1
        kind: Service
        metadata: {name: web}
        spec:
          dependsOn: [db]
          container: {image: nginx, pullPolicy: IfNotPresent, command: [a, "b c"]}
          env: {MOTD: "one\\ntwo\\n", MODE: "010"}
          replicas: 1
          stop: {graceSeconds: 3}
        """)
    assert to_yaml(unparse(found)) == (
        "apiVersion: reconciler/v1\n"
        "kind: Service\n"
        "metadata:\n"
        "  name: web\n"
        "  namespace: default\n"
        "  generation: 1\n"
        "spec:\n"
        "  container:\n"
        "    image: nginx\n"
        "    command:\n"
        "      - a\n"
        "      - b c\n"
        "  env:\n"
        "    MOTD: |\n"
        "      one\n"
        "      two\n"
        '    MODE: "010"\n'
        "  stop:\n"
        "    graceSeconds: 3\n"
        "  dependsOn:\n"
        "    - db\n"
    )


def test_with_its_defaults_a_spec_says_all_that_counts() -> None:
    head = "apiVersion: reconciler/v1\nkind: Service\nmetadata: {name: web}\n"
    found = resource(head + "spec: {process: {command: [a]}, ports: [{name: http}], restart: {policy: Never}}\n")
    spec = unparse(found, filled=True)["spec"]
    assert (spec["replicas"], spec["runOn"], spec["stop"]) == (1, "local", {"signal": "TERM", "graceSeconds": 10})
    assert spec["restart"].items() >= {"policy": "Never", "maxSeconds": 300, "by": "reconciler"}.items()
    assert spec["ports"] == [{"name": "http", "hostPort": "auto", "protocol": "tcp", "bind": "127.0.0.1"}]
    assert not {"container", "attachTo", "env", "probes", "resources"} & spec.keys(), "nothing is left out"


def test_secrets_are_masked_unless_asked_for() -> None:
    head = "apiVersion: reconciler/v1\nkind: Secret\nmetadata: {name: db}\n"
    found = resource(head + "spec: {data: {a: hunter2}, env: {B: V}}\n", {"V": "hunter3"})
    assert unparse(found)["spec"] == {"data": {"a": MASK, "B": MASK}}
    assert unparse(found, reveal=True)["spec"] == {"data": {"a": "hunter2", "B": "hunter3"}}


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.key)
def test_the_example_of_a_kind_reads_and_writes(kind: Any) -> None:
    found = resource(kind.example, {"DB_PASSWORD": "x"})
    assert reread(found) == dataclasses.replace(found)


@given(st.text(st.sampled_from("aZ09/_.:;&'$()|<>=+,~^@%*?!`[]{}-#\"\\ "), max_size=8))
def test_a_command_line_of_a_shell_is_written_like_the_librarys(line: str) -> None:
    for tree in ({"command": ["sh", f"-{line}", f"a{line}"]}, {f"a{line}": 1, f"--{line}": 1}):
        assert to_yaml(tree) == by_the_library(tree)
