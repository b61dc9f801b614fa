"""What every Store keeps its word about. Not here: what becomes of a broken file (test_diary.py)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.model.key import Key
from reconciler.model.plan import Record
from reconciler.model.status import Condition, Endpoint, Event, Instance, Status
from reconciler.ports import Store
from reconciler.store.memory import EVENTS_KEPT, PAYLOADS_KEPT, Memory
from reconciler.store.sqlite import Diary

WEB = Key("service", "shop", "web")
DB = Key("service", "shop", "db")
ELSEWHERE = Key("service", "other", "web")
RECORD = Record(failures=2, last_at=17.5, fingerprint="f", reason="BackOff", message="it\nended", restarts=3, crashes=2)
STATUS = Status(
    observed_generation=3,
    replicas=2,
    ready_replicas=1,
    endpoints=(Endpoint(name="http", host="127.0.0.1", port=20001, index=0),),
    instances=(
        Instance(index=0, id="abc", host="local", runtime="docker", phase="Running", ready=True, ports={"http": 20001}),
        Instance(index=1, id="def", host="local", runtime="docker", phase="Exited", ready=False, exit_code=137),
    ),
    conditions=(Condition(type="Ready", status="False", reason="NotReady", message="é", last_transition_time=1.25),),
)


def event(time: float, message: str = "it ended", key: Key = WEB, reason: str = "Failed", count: int = 1) -> Event:
    return Event(time=time, type="Warning", reason=reason, key=key, message=message, count=count)


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "memory":
        yield Memory()
        return
    notes: list[str] = []
    diary = Diary(str(tmp_path / "home" / "diary.db"), notes.append)
    yield diary
    diary.close()
    assert notes == []


def test_a_new_store_knows_nothing(store: Store) -> None:
    assert (store.journal("shop"), store.events(), store.payload("f"), store.statuses()) == ({}, [], None, {})


def test_records_are_kept_by_namespace_and_forgotten_on_none(store: Store) -> None:
    store.write_journal({WEB.instance(1): RECORD, DB: Record(), ELSEWHERE: Record(restarts=1)})

    assert store.journal("shop") == {DB: Record(), WEB.instance(1): RECORD}
    assert list(store.journal("shop")) == [DB, WEB.instance(1)]

    store.write_journal({WEB.instance(1): None, DB: RECORD, WEB: None})

    assert store.journal("shop") == {DB: RECORD}
    assert store.journal("other") == {ELSEWHERE: Record(restarts=1)}


def test_a_repeated_event_tells_when_it_began_and_when_it_was_last(store: Store) -> None:
    store.add_events([event(10.0), event(400.0, "another")])
    store.add_events([event(70.0)])
    store.add_events([event(190.0)])
    told = [(item.began, item.time, item.count) for item in store.events()]
    assert told == [(10.0, 190.0, 3), (400.0, 400.0, 1)]


def test_statuses_come_back_whole(store: Store) -> None:
    store.write_statuses({WEB: STATUS, ELSEWHERE: Status()})

    assert store.statuses() == {ELSEWHERE: Status(), WEB: STATUS}
    assert store.statuses("shop") == {WEB: STATUS}

    store.write_statuses({WEB: None})

    assert store.statuses("shop") == {}


def test_payloads_are_kept_and_the_oldest_go(store: Store) -> None:
    store.write_payloads({"first": "{}", "second": '{"a":1}'})
    store.write_payloads({"first": '{"b":2}'})
    store.write_payloads({f"f{i}": "{}" for i in range(PAYLOADS_KEPT - 1)})

    assert store.payload("first") == '{"b":2}'
    assert store.payload("second") is None
    assert store.payload("f0") == "{}"


def test_events_are_told_oldest_first_and_the_latest_when_limited(store: Store) -> None:
    store.add_events([event(3, "c"), event(1, "a"), event(2, "b")])

    assert [one.message for one in store.events()] == ["a", "b", "c"]
    assert [one.message for one in store.events(limit=2)] == ["b", "c"]
    assert store.events(limit=0) == []


def test_a_resource_s_key_covers_its_instances(store: Store) -> None:
    first, second = WEB.instance(0), WEB.instance(1)
    store.add_events(
        [event(1, key=WEB), event(2, key=first), event(3, key=second), event(4, key=DB), event(5, key=ELSEWHERE)]
    )

    assert [one.key for one in store.events(key=WEB)] == [WEB, first, second]
    assert [one.key for one in store.events(key=second)] == [second]
    assert [one.key for one in store.events(namespace="shop")] == [WEB, first, second, DB]
    assert store.events(namespace="other", key=WEB) == []


def test_the_same_within_an_hour_is_counted_up(store: Store) -> None:
    store.add_events([event(0)])
    store.add_events([event(3600), event(3700, reason="Killed"), event(3800, "else"), event(3900, key=DB)])
    store.add_events([event(7200)])

    same = [one for one in store.events() if (one.reason, one.key, one.message) == ("Failed", WEB, "it ended")]
    assert [(one.time, one.count) for one in same] == [(7200, 3)]
    assert len(store.events()) == 4


def test_the_same_after_more_than_an_hour_is_told_anew(store: Store) -> None:
    store.add_events([event(0)])
    store.add_events([event(3600.5)])

    assert [(one.time, one.count) for one in store.events()] == [(0, 1), (3600.5, 1)]


def test_the_oldest_events_go_when_there_are_too_many(store: Store) -> None:
    store.add_events([event(i, f"number {i}") for i in range(EVENTS_KEPT)])
    store.add_events([event(EVENTS_KEPT + i, f"late {i}") for i in range(5)])

    kept = store.events(limit=2 * EVENTS_KEPT)
    assert len(kept) == EVENTS_KEPT
    assert kept[0].message == "number 5"
    assert kept[-1].message == "late 4"


def test_text_that_is_no_unicode_does_not_stop_an_event(store: Store) -> None:
    store.add_events([event(1, "no such file: \udcff\x00\x1b[31m")])

    assert store.events()[0].message.startswith("no such file: ")


EVENTS = st.builds(
    event,
    st.integers(0, 20).map(lambda step: step * 600.0),
    st.sampled_from(["a", "b"]),
    st.sampled_from([WEB, WEB.instance(0), DB, ELSEWHERE]),
    count=st.integers(1, 3),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.lists(EVENTS, max_size=6), max_size=6))
def test_the_twins_tell_the_same_story(tmp_path_factory: pytest.TempPathFactory, batches: list[list[Event]]) -> None:
    """Whatever the order in which events come."""
    memory, diary = Memory(), Diary(str(tmp_path_factory.mktemp("twins") / "diary.db"), pytest.fail)
    for batch in batches:
        memory.add_events(batch)
        diary.add_events(batch)

    assert diary.events() == memory.events()
    assert diary.events(key=WEB) == memory.events(key=WEB)
    diary.close()
