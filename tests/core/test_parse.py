"""Spec texts to resources: what is read, what is filled in, and where complaints point."""

from __future__ import annotations

import gc
import json
import re
import time

import pytest

from reconciler.core.parse import Text, parse
from reconciler.errors import SpecError
from reconciler.kinds.base import Fault
from reconciler.kinds.config import ConfigSpec
from reconciler.kinds.secret import SecretSpec
from reconciler.kinds.service import Dependency, ServiceSpec
from reconciler.kinds.volume import VolumeSpec
from reconciler.kinds.workload import Container
from reconciler.model.key import Key
from reconciler.model.resource import Origin
from tests.core.specs import BASE, documents, problems, resource, service, service_problems

NGINX = "container: {image: nginx:1.27}, "
HEAD = "apiVersion: reconciler/v1\nkind: {}\nmetadata: {{name: {}}}\n"


def test_a_document_becomes_a_resource() -> None:
    found = resource("""\
        # a comment
        apiVersion: reconciler/v1
        kind: Service
        metadata: {name: web, namespace: shop, labels: {tier: front}, annotations: {note: "a b"}, generation: 3}
        spec:
          replicas: 2
          container: {image: "nginx:1.27", command: [nginx, -g, "daemon off;"]}
          dependsOn: [db, {service: cache, condition: Started}]
        status: {anything: [1, no, 010]}
        """)
    assert found.key == Key("service", "shop", "web")
    assert (found.labels, found.annotations, found.generation) == ({"tier": "front"}, {"note": "a b"}, 3)
    assert found.origin == Origin("a.yaml", 2, 1)
    assert found.spec == ServiceSpec(
        replicas=2,
        container=Container(image="nginx:1.27", command=("nginx", "-g", "daemon off;")),
        depends_on=("db", Dependency(service="cache", condition="Started")),
    )


def test_json_is_read_too() -> None:
    text = '{"apiVersion": "reconciler/v1", "kind": "Volume", "metadata": {"name": "data"}, "spec": {"external": true}}'
    assert resource(text).spec == VolumeSpec(external=True)


def test_a_document_without_a_namespace_goes_where_it_is_told() -> None:
    (document,) = documents(HEAD.format("Volume", "data"), namespace="shop")
    assert document.resource.key.namespace == "shop"


@pytest.mark.parametrize("spec", ["", "spec: {}\n", "spec:\n", "spec: ~\n"])
def test_a_spec_of_defaults_may_be_left_out(spec: str) -> None:
    assert resource(HEAD.format("Volume", "data") + spec).spec == VolumeSpec()


def test_keys_of_ones_own_are_dropped_where_fields_have_names() -> None:
    spec = service("x-note: [no, 010], container: {image: a, x-y: {z: 1}}, env: {x-kept: 'yes'}")
    assert spec == ServiceSpec(container=Container(image="a"), env={"x-kept": "yes"})
    assert resource("x-top: &top {a: b}\n" + HEAD.format("Config", "app") + "spec: {data: *top}\n").spec == ConfigSpec(
        data={"a": "b"}
    )


def test_a_list_is_unfolded() -> None:
    found = documents("""\
        apiVersion: reconciler/v1
        kind: List
        metadata: {resourceVersion: ""}
        items:
          - {apiVersion: reconciler/v1, kind: Volume, metadata: {name: a}}
          - apiVersion: reconciler/v1
            kind: List
            items: [{apiVersion: reconciler/v1, kind: Volume, metadata: {name: b}}]
        """)
    assert [str(document.resource.key) for document in found] == ["volume/default/a", "volume/default/b"]


def test_relative_paths_are_relative_to_the_file() -> None:
    text = "process: {command: [./run], workingDir: ../x}, envFrom: [{file: ./a/../.env}, {file: ~/b}]"
    spec = service(text, {"HOME": "/h"})
    assert spec.process.working_dir == "/srv/x"
    assert [source.file for source in spec.env_from] == [f"{BASE}/.env", "/h/b"]
    spec = service(NGINX + "volumes: [{hostPath: ., mountPath: /a}, {hostPath: /b/, mountPath: /b}]")
    assert [mount.host_path for mount in spec.volumes] == [BASE, "/b"]


def test_home_has_to_be_known_where_it_is_needed() -> None:
    (problem,) = service_problems(NGINX + "envFrom: [{file: ~/b}]")
    assert "HOME is not set" in problem.message


@pytest.mark.parametrize("base", ["/srv/a$$b", "/srv/${x}"])
def test_a_directory_that_reads_like_a_reference_is_refused(base: str) -> None:
    text = (HEAD.format("Config", "app") + "spec: {files: {a: ./b}}\n").encode()
    with pytest.raises(SpecError, match="reads like a reference"):
        parse([Text("a.yaml", text, base)], environment={})
    (document,) = parse([Text("a.yaml", text.replace(b"./b", b"/b"), base)], environment={})
    assert document.resource.spec.files == {"a": "/b"}


def test_a_long_value_is_not_repeated_at_length() -> None:
    (problem,) = service_problems(NGINX + f"stop: {{signal: {'x' * 5000}}}")
    assert len(problem.message) < 400


# The environment


def test_variables_are_put_into_every_string_of_a_spec() -> None:
    environment = {"TAG": "1.27", "PORT": "8080", "N": "2", "TTY": "true", "DB": "a$b${c}"}
    spec = service(
        'replicas: "${N}", container: {image: "nginx:${TAG}", tty: "${TTY}"}, '
        'env: {P: "${PORT}", D: "${DB}", L: "$HOME"}, resources: {cpus: "${CPUS:-0.5}"}, '
        'ports: [{port: "${PORT}", hostPort: "${PORT}", onConflict: "${C:-reassign}"}]',
        environment,
    )
    assert (spec.replicas, spec.container.image, spec.container.tty) == (2, "nginx:1.27", True)
    assert spec.env == {"P": "8080", "D": "a$$b$${c}", "L": "$HOME"}
    assert (spec.ports[0].port, spec.ports[0].host_port, spec.resources.cpus) == (8080, 8080, 0.5)


def test_references_and_double_dollars_are_left_alone() -> None:
    spec = service(NGINX + 'env: {A: "${db.addr}", B: "$${X}", C: "${ports.http}"}')
    assert spec.env == {"A": "${db.addr}", "B": "$${X}", "C": "${ports.http}"}


def test_what_a_variable_holds_is_not_shown_when_it_does_not_fit() -> None:
    for spec in ('replicas: "${S}"', 'ports: [{port: "${S}"}]', 'container: {image: a, tty: "${S}"}'):
        for problem in service_problems(spec, {"S": "hunter2"}):
            assert "hunter2" not in str(problem)


def test_names_are_not_interpolated() -> None:
    (problem,) = problems(HEAD.format("Volume", '"${NAME}"'), {"NAME": "data"})
    assert problem.path == "metadata.name"


# Secrets


def test_a_secrets_data_is_literal() -> None:
    text = HEAD.format("Secret", "db") + 'spec: {data: {a: "${HOME} $$ ${", b: "p$"}}\n'
    assert resource(text).spec == SecretSpec(data={"a": "${HOME} $$ ${", "b": "p$"})


def test_a_secrets_variables_are_read_once_and_for_all() -> None:
    text = HEAD.format("Secret", "db") + "spec: {data: {a: x}, env: {PASSWORD: DB_PASSWORD}}\n"
    assert resource(text, {"DB_PASSWORD": "p$$w${x}"}).spec == SecretSpec(data={"a": "x", "PASSWORD": "p$$w${x}"})


CANARY = "c4n4ry"
LEAKS = {
    "type": f"spec: {{data: {{a: [{CANARY}]}}}}",
    "duplicate": f"spec: {{data: {{a: {CANARY}, a: {CANARY}}}}}",
    "syntax": f"spec:\n  data:\n    a: {CANARY}: b\n",
    "open quote": f'spec: {{data: {{a: "{CANARY}}}}}',
    "alias": f"spec: {{data: {{a: *{CANARY}}}}}",
    "anchor": f"spec: {{data: {{a: &{CANARY}}}}}",
    "tag": f"spec: {{data: {{a: !{CANARY} b}}}}",
    "tag handle": f"spec: {{data: {{a: !{CANARY}!x b}}}}",
    "escape": f'spec: {{data: {{a: "{CANARY}\\q"}}}}',
    "control": f'spec: {{data: {{a: "{CANARY}\x01"}}}}',
    "tab": f"spec:\n  data:\n\ta: {CANARY}\n",
    "wrong place": f"data: {{a: {CANARY}}}",
    "wrong shape": f"spec: {{data: {CANARY}}}",
    "one line": f"spec: {{data: {{a: {CANARY}}}, typo: 1}}",
    "bad key": f"spec: {{data: {{a/b: {CANARY}}}}}",
    "both": f"spec: {{data: {{a: {CANARY}}}, files: {{a: ./x}}}}",
    "number": "spec: {data: {a: 47110815}}",
    "date": "spec: {data: {a: 2047-11-08}}",
    "sexagesimal": "spec: {data: {a: 47:11}}",
    "by reference": f"spec: &{CANARY} {{data: *{CANARY}}}",
}


@pytest.mark.parametrize("kind", ["Secret", "secret", "Secrets", "Secrt"])
@pytest.mark.parametrize("rest", LEAKS.values(), ids=LEAKS)
def test_no_problem_shows_a_secret(kind: str, rest: str) -> None:
    text = HEAD.format(kind, "db") + rest + "\n"
    try:
        documents(text)
    except SpecError as error:
        said = repr(error.problems) + str(error)
        assert not [word for word in (CANARY, "4711", "2047", "47:11", "2831", "0815") if word in said]
    else:
        assert kind == "Secret"


def test_no_problem_shows_a_secret_within_a_list() -> None:
    item = f"{{apiVersion: reconciler/v1, kind: Secret, metadata: {{name: A}}, spec: {{data: {{a: {CANARY}}}}}}}"
    for problem in problems(f"apiVersion: reconciler/v1\nkind: List\nitems: [{item}]\n"):
        assert CANARY not in str(problem)


# Problems


def test_all_problems_of_all_files_are_told_at_once() -> None:
    texts = [
        Text("b.yaml", (HEAD.format("Volume", "B") + "spec: {drivr: x}\n").encode(), BASE),
        Text("a.yaml", b"a: [", BASE),
        Text("c.yaml", (HEAD.format("Volume", "fine")).encode(), BASE),
    ]
    with pytest.raises(SpecError) as caught:
        parse(texts, environment={})
    assert [(problem.file, problem.line) for problem in caught.value.problems] == [
        ("a.yaml", 1), ("b.yaml", 3), ("b.yaml", 4),
    ]  # fmt: skip
    assert caught.value.exit_code == 2


def test_F49_declared_twice_names_both_places() -> None:
    document = HEAD.format("Volume", "data")
    (problem,) = problems(document + "---\n" + document)
    assert "a.yaml:1" in problem.message
    assert problem.line == 7
    other = document.replace("{name: data}", "{name: data, namespace: other}")
    assert len(documents(document + "---\n" + other)) == 2


def test_a_flood_of_problems_is_cut_off() -> None:
    found = service_problems("env: {" + ", ".join(f"K{i}: no" for i in range(5000)) + "}")
    assert len(found) == 101
    assert "there are more" in found[-1].message


PLACES = {
    "value": (("container", "image"), (6, 12)),
    "key of a user": (("env", "A"), (8, 5)),
    "item": (("ports", 1), (11, 7)),
    "in an item": (("ports", 1, "hostPort"), (11, 41)),
    "block": (("ports",), (9, 3)),
    "default": (("probes", "readiness"), (4, 1)),
    "missing item": (("ports", 7, "name"), (9, 3)),
    "everything": ((), (4, 1)),
}


@pytest.mark.parametrize(("path", "place"), PLACES.values(), ids=PLACES)
def test_a_later_fault_still_finds_its_place(path: tuple[str | int, ...], place: tuple[int, int]) -> None:
    (document,) = documents("""\
        apiVersion: reconciler/v1
        kind: Service
        metadata: {name: web}
        spec:
          container:
            image: nginx:1.27
          env:
            A: b
          ports:
            - {name: http, port: 80}
            - {name: admin, port: 81, hostPort: 8081}
        """)
    problem = document.problem(Fault(path, "said", "do"))
    assert (problem.line, problem.column, problem.message, problem.hint) == (*place, "said", "do")


def misspelt(name: str) -> list[str]:
    return [f"{name}q", name[:-2] or "q", name.swapcase(), f"{name[0]}_{name[1:]}"]


def test_F50_a_field_that_is_written_wrongly_is_found_at_any_depth() -> None:
    """Every field of every kind, in four ways; and what is complained of is just that."""
    from reconciler.core import shape
    from reconciler.kinds import KINDS

    tried = 0
    for kind in KINDS.values():
        for name, path in sorted(set(shape.places(shape.record(kind.spec)))):
            for wrong in misspelt(name):
                said = problems(HEAD.format(kind.name, "a") + _at(path, f"{{{wrong}: 1}}"))
                assert any(wrong in problem.message for problem in said), (kind.name, path, wrong, said)
                tried += 1
    assert tried > 500


def _at(path: str, inner: str) -> str:
    """The text of a document's spec in which that stands there."""
    for step in reversed(re.findall(r"\[\]|\*|\w+", path)):
        inner = f"[{inner}]" if step == "[]" else f"{{{'K' if step == '*' else step}: {inner}}}"
    return f"{inner[1:-1]}\n"


ODD_NAMES = {
    "homoglyph": "w\u0435b", "right to left": "\u202ebew", "emoji": "web\U0001f600", "escape": "\x1b[31mweb",
    "path": "../web", "flag": "-x", "dash at the end": "web-", "long": "w" * 300, "upper case": "Web", "dot": "a.b",
    "space": "a b", "newline": "web\n", "wide": "\uff57\uff45\uff42", "combining": "we\u0301b",
    "zero width": "we\u200bb", "underline": "a_b", "NUL": "a\0b",
}  # fmt: skip


@pytest.mark.parametrize("where", ["name", "namespace"])
@pytest.mark.parametrize("name", ODD_NAMES.values(), ids=ODD_NAMES)
def test_F51_a_name_is_plain_and_what_is_none_is_shown_in_plain_letters(where: str, name: str) -> None:
    metadata = {"name": "web"} | {where: name}
    document = {"apiVersion": "reconciler/v1", "kind": "Volume", "metadata": metadata}
    said = problems(json.dumps(document))
    assert len(said) == 1
    assert said[0].hint
    text = f"{said[0].message} {said[0].hint}"
    assert text.isascii()
    assert text.isprintable()
    assert len(text) < 300


@pytest.mark.parametrize("name", ["a", "7", "a-b", "w" * 63])
def test_F51_these_are_names(name: str) -> None:
    assert [str(document.resource.key) for document in documents(HEAD.format("Volume", f'"{name}"'))] == [
        f"volume/default/{name}"
    ]


def test_F50_every_misspelt_field_is_found() -> None:
    """Each field of each kind, with one letter changed, is an error that names the right one."""
    from reconciler.core import shape
    from reconciler.kinds import KINDS

    for kind in KINDS.values():
        for name in shape.record(kind.spec).fields:
            wrong = name[:-1] + ("x" if name[-1] != "x" else "z")
            text = HEAD.format(kind.name, "a") + f"spec: {{{wrong}: 1}}\n"
            unknown = [problem for problem in problems(text) if "unknown field" in problem.message]
            assert len(unknown) == 1
            assert name in unknown[0].hint, (kind.name, wrong, unknown[0].hint)


def test_F51_texts_of_others_do_not_act_on_the_terminal() -> None:
    said = "".join(str(problem) for problem in problems(HEAD.format("Volume", r'"\e[31m\u202e"') + r'"\e[2J": 1'))
    assert not {"\x1b", "\u202e"} & set(said)


def test_the_collector_is_left_as_it_was() -> None:
    gc.disable()
    try:
        documents(HEAD.format("Volume", "data"))
        assert not gc.isenabled()
    finally:
        gc.enable()
    problems("a")
    assert gc.isenabled()


def test_F47_a_thousand_services_take_less_than_a_second() -> None:
    document = HEAD.format("Service", "web-%d") + (
        "spec:\n  replicas: 2\n"
        "  container: {image: 'nginx:1.27', command: [nginx, -g, 'daemon off;'], networks: [back]}\n"
        "  env: {LOG: debug, DB: '${db.addr}', H: '${HOME}', A: b}\n  envFrom: [{file: ./.env}, {config: app}]\n"
        "  ports: [{name: http, port: 80}, {name: admin, port: 81}]\n  volumes: [{volume: data, mountPath: /data}]\n"
        "  probes: {readiness: {httpGet: {path: /, port: http}}}\n"
        "  dependsOn: [db, {service: c, condition: Started}]\n---\n"
    )
    text = "".join(document % i for i in range(1000)).encode()
    took = min(_seconds(text) for _ in range(3))
    assert took < 2


def _seconds(text: bytes) -> float:
    start = time.process_time()
    assert len(documents(text, {"HOME": "/h"})) == 1000
    return time.process_time() - start


@pytest.mark.parametrize(
    ("field", "written", "meant"),
    [
        ("container.command", "echo 'two words'", '["echo", "two words"]'),
        ("container.networks", "back", '["back"]'),
        ("container.capAdd", "NET_ADMIN", '["NET_ADMIN"]'),
    ],
)
def test_R21_a_list_that_was_written_as_a_string_is_told_with_its_line_and_the_list_that_was_meant(
    field: str, written: str, meant: str
) -> None:
    name = field.partition(".")[2]
    body = f"spec:\n  container:\n    image: i\n    {name}: {written}\n"
    text = f"apiVersion: reconciler/v1\nkind: Service\nmetadata: {{name: web}}\n{body}"
    with pytest.raises(SpecError) as caught:
        parse([Text("web.yaml", text.encode(), "/srv")], environment={})
    (problem,) = caught.value.problems
    assert (problem.line, problem.path) == (7, f"spec.{field}")
    assert problem.hint == f"write {meant}"
