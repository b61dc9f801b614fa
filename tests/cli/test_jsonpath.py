"""kubectl's JSONPath, as far as it goes here."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.cli.render.jsonpath import compile_template, render
from reconciler.errors import UsageError

LIST: dict[str, Any] = {
    "kind": "List",
    "items": [
        {
            "metadata": {"name": "web", "labels": {"a.b/c": "x"}},
            "status": {"phase": "Running", "replicas": 2},
            "on": True,
        },
        {"metadata": {"name": "db", "labels": {}}, "status": {"phase": "Exited", "replicas": 0}, "on": None},
        {"metadata": {"name": "cache", "labels": {}}, "status": {"phase": "Running", "replicas": 10}},
    ],
}
CASES = {
    "{.kind}": "List",
    "{$.kind}": "List",
    ".kind": "List",
    "kind": "List",
    "{.items[*].metadata.name}": "web db cache",
    ".items[*].metadata.name": "web db cache",
    "items[0].metadata.name": "web",
    "{.items[-1].metadata.name}": "cache",
    "{.items[0:2].metadata.name}": "web db",
    "{.items[1:].metadata.name}": "db cache",
    "{.items[:-1].metadata.name}": "web db",
    "{.items[::2].metadata.name}": "web cache",
    "{.items[0,2].metadata.name}": "web cache",
    "{.items[7].metadata.name}": "",
    "{.items[*]['metadata'].name}": "web db cache",
    "{.items[0].metadata.labels['a.b/c']}": "x",
    r"{.items[0].metadata.labels.a\.b/c}": "x",
    '{.items[0].metadata["name", "labels"]}': 'web {"a.b/c":"x"}',
    "{..name}": "web db cache",
    "{.items..replicas}": "2 0 10",
    "{.items[0].status.*}": "Running 2",
    "{.items[0].on} {.items[1].on}": "true null",
    "{.nothing.at.all}": "",
    "{.kind.below.a.text}": "",
    "{.items[0].status}": '{"phase":"Running","replicas":2}',
    '{.items[?(@.status.phase=="Running")].metadata.name}': "web cache",
    "{.items[?(@.status.phase == 'Exited')].metadata.name}": "db",
    "{.items[?(@.status.phase!='Running')].metadata.name}": "db",
    "{.items[?(@.status.replicas>1)].metadata.name}": "web cache",
    "{.items[?(@.status.replicas<=2)].metadata.name}": "web db",
    "{.items[?(@.status.replicas>'1')].metadata.name}": "",
    "{.items[?(@.on==true)].metadata.name}": "web",
    "{.items[?(@.on)].metadata.name}": "web db",
    '{range .items[*]}{.metadata.name}{"\\n"}{end}': "web\ndb\ncache\n",
    '{range .items[*]}{.metadata.name}{"\\t"}{.status.phase}{";"}{end}!': "web\tRunning;db\tExited;cache\tRunning;!",
    "{range .items[0:1]}[{range .status.*}<{.}>{end}]{end}": "[<Running><2>]",
    "name={.items[0].metadata.name}, kind={ .kind }": "name=web, kind=List",
    '{"}"}{.kind}': "}List",
    "text": "",
    "{.items[0].metadata.name}{'\\''}": "web'",
}


@pytest.mark.parametrize("template", CASES)
def test_it_finds_what_kubectl_finds(template: str) -> None:
    assert render(compile_template(template), LIST) == CASES[template]


WRONG = {
    "{.items[": "never closed",
    "{.items[x]}": "takes a number",
    "{.items[?(@.a]}": "character",
    "{range .items[*]}{.a}": "without {end}",
    "{end}": "without {range}",
    "{}": "a path",
    "{.a b}": "character 3",
    "{.items[?(=1)]}": "expected",
    "{.items['a'}": "] is expected",
}


@pytest.mark.parametrize("template", WRONG)
def test_a_template_that_makes_no_sense_is_a_usage_error(template: str) -> None:
    with pytest.raises(UsageError, match=r"jsonpath") as caught:
        compile_template(template)
    assert WRONG[template] in caught.value.message


def test_depth_is_no_problem() -> None:
    deep: Any = {"name": "bottom"}
    for _ in range(5000):
        deep = {"in": deep}
    assert render(compile_template("{..name}"), deep) == "bottom"


@given(st.text(alphabet="{}.[]()?@$*'\"=<>!:,0123456789-ab \\rangend/", max_size=40))
def test_any_text_is_a_template_or_a_usage_error(template: str) -> None:
    try:
        nodes = compile_template(template)
    except UsageError:
        return
    assert isinstance(render(nodes, LIST), str)
