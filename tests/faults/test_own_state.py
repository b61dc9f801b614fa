"""What befalls the daemon's own process and its state while it keeps a world as declared: it is killed, its disk is
full, its diary is lost, the clock is moved. Each thing is begun as often as it had to be, and never once more.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Container, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests import warm
from tests.faults.oracle import Oracle
from tests.faults.test_diary import directory, link_to_nothing, nothing_but_noise, text
from tests.scenarios.daemon import Daemon
from tests.scenarios.documents import box, native_server, shell
from tests.scenarios.proc import read
from tests.scenarios.stage import Document, Stage, eventually
from tests.waiting import PATIENCE

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
AT_ONCE = {"initialSeconds": 0, "maxSeconds": 0}
"""What a test kills again and again is not left alone for it."""
YEAR = 365 * 86400


@pytest.fixture
def oracle(stage: Stage) -> Iterator[Oracle]:
    it = Oracle(Daemon(stage))
    yield it
    it.daemon.kill()


class World:
    """Services that leave a line wherever they begin: what really began, whoever says what of it."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.place = stage.directory / "began"
        self.place.mkdir()

    def process(self, name: str, then: str = "exec sleep 100000", **spec: object) -> Document:
        return shell(name, f"echo {name} >> {self.place}/{name}; {then}", **{"restart": AT_ONCE, **spec})

    def container(self, name: str, **spec: object) -> Document:
        count = {"hostPath": str(self.place), "mountPath": "/began"}
        begin = f"echo {name} >> /began/{name}; exec sleep 100000"
        return box(name, "sh", "-c", begin, **{"volumes": [count], "restart": AT_ONCE, **spec})

    def begun(self) -> Counter[str]:
        return Counter({path.name: len(path.read_text().split()) for path in self.place.iterdir()})

    def runs(self, name: str) -> bool:
        """In one piece, and not in two."""
        if (self.place / name).exists() and self.is_container(name):
            return bool(self.stage.container(name)["State"]["Running"])
        return self.stage.process(name).alive

    def is_container(self, name: str) -> bool:
        return self.stage.name(name) in self.stage.containers()

    def all_run(self, expected: Counter[str], *, only: Container[str] | None = None) -> None:
        """And each has begun just as often as expected."""
        eventually(lambda: self.begun() >= expected and all(map(self.runs, expected)), f"{expected} began", PATIENCE)
        assert Counter({name: n for name, n in self.begun().items() if only is None or name in only}) == expected

    # -- how they are hurt

    def killed(self, name: str) -> None:
        process = self.stage.process(name)
        process.signal(signal.SIGKILL)
        eventually(lambda: not process.alive, "it is dead, and perhaps there is another one by now")

    def lost(self, name: str) -> None:
        """Dead, and with all that was known of it. Its parent may still be writing down how it ended."""
        self.killed(name)
        place = self.stage.home / "processes" / f"{self.stage.namespace}.{name}.0"

        def removed() -> bool:
            shutil.rmtree(place, ignore_errors=True)
            return not place.exists()

        eventually(removed, "nothing is left of it")

    def ended(self, name: str) -> None:
        """It may be running again before anybody looks."""

        def life() -> object:
            state = self.stage.container(name)["State"]
            return state["Running"] and state["StartedAt"]

        before = life()
        self.stage.signal(self.stage.name(name), "kill")
        eventually(lambda: life() != before, "it has ended", PATIENCE)

    def removed(self, name: str) -> None:
        self.stage.engine.remove(self.stage.name(name))


@pytest.fixture
def world(stage: Stage) -> World:
    return World(stage)


KILLS: list[tuple[str, str, str]] = [
    ("killed", "web", "loop.worker.turn"),
    ("killed", "web", "loop.alarm.begun"),
    ("killed", "web", "process.start.before"),
    ("killed", "web", "process.service.launched"),
    ("killed", "web", "process.start.after"),
    ("killed", "web", "store.write.before"),
    ("killed", "web", "store.write.after"),
    ("killed", "web", "loop.pass.after"),
    ("lost", "web", "process.create.before"),
    ("lost", "web", "process.directory.made"),
    ("lost", "web", "process.labels.written"),
    ("lost", "web", "process.directory.filled"),
    ("lost", "web", "process.service.launched"),
    ("lost", "web", "process.create.after"),
    ("ended", "db", "docker.start.before"),
    ("ended", "db", "docker.container.started"),
    ("ended", "db", "docker.start.after"),
    ("removed", "db", "docker.create.before"),
    ("removed", "db", "docker.container.made"),
    ("removed", "db", "docker.container.started"),
    ("removed", "db", "docker.create.after"),
]


def test_F1_killed_at_each_effect_while_it_heals_the_next_one_goes_on(
    stage: Stage, world: World, oracle: Oracle
) -> None:
    stage.apply(world.process("web"), world.container("db"), world.process("calm"))
    calm, expected = stage.process("calm"), Counter(web=1, db=1, calm=1)
    world.all_run(expected)
    foreign = stage.intruder(f"{stage.namespace}-foreign", "sleep", "100000")
    bystander = stage.life(foreign)
    for hurt, name, point in KILLS:
        getattr(world, hurt)(name)
        expected[name] += 1
        assert killed_at(stage, point) == -signal.SIGKILL, point
        assert world.begun() <= expected, f"begun twice, when killed at {point}"
        stage.apply(world.process("web"), world.container("db"))
        world.all_run(expected)
    oracle.start()
    oracle.begin()
    oracle.check({})
    world.all_run(expected)
    assert (stage.process("calm"), stage.life(foreign)) == (calm, bystander)


def killed_at(stage: Stage, point: str) -> int:
    """The exit code of a daemon that gets so far and no further."""
    environment = {**stage.environment, "RECONCILER_FAILPOINTS": f"{point}=1*kill"}
    words = ("daemon", "run", "--resync", "1s")
    return warm.run(words, env=environment, cwd=stage.directory, seconds=PATIENCE).returncode


@pytest.mark.root
def test_F5_with_a_full_disk_it_goes_on_says_so_and_is_well_again_when_there_is_room(
    stage: Stage, world: World, oracle: Oracle
) -> None:
    stage.home.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m,nr_inodes=500,mode=700", "tmpfs", str(stage.home)], check=True
    )
    try:
        on_a_disk(stage, world, oracle)
    finally:
        oracle.daemon.kill()
        (stage.home / "ballast").unlink(missing_ok=True)
        stage.clear()
        subprocess.run(["umount", "--lazy", str(stage.home)], check=True)


def on_a_disk(stage: Stage, world: World, oracle: Oracle) -> None:
    stage.apply(world.process("web"), world.container("db"))
    expected = Counter(web=1, db=1)
    world.all_run(expected)
    pid = oracle.start("--resync", "1s")
    oracle.begin()
    fill(stage.home)
    world.ended("db")
    expected["db"] += 1
    world.all_run(expected)

    def is_told() -> bool:
        fill(stage.home)  # once more: a diary that is shut leaves some room
        for process in stage.processes("web"):
            process.signal(signal.SIGKILL)
        told = stage.cli("status")
        return "no space left" in (told.out + told.err).lower()

    eventually(is_told, "that it can't be started, and why", PATIENCE)
    assert "no space left" in stage.cli("daemon", "status", expect=1).out
    assert oracle.daemon.status()["pid"] == pid
    assert not stage.processes("web")
    expected["web"] = world.begun()["web"] + 1
    (stage.home / "ballast").unlink()
    world.all_run(expected)
    assert oracle.daemon.status() == {**oracle.daemon.status(), "pid": pid, "healthy": True}
    assert oracle.daemon.log.count("loop begun") == 1, "it never had to begin anew"
    eventually(lambda: oracle.deeds()["Start web/0"], "it is told", PATIENCE)
    oracle.begin()
    oracle.check({})
    if NIGHTLY:  # it looks for its diary's disk every half minute
        eventually(lambda: "can be used again" in oracle.daemon.log or oracle.quiet(1), "its diary goes on", PATIENCE)


def fill(home: Path) -> None:
    """To the last page, whoever else is writing meanwhile."""
    ballast = os.open(home / "ballast", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with contextlib.suppress(OSError):
        while True:
            os.write(ballast, bytes(4096))
    os.close(ballast)
    assert os.statvfs(home).f_bavail == 0


def shortened(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def emptied(file: Path) -> None:
    os.truncate(file, 0)


DAMAGES: list[Callable[[Path], None]] = [
    Path.unlink, shortened, emptied, nothing_but_noise, text, directory, link_to_nothing,
]  # fmt: skip


def test_F6_whatever_is_done_to_its_diary_under_it_what_dies_is_started_once_and_nothing_else_is(
    stage: Stage, world: World, oracle: Oracle
) -> None:
    pid = oracle.start("--resync", "1s")
    stage.apply(world.process("web"), world.container("db"))
    expected = Counter(web=1, db=1)
    world.all_run(expected)
    oracle.begin()
    for times, damage in enumerate(DAMAGES, start=1):
        damage(stage.home / "diary.db")
        world.killed("web")
        expected["web"] += 1
        world.all_run(expected)
        eventually(lambda times=times: oracle.deeds()["Start web/0"] == times, "and it is told", PATIENCE)
        assert "Traceback" not in stage.cli("events").err
    oracle.check({"Start web/0": len(DAMAGES)})
    assert oracle.daemon.status() == {**oracle.daemon.status(), "pid": pid, "healthy": True}
    assert "Traceback" not in oracle.daemon.log


def test_F6_F8_its_lock_and_socket_taken_away_it_begins_anew_and_of_two_one_is_left(
    stage: Stage, world: World, oracle: Oracle
) -> None:
    stage.apply(world.process("web"))
    pid = oracle.start("--resync", "1s")
    for times, name in enumerate(("api.sock", "daemon.lock"), start=2):
        (stage.home / name).unlink()
        eventually(lambda times=times: oracle.daemon.log.count("loop begun") == times, "it begins anew", PATIENCE)
        eventually(lambda: oracle.daemon.status() == {**oracle.daemon.status(), "pid": pid, "healthy": True}, "well")
    oracle.daemon.halt_at_rest(pid)
    (stage.home / "daemon.lock").unlink()
    other = oracle.start("--resync", "1s")
    os.kill(pid, signal.SIGCONT)
    eventually(lambda: read(pid) is None, "the one that lost its place has gone", PATIENCE)
    eventually(lambda: oracle.daemon.status() == {**oracle.daemon.status(), "pid": other, "healthy": True}, "well")
    world.killed("web")
    world.all_run(Counter(web=2))


def test_F8_of_ten_that_are_started_at_once_one_is_it_and_a_halted_one_stays_it(
    stage: Stage, world: World, oracle: Oracle
) -> None:
    stage.apply(world.process("web"))
    running = [stage.start_cli("daemon", "start", "--resync", "1s") for _ in range(10)]
    told = ["".join(one.communicate(timeout=PATIENCE)) for one in running]
    pid = oracle.daemon.status()["pid"]
    assert sum("daemon started" in said for said in told) == 1, told
    assert all(f"pid {pid}" in said for said in told), told
    oracle.daemon.halt_at_rest(pid)
    world.killed("web")
    again = stage.cli("daemon", "start", expect=None)
    assert f"pid {pid}" in again.out + again.err
    stage.apply(world.process("web"), world.process("new"))
    expected = Counter(web=2, new=1)
    world.all_run(expected)
    os.kill(pid, signal.SIGCONT)
    eventually(lambda: oracle.daemon.status()["healthy"], "it goes on")
    world.killed("new")
    world.all_run(expected + Counter(new=1))


MOVED = """
import time
def _moved(real, unit):
    def now():
        with open({path!r}) as file:
            return real() + unit(file.read())
    return now
time.time = _moved(time.time, float)
time.time_ns = _moved(time.time_ns, lambda text: int(float(text) * 1e9))
"""


class Clock:
    """That of one installation, beside the machine's: every interpreter that runs it begins with this."""

    def __init__(self, stage: Stage) -> None:
        self.file = stage.directory / "clock" / "ahead"
        self.file.parent.mkdir()
        self.set(0)
        (self.file.parent / "sitecustomize.py").write_text(MOVED.format(path=str(self.file)))
        stage.environment["PYTHONPATH"] = f"{self.file.parent}:{stage.environment.get('PYTHONPATH', '')}"

    def set(self, ahead: float) -> None:
        """In one step, as clocks are set."""
        new = self.file.with_name("new")
        new.write_text(str(ahead))
        new.rename(self.file)


def test_F10_a_clock_that_is_moved_by_a_year_stalls_nothing_and_hurries_nothing(
    stage: Stage, world: World, oracle: Oracle
) -> None:
    clock = Clock(stage)
    oracle.start("--resync", "1s")
    stage.apply(world.process("web"), world.container("db"), native_server("probed", probes=PROBED))
    crashing = world.process("crashing", "exit 1", restart={"initialSeconds": 1, "maxSeconds": 1})
    stage.apply(crashing, "--timeout", "1", expect=1)
    with ThreadPoolExecutor() as threads:
        for number, ahead in enumerate((-YEAR, YEAR, 0)):
            began, before = time.monotonic(), world.begun()
            slow = threads.submit(apply_slowly, stage, world, f"slow{number}")
            eventually(lambda name=f"slow{number}": world.begun()[name], "somebody waits for it", PATIENCE)
            clock.set(ahead)
            world.killed("web")
            world.ended("db")
            (world.place.parent / f"slow{number}.ready").touch()
            slow.result()
            stage.apply(world.process(f"after{number}", dependsOn=["web"]))
            world.all_run(Counter(web=before["web"] + 1, db=before["db"] + 1), only={"web", "db"})
            eventually(lambda last=before["crashing"]: world.begun()["crashing"] > last + 1, "it is tried", PATIENCE)
            assert world.begun()["crashing"] - before["crashing"] <= (time.monotonic() - began) / 0.85 + 3
    assert stage.status_of("probed")["readyReplicas"] == 1
    assert oracle.daemon.log.count("loop begun") == 1


PROBED = {"readiness": {"tcpSocket": {"port": "http"}, "periodSeconds": 1}}


def apply_slowly(stage: Stage, world: World, name: str) -> None:
    ready = {"exec": {"command": ["test", "-e", f"{world.place.parent}/{name}.ready"]}, "periodSeconds": 1}
    stage.write(world.process(name, probes={"readiness": ready}), name=f"{name}.yaml")
    stage.apply(stage.directory / f"{name}.yaml", "--timeout", str(int(PATIENCE)))
