"""The JSON Schemas: current, valid, and of one mind with what `apply` accepts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given

from reconciler.core.parse import Text, parse
from reconciler.core.schema import ALL, all_schemas, schema
from reconciler.core.unparse import to_yaml
from reconciler.core.yaml12 import load, plain
from reconciler.errors import SpecError, UsageError
from reconciler.kinds import KINDS
from tests.core.test_unparse import trees

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "specs"
BAD = [path for path in sorted(GOLDEN.glob("*.yaml")) if not load(path.read_bytes()).flaws]
"""Those that are YAML at all."""
GOOD = sorted((ROOT / "specs").rglob("*.yaml"))

GAPS = {
    "a string that another version of YAML reads differently": (
        "norway-in-env", "sexagesimal-port", "sexagesimal-user", "date-in-env", "special-sign", "octal-port",
    ),
    "rules between fields": (
        "neither-container-nor-process", "container-and-process", "keep-alive-with-command", "volume-of-two-kinds",
        "probe-of-two-kinds", "process-with-mounts", "external-network-with-driver", "name-of-ones-own",
        "port-without-number", "attach-to",
        "ports-without-names", "two-ports-of-one-name", "two-volumes-at-one-path", "replicas-share-a-port",
        "range-too-small", "probe-of-unknown-port", "dependency-twice", "reserved-name", "nothing-could-be-replaced",
        "source-without-verify", "source-of-two-kinds", "source-directory-with-verify",
    ),
    "what stands inside a string": (
        "bad-host",
        "bad-image", "image-like-a-flag", "bad-alias", "bad-host-port", "bad-memory", "bad-signal", "bad-pattern",
        "bad-subnet", "bad-variable-name", "config-key-with-slash", "malformed-expression", "secret-masked",
        "source-urls", "source-refs-and-paths", "source-intervals",
    ),
    "the environment": ("variable-not-set", "variable-of-wrong-type", "secret-variable-not-set"),
    "rules between documents": (
        "declared-twice", "circle-of-dependencies", "depends-on-itself", "unknown-dependency", "unknown-references",
        "two-services-on-one-host-port", "unknown-host",
    ),
    "how a number is written": ("infinite-cpus", "exponent-as-whole-number"),
}  # fmt: skip
"""What a schema can't say, and so an editor does not show; `validate` does."""


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema())


def test_each_schema_is_current() -> None:
    """In one test: to know their names before it begins, every worker would have to make them all."""
    stale = [name for name, text in all_schemas().items() if (ROOT / "schemas" / name).read_text() != text]
    assert stale == [], "make schemas"


def test_the_gaps_are_real_specs() -> None:
    assert {name for names in GAPS.values() for name in names} <= {path.stem for path in BAD}


def test_there_are_no_schemas_of_kinds_that_are_gone() -> None:
    assert {path.name for path in (ROOT / "schemas").glob("*.json")} == set(all_schemas())
    assert len(all_schemas()) == len(KINDS) + 2, "one for all documents, and one for the policy file"


@pytest.mark.parametrize("kind", [None, *KINDS])
def test_a_schema_is_valid(kind: str | None) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(kind))


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.name)
def test_good_specs_pass(path: Path, validator: jsonschema.Draft202012Validator) -> None:
    for tree in _trees(path):
        assert _complaints(validator, tree) == []
        assert _complaints(jsonschema.Draft202012Validator(schema(tree["kind"])), tree) == []


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.key)
def test_the_example_of_a_kind_passes(kind: Any, validator: jsonschema.Draft202012Validator) -> None:
    (node,) = load(kind.example.encode()).documents
    assert _complaints(validator, plain(node)) == []


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_bad_specs_fail_but_for_the_known_gaps(path: Path, validator: jsonschema.Draft202012Validator) -> None:
    refused = any(_complaints(validator, tree) for tree in _trees(path))
    assert refused != (path.stem in {name for names in GAPS.values() for name in names})


@given(trees())
def test_what_is_accepted_passes(tree: dict[str, Any]) -> None:
    """No editor underlines what `apply` takes."""
    try:
        parse([Text("a", to_yaml(tree).encode(), "/")], environment={})
    except SpecError:
        return
    (node,) = load(to_yaml(tree).encode()).documents
    assert _complaints(_VALIDATOR, plain(node)) == []


_VALIDATOR = jsonschema.Draft202012Validator(schema())

DOCUMENT = {"apiVersion": "reconciler/v1", "kind": "Service", "metadata": {"name": "a"}}


def test_variables_may_stand_for_numbers_truths_and_choices(validator: jsonschema.Draft202012Validator) -> None:
    spec = {
        "replicas": "${N}", "container": {"image": "a", "tty": "${TTY:-true}", "pullPolicy": "${P}"},
        "ports": [{"port": "${PORT}", "hostPort": "${PORT}"}], "resources": {"cpus": "${CPUS:-0.5}", "pids": "${PIDS}"},
    }  # fmt: skip
    assert _complaints(validator, DOCUMENT | {"spec": spec}) == []
    assert _complaints(validator, DOCUMENT | {"spec": {"replicas": "${db.port}"}})
    assert _complaints(validator, DOCUMENT | {"spec": {"replicas": "2"}})


def test_keys_of_ones_own_may_stand_anywhere(validator: jsonschema.Draft202012Validator) -> None:
    spec = {"x-a": 1, "container": {"image": "a", "x-b": [2]}, "ports": [{"port": 1, "x-c": None}]}
    assert _complaints(validator, DOCUMENT | {"x-d": {}, "spec": spec}) == []


def test_a_list_is_checked_item_by_item(validator: jsonschema.Draft202012Validator) -> None:
    items = [DOCUMENT | {"spec": {"replicas": 1}}, DOCUMENT | {"spec": {"replica": 1}}]
    assert _complaints(validator, {"apiVersion": "reconciler/v1", "kind": "List", "items": items[:1]}) == []
    assert _complaints(validator, {"apiVersion": "reconciler/v1", "kind": "List", "items": items})
    assert _complaints(validator, {"apiVersion": "reconciler/v1", "kind": "List"})


def test_every_field_is_described_and_nothing_is_noise() -> None:
    for name, definition in schema()["$defs"].items():
        for field, held in definition.get("properties", {}).items():
            described = held.get("description") or schema()["$defs"][held["$ref"].rpartition("/")[2]].get("description")
            assert described, f"{name}.{field}"
            assert "title" not in held


def test_defaults_are_kept() -> None:
    port = schema("Service")["$defs"]["Port"]["properties"]
    assert (port["hostPort"]["default"], port["protocol"]["default"]) == ("auto", "tcp")


def test_an_unknown_kind_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="did you mean Service"):
        schema("servcie")
    assert ALL in all_schemas()


def _trees(path: Path) -> list[Any]:
    loaded = load(path.read_bytes())
    assert loaded.flaws == []
    return [plain(node) for node in loaded.documents]


def _complaints(validator: jsonschema.Draft202012Validator, tree: Any) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(tree)]
