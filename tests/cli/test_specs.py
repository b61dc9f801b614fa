"""The verbs that help to write specs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler.kinds import KINDS
from tests.cli.conftest import Run

WEB = """\
apiVersion: reconciler/v1
kind: Service
metadata: {name: web}
spec:
  process: {command: [sleep, "60"]}
"""
NEEDY = WEB + "  dependsOn: [db]\n"
HEAD = {"apiVersion": "reconciler/v1", "metadata": {"name": "a"}}
BROKEN = WEB + "  dependOn: [db]\n"
TWO = f"{NEEDY}---\n{WEB.replace('web', 'db')}"


def test_validate_says_of_each_resource_that_it_is_valid(cli: Run, tmp_path: Path) -> None:
    (tmp_path / "two.yaml").write_text(TWO)
    shown = cli("validate", "-f", "two.yaml", "--strict")
    assert (shown.returncode, shown.stdout, shown.stderr) == (0, "✓ service/web valid\n✓ service/db valid\n", "")
    assert cli("validate", "-f", "two.yaml", "-o", "name").stdout == "service/web\nservice/db\n"


def test_validate_shows_the_place_of_an_error_and_exits_with_2(cli: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(BROKEN)
    shown = cli("validate", "-f", "bad.yaml")
    assert shown.returncode == 2
    assert shown.stdout.startswith("✗ bad.yaml:6:3: ")
    assert "did you mean dependsOn?" in shown.stdout
    tree = json.loads(cli("validate", "-f", "bad.yaml", "-o", "json").stdout)
    assert (tree["valid"], tree["resources"]) == (False, [])
    assert (tree["errors"][0]["file"], tree["errors"][0]["line"]) == ("bad.yaml", 6)


def test_validate_warns_of_what_is_not_among_the_specs_and_strict_fails_on_it(cli: Run) -> None:
    shown = cli("validate", "-f", "-", stdin=NEEDY)
    assert shown.returncode == 0
    assert shown.stdout.startswith(
        "! service/web valid\n  warning: <stdin>:6:15: spec.dependsOn[0]: there is no service called 'db'"
    )
    assert cli("validate", "-f", "-", "--strict", stdin=NEEDY).returncode == 2
    tree = json.loads(cli("validate", "-f", "-", "-o", "json", stdin=NEEDY).stdout)
    assert tree["valid"]
    assert tree["warnings"][0]["path"] == "spec.dependsOn[0]"


def test_validate_finds_what_is_wrong_between_resources(cli: Run) -> None:
    circle = f"{NEEDY}---\n{WEB.replace('web', 'db')}  dependsOn: [web]\n"
    shown = cli("validate", "-f", "-", stdin=circle)
    assert shown.returncode == 2
    assert "circle" in shown.stdout
    itself = cli("validate", "-f", "-", stdin=WEB + "  dependsOn: [web]\n")
    assert (itself.returncode, "depends on itself" in itself.stdout) == (2, True)


def test_validate_reads_the_environment(cli: Run) -> None:
    spec = WEB + '  env: {WHO: "${SOMEBODY}"}\n'
    assert "SOMEBODY" in cli("validate", "-f", "-", stdin=spec).stdout
    assert cli("validate", "-f", "-", stdin=spec, env={"SOMEBODY": "x"}).returncode == 0


def test_a_secrets_variable_need_not_be_set_where_it_is_only_checked(cli: Run) -> None:
    secret = json.dumps({**HEAD, "kind": "Secret", "spec": {"env": {"A": "NO_SUCH_VARIABLE"}}})
    told = cli("validate", "-f", "-", stdin=secret)
    assert (told.returncode, "warning: " in told.stdout, "NO_SUCH_VARIABLE is not set" in told.stdout) == (
        0,
        True,
        True,
    )
    assert cli("validate", "--strict", "-f", "-", stdin=secret).returncode == 2
    assert cli("apply", "-f", "-", stdin=secret).returncode == 2


@pytest.mark.parametrize(
    ("spec", "hint"),
    [
        ({"resources": {"cpus": "500m"}}, "did you mean 0.5?"),
        ({"restart": "always"}, "write {policy: Always}"),
        ({"restart": "unless-stopped"}, "write {policy: Always}"),
        ({"restart": "on-failure:3"}, "write {policy: OnFailure}"),
        ({"process": {"command": [True]}}, 'quote it: "true"'),
    ],
)
def test_one_slip_is_one_error_with_what_was_meant(cli: Run, spec: dict[str, object], hint: str) -> None:
    document = {**HEAD, "kind": "Service", "spec": {"process": {"command": ["run"]}, **spec}}
    told = cli("validate", "-f", "-", stdin=json.dumps(document)).stdout
    assert (hint in told, told.count("hint:")) == (True, 1), told


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["apply", "my web.yaml"], "reconciler apply -f 'my web.yaml'"),
        (["up"], "did you mean apply?"),
        (["down"], "did you mean delete?"),
        (["ps"], "did you mean status?"),
    ],
)
def test_who_types_as_for_another_tool_is_told_the_word_of_this_one(cli: Run, typed: list[str], words: str) -> None:
    told = cli(*typed)
    assert (told.returncode, words in told.stderr) == (2, True), told.stderr


def test_validate_without_files_says_how_to_name_them(cli: Run) -> None:
    wrong = cli("validate")
    assert wrong.returncode == 2
    assert "-f FILE" in wrong.stderr
    assert "no such file" in cli("validate", "-f", "missing.yaml").stderr


def test_R20_a_namespace_that_is_typed_wins_over_the_spec_and_the_spec_over_the_config_file(
    cli: Run, config_file: Path
) -> None:
    config_file.write_text("namespace: mine\n")
    stated = WEB.replace("{name: web}", "{name: web, namespace: theirs}")

    def key(spec: str, *arguments: str) -> str:
        return str(json.loads(cli("validate", "-f", "-", "-o", "json", *arguments, stdin=spec).stdout)["resources"][0])

    assert key(WEB) == "service/mine/web"
    assert key(stated) == "service/theirs/web"
    assert key(stated, "-n", "typed") == "service/typed/web"


def test_a_namespace_that_would_make_two_resources_one_is_refused(cli: Run) -> None:
    both = "---\n".join(WEB.replace("{name: web}", f"{{name: web, namespace: {name}}}") for name in ("a", "b"))
    assert cli("validate", "-f", "-", stdin=both).returncode == 0
    wrong = cli("validate", "-f", "-", "-n", "c", stdin=both)
    assert wrong.returncode == 2
    assert "service/a/web" in wrong.stderr
    assert "would become one" in wrong.stderr


def test_init_writes_a_spec_that_is_valid_and_names_the_next_commands(cli: Run, tmp_path: Path) -> None:
    shown = cli("init", "my shop")
    assert shown.returncode == 0
    assert "reconciler apply -f 'my shop/reconciler.yaml'" in shown.stdout
    valid = cli("validate", "--strict", "-f", str(tmp_path / "my shop"))
    assert (valid.returncode, valid.stdout) == (0, "✓ config/site valid\n✓ service/web valid\n")


def test_init_makes_no_directory_that_looks_like_a_spec(cli: Run, tmp_path: Path) -> None:
    wrong = cli("init", "web.yaml")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "web.yaml looks like a file; init takes a directory" in wrong.stderr
    assert not (tmp_path / "web.yaml").exists()


def test_init_never_overwrites(cli: Run, tmp_path: Path) -> None:
    (tmp_path / "reconciler.yaml").write_text("mine")
    wrong = cli("init")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert wrong.stderr.startswith("error: reconciler.yaml is there already\n")
    assert (tmp_path / "reconciler.yaml").read_text() == "mine"
    (tmp_path / "dangling").mkdir()
    (tmp_path / "dangling/reconciler.yaml").symlink_to(tmp_path / "elsewhere")
    assert cli("init", "dangling").returncode == 1
    assert not (tmp_path / "elsewhere").exists()


def test_the_other_ways_that_the_starter_mentions_are_valid_too(cli: Run, tmp_path: Path) -> None:
    """With the comments of the container variant taken away and the process put in comments."""
    cli("init")
    path = tmp_path / "reconciler.yaml"
    lines = path.read_text().splitlines()
    hidden = ("# container:", "#   image:", "# port:", "# mountPath:")
    turned = [
        line.replace("# ", "", 1) if any(word in line for word in hidden)
        else f"#{line}" if "process:" in line or "command:" in line
        else line
        for line in lines
    ]  # fmt: skip
    path.write_text("\n".join(turned) + "\n")
    valid = cli("validate", "--strict", "-f", "reconciler.yaml")
    assert (valid.returncode, valid.stdout) == (0, "✓ config/site valid\n✓ service/web valid\n")


@pytest.mark.parametrize("kind", [kind.name for kind in KINDS.values()])
def test_schema_prints_a_kind_by_any_of_its_names(cli: Run, kind: str) -> None:
    words = (kind, KINDS[kind].key, KINDS[kind].plural, *KINDS[kind].short)
    shown = {cli("schema", word).stdout for word in words}
    assert len(shown) == 1
    assert json.loads(shown.pop())["type"] == "object"


def test_schema_writes_all_of_them_into_a_directory(cli: Run, tmp_path: Path) -> None:
    shown = cli("schema", "--all", "out")
    assert shown.returncode == 0
    assert f"{tmp_path}" not in shown.stdout
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        Path(line).name for line in shown.stdout.splitlines()
    }
    assert {"service.json", "reconciler.json"} <= {path.name for path in (tmp_path / "out").iterdir()}
    assert cli("schema", "service", "--all", "out").returncode == 2


def test_explain_describes_kinds_and_fields(cli: Run) -> None:
    assert "hostPort" in cli("explain", "service.spec.ports").stdout
    wrong = cli("explain", "service.spec.prots")
    assert wrong.returncode == 2
    assert "ports" in wrong.stderr


def test_a_secret_is_never_shown_by_validate(cli: Run) -> None:
    secret = "apiVersion: reconciler/v1\nkind: Secret\nmetadata: {name: s}\nspec: {data: {k: canary-4711}, dta: {}}\n"
    for form in ([], ["-o", "json"], ["-vv"]):
        shown = cli("validate", "-f", "-", *form, stdin=secret)
        assert shown.returncode == 2
        assert "canary-4711" not in shown.stdout + shown.stderr


def test_who_names_no_file_is_told_of_the_one_that_is_there(cli: Run, tmp_path: Path) -> None:
    assert cli("validate").stderr.endswith("or -f - to read standard input\n")
    (tmp_path / "docker-compose.yml").write_text("services: {}\n")
    assert cli("validate").stderr.endswith("; docker-compose.yml is here: -f docker-compose.yml\n")
