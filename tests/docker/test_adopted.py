"""The record of what was adopted, as files: no engine is asked."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from reconciler.runtimes.docker.adopted import Adopted
from reconciler.runtimes.docker.endpoint import Endpoint

EVERYONE = [f"{number:064x}" for number in range(24)]


def record(home: Path) -> Adopted:
    """As each process has one of its own."""
    return Adopted(str(home / "adopted"), lambda: Endpoint("unix:///run/engine.sock"))


def test_who_is_adopted_while_others_are_adopted_and_removed_stays_on_record(tmp_path: Path) -> None:
    """A daemon drops what it has removed while a person adopts: neither writes away what the other has written."""
    record(tmp_path).add({identity: {} for identity in EVERYONE[::2]}, EVERYONE)

    def change(identity: str) -> None:
        mine = record(tmp_path)
        if identity in EVERYONE[::2]:
            mine.drop(identity)
        else:
            mine.add({identity: {"name": identity}}, EVERYONE)

    with ThreadPoolExecutor(len(EVERYONE)) as pool:
        list(pool.map(change, EVERYONE))
    assert record(tmp_path).read() == {identity: {"name": identity} for identity in EVERYONE[1::2]}


def test_of_who_is_gone_nothing_is_kept_and_what_was_never_there_is_no_reason_to_write(tmp_path: Path) -> None:
    mine = record(tmp_path)
    mine.drop(EVERYONE[0])
    assert not (tmp_path / "adopted").exists()
    mine.add({EVERYONE[0]: {}}, EVERYONE)
    mine.add({EVERYONE[1]: {}}, EVERYONE[1:])
    assert set(mine.read()) == {EVERYONE[1]}
