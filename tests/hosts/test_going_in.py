"""Into a process where nothing is found but busybox, and out again; and whether anybody notices that it has died."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from reconciler.archive import pack, unpack
from reconciler.errors import OutcomeUnknown, Refused
from reconciler.hosts.ssh import Ssh
from reconciler.model.key import Key
from reconciler.model.observed import INSTANCE, Observed, Phase
from reconciler.runtimes.remote.deaths import Deaths
from reconciler.runtimes.remote.reach import RemoteReach
from tests.machines.machine import Machine
from tests.waiting import until

pytestmark = pytest.mark.root
ODD = 'it\'s "odd"\nand $HOME `has` more\\n'
BEGIN = r"""
directory=$1/processes/shop.web.0
mkdir -p "$directory" && cd "$1" || exit 1
echo '{"id": "abc"}' > "$directory/labels.json"
printf 'one\ntwo\n' > "$directory/log"
ODD=$2 sleep 4444 >/dev/null 2>&1 </dev/null &
read -r stat < "/proc/$!/stat"
pid=$!
set -- ${stat##*) }
echo "$pid ${20} $(cat /proc/sys/kernel/random/boot_id) 1" > "$directory/pid"
echo "$pid"
"""
_count = itertools.count()


@dataclass(frozen=True)
class Service:
    host: Ssh
    state: str
    pid: str
    reach: RemoteReach
    seen: Observed


@pytest.fixture
def service(lasting: dict[str, Ssh], far: Machine) -> Iterator[Service]:
    host, state = lasting["sparse"], f"/home/sparse/going{next(_count)}"
    pid = host.run(["sh", "-c", BEGIN, "begin", state, ODD]).stdout.decode().strip()
    seen = Observed(
        id="abc", name="shop-web-0", kind=INSTANCE, runtime="process", host="far", key=Key("service", "shop", "web", 0),
        phase=Phase.RUNNING, pid=int(pid),
    )  # fmt: skip
    yield Service(host, state, pid, RemoteReach(host, state), seen)
    far.run("kill", "-9", pid, check=False)


def test_H3_a_command_is_in_the_surroundings_of_the_process(service: Service) -> None:
    reach, seen = service.reach, service.seen
    done = reach.run(seen, ["sh", "-c", 'printf "%s|" "$ODD" "$MORE"; pwd'], deadline=20, env={"MORE": "a'b\nc"})
    assert done.stdout.decode() == f"{ODD}|a'b\nc|{service.state}\n"
    assert reach.run(seen, ["sh", "-c", "exit 9"], deadline=20).exit_code == 9
    assert service.host.run(["ls", f"{service.state}/processes/shop.web.0"]).stdout.split() == [b"labels.json", b"log",
                                                                                               b"pid"]  # fmt: skip
    service.host.run(["kill", "-9", service.pid])
    with pytest.raises(Refused, match="does not run"):
        reach.run(seen, ["true"], deadline=20)


def test_H3_what_it_says_is_followed_to_its_end_and_files_go_both_ways(service: Service, tmp_path: Path) -> None:
    reach, seen, log = service.reach, service.seen, f"{service.state}/processes/shop.web.0/log"
    assert b"".join(reach.logs(seen, tail=1)) == b"two\n"
    assert b"".join(reach.logs(seen, since=4e9)) == b""
    pieces = reach.logs(seen, follow=True)
    assert next(piece for piece in pieces if piece) == b"one\ntwo\n"
    service.host.run(["sh", "-c", 'echo three >> "$1"', "say", log])
    assert next(piece for piece in pieces if piece) == b"three\n"
    service.host.run(["kill", "-9", service.pid])
    assert b"".join(pieces) == b"", "it is over"

    (tmp_path / "tree" / "sub").mkdir(parents=True)
    (tmp_path / "tree" / "sub" / "file").write_bytes(b"\0\xff" * 3_000_000)
    (tmp_path / "tree" / "link").symlink_to("sub")
    reach.deliver(seen, service.state, pack(str(tmp_path / "tree"), "-tree"))
    entry = reach.entry(seen, f"{service.state}/-tree/link")
    assert (entry.directory, entry.target) == (False, f"{service.state}/-tree/sub")
    assert reach.entry(seen, f"{service.state}/nothing") is None
    back = tmp_path / "back"
    back.mkdir()
    unpack(reach.fetch(seen, f"{service.state}/-tree"), str(back))
    assert (back / "-tree" / "sub" / "file").read_bytes() == (tmp_path / "tree" / "sub" / "file").read_bytes()
    assert (back / "-tree" / "link").is_symlink()
    with pytest.raises(Refused, match="nothing can be copied to /nowhere"):
        reach.deliver(seen, "/nowhere", pack(str(tmp_path / "tree"), "tree"))


def test_H14_a_death_is_told_at_once_and_who_watched_leaves_with_the_connection(service: Service, far: Machine) -> None:
    told: list[str] = []
    stopping = threading.Event()
    alarm = Deaths(service.host, service.state)
    watching = threading.Thread(target=alarm.watch, args=(told.append, stopping), daemon=True)
    watching.start()
    until(lambda: told == [""])
    service.host.run(["kill", "-9", service.pid])
    until(lambda: told == ["", "shop"])
    service.host.close()
    until(lambda: told == ["", "shop", ""])
    stopping.set()
    watching.join(30)
    assert not watching.is_alive()
    until(lambda: not any("watch" in line and service.state in line for line in far.processes()))


def test_what_a_command_writes_comes_as_it_is_written_and_its_end_is_not_made_up(service: Service) -> None:
    host = service.host
    with contextlib.closing(host.stream(["sh", "-c", "echo now; sleep 4444"])) as pieces:
        assert next(pieces) == b"now\n"
        host.close()
        with pytest.raises(OutcomeUnknown, match="was lost while sh ran"):
            next(pieces)
    assert b"".join(host.stream(["sh", "-c", "echo over"])) == b"over\n"
    with pytest.raises(Refused, match="sh failed on far: why"):
        list(host.stream(["sh", "-c", "echo why >&2; exit 1"]))
