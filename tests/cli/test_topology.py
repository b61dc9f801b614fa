"""Who calls whom, as a picture and as values."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from reconciler.cli.render.drawn import dot, svg
from reconciler.core.calling import Call, calls, members
from tests.core.build import container, graph, process, settled
from tests.core.test_topology import HOSTS, calling, http, world

PLACES = {"ask": "local", "web": "nas<1>", "db": "nas<1>"}
CALLS = [
    Call("ask", "local", "web", "nas<1>", "mesh", "10.42.0.9", ""),
    Call("web", "nas<1>", "db", "nas<1>", "engine", "db", ""),
]


def test_a_picture_has_a_box_for_each_host_and_a_line_for_each_call() -> None:
    space = "{http://www.w3.org/2000/svg}"
    drawn = ET.fromstring(svg(PLACES, CALLS))
    assert {text.text for text in drawn.iter(f"{space}text")} >= {"local", "nas<1>", "ask", "web", "db"}
    assert [title.text for title in drawn.iter(f"{space}title")] == [
        "ask calls web: mesh 10.42.0.9",
        "web calls db: engine db",
    ]
    assert ET.fromstring(svg({}, [])) is not None


def test_graphviz_is_told_the_same() -> None:
    told = dot(PLACES, CALLS)
    assert told.count("subgraph") == 2
    assert '"ask" -> "web" [label="mesh"' in told
    assert told.endswith("}\n")


def test_each_pair_says_how() -> None:
    spec = graph(
        container("web", run_on="far", ports=(http(),)), container("db", run_on="far", depends_on=("web",)),
        calling("ask", "web"), calling("near", "web", run_on="near"), process("alone"), *HOSTS,
    )  # fmt: skip
    there = settled(spec, world())
    found = {(one.caller, one.callee): one.how for one in calls(spec, there)}
    assert found == {("db", "web"): "engine", ("ask", "web"): "mesh", ("near", "web"): "mesh"}
    assert {one.host: sorted(one.peers) for one in members(spec, there)} == {
        "local": ["far"],
        "far": ["local", "near"],
        "near": ["far"],
    }
