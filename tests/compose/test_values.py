"""The parts of reading a Compose file, each by itself: what is written, and what it means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.compose import dotenv
from reconciler.compose.recognition import is_compose
from reconciler.compose.variables import filled
from reconciler.core.envfile import BadEnvFile
from reconciler.core.interpolation import Unresolved
from reconciler.errors import Problem, SpecError, UsageError
from reconciler.loading import load
from reconciler.sources.compositions import Disk
from tests.compose.reading import documents, project, service, specs

VARIABLES = {"A": "a", "EMPTY": "", "lower": "l", "DOLLAR": "$A"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"), ("$A", "a"), ("${A}", "a"), ("$A/b", "a/b"), ("$A_", ""), ("$lower", "l"), ("$$A", "$A"),
        ("$${A}", "${A}"), ("$$$A", "$a"), ("${UNSET}", ""), ("${UNSET-d}", "d"), ("${EMPTY-d}", ""),
        ("${EMPTY:-d}", "d"),
        ("${A:-d}", "a"), ("${A+x}", "x"), ("${EMPTY+x}", "x"), ("${EMPTY:+x}", ""), ("${UNSET+x}", ""),
        ("${A:?no}", "a"),
        ("${UNSET:-${ALSO:-${A}}}", "a"), ("${UNSET:-a}b}", "ab}"), ("${UNSET:-$A}", "a"), ("${DOLLAR}", "$A"),
        ("${A:+${B:-$$}}", "$"), ("${UNSET-}", ""),
    ],
)  # fmt: skip
def test_variables_are_filled_in_as_compose_does_it(text: str, expected: str) -> None:
    assert filled(text, VARIABLES, []) == expected


@pytest.mark.parametrize("text", ["$", "$1", "a $ b", "${", "${A", "${1}", "${A:=x}", "${}", "${A B}", "${UNSET:?}"])
def test_what_is_no_variable_is_an_error(text: str) -> None:
    with pytest.raises(Unresolved):
        filled(text, VARIABLES, [])


def test_variables_that_are_not_set_are_told_once_each() -> None:
    unset: list[str] = []
    assert filled("$X ${Y:-y} ${Z}", {}, unset) == " y "
    assert unset == ["X", "Z"]


def test_defaults_can_t_be_nested_for_ever() -> None:
    with pytest.raises(Unresolved, match="deeper"):
        filled("${A:-" * 50 + "}" * 50, {}, [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A=1\n", {"A": "1"}), ("export A=1", {"A": "1"}), ("A: 1", {"A": "1"}), ("A", {"A": None}), ("A=", {"A": ""}),
        ("A=b c # d", {"A": "b c"}), ("A=b#c", {"A": "b#c"}), ("A='$B # x'", {"A": "$B # x"}), ("A=$OUT", {"A": "out"}),
        ('A="x\\ny"', {"A": "x\ny"}), ('A="\\$OUT $OUT"', {"A": "$OUT out"}),
        ('A="two\nlines" # c\nB=2', {"A": "two\nlines", "B": "2"}),
        ("A=1\nB=$A$A", {"A": "1", "B": "11"}), ("# c\n\n  A = 1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("\ufeffA=1", {"A": "1"}),
        ("A=${UNSET:-d}", {"A": "d"}),
    ],
)  # fmt: skip
def test_files_of_variables_are_read_as_compose_does_it(text: str, expected: dict[str, str | None]) -> None:
    assert dotenv.read(text.encode(), ".env", {"OUT": "out"}) == expected


@pytest.mark.parametrize("text", ["1A=x", "A='x", 'A="x" y', "A B", "=x", "A=${B", b"A=\xff"])
def test_a_line_that_is_none_is_told_by_its_number(text: str | bytes) -> None:
    content = text if isinstance(text, bytes) else f"OK=1\n{text}".encode()
    with pytest.raises(BadEnvFile, match=r"x\.env:2|UTF-8"):
        dotenv.read(content, "x.env", {})


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("[80]", [(80, "auto", "tcp", "0.0.0.0")]),
        ("['8080:80']", [(80, 8080, "tcp", "0.0.0.0")]),
        ("['8080:80/udp']", [(80, 8080, "udp", "0.0.0.0")]),
        ("['127.0.0.1:8080:80']", [(80, 8080, "tcp", "127.0.0.1")]),
        ("['127.0.0.1::80']", [(80, "auto", "tcp", "127.0.0.1")]),
        ("['[::1]:8080:80']", [(80, 8080, "tcp", "::1")]),
        ("['8000-8001:80-81']", [(80, 8000, "tcp", "0.0.0.0"), (81, 8001, "tcp", "0.0.0.0")]),
        ("['80-81']", [(80, "auto", "tcp", "0.0.0.0"), (81, "auto", "tcp", "0.0.0.0")]),
        ("['8000-8009:80']", [(80, "8000-8009", "tcp", "0.0.0.0")]),
        ("[{target: 80, published: '8080', host_ip: 127.0.0.1}]", [(80, 8080, "tcp", "127.0.0.1")]),
        ("['80:80', {target: 80, published: 80}]", [(80, 80, "tcp", "0.0.0.0")]),
    ],
)
def test_ports_are_published_where_compose_publishes_them(written: str, expected: list[Any]) -> None:
    ports = service(f"ports: {written}")["ports"]
    assert [(p["port"], p.get("hostPort", "auto"), p.get("protocol", "tcp"), p["bind"]) for p in ports] == expected


def test_several_ports_have_names_and_each_its_own() -> None:
    ports = service("ports: ['80:80', '81:80', '53:53/udp', {target: 9, name: Web UI}]")["ports"]
    assert [port["name"] for port in ports] == ["port-80", "port-80-2", "port-53-udp", "web-ui"]


@pytest.mark.parametrize(
    ("written", "path", "expected"),
    [
        ("command: sh -c 'a b' \"c d\"", ("container", "command"), ["sh", "-c", "a b", "c d"]),
        ("command: [a, 1, yes]", ("container", "command"), ["a", "1", "yes"]),
        ("command: echo $$HOME", ("container", "command"), ["echo", "$$HOME"]),
        ("command:", ("container", "command"), None),
        ("mem_limit: 1.5g", ("resources", "memory"), "1536Mi"),
        ("mem_limit: 1000", ("resources", "memory"), "1000"),
        ("mem_limit: 64MB", ("resources", "memory"), "64Mi"),
        ("pids_limit: -1", ("resources",), None),
        ("cpus: '0.25'", ("resources", "cpus"), 0.25),
        ("stop_grace_period: 1m30s", ("stop", "graceSeconds"), 90),
        ("stop_signal: 2", ("stop", "signal"), "INT"),
        ("stop_signal: SIGUSR1", ("stop", "signal"), "USR1"),
        ("restart: 'no'", ("restart", "policy"), "Never"),
        ("restart: no", ("restart", "policy"), "Never"),
        ("restart: on-failure:3", ("restart", "policy"), "OnFailure"),
        ("restart: unless-stopped", ("restart", "policy"), "Always"),
        ("image: a", ("restart", "policy"), "OnFailure"),
        ("cap_add: [CAP_SYS_PTRACE, SYS_PTRACE]", ("container", "capAdd"), ["SYS_PTRACE"]),
        ("extra_hosts: {a: 1.1.1.1, b: '::1'}", ("container", "extraHosts"), ["a:1.1.1.1", "b:::1"]),
        ("extra_hosts: ['a=1.1.1.1', 'b:[::1]']", ("container", "extraHosts"), ["a:1.1.1.1", "b:::1"]),
        ("tty: 'yes'", ("container", "tty"), True),
        ("deploy: {replicas: 0}", ("replicas",), 0),
        ("volumes: ['/a:/b:ro,cached']", ("volumes",), [{"hostPath": "/a", "mountPath": "/b", "readOnly": True}]),
        ("volumes: ['~/x:/x']", ("volumes", 0, "hostPath"), "/home/me/x"),
        ("volumes: ['../x:/x']", ("volumes", 0, "hostPath"), "/x"),
        ("volumes: ['/var/lib/x']", ("volumes", 0, "volume"), "web-var-lib-x"),
        ("healthcheck: {test: a b}", ("probes", "readiness", "exec", "command"), ["/bin/sh", "-c", "a b"]),
        ("healthcheck: {test: [CMD-SHELL, a b]}", ("probes", "readiness", "exec", "command"), ["/bin/sh", "-c", "a b"]),
        ("healthcheck: {test: [CMD, a, b]}", ("probes", "readiness", "exec", "command"), ["a", "b"]),
        ("healthcheck: {test: [CMD, a]}", ("probes", "readiness", "periodSeconds"), 30),
        ("healthcheck: {test: [NONE]}", ("probes",), None),
        ("network_mode: none", ("container", "networks"), ["none"]),
        ("container_name: My_Web", ("container", "aliases"), ["My_Web"]),
    ],
)  # fmt: skip
def test_a_field_becomes_ours(written: str, path: tuple[Any, ...], expected: Any) -> None:
    found: Any = service(written if "image" not in written else "tty: false")
    for segment in path:
        found = found[segment] if isinstance(segment, int) else (found or {}).get(segment)
    assert found == expected


def test_the_environment_wins_over_its_files_and_files_over_earlier_ones() -> None:
    files = {"/src/a.env": "A=1\nB=1\nC=1\nPASSED\n", "/src/b.env": "B=2\nC=2\n"}
    env = service(
        "env_file: [a.env, b.env]\nenvironment: [C=3, GIVEN, MISSING]", files=files, env={"PASSED": "p", "GIVEN": "g"}
    )
    assert env["env"] == {"A": "1", "B": "2", "C": "3", "PASSED": "p", "GIVEN": "g"}
    assert "envFrom" not in env


def test_a_file_that_we_read_alike_is_named_and_followed() -> None:
    found = service("env_file: a.env\nenvironment: {B: 2}", files={"/src/a.env": "A=1\nB='x y'\n"})
    assert found["envFrom"] == [{"file": "/src/a.env"}]
    assert found["env"] == {"B": "2"}


def test_variables_come_from_the_environment_before_dot_env() -> None:
    files = {"/src/.env": "A=file\nB=file\n"}
    found = service("environment: {A: $A, B: $B, C: '${COMPOSE_PROJECT_NAME}', D: }", files=files, env={"A": "env"})
    assert found["env"] == {"A": "env", "B": "file", "C": "src"}


@pytest.mark.parametrize(
    ("text", "env", "expected"),
    [
        ("", {}, "src"), ("name: shop\n", {}, "shop"), ("name: ${N:-other}\n", {}, "other"),
        ("name: My_Shop.2\n", {}, "my-shop-2"), ("name: shop\n", {"COMPOSE_PROJECT_NAME": "set"}, "set"),
    ],
)  # fmt: skip
def test_the_project_is_the_namespace(text: str, env: dict[str, str], expected: str) -> None:
    assert project(f"{text}services: {{a: {{image: x}}}}\n", env=env).name == expected


@pytest.mark.parametrize(
    ("restart", "expected"),
    [("'no'", {}), ("on-failure:2", {"retries": 2}), ("on-failure", {"retries": 100}), ("", {})],
)
def test_a_one_off_that_others_wait_for_is_a_job(restart: str, expected: dict[str, int]) -> None:
    waits = "a: {image: x, depends_on: {b: {condition: service_completed_successfully}}}"
    text = f"services:\n  {waits}\n  b: {{image: x, restart: {restart}}}\n"
    found = specs(project(text))
    assert found["Service/a"]["dependsOn"] == [{"service": "b", "condition": "Completed"}]
    assert found["Job/b"] == {"container": {"image": "x"}, **expected}
    assert documents(project(text))


def test_a_start_period_has_it_asked_more_often_until_it_is_well_once() -> None:
    asked = service("healthcheck: {test: a, interval: 1m, start_period: 10s, start_interval: 1s}")["probes"]
    assert (asked["startup"]["periodSeconds"], asked["readiness"]["periodSeconds"]) == (1, 60)
    assert asked["startup"]["exec"] == asked["readiness"]["exec"]
    usual = service("healthcheck: {test: a, start_period: 10s}")["probes"]
    assert (usual["startup"]["periodSeconds"], usual["startup"]["failureThreshold"]) == (5, 1_000_000)
    assert "startup" not in service("healthcheck: {test: a, start_period: 0s, start_interval: 1s}")["probes"]


def test_healthy_without_a_check_is_said_to_be_no_more_than_running() -> None:
    found = project("services: {a: {image: x, depends_on: {b: {condition: service_healthy}}}, b: {image: x}}\n")
    assert "b has no healthcheck here" in found.notes[0].message


def test_names_of_ours_that_two_would_have_are_refused() -> None:
    with pytest.raises(SpecError, match=r"compose\.yaml:1:29: services\.a_b: it would be called a-b here"):
        project("services: {a-b: {image: x}, a_b: {image: x}}\n")


def test_secrets_in_one_directory_are_one_and_shared_by_who_has_the_same() -> None:
    text = """
services:
  a: {image: x, secrets: [p, q]}
  b: {image: x, secrets: [q, p]}
  c: {image: x, secrets: [p, {source: q, target: /etc/q}]}
secrets: {p: {file: ./p}, q: {file: ./q}}
"""
    found = specs(project(text))
    assert sorted(name for name in found if name.startswith("Secret/")) == ["Secret/a-secrets", "Secret/p", "Secret/q"]
    assert found["Service/b"]["volumes"] == [{"secret": "a-secrets", "mountPath": "/run/secrets"}]
    assert found["Service/c"]["volumes"][1] == {"secret": "q", "mountPath": "/etc"}
    assert found["Secret/a-secrets"]["files"] == {"p": "/src/p", "q": "/src/q"}


def test_files_that_include_each_other_are_told_once_and_end() -> None:
    files = {"/src/b.yaml": "include: [compose.yaml, b.yaml, c.yaml]\n", "/src/compose.yaml": "include: [b.yaml]\n"}
    files["/src/c.yaml"] = "include: [" + ", ".join(["d.yaml"] * 300) + "]\n"
    files["/src/d.yaml"] = "services: {}\n"
    with pytest.raises(SpecError) as error:
        project("include: [b.yaml]\n", files=files)
    told = [f"{problem.file}: {problem.message}" for problem in error.value.problems]
    assert told[:2] == ["b.yaml: /src/compose.yaml includes itself", "b.yaml: /src/b.yaml includes itself"]
    assert "more than 200 files" in told[2]


def test_later_files_are_laid_over_earlier_ones() -> None:
    base = "services: {web: {image: a, command: [x], cap_add: [A], environment: {A: 1}, healthcheck: {test: 'true'}}}\n"
    over = "services: {web: {image: b, command: !reset null, cap_add: [B, A], environment: [A=2, B=3]}}\n"
    last = "services: {web: {environment: !override {C: 4}, healthcheck: !reset {}}}\n"
    found = specs(project(base, over, last))["Service/web"]
    assert found["container"] == {"image": "b", "capAdd": ["A", "B"]}
    assert found["env"] == {"C": "4"}
    assert "probes" not in found


def test_a_secret_s_content_is_quoted_nowhere() -> None:
    text = "services: {a: {image: x, secrets: [s], nonsense: 1}}\nsecrets: {s: {content: hunter2}}\n"
    with pytest.raises(SpecError) as error:
        project(text)
    assert "hunter2" not in str(error.value)


def test_a_bomb_of_aliases_is_refused_and_not_walked() -> None:
    lines = ["services: &a0 {a: {image: x}}"] + [
        f"x-{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)
    ]
    with pytest.raises(SpecError, match="aliases"):
        project("\n".join(lines))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("services: {}", True), ("version: '3'\nservices:\n  a: {}", True), ("include: [a.yaml]", True),
        ('{"services": {}}', True), ("apiVersion: v1\nkind: Service\nservices: {}", False),
        ("spec:\n  services: {}", False),
        ('{"kind": "List", "services": {}}', False), ("# services:\na: 1", False), ("'services': {}", False),
    ],
)  # fmt: skip
def test_a_compose_file_is_known_by_what_it_holds(text: str, expected: bool) -> None:
    assert is_compose(text.encode()) is expected


ONE = "services: {%s: {image: x%s}}\n"


def test_a_directory_is_the_file_that_compose_would_take_with_its_override(tmp_path: Path) -> None:
    (tmp_path / "docker-compose.yml").write_text(ONE % ("a", ""))
    (tmp_path / "docker-compose.override.yml").write_text("services: {a: {tty: true}}\n")
    (tmp_path / "spec.yaml").write_text("apiVersion: reconciler/v1\nkind: Volume\nmetadata: {name: v}\n")
    (tmp_path / "prometheus.yml").write_text("scrape_configs: []\n")
    notes: list[Problem] = []
    found = {document.resource.key.short: document.resource for document in load([tmp_path], notes=notes)}
    assert sorted(found) == ["service/a", "volume/v"]
    assert [str(note) for note in notes] == [f"{tmp_path}/prometheus.yml: left out: no spec, but beside a Compose file"]
    assert found["service/a"].spec.container.tty
    assert str(found["service/a"].origin) == f"{tmp_path}/docker-compose.override.yml:1"
    (tmp_path / "docker-compose.prod.yml").write_text(ONE % ("a", ""))
    with pytest.raises(UsageError, match=r"a Compose file beside docker-compose\.yml"):
        load([tmp_path])


def test_files_that_are_named_together_are_one_project(tmp_path: Path) -> None:
    base, more = tmp_path / "base.yml", tmp_path / "more.yml"
    base.write_text(ONE % ("a", ", env_file: a.env"))
    more.write_text("services: {a: {environment: {A: $A}}}\n")
    (tmp_path / "a.env").write_text("B=1\n")
    disk, notes = Disk(), []
    (document,) = load([base, more], environment={}, disk=disk, notes=notes)
    assert document.resource.spec.env == {"A": ""}
    assert [note.message for note in notes] == ["the variable A is not set, so it is empty"]
    assert disk.read_so_far == {str(tmp_path / ".env"): None, str(tmp_path / "a.env"): b"B=1\n"}


def test_each_directory_below_is_a_project_of_its_own(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "compose.yaml").write_text(ONE % ("a", ""))
    found = load([tmp_path], recursive=True)
    assert [str(document.resource.key) for document in found] == ["service/one/a", "service/two/a"]


def test_what_is_wrong_between_services_is_told_by_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text("services:\n  a:\n    image: x\n    volumes: ['./a:/x', './b:/x']\n")
    with pytest.raises(SpecError, match=r"compose\.yaml:4:25: spec\.volumes\[1\]\.mountPath: two volumes"):
        load([file])
