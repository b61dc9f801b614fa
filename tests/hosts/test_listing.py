"""A host may tell what it likes: it is believed of itself alone, and nothing that can't be is believed at all."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.planner import plan
from reconciler.errors import Unreachable
from reconciler.kinds.host import HostSpec, SshAccess
from reconciler.model import labels as table
from reconciler.model.observed import Observed, Phase, Snapshot, View
from reconciler.model.plan import Action, Verb
from reconciler.runtimes.remote import listing
from tests.core.build import EMPTY, NOW, container, graph, http, process, settled

HOST, STATE = "nas", "state /home/me/.local/state/reconciler-hosted\nboot b1\n"
ID = "0123456789abcdef" * 2
DIGITS = "9" * 5000
"""More than an int may be read from."""


def labels(**changes: object) -> str:
    told = {
        table.OWNER: "me", table.NAMESPACE: "shop", table.KIND: "service", table.NAME: "web", table.INDEX: "0",
        table.FINGERPRINT: "f" * 16, table.GENERATION: "1", "id": ID,
    }  # fmt: skip
    return "labels " + json.dumps(
        {**told, **{f"dev.reconciler.{k}" if k != "id" else k: v for k, v in changes.items()}}
    )


def said(*lines: str, name: str = "processes shop.web.0") -> str:
    return STATE + "\n".join([f"= {name}", *lines, "end", ""])


def read(text: str) -> list[Observed]:
    return list(listing.read(text, HOST, NOW, NOW).observed(HOST, "me"))


def test_what_is_told_honestly_is_believed() -> None:
    (seen,) = read(said(labels(ports="http=20001/auto"), "pid 7 1 b1 900", "lives"))
    assert (str(seen.key), seen.pid, seen.phase, seen.started_at) == ("service/shop/web/0", 7, Phase.RUNNING, 900.0)
    assert [binding.port for binding in seen.bindings] == [20001]


@pytest.mark.parametrize(
    "text",
    [
        "", "end", "state relative\nend\n", "state /a\x1b[2J\nend\n", f"state /{'a' * 5000}\nend\n", STATE,
        said(labels()) + said(labels()), said(labels()).replace("end\n", "= processes shop.web.0\nend\n"),
        said(labels(), name="processes ../../etc"), said(labels(), name="secrets a"), said(name=f"volumes {'a' * 300}"),
        STATE + "".join(f"= volumes v{i}\n" for i in range(10_001)) + "end\n",
    ],
    ids=lambda text: ascii(text)[:30],
)  # fmt: skip
def test_H15_a_listing_that_cannot_be_is_none_at_all(text: str) -> None:
    """Nothing follows from it: that host is Unknown, and nobody else."""
    with pytest.raises(Unreachable):
        read(text)


@pytest.mark.parametrize(
    "text",
    [
        said(labels(owner="somebody")), said(labels(name="db")), said(labels(namespace="shop-web", name="x")),
        said(labels(index="1")), said(labels(index=DIGITS)), said(labels(index=0)), said(labels(kind="network")),
        said(labels(kind="volume")), said(labels(kind="host", index="")), said(labels(id="../../etc")),
        said(labels(id="")), said(labels(id=7)), said("labels []"), said("labels {"), said("labels " + "[" * 100_000),
        said(labels(), name="volumes shop-web-0"), said(labels(name="WEB"), name="processes shop.WEB.0"),
        said(labels(kind="volume", index=""), name="volumes shop-data"),
        said('labels {"id": ' + DIGITS + "}"),
    ],
    ids=lambda text: ascii(text)[60:120],
)  # fmt: skip
def test_H15_what_could_not_lie_there_is_nobodys(text: str) -> None:
    (seen,) = read(text)
    assert (seen.key, seen.owner) == (None, "")


@pytest.mark.parametrize("line", ["pid 0 1 b1 9", f"pid {DIGITS} 1 b1 9", f"pid 7 1 b1 {DIGITS}", "pid ７ 1 b1 9",
                                  "pid -1 1 b1 9", "pid 1e9 1 b1 nan"])  # fmt: skip
def test_H15_numbers_are_as_large_as_they_can_be(line: str) -> None:
    many = labels(ports=f"a={DIGITS}/auto,b=0/auto,c=65536/auto,d=80/auto", generation=DIGITS, fingerprint="F\x1b")
    (seen,) = read(said(many, line, "lives"))
    assert (seen.pid, seen.started_at, seen.generation, seen.fingerprint) == (None, None, 0, "none")
    assert [binding.port for binding in seen.bindings] == [80]
    (ended,) = read(said(labels(), "pid 7 1 b1 9", f"exit {DIGITS} 9"))
    assert (ended.phase, ended.exit_code, ended.finished_at) == (Phase.EXITED, 137, None)


WORDS = st.sampled_from(
    ["state", "boot", "=", "labels", "pid", "exit", "lives", "log", "fact", "lease", "end", "processes", "volumes",
     "now", "shop.web.0", "uid", "7", DIGITS, "nan", "-1", "0.5", "/", "{}", "b1", labels()[7:],
     "\x00", "\u2028", "\x85"]
)  # fmt: skip
LINES = st.lists(st.one_of(WORDS, st.text(max_size=8)), max_size=6).map(" ".join)
LISTINGS = st.lists(LINES, max_size=8).map(lambda lines: STATE + "\n".join([*lines, "end", ""]))


@settings(max_examples=60)
@given(LISTINGS)
def test_H15_whatever_is_told_is_read_or_refused(text: str) -> None:
    try:
        seen = read(text)
    except Unreachable:
        return
    for thing in seen:
        assert (thing.host, thing.runtime) == (HOST, "process")
        assert thing.owner in ("", "me")
        assert thing.name.isprintable()
        assert all(1 <= binding.port <= 65535 for binding in thing.bindings)
        assert all(moment is None or math.isfinite(moment) for moment in (thing.started_at, thing.finished_at))


HOSTS = {HOST: HostSpec(ssh=SshAccess(host="192.0.2.7"), address="192.0.2.7")}
WANTED = graph(
    container("web", ports=(http(),)), process("api", ports=(http("20000-20009"),)), process("there", run_on=HOST),
    container("front", depends_on=("there",)), hosts=HOSTS,
)  # fmt: skip
ELSEWHERE = (View("docker", HOST),)
HONEST = settled(WANTED, Snapshot((*EMPTY.views, View("process", HOST), *ELSEWHERE)))
CLAIMS = st.builds(
    lambda name, index, kind, prints, ports, pid, ends: (f"processes shop.{name}.{index}", labels(
        name=name, index=str(index), kind=kind, fingerprint=prints, ports=ports), f"pid {pid} 1 b1 900", ends),
    st.sampled_from(["web", "api", "there", "front", "other"]), st.integers(0, 2),
    st.sampled_from(["service", "job", "campaign"]), st.sampled_from(["f" * 16, "none", "a" * 16]),
    st.sampled_from(["", "http=20000/auto", "http=20003/20000-20009", "http=22/auto"]), st.integers(0, 9),
    st.sampled_from(["lives", "exit 1 950", ""]),
)  # fmt: skip


def elsewhere(actions: Iterable[Action]) -> list[Action]:
    """What is done on other machines than the one that lies."""
    return [action for action in actions if _place(action) != f"process@{HOST}"]


def _place(action: Action) -> str:
    thing = action.seen or action.desired
    assert thing is not None
    return thing.place


def lying(claims: Iterable[tuple[str, ...]]) -> View:
    told = [f"= {where}\n" + "".join(f"{line}\n" for line in lines) for where, *lines in claims]
    return View("process", HOST, tuple(read(STATE + "".join(told) + "end\n")))


def test_H15_a_claim_on_what_is_wanted_elsewhere_is_taken_down_where_it_is_made() -> None:
    lies = lying([("processes shop.api.0", labels(name="api"), "pid 7 1 b1 900", "lives")])
    views = tuple(lies if view.place == lies.place else view for view in HONEST.views)
    planned = plan(WANTED, replace(HONEST, views=views), {}, NOW).actions
    found = {(action.verb, _place(action)) for action in planned if action.key.name == "api"}
    assert found == {(Verb.STOP, lies.place), (Verb.REMOVE, lies.place)}


@settings(max_examples=40)
@given(st.lists(CLAIMS, max_size=4, unique_by=lambda claim: claim[0]))
def test_H15_who_lies_about_others_has_nothing_done_to_them(claims: list[tuple[str, ...]]) -> None:
    """Everything is as it should be on the other machines: whatever one host tells, there it stays so."""
    lies = lying(claims)
    views = tuple(lies if view.place == lies.place else view for view in HONEST.views)
    assert elsewhere(plan(WANTED, replace(HONEST, views=views), {}, NOW).actions) == []


@settings(max_examples=40)
@given(st.lists(CLAIMS, max_size=4, unique_by=lambda claim: claim[0]))
def test_H15_nor_does_anything_come_to_be_where_nobody_wanted_it(claims: list[tuple[str, ...]]) -> None:
    lies = lying(claims)
    views = (*EMPTY.views, lies, *ELSEWHERE)
    planned = elsewhere(plan(WANTED, Snapshot(views), {}, NOW).actions)
    assert {action.verb for action in planned} <= {Verb.CREATE}
    assert {(str(action.key), _place(action)) for action in planned} <= {
        ("network/shop/default", "docker"), ("service/shop/web/0", "docker"), ("service/shop/api/0", "process"),
        ("service/shop/front/0", "docker"),
    }  # fmt: skip
