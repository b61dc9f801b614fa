"""Nothing is changed on a host before it is ours to change."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import pytest

from reconciler.engine.executor import perform
from reconciler.engine.places.leases import FRESH_SECONDS, Lease, Leased, released
from reconciler.errors import HostTaken, Unreachable
from reconciler.kinds.host import HostSpec, SshAccess
from reconciler.model.hostfacts import HostFacts
from reconciler.model.hostfacts import Lease as Held
from reconciler.model.observed import Snapshot, View
from reconciler.model.plan import Action, Plan, Result, Verb
from reconciler.runtimes.memory import MemoryRuntime
from tests.core.build import NOW, graph, process, rendered, resource

PLACE = "process@shop/a"
DESIRED_GRAPH = graph(resource("host", "a", HostSpec(ssh=SshAccess(host="10.0.0.2"))), process("there", run_on="a"))
SNAPSHOT = Snapshot((View("docker"), View("process"), View("process", "shop/a", machine=HostFacts())))


@dataclass
class Book:
    """Who has it, and how often it was asked."""

    taken: bool = False
    silent: bool = False
    claims: int = 0
    releases: int = 0
    now: float = field(default=0.0)

    def claim(self) -> None:
        self.claims += 1
        if self.taken:
            raise HostTaken("host a is looked after by bob")

    def release(self) -> None:
        self.releases += 1
        if self.silent:
            raise Unreachable("host a is away")


def leased(book: Book) -> tuple[MemoryRuntime, Leased]:
    inside = MemoryRuntime("process", host="shop/a", now=lambda: NOW)
    return inside, Leased(inside, Lease(book, lambda: book.now))


def create() -> Action:
    desired = next(item for item in rendered(DESIRED_GRAPH, SNAPSHOT).desired.values() if item.key.name == "there")
    return Action(Verb.CREATE, desired.key, "it does not exist", desired)


def test_who_finds_in_the_last_moment_that_another_one_came_first_changes_nothing() -> None:
    inside, runtime = leased(Book(taken=True))
    (outcome,) = perform(Plan(((create(),),)), {PLACE: runtime})
    assert (outcome.result, outcome.reason) == (Result.REFUSED, "HostTaken")
    assert inside.observe().objects == ()


def test_who_holds_it_asks_seldom_and_those_who_ask_at_once_ask_once() -> None:
    book = Book()
    inside, runtime = leased(book)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: runtime.create(create().desired), range(8)))
    assert (book.claims, len(inside.observe().objects)) == (1, 1)
    runtime.create(create().desired)
    assert book.claims == 1
    book.now = FRESH_SECONDS + 1
    runtime.create(create().desired)
    assert book.claims == 2


@pytest.mark.parametrize("silent", [False, True])
def test_what_is_given_back_is_asked_for_anew(silent: bool) -> None:
    """Whether the host has heard of it or not."""
    book = Book(silent=silent)
    _, runtime = leased(book)
    runtime.create(create().desired)
    ours = replace(SNAPSHOT.view(PLACE), lease=Held("me", "ann@desk", 500))
    snapshot = replace(SNAPSHOT, views=(*SNAPSHOT.views[:2], ours))
    assert released({PLACE: runtime}, DESIRED_GRAPH, snapshot, ()) == ([] if silent else ["shop/a"])
    assert book.releases == 1
    runtime.create(create().desired)
    assert book.claims == 2
