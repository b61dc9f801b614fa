"""The prober: asks what is due, all at once, waits for nobody long, and knows one life of an instance from the next."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from reconciler.engine.probes.prober import CREW, Prober
from reconciler.kinds.probes import Exec, HttpGet, Log, Probe, Probes, TcpSocket
from reconciler.model.key import Key
from reconciler.model.observed import Health, Observed
from tests.engine import servers
from tests.engine.reach import LoopbackReach
from tests.engine.servers import saying, serving, unused_port
from tests.waiting import PATIENCE

NOW = 1000.0
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
WEB = Observed(
    id="a" * 64, name="shop-web-0", kind="service", runtime="process", key=Key("service", "shop", "web", 0),
    started_at=NOW, pid=100,
)  # fmt: skip


class HandClock:
    """Time stands still until it is moved."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


class Looking:
    """A prober, its clock, and the smallest world around it."""

    def __init__(self, patience: float = 2.0) -> None:
        self.clock = HandClock()
        self.reach = LoopbackReach()
        self.prober = Prober({"process": self.reach, "docker": self.reach}, self.clock, patience=patience)

    def at(
        self, time: float, *targets: tuple[Observed, Probes] | tuple[Observed, Probes, Mapping[str, int]]
    ) -> list[Health]:
        self.clock.time = time
        whole = [(target[0], target[1], target[2] if len(target) == 3 else {}) for target in targets]
        told = self.prober.look(whole, time)
        assert set(told) == {seen.id for seen, *_ in targets}
        return [told[seen.id] for seen, *_ in targets]


def tcp(port: int | str, **more: float) -> Probe:
    return Probe(tcp_socket=TcpSocket(port=port), **more)  # type: ignore[arg-type]


def command(*argv: str, **more: float) -> Probe:
    return Probe(exec=Exec(command=argv), **more)  # type: ignore[arg-type]


def eventually(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.01)


def test_K16_a_service_that_answers_is_ready_in_the_same_look() -> None:
    looking = Looking()
    with serving(saying(OK)) as port:
        (health,) = looking.at(NOW, (WEB, Probes(readiness=Probe(http_get=HttpGet(port="http"))), {"http": port}))

    assert health == Health(next_probe=NOW + 10, ready_since=NOW)


def test_who_is_watched_from_its_start_is_ready_since_its_answer_and_others_since_nobody_knows_when() -> None:
    probes = Probes(readiness=tcp("http", initial_delay_seconds=1.5))
    with serving(saying(OK)) as port:
        watched = Looking()
        watched.at(NOW + 1, (WEB, probes, {"http": port}))
        (soon,) = watched.at(NOW + 30, (WEB, probes, {"http": port}))
        (late,) = Looking().at(NOW + 30, (WEB, probes, {"http": port}))
    assert (soon.ready_since, late.ready_since) == (NOW + 30, NOW + 1.5)


def test_it_becomes_ready_when_it_begins_to_listen_and_says_what_is_wrong_until_then() -> None:
    looking, port = Looking(), unused_port()
    target = (WEB, Probes(readiness=tcp("http")), {"http": port})
    (before,) = looking.at(NOW, target)
    (too_soon,) = looking.at(NOW + 0.1, target)
    program = (
        f"import socket, sys; s = socket.create_server(('127.0.0.1', {port})); print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout
        child.stdout.readline()
        (after,) = looking.at(NOW + 0.2, target)
        child.communicate()

    unready = Health(ready=False, message=f"readiness probe: nothing listens on 127.0.0.1:{port}", next_probe=NOW + 0.2)
    assert before == too_soon == unready
    assert after == Health(next_probe=NOW + 10.2, ready_since=NOW + 0.2)


def test_only_what_is_due_is_asked() -> None:
    looking = Looking()
    target = (WEB, Probes(readiness=command("true"), liveness=command("true", initial_delay_seconds=30)))
    runs = []
    for later in (0, 1, 9.9, 10, 29, 30, 39.9, 40):
        looking.at(NOW + later, target)
        runs.append(looking.reach.runs)

    assert runs == [1, 1, 1, 2, 3, 4, 5, 6]


def test_many_are_asked_at_once() -> None:
    """Each takes 0.2 s; one after another they would take 12."""
    looking = Looking(patience=5)
    targets = [(replace(WEB, id=str(i)), Probes(readiness=command("sleep", "0.2"))) for i in range(CREW - 4)]
    started = time.monotonic()
    healths = looking.at(NOW, *targets)

    assert all(health.ready for health in healths)
    assert time.monotonic() - started < 10


def test_more_than_the_crew_can_ask_at_once_are_all_asked() -> None:
    looking = Looking(patience=20)
    targets = [(replace(WEB, id=str(i)), Probes(readiness=tcp(1, timeout_seconds=5))) for i in range(3 * CREW)]
    healths = looking.at(NOW, *targets)

    assert {health.message for health in healths} == {"readiness probe: nothing listens on 127.0.0.1:1"}


def test_one_that_hangs_holds_up_nobody_and_is_asked_once_at_a_time() -> None:
    """Faults row 34: at most one in flight, a hard deadline, others unaffected."""
    looking = Looking(patience=0.2)
    good, bad = replace(WEB, id="good"), replace(WEB, id="bad")
    with serving(servers.hang) as port:
        hanging = Probes(readiness=Probe(http_get=HttpGet(port=port), timeout_seconds=3))
        targets = ((good, Probes(readiness=command("true"))), (bad, hanging))
        first, pending = looking.at(NOW, *targets)
        again = looking.at(NOW, *targets)[1]
        eventually(lambda: not looking.prober._lives["bad"].asked)
        (told,) = looking.at(NOW, (bad, hanging))

    assert first.ready
    waiting = "readiness probe: waiting for its first answer"
    assert pending == again == Health(ready=False, known=False, message=waiting, next_probe=NOW + 0.2)
    assert told == Health(
        ready=False,
        message=f"readiness probe: GET http://127.0.0.1:{port}/: no answer in 3 s",
        next_probe=NOW + 0.2,
    )


def test_one_who_does_not_keep_his_deadline_counts_as_failed_and_is_not_asked_a_second_time() -> None:
    looking = Looking(patience=0.05)
    looking.reach.hang = threading.Event()
    target = (WEB, Probes(liveness=command("true", timeout_seconds=0.1, period_seconds=1, failure_threshold=3)))
    looking.at(NOW, target)
    eventually(lambda: looking.at(NOW, target)[0].message == "liveness probe: no answer in 0.1 s")
    healths = [looking.at(NOW + later, target)[0] for later in (1.0, 2.0)]

    assert looking.reach.runs == 1
    assert [health.live for health in healths] == [True, False]
    assert healths[1].message == (
        "liveness probe has failed 3 times in a row: no answer in 0.1 s; an earlier question still hangs"
    )
    looking.reach.hang.set()


def test_liveness_that_fails_for_good_is_forgiven_by_a_new_start_only() -> None:
    looking = Looking()
    sick = Probes(liveness=command("false", failure_threshold=1))
    (dead,) = looking.at(NOW, (WEB, sick))
    (still,) = looking.at(NOW + 100, (WEB, sick))
    (fresh,) = looking.at(NOW + 101, (replace(WEB, started_at=NOW + 100.5, pid=101), Probes(liveness=command("true"))))

    assert not dead.live
    assert dead.message == "liveness probe: exit code 1"
    assert dead.next_probe is None
    assert not still.live
    assert fresh.live
    assert looking.reach.runs == 2


def test_a_new_id_and_a_new_start_and_a_new_pid_are_asked_anew() -> None:
    looking = Looking()
    spec = Probes(startup=command("true"))
    container = replace(WEB, runtime="docker", pid=None)
    looking.at(NOW, (container, spec))
    looking.at(NOW + 5, (container, spec))
    assert looking.reach.runs == 1

    looking.at(NOW + 6, (replace(container, id="another"), spec))
    assert looking.reach.runs == 2
    looking.at(NOW + 9, (replace(container, id="another", started_at=NOW + 8), spec))
    assert looking.reach.runs == 3
    looking.at(NOW + 10, (replace(WEB, id="another", pid=7), spec))
    looking.at(NOW + 11, (replace(WEB, id="another", pid=8), spec))
    assert looking.reach.runs == 4


def test_a_start_time_that_wanders_is_not_a_new_start() -> None:
    """From "Up 2 minutes" all that follows is a start in some minute; it moves as time goes by."""
    looking = Looking()
    spec = Probes(startup=command("true"))
    for later in (121, 150, 179, 180, 239, 3700, 5000):
        age = later // 60 * 60 if later < 3600 else 3600
        seen = replace(WEB, runtime="docker", pid=None, started_at=NOW + later - age)
        (health,) = looking.at(NOW + later, (seen, spec))
        assert health.started

    assert looking.reach.runs == 1


def test_who_is_not_there_any_more_is_forgotten_but_not_by_a_look_at_another_namespace() -> None:
    looking = Looking()
    other = replace(WEB, id="other", key=Key("service", "blog", "web", 0))
    spec = Probes(startup=command("true"))
    looking.at(NOW, (WEB, spec))
    looking.at(NOW + 1, (other, spec))
    looking.at(NOW + 2, (WEB, spec))
    assert looking.reach.runs == 2

    looking.at(NOW + 3, (replace(WEB, id="successor"), spec))
    looking.at(NOW + 4, (WEB, spec))
    assert looking.reach.runs == 4


def test_a_changed_probe_is_asked_anew_and_the_others_keep_their_answers() -> None:
    looking = Looking()
    looking.at(NOW, (WEB, Probes(startup=command("true"), readiness=command("true"))))
    looking.at(NOW + 1, (WEB, Probes(startup=command("true"), readiness=command("true"))))
    assert looking.reach.runs == 2
    (health,) = looking.at(NOW + 2, (WEB, Probes(startup=command("true"), readiness=command("false"))))

    assert looking.reach.runs == 3
    assert health.started
    assert not health.ready


def test_a_log_line_found_once_stays_found() -> None:
    looking = Looking()
    target = (WEB, Probes(readiness=Probe(log=Log(pattern="^listening"))))
    assert not looking.at(NOW, target)[0].ready
    looking.reach.output = [b"listening on 80\n"]
    assert looking.at(NOW + 1, target)[0].ready
    looking.reach.output = []
    for later in (11, 22, 33, 44):
        assert looking.at(NOW + later, target)[0].ready

    assert looking.reach.log_reads == 2


def test_a_defect_in_one_probe_is_that_instance_s_alone() -> None:
    looking = Looking()
    broken = replace(WEB, id="broken")
    healths = looking.at(
        NOW, (broken, Probes(readiness=Probe(log=Log(pattern="(")))), (WEB, Probes(readiness=command("true")))
    )

    assert healths[1].ready
    assert not healths[0].ready
    assert "unterminated" in healths[0].message


def test_a_runtime_that_is_not_there_proves_nothing() -> None:
    looking = Looking()
    elsewhere = replace(WEB, runtime="swarm")
    (health,) = looking.at(NOW, (elsewhere, Probes(liveness=command("true", failure_threshold=1))))

    assert health.live
    assert health.message == "liveness probe: no swarm runtime here"


def test_several_may_look_at_once() -> None:
    looking = Looking()
    spec = Probes(startup=command("true"))
    found: list[dict[str, Health]] = []

    def look(namespace: str) -> None:
        for i in range(20):
            seen = replace(WEB, id=f"{namespace}{i % 5}", key=Key("service", namespace, "web", i % 5))
            found.append(looking.prober.look([(seen, spec, {})], NOW))

    threads = [threading.Thread(target=look, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 80
    assert all(health.started for told in found for health in told.values())


def test_once_asks_everything_now_and_remembers_nothing() -> None:
    looking = Looking()
    slow = command("true", initial_delay_seconds=3600, success_threshold=5)
    targets = [
        (replace(WEB, id="well"), Probes(startup=slow, readiness=slow, liveness=slow), {}),
        (replace(WEB, id="not ready"), Probes(readiness=command("false")), {}),
        (replace(WEB, id="not started"), Probes(startup=command("sh", "-c", "exit 4"), readiness=command("true")), {}),
        (replace(WEB, id="not well"), Probes(liveness=command("false", failure_threshold=1)), {}),
    ]
    told = looking.prober.ask_once(targets, NOW)

    assert looking.reach.runs == 6, "liveness that is to be asked in an hour is left to the others"
    assert told == {
        "well": Health(),
        "not ready": Health(ready=False, message="readiness probe: exit code 1"),
        "not started": Health(started=False, ready=False, message="startup probe: exit code 4"),
        "not well": Health(ready=False, message="liveness probe: exit code 1"),
    }
    looking.prober.ask_once(targets[:1], NOW)
    assert looking.reach.runs == 8


def test_once_does_not_wait_for_ever() -> None:
    looking = Looking()
    target = (WEB, Probes(readiness=command("sleep", "8", timeout_seconds=60)), {})
    started = time.monotonic()
    told = looking.prober.ask_once([target], NOW, patience=0.3)

    assert time.monotonic() - started < 6
    assert told == {WEB.id: Health(ready=False, message="readiness probe: no answer in 0.3 s")}


def test_a_question_that_hangs_does_not_keep_the_program_alive() -> None:
    program = """
from reconciler.engine.probes.prober import Prober
from reconciler.kinds.probes import Probe, Probes, TcpSocket
from reconciler.model.observed import Observed
import time

class Hanging:
    def address(self, *_):
        time.sleep(60)

class Clock:
    now = staticmethod(time.time)

prober = Prober({"process": Hanging()}, Clock())
seen = Observed(id="1", name="x", kind="service", runtime="process")
print(prober.look([(seen, Probes(readiness=Probe(tcp_socket=TcpSocket(port=1))), {})], time.time())["1"].ready)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=True)

    assert ran.stdout == "False\n"


def test_asking_leaves_no_descriptor_and_no_thread_behind() -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    looking = Looking()
    with serving(saying(OK)) as port:
        for i in range(30):
            looking.at(NOW + 10 * i, (WEB, Probes(readiness=Probe(http_get=HttpGet(port=port)), liveness=tcp(port))))

    assert len(os.listdir("/proc/self/fd")) <= before + 2  # noqa: PTH208
    eventually(lambda: not [t for t in threading.enumerate() if t.name == "probe"])
