"""Who could be an instance that is declared: by name, by compose's labels, and by nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.core.adoption import ADOPT, Search, granted, left_behind, match, search
from reconciler.core.making import as_made
from reconciler.core.verdict import deviations
from reconciler.core.world import World
from reconciler.kinds.service import Dependency
from reconciler.model.desired import Desired
from reconciler.model.observed import Facts, Grant, Observed, Phase, Snapshot, Stranger, View
from reconciler.model.resource import Resource
from tests.core.build import NOW, container, graph, http, key, process, rendered

COMPOSE = "com.docker.compose."


def stranger(name: str, service: str = "", number: int = 1, project: str = "shop", **labels: str) -> Stranger:
    said = {"project": project, "service": service, "container-number": str(number), "oneoff": "False", **labels}
    worn = {f"{COMPOSE}{label}": text for label, text in said.items()} if service else {}
    return Stranger(Observed(id=f"id-of-{name}", name=name, kind="service", runtime="docker"), worn)


def found(*strangers: Stranger, declared: Resource, there: tuple[Observed, ...] = ()) -> Search:
    world = World(graph(declared), Snapshot((View("docker", objects=there), View("process"))), NOW)
    return search(world, strangers)


def pairs(result: Search) -> list[tuple[str, str]]:
    return [(f"{one.key.name}/{one.key.index}", one.stranger.seen.name) for one in result.candidates]


def test_containers_of_composes_service_become_instances_in_the_order_of_their_numbers() -> None:
    two = container("web", replicas=2)
    result = found(
        stranger("c", "web", 3), stranger("a", "web", 1), stranger("x"), stranger("b", "web", 2), declared=two
    )
    assert pairs(result) == [("web/0", "a"), ("web/1", "b")]
    assert [(str(k), one.seen.name) for k, one in result.surplus] == [("service/shop/web", "c")]


@pytest.mark.parametrize(
    "other",
    [
        stranger("a", "db"), stranger("a", "web", project="office"), stranger("a", "web", oneoff="True"),
        stranger("shop-web-1"), stranger("shop-web-0"),
    ],
    ids=["another service", "another project", "made by compose run", "only a name like it", "only our own name"],
)  # fmt: skip
def test_nobody_is_taken_for_somebody_else(other: Stranger) -> None:
    assert found(other, declared=container("web")) == Search(())


def test_composes_names_are_understood_as_ours_are_made_of_them() -> None:
    assert pairs(found(stranger("a", "My_web.app"), declared=container("my-web-app"))) == [("my-web-app/0", "a")]


def test_an_instance_that_exists_is_looked_for_no_more() -> None:
    ours = Observed(
        id="1", name="shop-web-0", kind="service", runtime="docker", key=key("web"), owner="me", fingerprint="f"
    )
    assert pairs(found(stranger("b", "web", 2), declared=container("web", replicas=2), there=(ours,))) == [
        ("web/1", "b")
    ]


def test_an_annotation_names_them_and_then_labels_do_not_count() -> None:
    named = replace(container("web", replicas=3), annotations={ADOPT: "old, , /older,gone"})
    result = found(stranger("old"), stranger("older"), stranger("c", "web"), declared=named)
    assert pairs(result) == [("web/0", "old"), ("web/1", "older")]
    assert [(str(k), name) for k, name in result.missing] == [("service/shop/web/2", "gone")]
    assert found(stranger("w", "run"), declared=process("run")) == Search(()), "no process is a container"


@pytest.mark.parametrize(
    ("asked", "has", "kept"),
    [
        (8080, 8080, True), (8080, 9090, False), ("auto", 32768, True),
        ("8080-8089", 8085, True), ("8080-8089", 9090, False),
    ],
)  # fmt: skip
def test_a_port_is_kept_if_it_answers_what_is_asked_for(asked: int | str, has: int, kept: bool) -> None:
    port = http(asked)
    seen = Observed(id="1", name="a", kind="service", runtime="docker", facts=Facts({"ports": ()}))
    given = granted(container("web", ports=(port,)).spec, seen, {"80/tcp": has}).grants
    assert given == ({"http": Grant(has, port.request)} if kept else {})


def desired(**spec: Any) -> Desired:
    db = container("db", ports=(http(),))
    made = container("web", env={"LOG": "info"}, depends_on=(Dependency(service="db"),), **spec)
    return rendered(graph(made, db)).desired[key("web")]


def as_others_made_it(item: Desired, **changed: Any) -> Observed:
    """Without our marks, and with labels and names of its own."""
    made = as_made(item.payload)
    assert made is not None
    fields = {
        **made.fields, "env": {"LOG": "info", "PATH": "/bin"}, "labels": {f"{COMPOSE}project": "shop"},
        "networks": {"shop-default": ("web", "shop-web-1")}, **changed,
    }  # fmt: skip
    return Observed(
        id="1", name="shop-web-1", kind="service", runtime="docker", key=item.key, owner="me", adopted=True,
        networks=tuple(fields["networks"]), facts=Facts(fields, {"env": {"PATH": "/bin"}, "labels": {}, "user": ""}),
    )  # fmt: skip


def test_what_others_hung_on_it_and_what_we_would_have_given_it_is_no_difference() -> None:
    item = desired()
    assert {"RECONCILER", "DB_HOST", "DB_URL"} <= item.implied
    assert "LOG" not in item.implied
    seen = as_others_made_it(item)
    assert list(deviations(item, seen)) == []
    assert list(deviations(item, replace(seen, adopted=False))) != []
    one = match(seen, item, "")
    assert (one.differences, one.seen.fingerprint) == ((), item.fingerprint)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("env", {"LOG": "debug"}, "env LOG differs"), ("env", {}, "env LOG is missing"),
        ("env", {"LOG": "info", "MORE": "x"}, "env MORE is set, but not declared"),
        ("env", {"LOG": "info", "DB_HOST": "elsewhere"}, "env DB_HOST differs"),
        ("user", "1000", 'user is "1000", but not declared'),
        ("ports", ("0.0.0.0:auto->80/tcp",), "port 80/tcp is left to the engine"),
        ("mounts", {"/data": "volume shop_data"}, "volume shop_data is mounted at /data"), ("privileged", True, "on"),
    ],
)  # fmt: skip
def test_everything_else_is(field: str, value: object, said: str) -> None:
    item = desired()
    one = match(as_others_made_it(item, **{field: value}), item, "")
    assert any(said in difference for difference in one.differences)
    assert one.seen.fingerprint != item.fingerprint


def test_what_can_be_changed_in_place_is_no_difference_but_left_behind() -> None:
    item = desired()
    one = match(as_others_made_it(item, networks={"shop_default": ("web",)}, engine_restart="always"), item, "")
    assert one.differences == ()
    assert list(left_behind([one])) == ["shop_default"]


def test_of_whom_nothing_can_be_said_nothing_is_believed() -> None:
    item = desired()
    seen = as_others_made_it(item)
    assert match(replace(seen, phase=Phase.UNKNOWN, detail="it hangs"), item, "").differences == ("it hangs",)
    assert match(seen, None, "its file is not there").differences == ("its file is not there",)
    assert match(seen, item, "", ["/etc/app.ini"]).differences == ("file /etc/app.ini is not as declared",)
