"""What a host's shell is told to do with processes, done by the shell here: no wire, and no machine, is needed."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.errors import OutcomeUnknown, ReconcilerError, Refused
from reconciler.hosts.local import LocalHost
from reconciler.model.desired import Desired, Package, Stop
from reconciler.model.observed import Observed, Phase
from reconciler.runtimes.remote import scripts
from reconciler.runtimes.remote.packages import RemotePackages
from reconciler.runtimes.remote.runtime import RemoteProcesses
from tests.core.build import graph, key, process, rendered
from tests.waiting import until

RENAMED = "printf 'x\\ny) Z 1' > /proc/$$/comm; echo renamed; while :; do sleep 0.1; done"
"""It takes a name of several lines, of which one reads like that of the dead."""


class There(RemoteProcesses):
    def __init__(self, state: Path) -> None:
        super().__init__(LocalHost(), "me", state=str(state))  # type: ignore[arg-type]
        self.state = state

    def the(self, name: str) -> Observed:
        view = self.observe()
        assert view.reachable, view.problem
        return next(thing for thing in view.objects if thing.key == key(name))

    def log(self, name: str) -> str:
        return (self.state / "processes" / f"shop.{name}.0" / "log").read_text()

    def begun(self, name: str, script: str, **env: str) -> Observed:
        self.create(wanted(name, script, **env))
        return self.the(name)


def wanted(name: str, script: str, **env: str) -> Desired:
    found = rendered(graph(process(name, command=("sh", "-c", script.replace("$", "$$")), env=env))).desired[key(name)]
    return replace(found, payload=replace(found.payload, working_dir="."))


@pytest.fixture
def there(tmp_path: Path) -> Iterator[There]:
    it = There(tmp_path / "state")
    yield it
    for thing in it.observe().objects:
        if thing.pid and thing.phase is Phase.RUNNING:
            os.killpg(thing.pid, signal.SIGKILL)


def test_a_service_knows_nothing_of_how_we_came(there: There, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSH_CLIENT", "SSH_CONNECTION", "LC_ALL"):
        monkeypatch.setenv(name, "C")
    before = os.umask(0o077)
    try:
        there.begun("api", "umask; env; echo over; exec sleep 1000", GIVEN="yes")
    finally:
        os.umask(before)
    until(lambda: there.log("api").endswith("over\n"))
    mask, *env = there.log("api").splitlines()
    assert int(mask, 8) == 0o022
    assert "GIVEN=yes" in env
    assert [line for line in env if line.startswith(("SSH_", "LC_ALL"))] == []
    assert not (there.state / "processes" / "shop.api.0" / "run").exists(), "what it was told is not left on the disk"


def test_who_gives_itself_a_strange_name_still_lives(there: There) -> None:
    one = there.begun("api", RENAMED)
    until(lambda: there.log("api"))
    assert Path(f"/proc/{one.pid}/comm").read_text().startswith("x\ny) Z 1")
    assert there.the("api").phase is Phase.RUNNING
    there.create(wanted("api", RENAMED))
    assert there.the("api").pid == one.pid, "it is not begun a second time"


def test_what_cannot_be_read_is_not_empty(there: There) -> None:
    there.begun("api", "exec sleep 1000")
    processes = there.state / "processes"
    processes.rename(there.state / "away")
    processes.write_text("not a directory")
    view = there.observe()
    processes.unlink()
    (there.state / "away").rename(processes)
    assert (view.reachable, view.objects) == (False, ())
    assert there.the("api").phase is Phase.RUNNING


def test_the_list_is_the_same_where_no_program_reads_labels(there: There) -> None:
    """Of a directory with spaces, one whose labels are empty, in two lines, or no text at all, as of all others."""
    one = there.begun("api", "exec sleep 1000")
    for name, text in (("a b", b"{}"), ("empty", b""), ("long", b"{}\n{}\nlabels x"), ("odd", b"\0\xff\n")):
        (there.state / "processes" / name).mkdir()
        (there.state / "processes" / name / "labels.json").write_bytes(text)

    def listed(**env: str) -> list[str]:
        argv = ["/bin/sh", "-c", scripts.LIST, "look", there.state]
        text = subprocess.run(argv, env=env, capture_output=True, check=True).stdout.decode(errors="replace")
        head, *entries = text.removesuffix("end\n").split("= ")
        return [head, *sorted(entries)]

    told = listed(PATH=os.environ["PATH"])
    assert told == listed(PATH="/nowhere")
    assert [entry.split("\n")[0].removeprefix("processes ") for entry in told[1:]] == [
        "a b",
        "empty",
        "long",
        "odd",
        "shop.api.0",
    ]
    assert "\nlives\n" in told[-1]
    assert there.the("api").pid == one.pid


def test_whoever_it_left_behind_goes_with_it(there: There) -> None:
    one = there.begun("api", "sh -c 'trap \"\" TERM; while :; do sleep 0.1; done' & trap 'exit 3' TERM; echo ok; wait")
    until(lambda: there.log("api"))
    there.stop(one, Stop(grace_seconds=5))
    assert there.the("api").exit_code == 3
    until(lambda: not members(one.pid or 0))


def members(group: int) -> list[str]:
    """Who is alive in it."""
    stats = [text.rpartition(") ")[2].split() for path in Path("/proc").glob("[0-9]*/stat") if (text := slurped(path))]
    return [stat[0] for stat in stats if stat[2] == str(group) and stat[0] not in "ZX"]


def slurped(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""  # it has ended meanwhile


def test_nobody_who_has_the_number_by_now_is_hit(there: There) -> None:
    """The service has ended; its pid and that of its group are another one's."""
    one = there.begun("api", "exec sleep 1000")
    directory = there.state / "processes" / "shop.api.0"
    number, start, *rest = (directory / "pid").read_text().split()
    (directory / "pid").write_text(" ".join([number, str(int(start) - 1), *rest]) + "\n")

    there.stop(one, Stop(grace_seconds=1))
    there.remove(one)

    os.kill(one.pid or 0, 0)
    os.killpg(one.pid or 0, signal.SIGKILL)
    assert not directory.exists()


def test_by_default_nothing_lies_where_a_reconciler_at_home_there_has_its_own(tmp_path: Path) -> None:
    told = LocalHost().run(["env", f"XDG_STATE_HOME={tmp_path}", "sh", "-c", f"{scripts.COMMON}echo $state", "-", ""])
    assert told.stdout.decode().strip() not in {"", str(tmp_path / "reconciler")}


class Content:
    def archive(self) -> tuple[int, Iterator[bytes]]:
        return 10240, iter([bytes(10240)])


def test_H7_what_was_cut_off_on_its_way_does_not_pile_up(tmp_path: Path) -> None:
    package = Package(id="a" * 32, content=Content())  # type: ignore[arg-type]
    folder = tmp_path / "packages"
    folder.mkdir()
    for name in (f".{package.id}.cut", f".{package.id}.again", ".other.cut"):
        (folder / name).touch()
    with RemotePackages(LocalHost(), str(tmp_path)).ready(key("web"), package):
        assert {path.name for path in folder.iterdir()} == {package.id, ".other.cut"}


def test_a_start_of_which_nobody_ever_hears_becomes_one_that_failed(
    there: There, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it has its pauses, as all that fails; until then it may be no more than a bad line."""

    def lost(*_words: object, **_how: object) -> None:
        raise OutcomeUnknown("the connection was lost", hint="look")

    item = wanted("web", "exec sleep 100")
    with monkeypatch.context() as bad_line:
        bad_line.setattr(there, "_begin", lost)
        assert [ending(there, item) for _ in range(4)] == [OutcomeUnknown] * 2 + [Refused] * 2
    there.create(item)
    with monkeypatch.context() as bad_line:
        bad_line.setattr(there, "_begin", lost)
        assert ending(there, wanted("other", "exec sleep 100")) is OutcomeUnknown


def ending(there: There, item: Desired) -> type[ReconcilerError]:
    with pytest.raises(ReconcilerError) as raised:
        there.create(item)
    return raised.type
