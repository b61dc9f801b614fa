"""What a process on another host may use: by the shell here, in this machine's own cgroups, and in others that are mere
files.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.core.verdict import Matches, Replace, verdict
from reconciler.errors import Refused
from reconciler.model.desired import Desired, Limits, Stop
from reconciler.runtimes.remote import limiting
from tests.contract.elsewhere import Elsewhere
from tests.waiting import until

FEW = Limits(cpus=0.5, memory=64 << 20, pids=16)


@pytest.fixture
def there(home: Path, namespace: str) -> Iterator[Elsewhere]:
    made = Elsewhere(home, namespace)
    yield made
    for thing in made.runtime.observe().objects:
        made.runtime.stop(thing, Stop("KILL", 0))
        made.runtime.remove(thing)


def limited(there: Elsewhere, limits: Limits, *command: str) -> Desired:
    desired = there.desired(command=command or ("sleep", "1000"))
    return replace(desired, payload=replace(desired.payload, limits=limits))


@pytest.mark.root
@pytest.mark.skipif(not Elsewhere.limits, reason="there are no cgroups that we may make")
def test_H1_limits_hold_there_and_others_have_it_made_anew(there: Elsewhere) -> None:
    forks = "for i in 1 2 3 4 5 6 7 8 9; do for j in 1 2 3; do sleep 1000 & done; done; echo all"
    few = limited(there, FEW, "sh", "-c", forks)
    there.runtime.prepare(few)
    there.runtime.create(few)
    log = there.place(few) / "log"
    until(lambda: log.exists() and "ork" in log.read_text())
    assert "all" not in log.read_text(), "there is an end to what it may start"
    (one,) = there.runtime.observe().objects
    there.runtime.stop(one, Stop("KILL", 0))
    there.runtime.remove(one)

    seen = there.made(sleeping := limited(there, FEW))
    assert verdict(sleeping, seen) == Matches()
    assert verdict(limited(there, Limits(pids=17)), seen) == Replace(
        "cpus is 0.5, not unlimited and memory is 64 MiB, not unlimited and pids is 16, not 17"
    )
    groups = Path(f"/proc/{seen.pid}/cgroup").read_text()
    assert f"/reconciler/{limiting.group('owner-of-these-tests', there.place(few).name)}\n" in groups
    there.runtime.stop(seen, Stop("TERM", 5))
    there.runtime.remove(seen)
    assert [*Path("/sys/fs/cgroup").glob(f"*/reconciler/owner-of-{there.namespace}.*")] == []


def test_H21_what_cannot_be_limited_there_is_refused_with_its_reason(
    there: Elsewhere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = limiting.CHECK.replace("/sys/fs/cgroup", str(tmp_path))
    monkeypatch.setattr("reconciler.runtimes.remote.runtime.CHECK", "state=$1\n" + nowhere)
    with pytest.raises(Refused, match="local can't limit cpus: there is no cgroup"):
        there.runtime.prepare(limited(there, Limits(cpus=2)))
    there.runtime.prepare(limited(there, Limits()))


def test_limits_are_written_where_the_unified_hierarchy_has_them(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu io memory pids\n")
    (tmp_path / "cgroup.procs").touch()
    script = limiting.limiting(FEW, "me-shop.web.0").replace("/sys/fs/cgroup", str(tmp_path))
    subprocess.run(["sh", "-c", f"{script}\necho over"], check=True, stdout=subprocess.DEVNULL)
    group = tmp_path / "reconciler" / "me-shop.web.0"
    told = {path.name: path.read_text().strip() for path in group.iterdir()}
    assert told.pop("cgroup.procs").isdecimal()
    assert told == {"cpu.max": "50000 100000", "memory.max": str(64 << 20), "pids.max": "16"}
    assert (tmp_path / "reconciler" / "cgroup.subtree_control").read_text() == "+pids\n"
