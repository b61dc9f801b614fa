"""`explain`: every field of every kind has a page."""

from __future__ import annotations

import pytest

from reconciler.core import shape
from reconciler.core.explain import explain
from reconciler.errors import UsageError
from reconciler.kinds import KINDS
from reconciler.kinds.base import Kind
from tests.core.specs import documents

PATHS = sorted(
    {
        f"{kind.key}.{path.replace('[]', '').replace('.*', '')}.{name}"
        for kind in KINDS.values()
        for name, path in shape.places(shape.record(kind.spec))
    }
)


@pytest.mark.parametrize("path", PATHS)
def test_every_field_has_a_page(path: str) -> None:
    page = explain(path)
    kind, _, field = path.partition(".")
    assert page.startswith(f"KIND:     {kind.capitalize()}\nVERSION:  reconciler/v1\nFIELD:    {field}\nTYPE:     ")
    assert "\nDESCRIPTION:\n    " in page
    assert all(len(line) <= 100 for line in page.splitlines())


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.key)
def test_a_kinds_page_ends_with_an_example_that_works(kind: Kind) -> None:
    example = explain(kind.plural).partition("EXAMPLE:\n")[2]
    (document,) = documents(example, {"DB_PASSWORD": "x"})
    assert document.resource.key.kind == kind.key


def test_a_field_tells_its_type_default_and_meaning() -> None:
    assert explain("service.spec.ports.hostPort") == (
        "KIND:     Service\n"
        "VERSION:  reconciler/v1\n"
        "FIELD:    spec.ports.hostPort\n"
        "TYPE:     integer or string\n"
        "DEFAULT:  auto\n"
        "\n"
        "DESCRIPTION:\n"
        '    A number, a range like "8080-8099", or auto (20000-29999).\n'
    )


def test_a_record_lists_its_fields() -> None:
    page = explain("svc.spec.dependsOn")
    assert "TYPE:     [](string or Object)\n" in page
    assert "  service  <string>  required\n      Its name, in the same namespace.\n" in page
    assert "  condition  <Ready | Started | Completed>  default Ready\n" in page


def test_limits_are_told() -> None:
    assert "TYPE:     integer, 0 to 1000\n" in explain("service.spec.replicas")
    assert "TYPE:     number, at least 0.001\n" in explain("service.spec.resources.cpus")


def test_spec_may_be_left_out() -> None:
    assert explain("service.ports.hostPort") == explain("service.spec.ports.hostPort")


@pytest.mark.parametrize(
    ("path", "hint"),
    {
        "servcie": "did you mean Service?",
        "service.spec.prots": "did you mean ports?",
        "service.spec.ports.hostport.x": "has no fields of its own",
        "service.spec.env.FOO": "has no fields of its own",
        "service.spec.zzz": "one of replicas, ",
        "": "one of Service, ",
    }.items(),
)
def test_an_unknown_path_gets_a_suggestion(path: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        explain(path)
    assert hint in caught.value.hint
