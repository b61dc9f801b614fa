"""Keys that want a turn, and when: each once, in one pair of hands, and never forgotten."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from reconciler.engine.loop.queue import Queue
from reconciler.engine.loop.schedule import Schedule
from tests.waiting import until


def test_a_key_that_waits_already_is_not_queued_twice() -> None:
    queue: Queue[str] = Queue()
    for key in ("a", "b", "a"):
        queue.add(key)
    assert [queue.take(), queue.take()] == ["a", "b"]
    assert not queue._waiting


def test_a_key_that_is_at_work_has_another_turn_afterwards_and_not_before() -> None:
    queue: Queue[str] = Queue()
    queue.add("a")
    queue.take()
    queue.add("a")
    queue.add("b")
    assert queue.take() == "b"
    queue.done("a")
    assert queue._waiting, "or to take it would wait for ever"
    assert queue.take() == "a"


def test_a_key_that_is_done_without_being_added_again_rests() -> None:
    queue: Queue[str] = Queue()
    queue.add("a")
    assert queue.take() == "a"
    assert queue.alone("a")
    queue.done("a")
    assert queue.alone("anybody")


def test_whoever_waits_for_a_key_is_let_go_at_the_end() -> None:
    queue: Queue[str] = Queue()
    taken: list[object] = ["not yet"]
    thread = threading.Thread(target=lambda: taken.append(queue.take()), daemon=True)
    thread.start()
    queue.close()
    thread.join(30)
    assert taken == ["not yet", None]


def test_no_key_is_ever_in_two_pairs_of_hands_and_the_last_word_is_always_heard() -> None:
    """A wake-up that comes at any moment is followed by a turn that began after it."""
    queue: Queue[int] = Queue()
    at_work: Counter[int] = Counter()
    said: Counter[int] = Counter()
    heard: Counter[int] = Counter()
    overlaps: list[int] = []

    def work() -> None:
        while (key := queue.take()) is not None:
            at_work[key] += 1
            overlaps.extend([key] if at_work[key] > 1 else [])
            heard[key] = said[key]
            at_work[key] -= 1
            queue.done(key)

    with ThreadPoolExecutor(8) as pool:
        for _ in range(4):
            pool.submit(work)
        try:
            for number in range(20_000):
                said[number % 3] += 1
                queue.add(number % 3)
            until(lambda: heard == said)
        finally:
            queue.close()
    assert not overlaps


def test_who_is_not_due_yet_is_kept() -> None:
    now = 1.0
    schedule: Schedule[str] = Schedule(lambda: now)
    schedule.after("soon", 0)
    schedule.after("later", 1)
    assert schedule.next() == ["soon"]
    now = 2.0
    due: list[str] = []
    thread = threading.Thread(target=lambda: due.extend(schedule.next()), daemon=True)
    thread.start()
    thread.join(10)
    assert due == ["later"]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 100)), max_size=20))
def test_the_last_word_about_a_key_counts(words: list[tuple[str, float]]) -> None:
    now = 0.0
    schedule: Schedule[str] = Schedule(lambda: now)
    for key, seconds in words:
        schedule.after(key, seconds)
    expected = dict(words)
    while expected:
        now = min(expected.values())
        due = {key for key, moment in expected.items() if moment <= now}
        assert set(schedule.next()) == due
        expected = {key: moment for key, moment in expected.items() if key not in due}


def test_an_earlier_moment_set_while_one_sleeps_is_kept() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.after("late", 3600)
    due: list[str] = []
    thread = threading.Thread(target=lambda: due.extend(schedule.next()), daemon=True)
    thread.start()
    schedule.after("soon", 0.01)
    thread.join(30)
    assert due == ["soon"]
    schedule.close()
    assert schedule.next() == []
