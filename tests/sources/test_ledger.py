"""What is remembered of Sources: one turn at a time, whoever forgets one meanwhile."""

from __future__ import annotations

import threading
from contextlib import suppress
from os.path import samestat
from pathlib import Path

from reconciler.model.key import Key
from reconciler.sources.home import Home
from reconciler.sources.ledger import Ledger
from tests.waiting import until

KEY = Key("source", "shop", "specs")


def test_who_waited_for_a_lock_that_was_removed_does_not_share_his_turn(tmp_path: Path) -> None:
    ledger = Ledger(Home(str(tmp_path / "home")))
    inside, most, waiting = [0], [0], [0]
    go = threading.Event()

    def turn() -> None:
        waiting[0] += 1
        with ledger.turn(KEY):
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            go.wait(0.3)
            inside[0] -= 1

    with ledger.turn(KEY):
        first = threading.Thread(target=turn)
        first.start()
        until(lambda: waiting[0] == 1 and _opened(ledger) >= 2)
        ledger.forget(KEY)
        second = threading.Thread(target=turn)
        second.start()
        until(lambda: inside[0] == 1)
    for thread in (first, second):
        thread.join(10)
    assert most == [1]


def _opened(ledger: Ledger) -> int:
    """How many have that lock open."""
    lock = (ledger.folder(KEY) / "lock").stat()
    found = 0
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the descriptor that lists them, among others
            found += samestat(entry.stat(), lock)
    return found
