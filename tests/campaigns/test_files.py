"""What campaigns keep in files, and whom they tell: nothing is run for this."""

from __future__ import annotations

import json
import socket
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.campaigns import notify
from reconciler.campaigns.reaper import left_on_purpose
from reconciler.campaigns.records import Busy, Records
from reconciler.campaigns.results import Results
from reconciler.core.campaign.manifest import Manifest, Run, State, to_tree
from reconciler.errors import ReconcilerError
from reconciler.kinds.campaign import Notify
from reconciler.model.key import Key

BENCH = Key("campaign", "lab", "bench")


def manifest(name: str) -> Manifest:
    return Manifest(namespace="lab", name=name, fingerprint="f", strategy="ephemeral", results="", begun_at=1.0)


def test_who_only_asks_whether_somebody_runs_it_is_not_taken_for_who_does(tmp_path: Path) -> None:
    """To ask takes the lock for a moment; a daemon and `campaign status` ask all the time."""
    asking, over = Records(str(tmp_path)), threading.Event()

    def ask() -> None:
        while not over.is_set():
            asking.attended(BENCH)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(60):
            with Records(str(tmp_path)).held(BENCH):
                assert asking.attended(BENCH)
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_who_comes_second_is_told_so(tmp_path: Path) -> None:
    with Records(str(tmp_path)).held(BENCH), pytest.raises(Busy, match="another command runs it"):
        Records(str(tmp_path)).held(BENCH).__enter__()


def test_a_campaign_that_was_only_cleared_up_after_is_none_that_was_begun(tmp_path: Path) -> None:
    records = Records(str(tmp_path))
    with records.held(BENCH):
        assert records.keys() == []
        records.save(BENCH, manifest("bench"))
    assert records.keys() == [BENCH]


@pytest.mark.parametrize("anew", [True, False])
def test_results_of_another_campaign_are_neither_written_over_nor_moved(tmp_path: Path, *, anew: bool) -> None:
    Results(str(tmp_path)).prepare(manifest("first"), anew=True)
    Results(str(tmp_path)).write(manifest("first"))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ReconcilerError, match="holds the results of campaign first"):
        Results(str(tmp_path)).prepare(manifest("second"), anew=anew)
    assert sorted(tmp_path.rglob("*")) == before


def test_who_answers_in_another_language_was_not_told_and_that_is_all() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(b"SSH-2.0-hello\r\n")

        threading.Thread(target=answer, daemon=True).start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/hush-hush"
        said = notify.tell(Notify(url=url), {"state": "completed"})
    assert said.startswith("nobody could be told at http://127.0.0.1: BadStatusLine")
    assert "hush-hush" not in said


@pytest.mark.parametrize(
    "wrong",
    [
        {"begun_at": "never"},
        {"name": None},
        {"runs": [3]},
        {"runs": [{"params": 3}]},
        {"runs": [{"attempts": "x"}]},
        {"runs": [{"result": {"deep": {}}}]},
        {"runs": [{"state": "lost"}]},
    ],
)
def test_of_a_manifest_that_was_edited_it_is_said_what_is_wrong(tmp_path: Path, wrong: dict[str, Any]) -> None:
    """It is read as a whole, or not at all: nobody stumbles over it half-way of a campaign."""
    records, one = Records(str(tmp_path)), Run(id="c1", index=1, cycle=1, params={"a": 1})
    tree = to_tree(replace(manifest("bench"), runs=(one,)))
    runs = [{**tree["runs"][0], **change} if isinstance(change, dict) else change for change in wrong.get("runs", [{}])]
    file = records.folder(BENCH) / "manifest.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({**tree, "runs": runs}))
    file.write_text(json.dumps({**tree, **wrong, "runs": runs}))
    with pytest.raises(ReconcilerError, match="its manifest can't be read") as caught:
        records.manifest(BENCH)
    assert "--restart" in caught.value.hint
    file.write_text(json.dumps(tree))
    assert records.manifest(BENCH)


@pytest.mark.parametrize(
    ("keeps", "state", "stays"),
    [(True, "pending", True), (True, "failed", True), (True, "running", False), (False, "pending", False)],
)
def test_what_somebody_was_told_stays_is_not_taken_away_by_the_next_one(
    tmp_path: Path, *, keeps: bool, state: str, stays: bool
) -> None:
    """With autoTeardown: false, after Ctrl-C too; but of who was killed in the middle of a run nothing stays."""
    records, run = Records(str(tmp_path)), Run(id="c1", index=1, cycle=1, params={}, state=State(state))
    with records.held(BENCH):
        records.save(BENCH, replace(manifest("bench"), keeps=keeps, runs=(run,)))
    assert left_on_purpose(records, BENCH) is stays
